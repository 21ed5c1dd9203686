#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// BLEU (Papineni et al., 2002) with the numbers and the signature of sacreBLEU 2.6 (Post, 2018),
/// and the original HAT's token BLEU.
namespace hat::metrics {

/// The release of sacreBLEU whose numbers these are; part of a signature.
inline constexpr const char* kSacreBleuVersion = "2.6.0";

struct BleuOptions {
  std::string tokenize = "13a";  ///< "13a", "intl", "char" or "none"
  bool lowercase = false;
  std::string smooth_method = "exp";   ///< "exp", "floor", "add-k" or "none"
  std::optional<double> smooth_value;  ///< absent: 0.1 for floor, 1 for add-k
  int max_order = 4;
  /// Leaves orders out that the hypotheses are too short for; for single sentences.
  bool effective_order = false;
};

/// What BLEU is computed from; sums of sentences are those of the corpus.
struct BleuStatistics {
  int64_t hypothesis_length = 0;
  int64_t reference_length = 0;
  std::vector<double> counts;  ///< matched n-grams by order (real numbers, for add-k)
  std::vector<double> totals;  ///< n-grams of the hypotheses

  BleuStatistics& operator+=(const BleuStatistics& other);
};

struct BleuScore {
  double score = 0;  ///< 0 to 100
  double brevity_penalty = 1;
  std::vector<double> precisions;  ///< percent
  BleuStatistics statistics;

  /// "66.1/43.2/30.0/21.4 (BP = 1.000 ratio = 1.020 hyp_len = 100 ref_len = 98)"
  std::string details() const;
};

/// Throws kUsage on an unknown tokenizer or smoothing method, naming the nearest.
void check_bleu_options(const BleuOptions& options);

/// Tokens joined by single spaces. `tokenize` as in BleuOptions.
std::string bleu_tokenize(std::string_view text, const std::string& tokenize);

/// Statistics of one sentence against one reference or more.
BleuStatistics bleu_statistics(std::string_view hypothesis,
                               const std::vector<std::string>& references,
                               const BleuOptions& options);
BleuScore bleu_from_statistics(BleuStatistics statistics, const BleuOptions& options);
BleuScore sentence_bleu(std::string_view hypothesis, const std::vector<std::string>& references,
                        const BleuOptions& options);
/// `references`: one list a reference file, each as long as `hypotheses` (kData otherwise).
BleuScore corpus_bleu(const std::vector<std::string>& hypotheses,
                      const std::vector<std::vector<std::string>>& references,
                      const BleuOptions& options = {});
/// "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"
std::string bleu_signature(const BleuOptions& options, size_t reference_count);

/// BLEU-4 over tokens as the original prints it: hyphenated compounds split on both sides, no
/// smoothing, "<unk>" of a reference never matches (fairseq's scorer).
BleuScore token_bleu(const std::vector<std::string>& hypotheses,
                     const std::vector<std::string>& references);
/// "BLEU4 = 51.65, 82.4/63.9/47.0/36.4 (BP=0.943, ratio=0.945, syslen=222, reflen=235)"
std::string token_bleu_line(const BleuScore& score);

}  // namespace hat::metrics
