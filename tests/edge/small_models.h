#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "hat/base/rng.h"
#include "hat/edge/model.h"
#include "hat/edge/model_file.h"
#include "hat/edge/translator.h"

namespace hat::edge::testing {

/// A network with a different size in every place that may differ.
inline arch::Architecture uneven_architecture() {
  arch::Architecture a;
  a.encoder_embed_dim = 40;
  a.encoder = {{72, 2, 48}, {33, 3, 36}, {64, 4, 32}};
  a.decoder_embed_dim = 40;
  a.decoder = {{50, 2, 32, 3, 48, 1}, {96, 4, 64, 1, 20, 2}, {64, 1, 17, 2, 32, 3}};
  return a;
}

inline ModelSpec small_spec(arch::Precision precision = arch::Precision::kInt8) {
  ModelSpec spec;
  spec.architecture = uneven_architecture();
  spec.vocabulary = {70, 70};
  spec.options.max_positions = 64;
  spec.precision = precision;
  return spec;
}

inline std::shared_ptr<const Model> small_model(const ModelSpec& spec, uint64_t seed = 5) {
  return Model::from_bytes(build_model(spec, random_tensor_source(spec, seed)), "small model");
}

inline std::vector<Request> random_requests(int count, int vocabulary, uint64_t seed) {
  Rng rng(seed, "requests");
  std::vector<Request> requests;
  for (int i = 0; i < count; ++i) {
    Request request;
    const auto length = 1 + rng.below(12);
    for (uint64_t t = 0; t < length; ++t)
      request.source.push_back(4 +
                               static_cast<int>(rng.below(static_cast<uint64_t>(vocabulary - 4))));
    request.source.push_back(2);
    requests.push_back(std::move(request));
  }
  return requests;
}

inline TranslateOptions short_options(int beam = 4) {
  TranslateOptions options;
  options.beam = beam;
  options.n_best = beam;
  options.max_length_b = 14;
  return options;
}

inline bool same(const std::vector<Hypothesis>& a, const std::vector<Hypothesis>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].tokens != b[i].tokens || a[i].score != b[i].score ||
        a[i].positional_scores != b[i].positional_scores || a[i].alignment != b[i].alignment)
      return false;
  }
  return true;
}

/// Content of a SentencePiece .model: the four special pieces, then the given ones (unigram, equal
/// scores but longer is better).
inline std::string tiny_tokenizer(const std::vector<std::string>& pieces) {
  const auto varint = [](uint32_t value) {
    std::string out;
    for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
    return out + static_cast<char>(value);
  };
  const auto field = [&](int number, const std::string& content) {
    return varint(static_cast<uint32_t>(number << 3 | 2)) +
           varint(static_cast<uint32_t>(content.size())) + content;
  };
  std::string model;
  const auto add = [&](const std::string& piece, float score, int type) {
    std::string entry = field(1, piece);
    entry += static_cast<char>(2 << 3 | 5);
    char bytes[4];
    std::memcpy(bytes, &score, 4);
    entry.append(bytes, 4);
    entry += static_cast<char>(3 << 3);
    entry += static_cast<char>(type);
    model += field(1, entry);
  };
  add("<s>", 0, 3);
  add("<pad>", 0, 3);
  add("</s>", 0, 3);
  add("<unk>", 0, 2);
  for (const auto& piece : pieces) add(piece, -1.0f / static_cast<float>(piece.size()), 1);
  std::string trainer;
  const auto number = [&](int id, uint32_t value) {
    trainer += varint(static_cast<uint32_t>(id << 3)) + varint(value);
  };
  number(3, 1);   // unigram
  number(40, 3);  // unk
  number(41, 0);  // bos
  number(42, 2);  // eos
  number(43, 1);  // pad
  model += field(2, trainer);
  model += field(3, field(1, "identity"));
  return model;
}

/// Letters, and a few words, for a vocabulary of 70.
inline std::string letter_tokenizer() {
  std::vector<std::string> pieces = {"\xe2\x96\x81"};
  for (char c = 'a'; c <= 'z'; ++c) pieces.push_back(std::string(1, c));
  for (char c = 'a'; c <= 'z'; ++c) pieces.push_back("\xe2\x96\x81" + std::string(1, c));
  pieces.insert(pieces.end(), {"the", "\xe2\x96\x81the", "ing", "."});
  return tiny_tokenizer(pieces);
}

}  // namespace hat::edge::testing
