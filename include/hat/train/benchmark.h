#pragma once

#include <cstdint>
#include <string>

#include "hat/arch/architecture.h"
#include "hat/config/json.h"

namespace hat::train {

/// What `hat bench --train` measures with.
struct TrainBenchmarkOptions {
  int layers = 6;  ///< of encoder and of decoder
  int width = 512;
  int ffn_dim = 2048;
  int heads = 8;
  int vocabulary = 10000;
  int batch_tokens = 2048;
  double seconds = 60;  ///< for everything together
  std::string precision = "auto";
  uint64_t seed = 1;
};

/// Measured side by side in one process, in turns, on the same generated sentences; times are
/// medians of the turns. A rate counts target tokens without padding.
struct TrainBenchmark {
  std::string precision;
  double tokens_per_second = 0;
  double forward_ms = 0, backward_ms = 0, optimizer_ms = 0;  ///< of one update
  double padding_share = 0;

  /// A plain loop: torch::nn modules, torch::optim::Adam, batches of random sentences, fp32.
  double plain_tokens_per_second = 0;
  double plain_padding_share = 0;

  /// The matrix products of an update alone, as LibTorch computes them in this precision: no
  /// training of this network on this machine with them can be faster.
  double bound_tokens_per_second = 0;
  double flops_per_token = 0;  ///< of those products, forward and backward
  int turns = 0;

  config::OrderedJson to_json() const;
  std::string to_text() const;
};
TrainBenchmark benchmark_training(const TrainBenchmarkOptions& options);

}  // namespace hat::train
