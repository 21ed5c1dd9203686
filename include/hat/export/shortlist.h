#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "hat/arch/cost.h"
#include "hat/edge/model_file.h"

namespace hat::exporting {

/// Sentence i of the training corpus, token ids with eos.
struct ParallelSentences {
  size_t count = 0;
  std::function<std::vector<int>(size_t)> source;
  std::function<std::vector<int>(size_t)> target;
};

struct ShortlistOptions {
  int words = 1000;    ///< target words that a sentence of average length may use
  int iterations = 4;  ///< of expectation maximisation
  uint64_t seed = 1;   ///< of the sample of a corpus that is too large
  /// Pairs of words counted at most; bounds time and memory (about 30 bytes each).
  int64_t max_word_pairs = 30'000'000;
};

/// Which target words may follow from a source word, by translation probabilities learnt from the
/// training corpus: IBM Model 1 (Brown et al. 1993, section 4.1). A third of the words are the most
/// frequent ones, always allowed; the rest is shared by the words of a sentence.
edge::Shortlist build_shortlist(const ParallelSentences& corpus, const arch::Vocabulary& vocabulary,
                                const ShortlistOptions& options);

}  // namespace hat::exporting
