#include "hat/search/finalists.h"

#include <gtest/gtest.h>

#include <cmath>

#include "hat/search/reach.h"
#include "search/synthetic.h"

namespace hat::search {
namespace {

using testing::ChainSpace;

/// Every layer lives and costlier choices are better, so that the best network fills its budget.
const ChainSpace::Shape kFilling{"filling", {8}, {4, 2, 4}, {}, false, 0, true, true};

/// A search ended with measurements that are off by a factor.
struct Ending {
  explicit Ending(uint64_t seed) : space(kFilling, seed) {
    problem = testing::chain_problem(space);
    reach = reach_of(space, problem.costs[0]);
    budget = std::floor(0.5 * (reach.smallest + reach.largest));
    Goal goal;
    goal.limits.push_back({0, budget});
    problem.goals.push_back(goal);
  }
  Finish finish(double measured_over_predicted, FinishOptions options = {}) {
    FunctionObjective objective([&](const Genotype& g) { return space.loss(g); });
    ScoreStore store;
    Evaluator evaluator(objective, store);
    Searcher searcher(problem, evaluator, Options(), {reach.at_smallest});
    searcher.run(80);
    Finisher finisher(searcher, evaluator, options);
    const Measure measure = [&](const std::vector<Candidate>& candidates) {
      std::vector<double> values;
      for (const Candidate& candidate : candidates) {
        values.push_back(candidate.costs[0] * measured_over_predicted);
      }
      return values;
    };
    return finisher.finish(0, 0, measure, reach.at_smallest);
  }

  ChainSpace space;
  Problem problem;
  Reach reach;
  double budget = 0;
};

TEST(Finisher, KeepsAndUsesTheBudgetWhenThePredictorIsOff) {
  for (double factor : {0.85, 1.0, 1.2}) {
    Ending ending(3);
    const Finish finish = ending.finish(factor);
    ASSERT_GE(finish.winner, 0) << factor;
    const Finalist& winner = finish.finalists[finish.winner];
    EXPECT_LE(winner.measured, ending.budget) << factor;
    EXPECT_GT(winner.measured, 0.95 * ending.budget) << factor;
    EXPECT_NEAR(finish.bias, factor, 0.01);
  }
}

TEST(Finisher, OfNearlyEqualLossesTheFullestWins) {
  Ending ending(5);
  FinishOptions options;
  options.tie = 1e9;
  const Finish any = ending.finish(1.0, options);
  ASSERT_GE(any.winner, 0);
  for (const Finalist& finalist : any.finalists) {
    if (!finalist.keeps) continue;
    EXPECT_LE(finalist.measured, any.finalists[any.winner].measured);
  }
  options.tie = 0;
  const Finish best = ending.finish(1.0, options);
  for (const Finalist& finalist : best.finalists) {
    if (finalist.keeps) {
      EXPECT_GE(finalist.candidate.loss, best.finalists[best.winner].candidate.loss);
    }
  }
}

TEST(Finisher, NoWinnerWhenNothingMeasuredKeepsTheBudget) {
  Ending ending(6);
  const Finish finish = ending.finish(1e3);
  EXPECT_EQ(finish.winner, -1);
  EXPECT_FALSE(finish.finalists.empty());
}

}  // namespace
}  // namespace hat::search
