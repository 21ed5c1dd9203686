#include "hat/search/searcher.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include "hat/base/error.h"
#include "hat/base/stop.h"
#include "hat/metrics/hypervolume.h"
#include "hat/search/original.h"
#include "hat/search/reach.h"
#include "search/synthetic.h"

namespace hat::search {
namespace {

using testing::chain_problem;
using testing::ChainSpace;

struct Outcome {
  std::vector<Candidate> pool;
  double best_loss = 0;
  int computed = 0;
  int calls = 0;
};

/// One search of a chain space with a budget at `share` of what is reachable.
struct Case {
  Case(const ChainSpace::Shape& shape, uint64_t seed, double share)
      : space(shape, seed), problem(chain_problem(space)) {
    reach = reach_of(space, problem.costs[0]);
    budget = static_cast<int>(reach.smallest + share * (reach.largest - reach.smallest));
    Goal goal;
    goal.limits.push_back({0, static_cast<double>(budget)});
    problem.goals.push_back(goal);
  }
  Outcome run(const Options& options, ScoreStore& store, int stop_after = 0) {
    Outcome result;
    FunctionObjective objective([&](const Genotype& genotype) {
      ++result.calls;
      if (result.calls == stop_after) request_stop(true);
      return space.loss(genotype);
    });
    Evaluator evaluator(objective, store);
    Searcher searcher(problem, evaluator, options, {reach.at_smallest});
    searcher.run(options.evaluations);
    result.pool = searcher.pool();
    result.computed = evaluator.computed();
    if (const Candidate* best = best_of(result.pool, problem.goals[0].limits)) {
      result.best_loss = best->loss;
    }
    return result;
  }
  Outcome run(const Options& options) {
    ScoreStore store;
    return run(options, store);
  }

  ChainSpace space;
  Problem problem;
  Reach reach;
  int budget = 0;
};

Options with_seed(uint64_t seed) {
  Options options;
  options.seed = seed;
  return options;
}

std::vector<std::string> keys(const std::vector<Candidate>& pool) {
  std::vector<std::string> keys;
  for (const Candidate& candidate : pool) keys.push_back(candidate.key);
  return keys;
}

int optima_found(const ChainSpace::Shape& shape, double share, int seeds) {
  int found = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    Case one(shape, seed, share);
    const double optimum = one.space.optimum_by_budget(one.budget).back();
    if (one.run(with_seed(seed)).best_loss <= optimum + 1e-9) ++found;
  }
  return found;
}

TEST(Searcher, FindsTheOptimumOfEveryShape) {
  for (const ChainSpace::Shape& shape : testing::shapes()) {
    EXPECT_GE(optima_found(shape, 0.5, 2), 1) << shape.name;
  }
}

TEST(SlowSearcher, FindsTheOptimumIn95Of100Seeds) {
  int found = 0;
  int runs = 0;
  for (const ChainSpace::Shape& shape : testing::shapes()) {
    for (double share : {0.2, 0.5, 0.85}) {
      const int here = optima_found(shape, share, 100);
      std::printf("%-16s budget at %2.0f %% of the range: optimum in %d of 100 seeds\n",
                  shape.name.c_str(), 100 * share, here);
      std::fflush(stdout);
      EXPECT_GE(here, 95) << shape.name << " " << share;
      found += here;
      runs += 100;
    }
  }
  EXPECT_GE(found, runs * 95 / 100);
}

TEST(Searcher, NeverExceedsEffortNorScoresANetworkTwice) {
  Case one(testing::shapes()[0], 3, 0.5);
  Options options = with_seed(3);
  options.evaluations = 80;
  const Outcome run = one.run(options);
  EXPECT_LE(run.pool.size(), 80u);
  EXPECT_EQ(run.calls, static_cast<int>(run.pool.size()));
  std::vector<std::string> all = keys(run.pool);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

TEST(Searcher, SmallSpaceIsExhaustedAndTheSearchEnds) {
  ChainSpace::Shape shape{"mini", {2}, {2}, {2}, true, 0, false, false};
  Case one(shape, 1, 1.0);
  const Outcome run = one.run(with_seed(1));
  EXPECT_LE(run.pool.size(), 12u);  // 2 widths x (2 + 4) networks
  EXPECT_DOUBLE_EQ(run.best_loss, one.space.optimum_by_budget(one.budget).back());
}

TEST(Searcher, TightBudgetsAreSearchedToTheLastNetwork) {
  // Few networks within the budget, far apart, in a space that is larger than the effort.
  const ChainSpace::Shape shape{"tight", {3}, {3, 2}, {3}, true, 0, false, false};
  for (double share : {0.05, 0.12, 0.3}) {
    Case one(shape, 4, share);
    std::set<std::string> within;
    Genotype genotype(one.space.slots(), 0);
    for (size_t slot = 0; slot < genotype.size();) {
      if (one.space.cost(genotype) <= one.budget) within.insert(one.space.key(genotype));
      for (slot = 0; slot < genotype.size(); ++slot) {
        if (++genotype[slot] < one.space.choices_at(slot)) break;
        genotype[slot] = 0;
      }
    }
    FunctionObjective objective([&](const Genotype& g) { return one.space.loss(g); });
    for (bool surrogate : {true, false}) {
      ScoreStore store;
      Evaluator evaluator(objective, store);
      Options options = with_seed(4);
      options.surrogate = surrogate;
      Searcher searcher(one.problem, evaluator, options, {one.reach.at_smallest});
      searcher.run(300);
      EXPECT_EQ(searcher.pool().size(), std::min<size_t>(300, within.size())) << share;
      EXPECT_EQ(searcher.exhausted(), within.size() < 300) << share;
    }
  }
}

TEST(Searcher, GrowUsesWhatTheBudgetLeaves) {
  Case one(testing::shapes()[0], 12, 0.7);
  FunctionObjective objective([&](const Genotype& g) { return one.space.loss(g); });
  ScoreStore store;
  Evaluator evaluator(objective, store);
  Options options = with_seed(12);
  options.algorithm = "random";
  Searcher searcher(one.problem, evaluator, options, {one.reach.at_smallest});
  searcher.run(20);
  const Candidate before = *best_of(searcher.pool(), one.problem.goals[0].limits);
  const int grown = searcher.grow(0, 40);
  EXPECT_GT(grown, 0);
  EXPECT_LE(grown, 40);
  EXPECT_EQ(searcher.pool().size(), 20u + grown);
  for (const Candidate& candidate : searcher.pool()) EXPECT_LE(candidate.costs[0], one.budget);
  // Costlier choices are better here, so that the best grows until the budget is full.
  const Candidate* after = best_of(searcher.pool(), one.problem.goals[0].limits);
  EXPECT_LT(after->loss, before.loss);
  EXPECT_GT(after->costs[0], 0.97 * one.budget);
}

TEST(Searcher, SameSeedSameSearch) {
  Case one(testing::shapes()[1], 5, 0.5);
  Options options = with_seed(5);
  options.evaluations = 100;
  EXPECT_EQ(keys(one.run(options).pool), keys(one.run(options).pool));
  Options other = with_seed(6);
  other.evaluations = 100;
  EXPECT_NE(keys(one.run(options).pool), keys(one.run(other).pool));
}

TEST(Searcher, EveryAlgorithmKeepsTheLimit) {
  for (const std::string& name : algorithm_names()) {
    for (bool surrogate : {true, false}) {
      Case one(testing::shapes()[0], 7, 0.4);
      Options options = with_seed(7);
      options.algorithm = name;
      options.surrogate = surrogate;
      options.evaluations = 130;
      const Outcome run = one.run(options);
      ASSERT_FALSE(run.pool.empty()) << name;
      for (const Candidate& candidate : run.pool) EXPECT_LE(candidate.costs[0], one.budget);
    }
  }
}

TEST(Searcher, UnknownAlgorithmIsRefusedWithTheNearestName) {
  Case one(testing::shapes()[0], 1, 0.5);
  Options options;
  options.algorithm = "nsga";
  try {
    one.run(options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(error.message().find("nsga2"), std::string::npos);
  }
}

TEST(Searcher, StoppedAndResumedEndsInTheSame) {
  const fs::path path = fs::path(::testing::TempDir()) / "search_resume.jsonl";
  Case one(testing::shapes()[1], 9, 0.5);
  Options options = with_seed(9);
  options.evaluations = 120;
  const Outcome straight = one.run(options);
  for (int stop_after : {1, 37, 50, 77}) {
    fs::remove(path);
    {
      ScoreStore store(path);
      EXPECT_THROW(one.run(options, store, stop_after), Error);
      request_stop(false);
    }
    // A kill in the middle of a write leaves part of a line.
    std::ofstream(path, std::ios::app) << "{\"id\": \"cut";
    ScoreStore store(path);
    const Outcome resumed = one.run(options, store);
    EXPECT_EQ(keys(resumed.pool), keys(straight.pool));
    EXPECT_EQ(resumed.best_loss, straight.best_loss);
    EXPECT_LT(resumed.computed, straight.computed);
  }
  fs::remove(path);
}

TEST(Searcher, ScoresAreSharedBetweenSearches) {
  Case one(testing::shapes()[0], 2, 0.5);
  ScoreStore store;
  Options options = with_seed(2);
  options.evaluations = 60;
  const Outcome first = one.run(options, store);
  const Outcome second = one.run(options, store);
  EXPECT_EQ(first.computed, 60);
  EXPECT_EQ(second.computed, 0);
}

TEST(Searcher, OneFrontAnswersEveryBudget) {
  Case one(testing::shapes()[1], 4, 1.0);
  one.problem.goals[0].front = {0};
  const Outcome run = one.run(with_seed(4));
  const std::vector<double> optimum = one.space.optimum_by_budget(one.budget);
  int near = 0;
  int budgets = 0;
  const double range = optimum[static_cast<size_t>(one.reach.smallest)] - optimum.back();
  for (int budget = static_cast<int>(one.reach.smallest); budget <= one.budget; budget += 5) {
    const Candidate* best = best_of(run.pool, {{0, static_cast<double>(budget)}});
    ASSERT_NE(best, nullptr) << budget;
    ++budgets;
    if (best->loss - optimum[budget] <= 0.05 * range) ++near;
  }
  EXPECT_GE(near, budgets * 9 / 10);
}

TEST(Searcher, FrontBeatsRandomSearchAtEqualCost) {
  Case one(testing::shapes()[0], 11, 1.0);
  one.problem.goals[0].front = {0};
  Options options = with_seed(11);
  const auto volume = [&](const Outcome& run) {
    std::vector<std::vector<double>> points;
    for (size_t i : front_of(run.pool, one.problem.goals[0])) {
      points.push_back({run.pool[i].loss, run.pool[i].costs[0]});
    }
    return metrics::hypervolume(points, {10.0, one.budget * 1.01});
  };
  const double ours = volume(one.run(options));
  options.algorithm = "random";
  EXPECT_GT(ours, volume(one.run(options)));
}

TEST(Searcher, TwoGoalsShareOnePool) {
  Case one(testing::shapes()[1], 6, 0.3);
  Goal loose;
  loose.limits.push_back({0, one.reach.largest});
  one.problem.goals.push_back(loose);
  ScoreStore store;
  FunctionObjective objective([&](const Genotype& genotype) { return one.space.loss(genotype); });
  Evaluator evaluator(objective, store);
  Searcher searcher(one.problem, evaluator, with_seed(6),
                    {one.reach.at_smallest, one.reach.at_smallest});
  searcher.run(300);
  const std::vector<double> optimum =
      one.space.optimum_by_budget(static_cast<int>(one.reach.largest));
  EXPECT_NEAR(best_of(searcher.pool(), one.problem.goals[0].limits)->loss, optimum[one.budget],
              0.05);
  EXPECT_NEAR(best_of(searcher.pool(), loose.limits)->loss, optimum.back(), 0.05);
}

TEST(Searcher, TenTimesFewerEvaluationsThanTheOriginal) {
  Case one(testing::shapes()[0], 8, 0.5);
  CostTable table(one.problem);
  OriginalEvolution original(table, one.problem.goals[0].limits, 8);
  double best = INFINITY;
  while (!original.finished()) {
    std::vector<double> losses;
    for (const Genotype& genotype : original.population()) {
      losses.push_back(one.space.loss(genotype));
      best = std::min(best, losses.back());
    }
    original.advance(losses);
  }
  EXPECT_EQ(original.passes(), 3750);
  EXPECT_LE(one.run(with_seed(8)).best_loss, best * 1.001);
}

TEST(OriginalEvolution, KeepsItsSizesAndItsLimit) {
  Case one(testing::shapes()[0], 1, 0.6);
  CostTable table(one.problem);
  OriginalEvolution original(table, one.problem.goals[0].limits, 1);
  double before = INFINITY;
  for (int iteration = 0; iteration < 30; ++iteration) {
    ASSERT_EQ(original.population().size(), 125u);
    std::vector<double> losses;
    double best = INFINITY;
    for (const Genotype& genotype : original.population()) {
      EXPECT_LE(one.space.cost(genotype), one.budget);
      losses.push_back(one.space.loss(genotype));
      best = std::min(best, losses.back());
    }
    EXPECT_LE(best, before);  // parents survive
    before = best;
    original.advance(losses);
  }
  EXPECT_TRUE(original.finished());
  EXPECT_EQ(original.population().size(), 25u);
}

TEST(OriginalEvolution, ImpossibleLimitEndsInAnError) {
  Case one(testing::shapes()[0], 1, 0.5);
  CostTable table(one.problem);
  try {
    OriginalEvolution original(table, {{0, one.reach.smallest - 1}}, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInfeasible);
  }
}

TEST(Evaluator, NotFiniteLossIsAnError) {
  Case one(testing::shapes()[0], 1, 0.5);
  FunctionObjective objective([](const Genotype&) { return NAN; });
  ScoreStore store;
  Evaluator evaluator(objective, store);
  Searcher searcher(one.problem, evaluator, Options(), {one.reach.at_smallest});
  try {
    searcher.run(10);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
  }
}

TEST(ScoreStore, DamagedLinesAreLeftOut) {
  const fs::path path = fs::path(::testing::TempDir()) / "search_store.jsonl";
  fs::remove(path);
  std::ofstream(path) << "{\"id\": \"a\", \"sentences\": 10, \"loss\": 2.5}\n"
                      << "nonsense\n[1]\n{\"id\": 3, \"sentences\": 10, \"loss\": 1}\n";
  ScoreStore store(path);
  EXPECT_EQ(store.size(), 1u);
  ASSERT_NE(store.find("a", 10), nullptr);
  EXPECT_EQ(*store.find("a", 10), 2.5);
  EXPECT_EQ(store.find("a", 20), nullptr);
  fs::remove(path);
}

}  // namespace
}  // namespace hat::search
