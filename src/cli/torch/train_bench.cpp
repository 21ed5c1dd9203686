#include "../torch_commands.h"
#include "../train_options.h"
#include "hat/model/compute.h"
#include "hat/train/benchmark.h"

namespace hat::cli {

void run_train_bench(const TrainBenchFlags& options) {
  model::configure_process(options.threads);
  train::TrainBenchmarkOptions benchmark;
  benchmark.layers = options.layers;
  benchmark.width = options.width;
  benchmark.ffn_dim = options.ffn_dim;
  benchmark.heads = options.heads;
  benchmark.vocabulary = options.vocabulary;
  benchmark.batch_tokens = options.batch_tokens;
  benchmark.precision = options.precision;
  benchmark.seconds = options.seconds;
  const train::TrainBenchmark result = train::benchmark_training(benchmark);
  if (options.json) {
    print_json(result.to_json());
  } else {
    print(result.to_text());
  }
}

}  // namespace hat::cli
