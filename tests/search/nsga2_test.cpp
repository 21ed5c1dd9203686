#include "hat/search/nsga2.h"

#include <gtest/gtest.h>

namespace hat::search {
namespace {

Member member(std::vector<double> objectives, double violation = 0) {
  Member member;
  member.objectives = std::move(objectives);
  member.violation = violation;
  return member;
}

TEST(Nsga2, Domination) {
  EXPECT_TRUE(dominates(member({1, 2}), member({2, 2})));
  EXPECT_FALSE(dominates(member({1, 2}), member({1, 2})));
  EXPECT_FALSE(dominates(member({1, 3}), member({2, 2})));
  EXPECT_TRUE(dominates(member({9, 9}), member({1, 1}, 0.1)));
  EXPECT_TRUE(dominates(member({9, 9}, 0.1), member({1, 1}, 0.2)));
}

TEST(Nsga2, Ranks) {
  std::vector<Member> members{member({3, 3}), member({1, 2}), member({2, 1}), member({2, 2}),
                              member({0, 0}, 1)};
  rank_members(members);
  EXPECT_EQ(members[1].rank, 0);
  EXPECT_EQ(members[2].rank, 0);
  EXPECT_EQ(members[3].rank, 1);
  EXPECT_EQ(members[0].rank, 2);
  EXPECT_EQ(members[4].rank, 3);
}

TEST(Nsga2, SurvivorsKeepTheEndsAndTheSpread) {
  std::vector<Member> members;
  for (double x : {0.0, 0.49, 0.5, 0.51, 1.0}) members.push_back(member({x, 1 - x}));
  const std::vector<Member> kept = survivors(members, 3);
  ASSERT_EQ(kept.size(), 3u);
  int ends = 0;
  for (const Member& one : kept) ends += one.objectives[0] == 0 || one.objectives[0] == 1;
  EXPECT_EQ(ends, 2);
}

}  // namespace
}  // namespace hat::search
