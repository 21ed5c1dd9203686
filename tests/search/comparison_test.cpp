#include "hat/search/comparison.h"

#include <gtest/gtest.h>

#include "hat/base/error.h"
#include "hat/search/reach.h"
#include "search/synthetic.h"
#include "testing/expect_error.h"

namespace hat::search {
namespace {

using testing::ChainSpace;

TEST(Comparison, CountsEveryMethodAndScoresEachNetworkOnce) {
  const ChainSpace space(testing::shapes()[0], 1);
  Problem problem = testing::chain_problem(space);
  const Reach reach = reach_of(space, problem.costs[0]);
  Goal goal;
  goal.limits.push_back({0, 0.5 * (reach.smallest + reach.largest)});
  problem.goals.push_back(goal);
  int calls = 0;
  FunctionObjective objective([&](const Genotype& g) {
    ++calls;
    return space.loss(g);
  });
  ScoreStore store;
  Evaluator evaluator(objective, store);
  ComparisonOptions options;
  options.seeds = 2;
  options.evaluations = 120;
  Comparison comparison(problem, evaluator, options, reach.at_smallest);
  comparison.run();
  EXPECT_EQ(calls, static_cast<int>(store.size()));
  ASSERT_EQ(comparison.seeds().size(), 2u);
  for (const ComparedSeed& seed : comparison.seeds()) {
    for (const ComparedRun& run : seed.runs) {
      if (run.method == Comparison::kOriginal) {
        EXPECT_EQ(run.passes, 3750);
        EXPECT_LT(run.evaluations, 3750);
      } else {
        EXPECT_LE(run.evaluations, 120) << run.method;
      }
      EXPECT_GT(run.hypervolume, 0) << run.method;
      EXPECT_LE(run.hypervolume, 1) << run.method;
    }
  }
  for (const ComparedMethod& method : comparison.methods()) {
    if (method.method == Comparison::kOriginal) {
      EXPECT_EQ(method.excess_percent, 0);
    }
    if (method.method == "random search") {
      EXPECT_EQ(method.seeds_above, 2);
    }
  }
}

TEST(Comparison, NeedsABudget) {
  const ChainSpace space(testing::shapes()[0], 1);
  Problem problem = testing::chain_problem(space);
  problem.goals.push_back({});
  FunctionObjective objective([&](const Genotype& g) { return space.loss(g); });
  ScoreStore store;
  Evaluator evaluator(objective, store);
  hat::testing::expect_error(ErrorKind::kUsage, "budget", [&] {
    Comparison comparison(problem, evaluator, {}, Genotype(space.slots(), 0));
  });
}

}  // namespace
}  // namespace hat::search
