#include "hat/search/reach.h"

#include <gtest/gtest.h>

#include "hat/arch/cost.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "search/synthetic.h"

namespace hat::search {
namespace {

using testing::ChainSpace;

std::string nothing(const Genotype&) { return "an architecture"; }
std::string plain(const Cost&, double value) { return str(value); }

/// A space small enough to try every genotype.
ChainSpace::Shape tiny_shape() { return {"tiny", {3}, {3, 2}, {2}, true, 0, false, false}; }

template <class F>
void each_genotype(const Space& space, F f) {
  Genotype genotype(space.slots(), 0);
  while (true) {
    f(genotype);
    size_t slot = 0;
    while (slot < genotype.size() && ++genotype[slot] == space.choices_at(slot)) {
      genotype[slot++] = 0;
    }
    if (slot == genotype.size()) return;
  }
}

TEST(Reach, EqualsTheEndsFoundByTryingEverything) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const ChainSpace space(tiny_shape(), seed);
    // Negative terms and a constant: nothing may assume that larger choices cost more.
    const Cost cost{"x", "units", [&](const Genotype& g) {
                      double sum = 50;
                      for (size_t slot = 0; slot < g.size(); ++slot) {
                        if (!space.is_alive(g, slot)) continue;
                        sum += std::cos(static_cast<double>(seed * 31 + slot * 7 + g[slot] * 3));
                      }
                      return sum;
                    }};
    double least = INFINITY;
    double most = -INFINITY;
    each_genotype(space, [&](const Genotype& g) {
      least = std::min(least, cost.value(g));
      most = std::max(most, cost.value(g));
    });
    const Reach reach = reach_of(space, cost);
    EXPECT_TRUE(reach.exact);
    EXPECT_NEAR(reach.smallest, least, 1e-9);
    EXPECT_NEAR(reach.largest, most, 1e-9);
    EXPECT_NEAR(cost.value(reach.at_smallest), least, 1e-9);
  }
}

TEST(Reach, TermsThatMultiplyWithinALayerAreStillExact) {
  const ChainSpace space(tiny_shape(), 1);
  // The slots of a layer only matter together: one at a time none of them seems to help.
  const Cost cost{"x", "units", [&](const Genotype& g) {
                    double sum = 100;
                    for (size_t slot = 2; slot + 1 < g.size(); slot += 2) {
                      if (!space.is_alive(g, slot)) continue;
                      sum += g[slot] == 2 && g[slot + 1] == 1 ? -10 : g[slot] + g[slot + 1];
                    }
                    return sum;
                  }};
  const Reach reach = reach_of(space, cost);
  EXPECT_TRUE(reach.exact);
  EXPECT_DOUBLE_EQ(reach.smallest, 70);
}

TEST(Reach, SaysWhenItIsNotExact) {
  const ChainSpace space(tiny_shape(), 1);
  const Cost cost{"x", "units", [&](const Genotype& g) {
                    double product = 1;
                    for (size_t slot = 0; slot < g.size(); ++slot) product *= 1 + g[slot];
                    return product;
                  }};
  const Reach reach = reach_of(space, cost);
  EXPECT_FALSE(reach.exact);
  EXPECT_DOUBLE_EQ(reach.smallest, 1);
}

TEST(Reach, OriginalSpaceParametersWithinASecond) {
  const arch::SearchSpace architectures =
      arch::SearchSpace::load(fs::path(HAT_SOURCE_DIR) / "configs/spaces/wmt.json");
  const ArchitectureSpace space(architectures);
  const Cost cost{"params", "parameters", [&](const Genotype& g) {
                    return static_cast<double>(arch::parameters_without_embeddings(
                        architectures.decode(g), architectures.options()));
                  }};
  const double begin = thread_cpu_ms();
  const Reach reach = reach_of(space, cost);
  EXPECT_LT(thread_cpu_ms() - begin, 1000);
  EXPECT_TRUE(reach.exact);
  const auto count = [&](const arch::Architecture& architecture) {
    return static_cast<double>(
        arch::parameters_without_embeddings(architecture, architectures.options()));
  };
  EXPECT_EQ(reach.smallest, count(architectures.smallest()));
  EXPECT_EQ(reach.largest, count(architectures.largest()));
}

TEST(FeasibleAnchor, ImpossibleBudgetNamesTheNearestPossible) {
  const ChainSpace space(tiny_shape(), 1);
  Problem problem = testing::chain_problem(space);
  const std::vector<Reach> reaches{reach_of(space, problem.costs[0])};
  Goal goal;
  goal.limits.push_back({0, reaches[0].smallest - 0.5});
  problem.goals.push_back(goal);
  CostTable table(problem);
  try {
    feasible_anchor(table, goal, reaches, nothing, plain);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInfeasible);
    EXPECT_NE(error.message().find(str(reaches[0].smallest)), std::string::npos);
    EXPECT_NE(error.message().find("an architecture"), std::string::npos);
    EXPECT_NE(error.hint().find(str(reaches[0].smallest)), std::string::npos);
  }
  goal.limits[0].at_most = reaches[0].smallest;
  EXPECT_EQ(space.cost(feasible_anchor(table, goal, reaches, nothing, plain)), reaches[0].smallest);
}

TEST(FeasibleAnchor, LimitsThatExcludeEachOther) {
  const ChainSpace space(tiny_shape(), 1);
  Problem problem = testing::chain_problem(space);
  // Falls where the other rises.
  problem.costs.push_back(
      {"inverse", "units", [&](const Genotype& g) { return 1000.0 - space.cost(g); }});
  std::vector<Reach> reaches;
  for (const Cost& cost : problem.costs) reaches.push_back(reach_of(space, cost));
  Goal goal;
  goal.limits.push_back({0, reaches[0].smallest});
  goal.limits.push_back({1, reaches[1].smallest});
  CostTable table(problem);
  try {
    feasible_anchor(table, goal, reaches, nothing, plain);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInfeasible);
    EXPECT_NE(error.message().find("together"), std::string::npos);
  }
  goal.limits[1].at_most = reaches[1].largest;
  EXPECT_NO_THROW(feasible_anchor(table, goal, reaches, nothing, plain));
}

}  // namespace
}  // namespace hat::search
