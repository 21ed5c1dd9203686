#include "../torch_commands.h"
#include "../train_options.h"
#include "hat/model/compute.h"
#include "hat/train/benchmark.h"
#include "hat/train/elastic_benchmark.h"
#include "print_result.h"

namespace hat::cli {
namespace {

void run_elastic_bench(const TrainBenchFlags& options) {
  train::ElasticBenchmarkOptions benchmark;
  benchmark.vocabulary = {options.vocabulary, options.vocabulary};
  benchmark.batch_tokens = options.batch_tokens;
  benchmark.precision = options.precision;
  benchmark.seconds = options.seconds;
  print_result(train::benchmark_elastic(arch::SearchSpace::named(options.space), benchmark),
               options.json);
}

}  // namespace

void run_train_bench(const TrainBenchFlags& options) {
  model::configure_process(options.threads);
  if (!options.space.empty()) {
    run_elastic_bench(options);
    return;
  }
  train::TrainBenchmarkOptions benchmark;
  benchmark.layers = options.layers;
  benchmark.width = options.width;
  benchmark.ffn_dim = options.ffn_dim;
  benchmark.heads = options.heads;
  benchmark.vocabulary = options.vocabulary;
  benchmark.batch_tokens = options.batch_tokens;
  benchmark.precision = options.precision;
  benchmark.seconds = options.seconds;
  print_result(train::benchmark_training(benchmark), options.json);
}

}  // namespace hat::cli
