#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hat/base/file.h"
#include "hat/config/json.h"
#include "hat/config/workspace_config.h"
#include "hat/data/token_dataset.h"
#include "hat/model/transformer.h"
#include "hat/train/strategy.h"
#include "hat/train/validation.h"

namespace hat::train {

/// An architecture that is validated while training, and what it is called in the log.
struct Watched {
  std::string name;
  arch::Architecture architecture;
};

/// Another network whose predictions the trained one learns from.
struct ExternalTeacher {
  model::Transformer* network = nullptr;  ///< at the architecture that it shall teach with
  double weight = 0.5;                    ///< share of the loss
};

/// One training run. References must outlive it.
struct TrainerSetup {
  model::Transformer& network;
  const Strategy& strategy;
  const data::TokenDataset& train;
  const ValidationSet& valid;
  config::TrainConfig config;
  uint64_t seed = 1;
  /// Where metrics.jsonl, checkpoint/ and best.safetensors go.
  fs::path directory;
  /// In the progress line and the log: "train-super".
  std::string label;
  std::vector<Watched> watched;
  ExternalTeacher teacher;
  /// The network is trained already: what it comes with may be what it ends with.
  bool inherited = false;
  /// What trains alone at first, by config.largest_first; empty: nothing does.
  arch::Architecture largest;
  /// The original's rule on one device: a touched tensor moves as a whole (see Adam).
  bool whole_tensors = false;
  /// Names the run beyond the config: space, data, architecture. Part of what must not change
  /// between a run and its resumption.
  config::OrderedJson identity;
  /// Forget an earlier run in the directory.
  bool restart = false;
};

struct TrainResult {
  int64_t updates = 0;
  double minutes = 0;
  int64_t target_tokens = 0;
  double valid_loss = 0;       ///< mean over the watched architectures, of the weights kept
  std::string kept;            ///< "last", "average of 5", "best (update 1200)" or "inherited"
  std::vector<double> losses;  ///< one a watched architecture, of the weights kept
  bool stopped_early = false;
};

/// Trains `setup.network` to the end of its schedule, going on from the directory's checkpoint when
/// there is one; afterwards the network holds the best of: the last weights, the average of the
/// last validated ones, the best validated ones, those that it came with if inherited. All random
/// numbers are functions of seed and update, so a run that was killed anywhere and resumed ends in
/// the same bytes as one that was not (a run with max_minutes depends on the clock before its
/// schedule is decided).
/// Throws kInterrupted, after saving, when a stop was asked for; kData when the loss is no longer
/// finite.
TrainResult train(const TrainerSetup& setup);

}  // namespace hat::train
