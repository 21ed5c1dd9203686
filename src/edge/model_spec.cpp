#include <algorithm>
#include <cmath>
#include <memory>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/edge/model_file.h"

namespace hat::edge {
namespace {

using Requests = std::vector<TensorRequest>;

void add_linear(Requests& out, const std::string& name, int64_t rows, int64_t cols) {
  out.push_back({name + ".weight", {rows, cols}});
  out.push_back({name + ".bias", {rows}});
}

void add_norm(Requests& out, const std::string& name, int64_t width) {
  out.push_back({name + ".weight", {width}});
  out.push_back({name + ".bias", {width}});
}

void add_self_attention(Requests& out, const std::string& name, int64_t width, int64_t qkv) {
  out.push_back({name + ".in_proj_weight", {3 * qkv, width}});
  out.push_back({name + ".in_proj_bias", {3 * qkv}});
  add_linear(out, name + ".out_proj", width, qkv);
}

void add_cross_attention(Requests& out, const std::string& name, int64_t encoder_width,
                         int64_t width, int64_t qkv) {
  if (encoder_width == width) {
    out.push_back({name + ".in_proj_weight", {3 * qkv, width}});
  } else {
    out.push_back({name + ".q_proj_weight", {qkv, width}});
    out.push_back({name + ".k_proj_weight", {qkv, encoder_width}});
    out.push_back({name + ".v_proj_weight", {qkv, encoder_width}});
  }
  out.push_back({name + ".in_proj_bias", {3 * qkv}});
  add_linear(out, name + ".out_proj", width, qkv);
}

void add_feed_forward(Requests& out, const std::string& name, int64_t width, int64_t ffn) {
  add_linear(out, name + ".fc1", ffn, width);
  add_linear(out, name + ".fc2", width, ffn);
  add_norm(out, name + ".final_layer_norm", width);
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Fills with uniform values of the given half width; two floats from each 64 random bits.
void fill_uniform(std::vector<float>& values, Rng& rng, float half_width) {
  const float step = half_width / 8388608.0f;  // 2^23: 24-bit signed integers
  size_t i = 0;
  while (i < values.size()) {
    const uint64_t bits = rng.next();
    values[i++] = step * static_cast<float>(static_cast<int32_t>(bits >> 40) - 8388608);
    if (i == values.size()) break;
    values[i++] = step * static_cast<float>(static_cast<int32_t>((bits >> 8) & 0xffffff) - 8388608);
  }
}

}  // namespace

std::vector<TensorRequest> required_tensors(const ModelSpec& spec) {
  const auto& architecture = spec.architecture;
  const int64_t encoder_width = architecture.encoder_embed_dim;
  const int64_t decoder_width = architecture.decoder_embed_dim;
  using Embeddings = arch::ModelOptions::Embeddings;
  Requests out;
  if (spec.options.embeddings == Embeddings::kShared) {
    out.push_back({"encoder.embed_tokens.weight",
                   {spec.vocabulary.target, std::max(encoder_width, decoder_width)}});
  } else {
    out.push_back({"encoder.embed_tokens.weight", {spec.vocabulary.source, encoder_width}});
    out.push_back({"decoder.embed_tokens.weight", {spec.vocabulary.target, decoder_width}});
    if (spec.options.embeddings == Embeddings::kSeparate)
      out.push_back({"decoder.embed_out", {spec.vocabulary.target, decoder_width}});
  }
  for (size_t i = 0; i < architecture.encoder.size(); ++i) {
    const auto& layer = architecture.encoder[i];
    const std::string name = str("encoder.layers.", i);
    add_self_attention(out, name + ".self_attn", encoder_width, layer.qkv_dim);
    add_norm(out, name + ".self_attn_layer_norm", encoder_width);
    add_feed_forward(out, name, encoder_width, layer.ffn_dim);
  }
  for (size_t i = 0; i < architecture.decoder.size(); ++i) {
    const auto& layer = architecture.decoder[i];
    const std::string name = str("decoder.layers.", i);
    add_self_attention(out, name + ".self_attn", decoder_width, layer.self_qkv_dim);
    add_norm(out, name + ".self_attn_layer_norm", decoder_width);
    add_cross_attention(out, name + ".encoder_attn", encoder_width, decoder_width,
                        layer.cross_qkv_dim);
    add_norm(out, name + ".encoder_attn_layer_norm", decoder_width);
    add_feed_forward(out, name, decoder_width, layer.ffn_dim);
  }
  if (spec.options.pre_norm) {
    add_norm(out, "encoder.layer_norm", encoder_width);
    add_norm(out, "decoder.layer_norm", decoder_width);
  }
  return out;
}

TensorSource random_tensor_source(const ModelSpec& spec, uint64_t seed) {
  auto requests = std::make_shared<Requests>(required_tensors(spec));
  auto values = std::make_shared<std::vector<float>>();
  return [requests, values, seed](const std::string& name) {
    const auto found = std::find_if(requests->begin(), requests->end(),
                                    [&](const TensorRequest& r) { return r.name == name; });
    HAT_CHECK(found != requests->end(), ErrorKind::kInternal, "no tensor named " + name);
    size_t count = 1;
    for (const int64_t dimension : found->shape) count *= static_cast<size_t>(dimension);
    values->assign(count, 0.0f);
    if (found->shape.size() == 2) {
      // Xavier (Glorot and Bengio 2010) for linear layers; variance 1 / width for word tables.
      const bool table = name.find("embed") != std::string::npos;
      const double fan = table ? 0.5 * static_cast<double>(found->shape[1])
                               : 0.5 * static_cast<double>(found->shape[0] + found->shape[1]);
      Rng rng(mix_seed(seed, hash64(name)));
      fill_uniform(*values, rng, static_cast<float>(std::sqrt((table ? 1.5 : 3.0) / fan)));
    } else if (ends_with(name, "norm.weight")) {
      std::fill(values->begin(), values->end(), 1.0f);
    }
    return TensorView{*values, found->shape};
  };
}

Shortlist fixed_shortlist(const arch::Vocabulary& vocabulary, int words) {
  HAT_CHECK(
      words >= 4 && words <= vocabulary.target, ErrorKind::kUsage,
      str("a shortlist of ", words, " words does not fit a vocabulary of ", vocabulary.target),
      "at least 4 words, at most the target vocabulary");
  Shortlist list;
  list.offsets.assign(static_cast<size_t>(vocabulary.source) + 1, 0);
  // Spread over the table, so that gathering rows costs what it costs in reality.
  for (int i = 0; i < words; ++i) {
    list.always.push_back(
        i < 4 ? i
              : static_cast<int32_t>(int64_t{4} +
                                     (int64_t{i} - 4) * (vocabulary.target - 4) / (words - 4)));
  }
  return list;
}

}  // namespace hat::edge
