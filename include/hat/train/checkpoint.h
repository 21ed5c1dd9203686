#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hat/base/file.h"
#include "hat/config/json.h"
#include "hat/model/parameter_store.h"
#include "hat/train/adam.h"

namespace hat::train {

/// Everything small that a resumed run needs; tensors are beside it in the checkpoint.
struct TrainState {
  int64_t update = 0;         ///< updates done
  std::string cursor;         ///< data::BatchCursor
  int64_t total_updates = 0;  ///< the schedule as it was decided (measured, for max_minutes)
  int64_t warmup_updates = 0;
  double learning_rate = 0;
  bool schedule_is_final = false;  ///< false while a time limit is still being fitted
  double limit_minutes = 0;        ///< the time limit that the schedule is fitted to; 0: none
  std::string precision;           ///< "fp32" or "bf16", decided when the run began
  int split = 1;                   ///< parts that a batch is cut into, after running out of memory
  double elapsed_ms = 0;           ///< training time over all sessions
  int64_t target_tokens = 0;       ///< trained on so far
  int64_t next_validation = 0;     ///< the update after which the next validation is due
  std::optional<double> best_loss;
  int64_t best_update = 0;              ///< 0: the inherited weights
  std::optional<double> patience_loss;  ///< the best since training began: patience counts from it
  int bad_validations = 0;              ///< since the best one
  int averaged = 0;                     ///< validated states summed up in the average so far
  bool reordered = false;  ///< the first phase, in which the largest network trains alone, is over
  bool finished = false;

  config::OrderedJson to_json() const;
  static TrainState from_json(const config::Json& json, const std::string& origin);
};

/// Running averages of the weights; empty where there is none.
struct Averages {
  std::vector<float> validated;  ///< mean of the last validated states
  std::vector<float> moving;     ///< exponential moving average
};

/// DIR/state.safetensors and the one before it, DIR/previous.safetensors. One file holds weights,
/// both moments of Adam, the step counts, the running averages and (as metadata) TrainState and the
/// settings of the run, so it is written or not, never half; a hash guards its content.
class CheckpointStore {
 public:
  explicit CheckpointStore(fs::path directory);

  bool exists() const;
  void save(const TrainState& state, const config::OrderedJson& settings,
            const model::ParameterStore& parameters, Adam& adam, const Averages& averages) const;
  /// Restores the latest good checkpoint; empty when there is none. A damaged latest one falls back
  /// to the previous with a warning; when both are damaged, or the settings differ from those of
  /// the checkpoint, an error says which.
  std::optional<TrainState> load(const config::OrderedJson& settings,
                                 model::ParameterStore& parameters, Adam& adam,
                                 Averages& averages) const;
  /// Removes both.
  void clear() const;
  const fs::path& directory() const { return directory_; }

 private:
  fs::path latest() const { return directory_ / "state.safetensors"; }
  fs::path previous() const { return directory_ / "previous.safetensors"; }
  fs::path directory_;
};

/// Names the first setting that differs: "dropout is 0.1, the checkpoint has 0.3"; empty when none
/// does.
std::string difference(const config::Json& now, const config::Json& then);

}  // namespace hat::train
