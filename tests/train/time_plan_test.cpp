#include "train/time_plan.h"

#include <gtest/gtest.h>

namespace hat::train {
namespace {

TEST(TimePlan, FitsUpdatesIntoWhatIsLeft) {
  TimePlan plan(100'000);
  for (int i = 0; i < 3; ++i) plan.add_update(1000);  // warming up: does not count
  for (int i = 0; i < 10; ++i) plan.add_update(100);
  plan.set_validation_ms(500);
  EXPECT_NEAR(plan.update_ms(), 100, 1e-9);
  EXPECT_TRUE(plan.ready(4000));
  // 99 s usable - 4 s gone - 10 validations of 0.5 s = 90 s.
  EXPECT_EQ(plan.fit(13, 4000, 10), 13 + 900);
}

TEST(TimePlan, WaitsUntilEnoughIsMeasured) {
  TimePlan plan(100'000);
  EXPECT_FALSE(plan.ready(50'000)) << "nothing measured at all";
  for (int i = 0; i < 12; ++i) plan.add_update(10);
  EXPECT_FALSE(plan.ready(3000));
  plan.add_update(10);
  EXPECT_FALSE(plan.ready(1000)) << "less than 2 % of the limit";
  EXPECT_TRUE(plan.ready(2500));
}

TEST(TimePlan, DecidesAtATenthOfTheLimitAtTheLatest) {
  TimePlan plan(1000);
  plan.add_update(90);
  EXPECT_FALSE(plan.ready(90));
  plan.add_update(90);
  EXPECT_TRUE(plan.ready(180));
}

TEST(TimePlan, OneMoreUpdateWhenTheTimeIsOver) {
  TimePlan plan(1000);
  plan.add_update(90);
  EXPECT_EQ(plan.fit(50, 5000, 3), 51);
}

TEST(TimePlan, FollowsTheRecentUpdates) {
  TimePlan plan(1e9);
  for (int i = 0; i < 500; ++i) plan.add_update(10);
  for (int i = 0; i < 200; ++i) plan.add_update(30);
  EXPECT_NEAR(plan.update_ms(), 30, 1e-9);
}

}  // namespace
}  // namespace hat::train
