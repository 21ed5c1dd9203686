#pragma once

#include <cstdint>
#include <memory>

#include "hat/train/benchmark.h"
#include "hat/train/validation.h"

namespace hat::train {

/// The yardstick: the training loop that one writes first, with torch::nn::Transformer and
/// torch::optim::Adam. Kept behind an interface because torch/nn.h is slow to compile.
class PlainLoop {
 public:
  explicit PlainLoop(const TrainBenchmarkOptions& options);
  ~PlainLoop();
  /// One update on a padded batch.
  void step(const TensorBatch& batch);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hat::train
