#include "hat/train/elastic_benchmark.h"

#include <gtest/gtest.h>

#include "hat/arch/cost.h"
#include "tiny_space.h"

namespace hat::train {
namespace {

TEST(ElasticBenchmark, TimesTheSmallestNetworkBothWaysAndEveryStrategy) {
  const arch::SearchSpace space = testing::tiny_space();
  ElasticBenchmarkOptions options;
  options.vocabulary = {60, 60};
  options.batch_tokens = 200;
  options.seconds = 0.001;  // the fewest turns
  options.precision = "fp32";
  const ElasticBenchmark result = benchmark_elastic(space, options);

  EXPECT_EQ(result.turns, 3);
  EXPECT_EQ(result.precision, "fp32");
  EXPECT_EQ(result.split, 1);
  EXPECT_GT(result.smallest_ms, 0);
  EXPECT_GT(result.smallest_alone_ms, 0);
  EXPECT_GT(result.single_path_ms, 0);
  const int64_t largest = arch::parameters(space.largest(), space.options(), options.vocabulary);
  EXPECT_GE(result.parameters, static_cast<double>(largest));
  EXPECT_LT(result.parameters, 1.1 * static_cast<double>(largest));
  EXPECT_GT(result.peak_memory_mb, 0);

  const config::OrderedJson json = result.to_json();
  EXPECT_EQ(json["smallest_over_alone"], result.smallest_ms / result.smallest_alone_ms);
  ASSERT_EQ(result.updates.size(), 3u);
  for (const ElasticBenchmark::Update& update : result.updates) {
    EXPECT_GT(update.ms, 0) << update.strategy;
    EXPECT_EQ(json[update.strategy + "_over_single_path"], update.ms / result.single_path_ms);
    EXPECT_NE(result.to_text().find(update.strategy), std::string::npos);
  }
}

}  // namespace
}  // namespace hat::train
