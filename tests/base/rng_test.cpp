#include "hat/base/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "testing/expect_error.h"

namespace hat {
namespace {

TEST(Rng, GivesTheReferenceNumbersOfXoshiro256StarStar) {
  Rng rng(0);
  rng.set_state({1, 2, 3, 4});
  for (const uint64_t expected : {UINT64_C(11520), UINT64_C(0), UINT64_C(1509978240),
                                  UINT64_C(1215971899390074240), UINT64_C(1216172134540287360)}) {
    EXPECT_EQ(rng.next(), expected);
  }
}

TEST(Rng, IsSeededThroughSplitMix) {
  EXPECT_EQ(Rng(0).state(), (Rng::State{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f,
                                        0xf88bb8a8724c81ec}));
  EXPECT_EQ(Rng(0).next(), 0x99ec5f36cb75f2b4);
}

TEST(Rng, StreamsOfOneSeedDiffer) {
  std::set<uint64_t> first;
  for (const uint64_t seed : {0, 1, 2}) {
    for (const char* stream : {"", "search", "data", "data "}) {
      first.insert(Rng(seed, stream).next());
    }
  }
  EXPECT_EQ(first.size(), 12u);
  EXPECT_EQ(Rng(1, "data").next(), Rng(1, "data").next());
}

TEST(Rng, BelowIsUniformAlsoWhereAModuloWouldNotBe) {
  // 3/4 of the range: with a modulo the lower third would come twice as often.
  const uint64_t n = (UINT64_C(3) << 62);
  Rng rng(1);
  const int draws = 30'000;
  std::array<int, 3> thirds{};
  for (int i = 0; i < draws; ++i) ++thirds[rng.below(n) / (n / 3)];
  for (const int count : thirds) EXPECT_NEAR(count, draws / 3, 400);
}

TEST(Rng, BelowReachesEveryValueAndNoOther) {
  Rng rng(2);
  std::array<int, 7> seen{};
  for (int i = 0; i < 7000; ++i) ++seen.at(rng.below(7));
  for (const int count : seen) EXPECT_NEAR(count, 1000, 150);
  EXPECT_EQ(rng.below(1), 0u);
  testing::expect_error(ErrorKind::kInternal, "n > 0", [&] { rng.below(0); });
}

TEST(Rng, UniformAndNormalHaveTheirMoments) {
  Rng rng(3);
  double sum = 0;
  double normal_sum = 0;
  double normal_squares = 0;
  const int draws = 50'000;
  for (int i = 0; i < draws; ++i) {
    const double u = rng.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    const double z = rng.normal();
    ASSERT_TRUE(std::isfinite(z));
    normal_sum += z;
    normal_squares += z * z;
  }
  EXPECT_NEAR(sum / draws, 0.5, 0.01);
  EXPECT_NEAR(normal_sum / draws, 0, 0.02);
  EXPECT_NEAR(normal_squares / draws, 1, 0.03);
}

TEST(Rng, ShufflePermutes) {
  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  std::vector<int> shuffled = items;
  Rng(4).shuffle(shuffled);
  EXPECT_NE(shuffled, items);
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, items);
}

TEST(Rng, AStateContinuesWhereItWasTaken) {
  Rng rng(5);
  for (int i = 0; i < 10; ++i) rng.next();
  const Rng::State state = rng.state();
  const uint64_t expected = rng.next();
  Rng resumed(99);
  resumed.normal();  // leaves a spare value, which must not survive
  resumed.set_state(state);
  EXPECT_EQ(resumed.next(), expected);

  Rng a(6);
  Rng b(7);
  b.normal();
  b.set_state(a.state());
  EXPECT_EQ(a.normal(), b.normal());
}

TEST(Rng, RefusesTheStateThatNeverChanges) {
  Rng rng(1);
  testing::expect_error(ErrorKind::kData, "zeros", [&] { rng.set_state({0, 0, 0, 0}); });
}

TEST(Rng, MixedSeedsAndHashesDoNotCollideForSmallNumbers) {
  std::set<uint64_t> mixed;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    for (uint64_t counter = 0; counter < 100; ++counter) mixed.insert(mix_seed(seed, counter));
  }
  EXPECT_EQ(mixed.size(), 10'000u);
  EXPECT_NE(hash64("ab"), hash64("ba"));
  EXPECT_NE(hash64(""), hash64(std::string_view("\0", 1)));
}

}  // namespace
}  // namespace hat
