#include "hat/train/strategy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "hat/base/error.h"
#include "tiny_space.h"

namespace hat::train {
namespace {

using testing::tiny_space;

TEST(SinglePath, DependsOnSeedAndUpdateOnly) {
  const arch::SearchSpace space = tiny_space();
  const SinglePath a(space, 1), b(space, 1), c(space, 2);
  int different = 0;
  for (int64_t update : {5, 3, 900, 3}) {
    EXPECT_EQ(a.paths(update)[0].architecture, b.paths(update)[0].architecture);
    EXPECT_TRUE(space.contains(a.paths(update)[0].architecture));
    different += a.paths(update)[0].architecture != c.paths(update)[0].architecture;
  }
  EXPECT_GT(different, 0);
}

TEST(UniformCost, ReachesBothEndsAsOftenAsTheMiddle) {
  const arch::SearchSpace space = tiny_space();
  const UniformCost strategy(space, 1);
  const double low = cost_per_token(space.smallest());
  const double high = cost_per_token(space.largest());
  std::array<int, 4> quarters{};
  const int draws = 2000;
  for (int update = 0; update < draws; ++update) {
    const double cost = cost_per_token(strategy.paths(update)[0].architecture);
    quarters[std::min(3, static_cast<int>(4 * (cost - low) / (high - low)))]++;
  }
  for (int count : quarters) {
    EXPECT_GT(count, draws / 4 * 0.75);
    EXPECT_LT(count, draws / 4 * 1.25);
  }
}

TEST(Sandwich, NetworksDivideTheBatchUnlessItIsFull) {
  const arch::SearchSpace space = tiny_space();
  const Sandwich strategy(space, 1, 2, 0.5, false);
  double shares = 0;
  for (const Path& path : strategy.paths(3)) shares += path.share;
  EXPECT_NEAR(shares, 1, 1e-12);
  EXPECT_EQ(strategy.passes(), 1);
  EXPECT_EQ(strategy.paths(3)[0].share, 0.5);
  for (const Path& path : Sandwich(space, 1, 2, 0.5, true).paths(3)) EXPECT_EQ(path.share, 1);
}

TEST(Sandwich, LargestTeachesTheOthers) {
  const arch::SearchSpace space = tiny_space();
  const Sandwich strategy(space, 1, 2, 0.5, true);
  const auto paths = strategy.paths(7);
  ASSERT_EQ(static_cast<int>(paths.size()), strategy.passes());
  EXPECT_EQ(paths.front().architecture, space.largest());
  EXPECT_TRUE(paths.front().teaches);
  EXPECT_EQ(paths.front().distillation, 0);
  EXPECT_TRUE(paths.front().dropout);
  EXPECT_EQ(paths.back().architecture, space.smallest());
  for (size_t i = 1; i < paths.size(); ++i) {
    EXPECT_FALSE(paths[i].teaches);
    EXPECT_EQ(paths[i].distillation, 0.5);
    EXPECT_FALSE(paths[i].dropout);
  }
  EXPECT_NE(paths[1].architecture, paths[2].architecture);
}

TEST(AlternatingSandwich, ComesToTheSmallestEveryThirdUpdate) {
  const arch::SearchSpace space = tiny_space();
  const AlternatingSandwich strategy(space, 1, 0.5);
  int smallest = 0;
  for (int update = 0; update < 30; ++update) {
    const auto paths = strategy.paths(update);
    ASSERT_EQ(paths.size(), 2u);
    EXPECT_EQ(paths[0].architecture, space.largest());
    smallest += paths[1].architecture == space.smallest();
  }
  EXPECT_GE(smallest, 10);
  EXPECT_LT(smallest, 20);
}

TEST(MakeStrategy, KnowsEveryName) {
  const arch::SearchSpace space = tiny_space();
  for (const std::string& name : strategy_names()) {
    if (name == "original") continue;  // needs a space with the original's genes
    const auto strategy = make_strategy(name, space, 1, 0.25);
    EXPECT_FALSE(strategy->paths(0).empty());
    for (const Path& path : strategy->paths(0)) {
      EXPECT_EQ(path.distillation, path.dropout ? 0 : 0.25);
    }
    if (name != "auto") {
      EXPECT_EQ(strategy->name(), name);
    }
  }
  EXPECT_THROW(make_strategy("sandwhich", space, 1, 0), Error);
}

}  // namespace
}  // namespace hat::train
