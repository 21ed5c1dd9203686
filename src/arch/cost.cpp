#include "hat/arch/cost.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::arch {
namespace {

/// Calls visit(rows, columns, has_bias) for every weight matrix, word tables left out.
template <class Visit>
void for_each_matrix(const Architecture& a, Visit visit) {
  const int64_t e = a.encoder_embed_dim;
  const int64_t d = a.decoder_embed_dim;
  for (const EncoderLayer& l : a.encoder) {
    visit(3 * l.qkv_dim, e, true);
    visit(e, l.qkv_dim, true);
    visit(l.ffn_dim, e, true);
    visit(e, l.ffn_dim, true);
  }
  for (const DecoderLayer& l : a.decoder) {
    visit(3 * l.self_qkv_dim, d, true);
    visit(d, l.self_qkv_dim, true);
    visit(l.cross_qkv_dim, d, true);
    visit(2 * l.cross_qkv_dim, e, true);
    visit(d, l.cross_qkv_dim, true);
    visit(l.ffn_dim, d, true);
    visit(d, l.ffn_dim, true);
  }
}

int64_t norm_parameters(const Architecture& a, const ModelOptions& options) {
  const int64_t e = a.encoder_embed_dim;
  const int64_t d = a.decoder_embed_dim;
  int64_t total = 4 * e * static_cast<int64_t>(a.encoder.size()) +
                  6 * d * static_cast<int64_t>(a.decoder.size());
  if (options.pre_norm) total += 2 * e + (a.family == Family::kSeq2Seq ? 2 * d : 0);
  return total;
}

/// Calls visit(rows, columns) for every word table that is stored.
template <class Visit>
void for_each_table(const Architecture& a, const ModelOptions& options,
                    const Vocabulary& vocabulary, Visit visit) {
  const int64_t e = a.encoder_embed_dim;
  const int64_t d = a.decoder_embed_dim;
  if (a.family == Family::kEncoder) {
    visit(vocabulary.source, e);
    return;
  }
  switch (options.embeddings) {
    case ModelOptions::Embeddings::kShared:
      visit(vocabulary.target, std::max(e, d));
      break;
    case ModelOptions::Embeddings::kDecoder:
      visit(vocabulary.source, e);
      visit(vocabulary.target, d);
      break;
    case ModelOptions::Embeddings::kSeparate:
      visit(vocabulary.source, e);
      visit(vocabulary.target, d);
      visit(vocabulary.target, d);
  }
}

constexpr int64_t kInt4Group = 32;  ///< weights that share a scale, along a row

double matrix_bytes(int64_t rows, int64_t columns, Precision precision) {
  const auto r = static_cast<double>(rows);
  const auto c = static_cast<double>(columns);
  switch (precision) {
    case Precision::kFp32:
      return 4 * r * c;
    case Precision::kInt8:
      return r * c + 8 * r;  // weights; scale and sum of each row
    case Precision::kInt4: {
      const auto groups = (columns + kInt4Group - 1) / kInt4Group;
      return r * c / 2 + 4 * r * static_cast<double>(groups);
    }
  }
  return 0;
}

}  // namespace

int64_t parameters_without_embeddings(const Architecture& a, const ModelOptions& options) {
  int64_t total = norm_parameters(a, options);
  for_each_matrix(a, [&](int64_t rows, int64_t columns, bool bias) {
    total += rows * columns + (bias ? rows : 0);
  });
  return total;
}

int64_t parameters(const Architecture& a, const ModelOptions& options,
                   const Vocabulary& vocabulary) {
  int64_t total = parameters_without_embeddings(a, options);
  for_each_table(a, options, vocabulary,
                 [&](int64_t rows, int64_t columns) { total += rows * columns; });
  return total;
}

double flops_like_original(const Architecture& a, int length) {
  const double n = length;
  const double e = a.encoder_embed_dim;
  const double d = a.decoder_embed_dim;
  double macs = n * (e + d);  // scaling of word vectors
  for (const EncoderLayer& l : a.encoder) {
    const double q = l.qkv_dim;
    macs += n * (4 * q * e + 2 * e * l.ffn_dim) + 2 * n * n * q;
    macs += 2 * n * e + n * q;  // layer norms, score scale
  }
  for (const DecoderLayer& l : a.decoder) {
    const double self = l.self_qkv_dim;
    const double cross = l.cross_qkv_dim;
    const double memory = n * l.cross_span;
    macs += n * (4 * self * d + 2 * cross * d + 2 * d * l.ffn_dim) + 2 * memory * cross * e;
    macs += 2 * n * n * self + 2 * n * memory * cross;
    macs += 3 * n * d + n * (self + cross);
  }
  return 2 * macs;
}

namespace {

double flops_decoding(const Architecture& a, const Workload& w, const SentenceLength& length) {
  const double s = length.source;
  const double t = length.target;
  const double e = a.encoder_embed_dim;
  const double d = a.decoder_embed_dim;
  double encoder = 0;
  for (const EncoderLayer& l : a.encoder) {
    encoder += s * (4.0 * l.qkv_dim * e + 2.0 * e * l.ffn_dim) + 2 * s * s * l.qkv_dim;
  }
  double memory = 0;  // cross keys and values, once a sentence
  double step = d * w.vocabulary.target;
  double attention = 0;  // over all steps, for the prefix grows
  for (const DecoderLayer& l : a.decoder) {
    memory += s * l.cross_span * 2.0 * l.cross_qkv_dim * e;
    step += 4.0 * l.self_qkv_dim * d + 2.0 * l.cross_qkv_dim * d + 2.0 * d * l.ffn_dim;
    attention +=
        2.0 * l.self_qkv_dim * t * (t + 1) / 2 + 2.0 * l.cross_qkv_dim * s * l.cross_span * t;
  }
  return 2 * w.batch * (encoder + memory + w.beam * (step * t + attention));
}

}  // namespace

double flops_decoding(const Architecture& a, const Workload& w) {
  const std::vector<SentenceLength> lengths = w.sentence_lengths();
  double sum = 0;
  for (const SentenceLength& length : lengths) sum += flops_decoding(a, w, length);
  return sum / static_cast<double>(lengths.size());
}

std::vector<SentenceLength> Workload::sentence_lengths() const {
  if (!lengths.empty()) return lengths;
  return {{source_length, target_length}};
}

SentenceLength Workload::longest() const {
  SentenceLength result;
  for (const SentenceLength& length : sentence_lengths()) {
    result.source = std::max(result.source, length.source);
    result.target = std::max(result.target, length.target);
  }
  return result;
}

Workload with_lengths(Workload workload, const std::vector<SentenceLength>& lengths) {
  HAT_DCHECK(!lengths.empty());
  double source = 0;
  double target = 0;
  for (const SentenceLength& length : lengths) {
    source += length.source;
    target += length.target;
  }
  const double count = static_cast<double>(lengths.size());
  workload.source_length = static_cast<int>(std::lround(source / count));
  workload.target_length = static_cast<int>(std::lround(target / count));
  workload.lengths = lengths;
  return workload;
}

std::string precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return "fp32";
    case Precision::kInt8:
      return "int8";
    case Precision::kInt4:
      return "int4";
  }
  return "";
}

Precision parse_precision(const std::string& name) {
  const std::vector<std::string> names = {"fp32", "int8", "int4"};
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Precision>(i);
  }
  fail(ErrorKind::kUsage, str("unknown precision '", name, "'.", did_you_mean(name, names)),
       "Use fp32, int8 or int4.");
}

double model_bytes(const Architecture& a, const ModelOptions& options, const Vocabulary& vocabulary,
                   Precision precision) {
  double bytes = 4.0 * static_cast<double>(norm_parameters(a, options));
  for_each_matrix(a, [&](int64_t rows, int64_t columns, bool bias) {
    bytes += matrix_bytes(rows, columns, precision) + (bias ? 4.0 * static_cast<double>(rows) : 0);
  });
  for_each_table(a, options, vocabulary, [&](int64_t rows, int64_t columns) {
    bytes += matrix_bytes(rows, columns, precision);
  });
  return bytes;
}

std::vector<double> original_features(const Architecture& a) {
  double encoder_ffn = 0;
  double encoder_heads = 0;
  for (const EncoderLayer& l : a.encoder) {
    encoder_ffn += l.ffn_dim;
    encoder_heads += l.heads;
  }
  double decoder_ffn = 0;
  double self_heads = 0;
  double cross_heads = 0;
  double span = 0;
  for (const DecoderLayer& l : a.decoder) {
    decoder_ffn += l.ffn_dim;
    self_heads += l.self_heads;
    cross_heads += l.cross_heads;
    span += l.cross_span;
  }
  const auto ne = static_cast<double>(a.encoder.size());
  const double nd = std::max<double>(1, static_cast<double>(a.decoder.size()));
  return {static_cast<double>(a.encoder_embed_dim),
          ne,
          encoder_ffn / ne,
          encoder_heads / ne,
          static_cast<double>(a.decoder_embed_dim),
          static_cast<double>(a.decoder.size()),
          decoder_ffn / nd,
          self_heads / nd,
          cross_heads / nd,
          span / nd};
}

config::OrderedJson to_json(const Workload& w) {
  config::OrderedJson json = {{"batch", w.batch},
                              {"beam", w.beam},
                              {"source_length", w.source_length},
                              {"target_length", w.target_length},
                              {"source_vocabulary", w.vocabulary.source},
                              {"target_vocabulary", w.vocabulary.target}};
  for (const SentenceLength& length : w.lengths) {
    json["lengths"].push_back(config::OrderedJson::array({length.source, length.target}));
  }
  return json;
}

Workload workload_from_json(const config::Json& json, const std::string& origin) {
  const auto get = [&](const char* key, int64_t low, int64_t high) {
    const int64_t value = config::get_int(json, key, origin);
    HAT_CHECK(value >= low && value <= high, ErrorKind::kData,
              str(origin, ": '", key, "' must be ", low, " to ", high, " (got ", value, ")"));
    return static_cast<int>(value);
  };
  Workload workload{get("batch", 1, 4096),
                    get("beam", 1, 64),
                    get("source_length", 1, kMaxWorkloadTokens),
                    get("target_length", 1, kMaxWorkloadTokens),
                    {get("source_vocabulary", 5, 1 << 24), get("target_vocabulary", 5, 1 << 24)}};
  const auto lengths = json.find("lengths");
  if (lengths == json.end()) return workload;
  return with_lengths(workload, sentence_lengths_from_json(*lengths, origin));
}

std::vector<SentenceLength> sentence_lengths_from_json(const config::Json& json,
                                                       const std::string& origin) {
  HAT_CHECK(json.is_array() && !json.empty() && json.size() <= kMaxWorkloadLengths,
            ErrorKind::kData,
            str(origin, ": 'lengths' must be a list of 1 to ", kMaxWorkloadLengths, " pairs"));
  const auto is_length = [](const config::Json& value) {
    return value.is_number_integer() && value >= 1 && value <= kMaxWorkloadTokens;
  };
  std::vector<SentenceLength> lengths;
  for (const config::Json& pair : json) {
    HAT_CHECK(pair.is_array() && pair.size() == 2 && is_length(pair[0]) && is_length(pair[1]),
              ErrorKind::kData,
              str(origin, ": 'lengths' must hold pairs [source, target] of 1 to ",
                  kMaxWorkloadTokens, " tokens"));
    lengths.push_back({pair[0].get<int>(), pair[1].get<int>()});
  }
  return lengths;
}

}  // namespace hat::arch
