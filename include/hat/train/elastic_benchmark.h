#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hat/arch/cost.h"
#include "hat/arch/search_space.h"
#include "hat/config/json.h"

namespace hat::train {

/// What `hat bench --elastic SPACE` measures with: the SuperTransformer of a space with random
/// weights, random sentences.
struct ElasticBenchmarkOptions {
  arch::Vocabulary vocabulary{10000, 10000};
  int batch_tokens = 2048;
  double seconds = 60;  ///< for everything together; a few turns are made whatever they take
  std::string precision = "auto";
  uint64_t seed = 1;
};

/// Whole updates, optimiser included, in one process and in turns on the same batches.
struct ElasticBenchmark {
  struct Update {
    std::string strategy;
    double ms = 0;  ///< mean over the turns: what an update costs depends on what it draws
  };
  std::string precision;
  double smallest_ms = 0;        ///< the smallest network inside the SuperTransformer, median
  double smallest_alone_ms = 0;  ///< the same network with parameters of its own, median
  double single_path_ms = 0;     ///< one random network an update, mean
  std::vector<Update> updates;   ///< the strategies that train several networks an update
  int split = 1;                 ///< parts that batches were cut into to fit in memory
  double parameters = 0;         ///< of the SuperTransformer
  double peak_memory_mb = 0;     ///< resident, of the whole process; both networks are in it
  int turns = 0;

  config::OrderedJson to_json() const;
  std::string to_text() const;
};

ElasticBenchmark benchmark_elastic(const arch::SearchSpace& space,
                                   const ElasticBenchmarkOptions& options);

}  // namespace hat::train
