#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "hat/model/transformer.h"

namespace hat::model {

/// fairseq's beam search (hat-spec section 7).
struct BeamOptions {
  int beam = 5;
  double length_penalty = 1.0;   ///< scores are divided by length^penalty, eos counted
  int max_length = 200;          ///< target tokens before eos is forced
  double max_length_factor = 0;  ///< adds factor * source length to max_length
  int min_length = 1;            ///< eos is forbidden before this many tokens
  /// Called when sentences are encoded (cross-attention keys and values included) and after every
  /// step: for timing.
  std::function<void()> after_piece = {};
};

struct Hypothesis {
  std::vector<int32_t> tokens;      ///< with the final eos
  double score = 0;                 ///< sum of log-probabilities / length^penalty
  std::vector<float> token_scores;  ///< log-probability of each token
};

/// Translates sentences (token ids with their final eos) as one batch. Best hypotheses first,
/// `beam` at most for each sentence. Uses the network's current architecture, with a key/value
/// cache.
std::vector<std::vector<Hypothesis>> beam_search(Transformer& network,
                                                 const std::vector<std::vector<int32_t>>& sources,
                                                 const BeamOptions& options = {});

}  // namespace hat::model
