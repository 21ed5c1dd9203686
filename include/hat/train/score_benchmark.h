#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/arch/cost.h"
#include "hat/arch/search_space.h"
#include "hat/config/json.h"

namespace hat::train {

/// What `hat bench --scores SPACE` measures with: the SuperTransformer of a space with random
/// weights, random sentences.
struct ScoreBenchmarkOptions {
  arch::Vocabulary vocabulary{10000, 10000};
  int sentences = 64;
  /// The slow yardsticks score every so manieth network only.
  int every = 5;
  int batch_tokens = 1024;
  std::string precision = "auto";  ///< what the scorer computes in; the yardstick is fp32
  uint64_t seed = 1;
};

/// Measured in one process, in turns, on the same batches. Everybody scores whole batches here:
/// that the search scores the many on a part of the validation set comes on top.
struct ScoreBenchmark {
  std::string precision;
  int networks = 0;  ///< that the scorer has scored
  int compared = 0;  ///< of them by the yardsticks too
  int sentences = 0;
  double seconds = 0;  ///< of the scorer, a network
  /// PlainScorer, a network.
  double plain_seconds = 0;
  /// The scorer in the same precision, made to forget between networks.
  double forgetful_seconds = 0;
  double largest_difference = 0;  ///< of a loss, relative

  config::OrderedJson to_json() const;
  std::string to_text() const;
};

/// `networks` in the order in which a search has them scored. Throws kUsage for a space with
/// pre-norm networks.
ScoreBenchmark benchmark_scoring(const arch::SearchSpace& space,
                                 const std::vector<arch::Architecture>& networks,
                                 const ScoreBenchmarkOptions& options);

}  // namespace hat::train
