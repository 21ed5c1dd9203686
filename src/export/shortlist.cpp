#include "hat/export/shortlist.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hat/base/error.h"
#include "hat/base/rng.h"

namespace hat::exporting {
namespace {

/// Ids below this are special and always allowed.
constexpr int kFirstPiece = 4;

/// Sentences of the sample: all of a small corpus, a seeded choice of a large one.
std::vector<size_t> sample(const ParallelSentences& corpus, const ShortlistOptions& options) {
  std::vector<size_t> order(corpus.count);
  std::iota(order.begin(), order.end(), size_t{0});
  Rng rng(options.seed, "shortlist");
  rng.shuffle(order);
  int64_t pairs = 0;
  size_t kept = 0;
  while (kept < order.size() && pairs < options.max_word_pairs) {
    pairs += static_cast<int64_t>(corpus.source(order[kept]).size()) *
             static_cast<int64_t>(corpus.target(order[kept]).size());
    ++kept;
  }
  order.resize(kept);
  return order;
}

bool is_word(int token, int vocabulary) { return token >= kFirstPiece && token < vocabulary; }

/// Translation probabilities t(target | source) for the pairs of words that occur together.
class Lexicon {
 public:
  Lexicon(const ParallelSentences& corpus, const std::vector<size_t>& sentences,
          const arch::Vocabulary& vocabulary)
      : corpus_(corpus), sentences_(sentences), vocabulary_(vocabulary) {
    collect();
    probability_.assign(targets_.size(), 1.0f);  // uniform: the first step counts occurrences
  }

  void iterate() {
    std::vector<float> counts(targets_.size(), 0.0f);
    std::vector<size_t> at;
    for (const size_t i : sentences_) {
      const std::vector<int> source = corpus_.source(i);
      for (const int target : corpus_.target(i)) {
        if (!is_word(target, vocabulary_.target)) continue;
        at.clear();
        float total = 0;
        for (const int word : source) {
          if (!is_word(word, vocabulary_.source)) continue;
          at.push_back(find(word, target));
          total += probability_[at.back()];
        }
        if (total <= 0) continue;
        for (const size_t place : at) counts[place] += probability_[place] / total;
      }
    }
    for (int word = 0; word < vocabulary_.source; ++word) {
      const size_t begin = first_[static_cast<size_t>(word)];
      const size_t end = first_[static_cast<size_t>(word) + 1];
      const double sum = std::accumulate(counts.begin() + static_cast<ptrdiff_t>(begin),
                                         counts.begin() + static_cast<ptrdiff_t>(end), 0.0);
      for (size_t i = begin; i < end; ++i)
        probability_[i] = sum > 0 ? static_cast<float>(counts[i] / sum) : 0.0f;
    }
  }

  /// The `count` likeliest translations that are not allowed anyway, ascending ids.
  std::vector<int32_t> best(int word, size_t count, const std::vector<bool>& always) const {
    std::vector<size_t> order;
    for (size_t i = first_[static_cast<size_t>(word)]; i < first_[static_cast<size_t>(word) + 1];
         ++i) {
      if (!always[static_cast<size_t>(targets_[i])]) order.push_back(i);
    }
    count = std::min(count, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(),
                      [&](size_t a, size_t b) {
                        return probability_[a] != probability_[b]
                                   ? probability_[a] > probability_[b]
                                   : targets_[a] < targets_[b];
                      });
    std::vector<int32_t> out;
    for (size_t i = 0; i < count; ++i) out.push_back(targets_[order[i]]);
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  void collect() {
    std::vector<uint64_t> pairs;
    const auto compact = [&pairs] {
      std::sort(pairs.begin(), pairs.end());
      pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    };
    size_t limit = size_t{1} << 22;
    for (const size_t i : sentences_) {
      const std::vector<int> target = corpus_.target(i);
      for (const int word : corpus_.source(i)) {
        if (!is_word(word, vocabulary_.source)) continue;
        for (const int other : target) {
          if (is_word(other, vocabulary_.target))
            pairs.push_back(static_cast<uint64_t>(word) << 32 | static_cast<uint32_t>(other));
        }
      }
      if (pairs.size() < limit) continue;
      compact();
      limit = std::max(limit, 2 * pairs.size());
    }
    compact();
    first_.assign(static_cast<size_t>(vocabulary_.source) + 1, 0);
    targets_.reserve(pairs.size());
    for (const uint64_t pair : pairs) {
      ++first_[(pair >> 32) + 1];
      targets_.push_back(static_cast<int32_t>(pair & 0xffffffffu));
    }
    std::partial_sum(first_.begin(), first_.end(), first_.begin());
  }

  size_t find(int word, int target) const {
    const auto begin = targets_.begin() + static_cast<ptrdiff_t>(first_[static_cast<size_t>(word)]);
    const auto end =
        targets_.begin() + static_cast<ptrdiff_t>(first_[static_cast<size_t>(word) + 1]);
    return static_cast<size_t>(std::lower_bound(begin, end, target) - targets_.begin());
  }

  const ParallelSentences& corpus_;
  const std::vector<size_t>& sentences_;
  const arch::Vocabulary& vocabulary_;
  std::vector<size_t> first_;  ///< source word -> its first place in targets_
  std::vector<int32_t> targets_;
  std::vector<float> probability_;
};

}  // namespace

edge::Shortlist build_shortlist(const ParallelSentences& corpus, const arch::Vocabulary& vocabulary,
                                const ShortlistOptions& options) {
  HAT_CHECK(options.words > 2 * kFirstPiece, ErrorKind::kUsage,
            "a shortlist needs more words than that", "Choose 100 or more.");
  const std::vector<size_t> sentences = sample(corpus, options);
  HAT_CHECK(!sentences.empty(), ErrorKind::kData, "the training corpus is empty");
  std::vector<int64_t> frequency(static_cast<size_t>(vocabulary.target), 0);
  double source_words = 0;
  for (const size_t i : sentences) {
    source_words += static_cast<double>(corpus.source(i).size());
    for (const int token : corpus.target(i))
      if (is_word(token, vocabulary.target)) ++frequency[static_cast<size_t>(token)];
  }
  edge::Shortlist out;
  const int frequent = std::min(vocabulary.target - kFirstPiece, options.words / 3);
  std::vector<int32_t> order(static_cast<size_t>(vocabulary.target - kFirstPiece));
  std::iota(order.begin(), order.end(), kFirstPiece);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return frequency[static_cast<size_t>(a)] > frequency[static_cast<size_t>(b)];
  });
  for (int32_t token = 0; token < kFirstPiece; ++token) out.always.push_back(token);
  out.always.insert(out.always.end(), order.begin(), order.begin() + frequent);
  std::sort(out.always.begin(), out.always.end());

  Lexicon lexicon(corpus, sentences, vocabulary);
  for (int i = 0; i < options.iterations; ++i) lexicon.iterate();
  const double average = std::max(1.0, source_words / static_cast<double>(sentences.size()));
  const auto each = static_cast<size_t>(std::max(
      1.0, static_cast<double>(options.words - static_cast<int>(out.always.size())) / average));
  std::vector<bool> always(static_cast<size_t>(vocabulary.target), false);
  for (const int32_t token : out.always) always[static_cast<size_t>(token)] = true;
  out.offsets.push_back(0);
  for (int word = 0; word < vocabulary.source; ++word) {
    const std::vector<int32_t> best = lexicon.best(word, each, always);
    out.candidates.insert(out.candidates.end(), best.begin(), best.end());
    out.offsets.push_back(static_cast<uint32_t>(out.candidates.size()));
  }
  return out;
}

}  // namespace hat::exporting
