#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/arch/search_space.h"

namespace hat::arch {

/// Sizes of the word tables. Equal for a joint vocabulary.
struct Vocabulary {
  int source = 0;
  int target = 0;
  bool operator==(const Vocabulary&) const = default;
};

/// Parameters as the original counts them: no word table of any kind. Closed form from hat-spec
/// section 2; equals the original for all its published networks.
int64_t parameters_without_embeddings(const Architecture& architecture,
                                      const ModelOptions& options);
/// Everything that has to be stored.
int64_t parameters(const Architecture& architecture, const ModelOptions& options,
                   const Vocabulary& vocabulary);
/// FLOPs as the original reports them: 2 x multiply-adds of one teacher-forced pass over `length`
/// source and target tokens, batch 1, without the output projection.
double flops_like_original(const Architecture& architecture, int length);

/// Source tokens (end included) and decoder steps of a sentence.
struct SentenceLength {
  int source = 0;
  int target = 0;
  bool operator==(const SentenceLength&) const = default;
};

/// What is run when latency is measured.
struct Workload {
  int batch = 1;
  int beam = 5;
  int source_length = 30;
  int target_length = 30;
  Vocabulary vocabulary{32000, 32000};
  /// A distribution of lengths, each as likely as the others: costs and times are the means over
  /// them, and source_length and target_length their means. Empty: every sentence has those.
  std::vector<SentenceLength> lengths = {};

  /// `lengths`, or the one length that all sentences have.
  std::vector<SentenceLength> sentence_lengths() const;
  SentenceLength longest() const;
  bool operator==(const Workload&) const = default;
};
inline constexpr size_t kMaxWorkloadLengths = 16;
inline constexpr int kMaxWorkloadTokens = 4096;
/// "lengths" is an array of [source, target], written when there is a distribution.
config::OrderedJson to_json(const Workload& workload);
Workload workload_from_json(const config::Json& json, const std::string& origin);
/// [[source, target], ...], checked.
std::vector<SentenceLength> sentence_lengths_from_json(const config::Json& json,
                                                       const std::string& origin);
/// The distribution with `lengths` and their rounded means.
Workload with_lengths(Workload workload, const std::vector<SentenceLength>& lengths);

/// FLOPs of really translating: encoder once, cross keys and values once, then `target_length`
/// steps of `beam` hypotheses with a key/value cache, output projection included; times batch. The
/// mean over the workload's lengths.
double flops_decoding(const Architecture& architecture, const Workload& workload);

enum class Precision { kFp32, kInt8, kInt4 };
std::string precision_name(Precision precision);
/// "fp32", "int8", "int4"; throws kUsage with the nearest name.
Precision parse_precision(const std::string& name);
/// Bytes of the exported model's weights (scales included, tokenizer not).
double model_bytes(const Architecture& architecture, const ModelOptions& options,
                   const Vocabulary& vocabulary, Precision precision);

/// The original's ten averaged features (hat-spec section 4), spans as 1, 2, 3.
std::vector<double> original_features(const Architecture& architecture);

}  // namespace hat::arch
