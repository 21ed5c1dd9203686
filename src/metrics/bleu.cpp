#include "hat/metrics/bleu.h"

#include <algorithm>
#include <cmath>

#include "hat/base/unicode.h"
#include "metrics/bleu_tokenizers.h"
#include "metrics/ngrams.h"

namespace hat::metrics {
namespace {

// sacreBLEU's stand-in for log(0): exp of it is 0.
constexpr double kLogOfZero = -9999999999.0;

double floored_log(double x) { return x == 0.0 ? kLogOfZero : std::log(x); }

std::optional<double> default_smooth_value(const std::string& method) {
  if (method == "floor") return 0.1;
  if (method == "add-k") return 1.0;
  return std::nullopt;
}

double smooth_value(const BleuOptions& options) {
  return options.smooth_value.value_or(default_smooth_value(options.smooth_method).value_or(0.0));
}

// All orders in one table: an n-gram's length is its order.
NgramCounts all_ngrams(std::u32string_view numbers, int max_order) {
  NgramCounts counts;
  for (int n = 1; n <= max_order; ++n) counts.merge(count_ngrams(numbers, static_cast<size_t>(n)));
  return counts;
}

int64_t closest_length(int64_t length, const std::vector<int64_t>& candidates) {
  int64_t best = candidates.front();
  for (int64_t c : candidates) {
    const int64_t difference = std::abs(c - length);
    const int64_t best_difference = std::abs(best - length);
    if (difference < best_difference || (difference == best_difference && c < best)) best = c;
  }
  return best;
}

BleuStatistics statistics_of_words(const std::vector<std::u32string>& hypothesis,
                                   const std::vector<std::vector<std::u32string>>& references,
                                   int max_order) {
  WordNumbers number;
  const std::u32string words = number(hypothesis);
  NgramCounts allowed;
  std::vector<int64_t> lengths;
  for (const std::vector<std::u32string>& reference : references) {
    for (const auto& [ngram, count] : all_ngrams(number(reference), max_order)) {
      int64_t& most = allowed[ngram];
      most = std::max(most, count);
    }
    lengths.push_back(static_cast<int64_t>(reference.size()));
  }
  BleuStatistics s;
  s.hypothesis_length = static_cast<int64_t>(words.size());
  s.reference_length = closest_length(s.hypothesis_length, lengths);
  s.counts.assign(static_cast<size_t>(max_order), 0);
  s.totals.assign(static_cast<size_t>(max_order), 0);
  for (const auto& [ngram, count] : all_ngrams(words, max_order)) {
    s.totals[ngram.size() - 1] += static_cast<double>(count);
    const auto it = allowed.find(ngram);
    if (it != allowed.end()) {
      s.counts[ngram.size() - 1] += static_cast<double>(std::min(count, it->second));
    }
  }
  return s;
}

std::vector<std::u32string> words_of(std::string_view text, const BleuOptions& options) {
  std::u32string codes = decode_utf8(text);
  if (options.lowercase) codes = to_lower(codes);
  return bleu_words(codes, options.tokenize);
}

}  // namespace

BleuStatistics& BleuStatistics::operator+=(const BleuStatistics& other) {
  hypothesis_length += other.hypothesis_length;
  reference_length += other.reference_length;
  counts.resize(std::max(counts.size(), other.counts.size()));
  totals.resize(std::max(totals.size(), other.totals.size()));
  for (size_t n = 0; n < other.counts.size(); ++n) counts[n] += other.counts[n];
  for (size_t n = 0; n < other.totals.size(); ++n) totals[n] += other.totals[n];
  return *this;
}

std::string BleuScore::details() const {
  std::vector<std::string> parts;
  for (double p : precisions) parts.push_back(fixed(p, 1));
  const double ratio = statistics.reference_length == 0
                           ? 0.0
                           : static_cast<double>(statistics.hypothesis_length) /
                                 static_cast<double>(statistics.reference_length);
  return str(join(parts, "/"), " (BP = ", fixed(brevity_penalty, 3), " ratio = ", fixed(ratio, 3),
             " hyp_len = ", statistics.hypothesis_length,
             " ref_len = ", statistics.reference_length, ")");
}

void check_bleu_options(const BleuOptions& options) {
  bleu_words(U"", options.tokenize);
  static const std::vector<std::string> methods = {"exp", "floor", "add-k", "none"};
  HAT_CHECK(std::count(methods.begin(), methods.end(), options.smooth_method) == 1,
            ErrorKind::kUsage,
            str("unknown smoothing method '", options.smooth_method, "'.",
                did_you_mean(options.smooth_method, methods)),
            "Known are exp, floor, add-k and none.");
  HAT_CHECK(options.max_order >= 1 && options.max_order <= 16, ErrorKind::kUsage,
            str("BLEU's largest order must be 1 to 16, got ", options.max_order));
}

std::string bleu_tokenize(std::string_view text, const std::string& tokenize) {
  std::string line;
  for (const std::u32string& word : bleu_words(decode_utf8(text), tokenize)) {
    if (!line.empty()) line += ' ';
    line += encode_utf8(word);
  }
  return line;
}

BleuStatistics bleu_statistics(std::string_view hypothesis,
                               const std::vector<std::string>& references,
                               const BleuOptions& options) {
  HAT_CHECK(!references.empty(), ErrorKind::kUsage, "no reference to score against");
  std::vector<std::vector<std::u32string>> words;
  for (const std::string& reference : references) words.push_back(words_of(reference, options));
  return statistics_of_words(words_of(hypothesis, options), words, options.max_order);
}

// Chen and Cherry (2014), "A systematic comparison of smoothing techniques for sentence-level
// BLEU": floor is their method 1, add-k method 2, exp method 3.
BleuScore bleu_from_statistics(BleuStatistics s, const BleuOptions& options) {
  check_bleu_options(options);
  BleuScore result;
  const size_t max_order = static_cast<size_t>(options.max_order);
  s.counts.resize(max_order);
  s.totals.resize(max_order);
  result.precisions.assign(max_order, 0.0);
  if (s.hypothesis_length < s.reference_length) {
    result.brevity_penalty = s.hypothesis_length > 0
                                 ? std::exp(1.0 - static_cast<double>(s.reference_length) /
                                                      static_cast<double>(s.hypothesis_length))
                                 : 0.0;
  }
  const bool any_match =
      std::any_of(s.counts.begin(), s.counts.end(), [](double c) { return c != 0; });
  if (any_match) {
    size_t effective_order = max_order;
    double halving = 1.0;
    for (size_t n = 0; n < max_order; ++n) {
      if (options.smooth_method == "add-k" && n > 0) {
        s.counts[n] += smooth_value(options);
        s.totals[n] += smooth_value(options);
      }
      if (s.totals[n] == 0) break;
      if (options.effective_order) effective_order = n + 1;
      if (s.counts[n] != 0) {
        result.precisions[n] = 100.0 * s.counts[n] / s.totals[n];
      } else if (options.smooth_method == "exp") {
        halving *= 2;
        result.precisions[n] = 100.0 / (halving * s.totals[n]);
      } else if (options.smooth_method == "floor") {
        result.precisions[n] = 100.0 * smooth_value(options) / s.totals[n];
      }
    }
    double log_sum = 0;
    for (size_t n = 0; n < effective_order; ++n) log_sum += floored_log(result.precisions[n]);
    result.score =
        result.brevity_penalty * std::exp(log_sum / static_cast<double>(effective_order));
  }
  result.statistics = std::move(s);
  return result;
}

BleuScore sentence_bleu(std::string_view hypothesis, const std::vector<std::string>& references,
                        const BleuOptions& options) {
  return bleu_from_statistics(bleu_statistics(hypothesis, references, options), options);
}

BleuScore corpus_bleu(const std::vector<std::string>& hypotheses,
                      const std::vector<std::vector<std::string>>& references,
                      const BleuOptions& options) {
  check_bleu_options(options);
  check_streams(hypotheses, references);
  BleuStatistics sum;
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    sum += bleu_statistics(hypotheses[i], references_of(references, i), options);
  }
  return bleu_from_statistics(std::move(sum), options);
}

std::string bleu_signature(const BleuOptions& options, size_t reference_count) {
  std::string smooth = options.smooth_method;
  if (default_smooth_value(smooth)) smooth += "[" + fixed(smooth_value(options), 2) + "]";
  return str("nrefs:", reference_count, "|case:", options.lowercase ? "lc" : "mixed",
             "|eff:", options.effective_order ? "yes" : "no", "|tok:", options.tokenize,
             "|smooth:", smooth, "|version:", kSacreBleuVersion);
}

namespace {

// "well-known" becomes "well ##AT##-##AT## known"; left to right without overlap, as the
// substitution of (\S)-(\S) does, so the middle of "a-b-c" is not split twice.
std::u32string split_compounds(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (i + 2 < text.size() && text[i + 1] == '-' && !is_white_space(text[i]) &&
        !is_white_space(text[i + 2])) {
      out += U" ##AT##-##AT## ";
      out += text[i + 2];
      i += 2;
    }
  }
  return out;
}

}  // namespace

BleuScore token_bleu(const std::vector<std::string>& hypotheses,
                     const std::vector<std::string>& references) {
  check_streams(hypotheses, {references});
  BleuOptions options;
  options.tokenize = "none";
  options.smooth_method = "none";
  BleuStatistics sum;
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    std::vector<std::u32string> reference =
        split_white_space(split_compounds(decode_utf8(references[i])));
    for (std::u32string& word : reference) {
      if (word == U"<unk>") word = U"<<unk>>";
    }
    sum += statistics_of_words(split_white_space(split_compounds(decode_utf8(hypotheses[i]))),
                               {reference}, options.max_order);
  }
  return bleu_from_statistics(std::move(sum), options);
}

std::string token_bleu_line(const BleuScore& score) {
  std::vector<std::string> parts;
  for (double p : score.precisions) parts.push_back(fixed(p, 1));
  const BleuStatistics& s = score.statistics;
  const double ratio = s.reference_length == 0 ? 0.0
                                               : static_cast<double>(s.hypothesis_length) /
                                                     static_cast<double>(s.reference_length);
  return str("BLEU", score.precisions.size(), " = ", fixed(score.score, 2), ", ", join(parts, "/"),
             " (BP=", fixed(score.brevity_penalty, 3), ", ratio=", fixed(ratio, 3),
             ", syslen=", s.hypothesis_length, ", reflen=", s.reference_length, ")");
}

}  // namespace hat::metrics
