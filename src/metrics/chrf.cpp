#include "hat/metrics/chrf.h"

#include <algorithm>

#include "hat/base/unicode.h"
#include "hat/metrics/bleu.h"
#include "metrics/ngrams.h"

namespace hat::metrics {
namespace {

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// One punctuation mark is taken off each word, at its end if there is one, else at its start: the
// published rule, which turns "(hi)" into "(hi" and ")".
std::vector<std::u32string> separate_punctuation(std::u32string_view text) {
  std::vector<std::u32string> words;
  for (const std::u32string& word : split_white_space(text)) {
    if (word.size() > 1 && is_ascii_punctuation(word.back())) {
      words.push_back(word.substr(0, word.size() - 1));
      words.push_back(word.substr(word.size() - 1));
    } else if (word.size() > 1 && is_ascii_punctuation(word.front())) {
      words.push_back(word.substr(0, 1));
      words.push_back(word.substr(1));
    } else {
      words.push_back(word);
    }
  }
  return words;
}

std::vector<NgramCounts> all_orders(std::string_view sentence, const ChrfOptions& options,
                                    WordNumbers& number) {
  std::u32string text = decode_utf8(sentence);
  if (options.lowercase) text = to_lower(text);
  std::u32string characters;
  for (char32_t c : text) {
    if (options.white_space || !is_white_space(c)) characters += c;
  }
  std::vector<NgramCounts> orders;
  for (int n = 1; n <= options.char_order; ++n) {
    orders.push_back(count_ngrams(characters, static_cast<size_t>(n)));
  }
  if (options.word_order > 0) {
    const std::u32string words = number(separate_punctuation(text));
    for (int n = 1; n <= options.word_order; ++n) {
      orders.push_back(count_ngrams(words, static_cast<size_t>(n)));
    }
  }
  return orders;
}

ChrfStatistics::Order match(const NgramCounts& hypothesis, const NgramCounts& reference) {
  ChrfStatistics::Order order;
  for (const auto& [ngram, count] : reference) order.reference += count;
  if (reference.empty())
    return order;  // an order that the reference is too short for does not count
  for (const auto& [ngram, count] : hypothesis) {
    order.hypothesis += count;
    const auto it = reference.find(ngram);
    if (it != reference.end()) order.matches += std::min(count, it->second);
  }
  return order;
}

void check_chrf_options(const ChrfOptions& options) {
  HAT_CHECK(options.char_order >= 1 && options.char_order <= 32 && options.word_order >= 0 &&
                options.word_order <= 16 && options.beta >= 1,
            ErrorKind::kUsage, "chrF needs 1 to 32 characters, 0 to 16 words, and beta 1 or more");
}

}  // namespace

ChrfStatistics& ChrfStatistics::operator+=(const ChrfStatistics& other) {
  orders.resize(std::max(orders.size(), other.orders.size()));
  for (size_t n = 0; n < other.orders.size(); ++n) {
    orders[n].hypothesis += other.orders[n].hypothesis;
    orders[n].reference += other.orders[n].reference;
    orders[n].matches += other.orders[n].matches;
  }
  return *this;
}

double chrf_from_statistics(const ChrfStatistics& statistics, const ChrfOptions& options) {
  constexpr double kEpsilon = 1e-16;
  const double factor = static_cast<double>(options.beta) * options.beta;
  double smoothed = 0;
  double precision_sum = 0;
  double recall_sum = 0;
  int effective_orders = 0;
  for (const ChrfStatistics::Order& order : statistics.orders) {
    const double matches = static_cast<double>(order.matches);
    const double precision =
        order.hypothesis > 0 ? matches / static_cast<double>(order.hypothesis) : kEpsilon;
    const double recall =
        order.reference > 0 ? matches / static_cast<double>(order.reference) : kEpsilon;
    const double denominator = factor * precision + recall;
    smoothed += denominator > 0 ? (1 + factor) * precision * recall / denominator : kEpsilon;
    if (order.hypothesis > 0 && order.reference > 0) {
      precision_sum += precision;
      recall_sum += recall;
      ++effective_orders;
    }
  }
  if (options.eps_smoothing) return 100 * smoothed / (options.char_order + options.word_order);
  if (effective_orders == 0 || precision_sum + recall_sum == 0) return 0.0;
  const double precision = precision_sum / effective_orders;
  const double recall = recall_sum / effective_orders;
  return 100 * (1 + factor) * precision * recall / (factor * precision + recall);
}

ChrfStatistics chrf_statistics(std::string_view hypothesis,
                               const std::vector<std::string>& references,
                               const ChrfOptions& options) {
  check_chrf_options(options);
  HAT_CHECK(!references.empty(), ErrorKind::kUsage, "no reference to score against");
  WordNumbers number;
  const std::vector<NgramCounts> ours = all_orders(hypothesis, options, number);
  ChrfStatistics best;
  double best_score = -1;
  for (const std::string& reference : references) {
    const std::vector<NgramCounts> theirs = all_orders(reference, options, number);
    ChrfStatistics s;
    for (size_t n = 0; n < ours.size(); ++n) s.orders.push_back(match(ours[n], theirs[n]));
    const double score = chrf_from_statistics(s, options);
    if (score > best_score) {
      best_score = score;
      best = std::move(s);
    }
  }
  return best;
}

double sentence_chrf(std::string_view hypothesis, const std::vector<std::string>& references,
                     const ChrfOptions& options) {
  return chrf_from_statistics(chrf_statistics(hypothesis, references, options), options);
}

double corpus_chrf(const std::vector<std::string>& hypotheses,
                   const std::vector<std::vector<std::string>>& references,
                   const ChrfOptions& options) {
  check_streams(hypotheses, references);
  ChrfStatistics sum;
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    sum += chrf_statistics(hypotheses[i], references_of(references, i), options);
  }
  return chrf_from_statistics(sum, options);
}

std::string chrf_name(const ChrfOptions& options) {
  return str("chrF", options.beta, std::string(static_cast<size_t>(options.word_order), '+'));
}

std::string chrf_signature(const ChrfOptions& options, size_t reference_count) {
  return str("nrefs:", reference_count, "|case:", options.lowercase ? "lc" : "mixed",
             "|eff:", options.eps_smoothing ? "no" : "yes", "|nc:", options.char_order,
             "|nw:", options.word_order, "|space:", options.white_space ? "yes" : "no",
             "|version:", kSacreBleuVersion);
}

}  // namespace hat::metrics
