#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hat/train/checkpoint.h"
#include "hat/train/trainer.h"

namespace hat::train {

/// Candidate weights, which a run may end with: the last ones, the mean of the last validated ones,
/// a moving average, and the best validated ones, which lie in a file.
class Candidates {
 public:
  explicit Candidates(const TrainerSetup& setup);

  /// The running averages, for checkpoints.
  Averages& averages() { return averages_; }

  /// Takes the present weights into the mean of the `averaged` before them.
  void add_validated(int averaged);
  /// After `updates` updates.
  void add_to_moving(int64_t updates);
  /// Keeps the present weights as the best so far, which state.best_update says.
  void save_best(int64_t update) const;

  /// Puts each candidate into the network and calls validate(its name), which returns a loss;
  /// leaves the best there, and returns its name. Ties go to the earlier of the list above.
  std::string choose(const TrainState& state,
                     const std::function<double(const std::string&)>& validate);

 private:
  std::vector<float> values() const;
  void set_values(const std::vector<float>& values);
  bool load_best(std::vector<float>* values) const;

  const TrainerSetup& setup_;
  model::ParameterStore& store_;
  Averages averages_;
};

}  // namespace hat::train
