#include "hat/train/rank_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "hat/base/strings.h"
#include "hat/train/strategy.h"
#include "tiny_space.h"

namespace hat::train {
namespace {

TEST(Stratified, SpreadsOverCostWithoutRepeats) {
  const arch::SearchSpace space = testing::tiny_space();
  const auto chosen = stratified(space, 9, 1);
  ASSERT_EQ(chosen.size(), 9u);
  EXPECT_EQ(chosen.front(), space.smallest());
  EXPECT_EQ(chosen.back(), space.largest());
  std::set<std::string> ids;
  const double low = cost_per_token(chosen.front());
  const double high = cost_per_token(chosen.back());
  for (size_t i = 0; i < chosen.size(); ++i) {
    ids.insert(arch::architecture_id(chosen[i]));
    EXPECT_NEAR((cost_per_token(chosen[i]) - low) / (high - low), i / 8.0, 0.06) << i;
  }
  EXPECT_EQ(ids.size(), 9u);
}

RankCheck check_of(double tau, double low) {
  RankCheck check;
  check.tau = tau;
  check.interval = {low, 1};
  return check;
}

TEST(RankCheck, VerdictFollowsTauAndItsInterval) {
  EXPECT_NE(check_of(0.95, 0.85).verdict().find("may trust"), std::string::npos);
  EXPECT_NE(check_of(0.9, 0.5).verdict().find("more --architectures"), std::string::npos);
  EXPECT_NE(check_of(0.6, 0.3).verdict().find("in the large only"), std::string::npos);
  EXPECT_NE(check_of(0.1, -0.3).verdict().find("do not trust"), std::string::npos);
}

TEST(RankCheck, PlotsEveryNetwork) {
  RankCheck check = check_of(1, 0.9);
  const arch::SearchSpace space = testing::tiny_space();
  check.networks = {{space.smallest(), 1, 3.0, 2.9}, {space.largest(), 2, 2.0, 1.9}};
  const std::string text = check.to_text();
  int points = 0;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("  |"))
      points += static_cast<int>(std::count(line.begin(), line.end(), 'o'));
  }
  EXPECT_EQ(points, 2);
  EXPECT_NE(text.find("Kendall tau 1.000"), std::string::npos);
}

}  // namespace
}  // namespace hat::train
