#pragma once

#include <cstdint>
#include <vector>

#include "stepper.h"

namespace hat::train {

/// A network of random weights with its optimiser, ready for the updates that benchmarks time.
class BenchmarkTrainee {
 public:
  BenchmarkTrainee(const model::NetworkSpec& spec, model::Compute compute, uint64_t seed)
      : network_(spec),
        fixed_(spec.capacities),
        adam_({}, network_.parameters().values().numel(), network_.parameters().size()),
        stepper_(network_, fixed_, adam_,
                 {.dropout = {.residual = 0.1, .attention = 0, .activation = 0},
                  .label_smoothing = 0.1,
                  .clip_norm = 1.0,
                  .seed = seed,
                  .whole_tensors = false,
                  .teacher = {}}) {
    network_.initialize(seed);
    network_.set_compute(compute);
  }

  /// One update of the whole network.
  UpdateStats update(int turn, const TensorBatch& batch) {
    return update(turn, fixed_.paths(turn), batch);
  }
  UpdateStats update(int turn, const std::vector<Path>& paths, const TensorBatch& batch) {
    return stepper_.run(turn, paths, {batch}, kRate);
  }
  int split() const { return stepper_.split(); }
  double parameters() { return static_cast<double>(network_.parameters().values().numel()); }

 private:
  static constexpr double kRate = 1e-4;

  model::Transformer network_;
  FixedArchitecture fixed_;
  Adam adam_;
  Stepper stepper_;
};

}  // namespace hat::train
