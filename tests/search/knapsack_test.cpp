#include "search/knapsack.h"

#include <gtest/gtest.h>

#include <cmath>

#include "hat/base/rng.h"

namespace hat::search {
namespace {

using Groups = std::vector<std::vector<KnapsackItem>>;

/// Least value by trying everything; infinite when nothing fits.
double by_trying(const Groups& groups, double room) {
  double best = INFINITY;
  size_t combinations = 1;
  for (const auto& group : groups) combinations *= group.size();
  for (size_t i = 0; i < combinations; ++i) {
    size_t rest = i;
    double value = 0;
    double cost = 0;
    for (const auto& group : groups) {
      value += group[rest % group.size()].value;
      cost += group[rest % group.size()].cost;
      rest /= group.size();
    }
    if (cost <= room + 1e-9) best = std::min(best, value);
  }
  return best;
}

Groups random_groups(Rng& rng, bool whole) {
  Groups groups(1 + rng.below(5));
  for (auto& group : groups) {
    group.resize(1 + rng.below(6));
    for (KnapsackItem& item : group) {
      item.value = rng.normal();
      item.cost = whole ? static_cast<double>(rng.below(21)) - 10 : 4 * rng.normal();
    }
  }
  return groups;
}

TEST(Knapsack, WholeCostsAreExact) {
  Rng rng(1);
  int feasible = 0;
  for (int i = 0; i < 300; ++i) {
    const Groups groups = random_groups(rng, true);
    const double room = static_cast<double>(rng.below(40)) - 20;
    const double least = by_trying(groups, room);
    const std::vector<size_t> chosen = choose_within(groups, room);
    ASSERT_EQ(chosen.empty(), least == INFINITY);
    if (chosen.empty()) continue;
    ++feasible;
    double value = 0;
    double cost = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      value += groups[g][chosen[g]].value;
      cost += groups[g][chosen[g]].cost;
    }
    EXPECT_LE(cost, room);
    EXPECT_NEAR(value, least, 1e-12);
  }
  EXPECT_GT(feasible, 100);
}

TEST(Knapsack, RealCostsKeepTheRoomAndComeNear) {
  Rng rng(2);
  for (int i = 0; i < 300; ++i) {
    const Groups groups = random_groups(rng, false);
    const double room = 3 * rng.normal();
    const std::vector<size_t> chosen = choose_within(groups, room);
    if (chosen.empty()) continue;
    double value = 0;
    double cost = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      value += groups[g][chosen[g]].value;
      cost += groups[g][chosen[g]].cost;
    }
    EXPECT_LE(cost, room + 1e-6);
    EXPECT_LE(value, by_trying(groups, room) + 0.2);
  }
}

TEST(Knapsack, NoRoomLimitAndNoGroups) {
  const Groups groups{{{1, 5}, {-1, 1e6}}, {{0.5, 1}}};
  EXPECT_EQ(choose_within(groups, INFINITY), (std::vector<size_t>{1, 0}));
  EXPECT_TRUE(choose_within({}, 1).empty());
}

}  // namespace
}  // namespace hat::search
