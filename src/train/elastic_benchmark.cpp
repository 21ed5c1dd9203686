#include "hat/train/elastic_benchmark.h"

#include <memory>

#include "benchmark_corpus.h"
#include "benchmark_trainee.h"
#include "hat/base/clock.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "hat/model/compute.h"

namespace hat::train {
namespace {

constexpr int kSentences = 3000;
constexpr int kFewestTurns = 3, kMostTurns = 200;
constexpr double kDistillation = 0.5;
constexpr const char* kSeveral[] = {"alternating", "sandwich", "full_sandwich"};

double update_ms(BenchmarkTrainee& trainee, int turn, const std::vector<Path>& paths,
                 const TensorBatch& batch) {
  const double start = wall_ms();
  trainee.update(turn, paths, batch);
  return wall_ms() - start;
}

model::NetworkSpec spec_of(const arch::SearchSpace& space, const arch::Architecture& network,
                           const arch::Vocabulary& vocabulary) {
  model::NetworkSpec spec = model::super_spec(space, vocabulary);
  spec.capacities = network;
  return spec;
}

}  // namespace

ElasticBenchmark benchmark_elastic(const arch::SearchSpace& space,
                                   const ElasticBenchmarkOptions& options) {
  const BenchmarkCorpus corpus(kSentences, options.vocabulary, options.seed);
  std::vector<TensorBatch> batches = corpus.by_length(options.batch_tokens);
  Rng(options.seed, "order").shuffle(batches);
  const model::Compute compute = model::resolve_compute(options.precision);
  const arch::Architecture smallest = space.smallest();
  BenchmarkTrainee super(model::super_spec(space, options.vocabulary), compute, options.seed);
  BenchmarkTrainee alone(spec_of(space, smallest, options.vocabulary), compute, options.seed);

  const auto strategy = [&](const std::string& name) {
    return make_strategy(name, space, options.seed, kDistillation);
  };
  const FixedArchitecture only_smallest(smallest);
  const std::unique_ptr<Strategy> single_path = strategy("single_path");
  std::vector<std::unique_ptr<Strategy>> several;
  for (const char* name : kSeveral) several.push_back(strategy(name));

  // The first turn warms up.
  std::vector<double> inside_ms, alone_ms, single_ms;
  std::vector<std::vector<double>> several_ms(several.size());
  ElasticBenchmark result;
  const double begin = wall_ms();
  for (int turn = 0; turn < kMostTurns; ++turn) {
    if (turn > kFewestTurns && wall_ms() - begin > options.seconds * 1000) break;
    const TensorBatch& batch = batches[static_cast<size_t>(turn) % batches.size()];
    const auto add_to = [turn](std::vector<double>* series, double ms) {
      if (turn > 0) series->push_back(ms);
    };
    // Who comes second finds the batch in the caches: each in every other turn.
    for (const bool inside : {turn % 2 == 0, turn % 2 != 0}) {
      BenchmarkTrainee& trainee = inside ? super : alone;
      add_to(inside ? &inside_ms : &alone_ms,
             update_ms(trainee, turn, only_smallest.paths(turn), batch));
    }
    add_to(&single_ms, update_ms(super, turn, single_path->paths(turn), batch));
    for (size_t i = 0; i < several.size(); ++i) {
      add_to(&several_ms[i], update_ms(super, turn, several[i]->paths(turn), batch));
    }
    result.turns = turn;
  }

  result.precision = model::compute_name(compute);
  result.smallest_ms = median(inside_ms);
  result.smallest_alone_ms = median(alone_ms);
  result.single_path_ms = mean(single_ms);
  for (size_t i = 0; i < several.size(); ++i) {
    result.updates.push_back({several[i]->name(), mean(several_ms[i])});
  }
  result.split = super.split();
  result.parameters = super.parameters();
  result.peak_memory_mb = peak_memory_bytes() / 1e6;
  return result;
}

config::OrderedJson ElasticBenchmark::to_json() const {
  config::OrderedJson json = {{"precision", precision},
                              {"smallest_ms", smallest_ms},
                              {"smallest_alone_ms", smallest_alone_ms},
                              {"smallest_over_alone", smallest_ms / smallest_alone_ms},
                              {"single_path_ms", single_path_ms}};
  for (const Update& update : updates) {
    json[update.strategy + "_ms"] = update.ms;
    json[update.strategy + "_over_single_path"] = update.ms / single_path_ms;
  }
  json["split"] = split;
  json["parameters"] = parameters;
  json["peak_memory_mb"] = peak_memory_mb;
  json["turns"] = turns;
  return json;
}

std::string ElasticBenchmark::to_text() const {
  const auto line = [](const std::string& what, double ms, const std::string& rest) {
    return str(what, std::string(what.size() < 32 ? 32 - what.size() : 1, ' '), fixed(ms, 1), " ms",
               rest, "\n");
  };
  std::string text = str("one update, ", precision, ", ", fixed(parameters / 1e6, 1),
                         " M parameters in the SuperTransformer\n",
                         line("smallest network inside it:", smallest_ms, ""),
                         line("  the same network alone:", smallest_alone_ms,
                              str(", inside / alone ", fixed(smallest_ms / smallest_alone_ms, 2))),
                         line("single_path, mean:", single_path_ms, ""));
  for (const Update& update : updates) {
    text += line(update.strategy + ", mean:", update.ms,
                 str(", ", fixed(update.ms / single_path_ms, 2), " times single_path"));
  }
  text += str("resident at most ", fixed(peak_memory_mb, 0), " MB");
  if (split > 1) text += str("; batches were cut into ", split, " parts");
  return text + "\n";
}

}  // namespace hat::train
