#include "hat/search/finalists.h"

#include <gtest/gtest.h>

#include <cmath>

#include "hat/base/rng.h"
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
  /// Measured: `factor` times the cost, times something between 1 - noise and 1 that depends on the
  /// network. Confirmed: without noise.
  Finish finish(double factor, FinishOptions options = {}, double noise = 0,
                bool confirms = false) {
    FunctionObjective objective([&](const Genotype& g) { return space.loss(g); });
    ScoreStore store;
    Evaluator evaluator(objective, store);
    Searcher searcher(problem, evaluator, Options(), {reach.at_smallest});
    searcher.run(80);
    Finisher finisher(searcher, evaluator, options);
    const Measure measure = [&](const std::vector<Candidate>& candidates) {
      std::vector<double> values;
      for (const Candidate& candidate : candidates) {
        const double luck = static_cast<double>(hash64(candidate.key) % 100) / 99;
        values.push_back(candidate.costs[0] * factor * (1 - noise * luck));
      }
      return values;
    };
    const Measure confirm = [&](const std::vector<Candidate>& candidates) {
      return std::vector<double>{candidates.at(0).costs[0] * factor};
    };
    return finisher.finish(0, 0, measure, reach.at_smallest, confirms ? confirm : Measure());
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

TEST(Finisher, LuckOfTheFirstMeasurementDoesNotWin) {
  int lucky = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Ending ending(seed);
    const auto truth = [](const Finish& finish) {
      return 1.2 * finish.finalists[finish.winner].candidate.costs[0];
    };
    const Finish once = ending.finish(1.2, {}, 0.1);
    ASSERT_GE(once.winner, 0);
    lucky += truth(once) > ending.budget;
    const Finish twice = ending.finish(1.2, {}, 0.1, true);
    ASSERT_GE(twice.winner, 0) << seed;
    EXPECT_TRUE(twice.finalists[twice.winner].confirmed);
    EXPECT_LE(truth(twice), ending.budget);
    EXPECT_GT(truth(twice), 0.9 * ending.budget);
  }
  EXPECT_GE(lucky, 5);
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
