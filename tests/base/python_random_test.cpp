#include "hat/base/python_random.h"

#include <gtest/gtest.h>

#include <vector>

#include "testing/expect_error.h"

namespace hat {
namespace {

// random.seed(SEED); [random.choice(range(n)) for n in (2, 3, 1, 6, 5, 10, 1000, 2, 2, 7)] of
// CPython 3.11. One choice of one also draws; 1000 needs ten bits.
std::vector<uint32_t> draws(uint64_t seed) {
  PythonRandom random(seed);
  std::vector<uint32_t> drawn;
  for (const uint32_t n : {2, 3, 1, 6, 5, 10, 1000, 2, 2, 7}) drawn.push_back(random.choice(n));
  return drawn;
}

using Values = std::vector<uint32_t>;

TEST(PythonRandom, ChoosesAsCPythonDoes) {
  EXPECT_EQ(draws(0), (Values{1, 1, 0, 2, 4, 7, 414, 1, 1, 2}));
  EXPECT_EQ(draws(1), (Values{0, 2, 0, 2, 0, 7, 779, 1, 1, 5}));
  EXPECT_EQ(draws(5), (Values{1, 2, 0, 5, 4, 0, 860, 1, 0, 5}));
}

TEST(PythonRandom, SeedsAboveThirtyTwoBitsUseBothDigits) {
  EXPECT_EQ(draws(UINT64_C(1) << 32), (Values{0, 1, 0, 0, 0, 9, 897, 1, 1, 0}));
  EXPECT_EQ(draws(UINT64_C(12345678901234567890)), (Values{1, 1, 0, 4, 1, 9, 488, 1, 0, 0}));
}

TEST(PythonRandom, AgreesBeyondTheFirstBlockOfState) {
  PythonRandom random(5);
  Values drawn;
  for (int i = 0; i < 700; ++i) drawn.push_back(random.choice(100));
  EXPECT_EQ(Values(drawn.end() - 5, drawn.end()), (Values{79, 54, 41, 59, 59}));
}

TEST(PythonRandom, NothingToChooseFromIsOurBug) {
  PythonRandom random(1);
  testing::expect_error(ErrorKind::kInternal, "n > 0", [&] { random.choice(0); });
}

}  // namespace
}  // namespace hat
