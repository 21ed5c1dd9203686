#include "hat/train/schedule.h"

#include <gtest/gtest.h>

#include "hat/base/error.h"

namespace hat::train {
namespace {

TEST(Schedule, InverseSqrtWarmsUpThenDecays) {
  Schedule schedule{ScheduleKind::kInverseSqrt, 0.002, 1e-7, 0, 3, 0};
  // The rates that the original used at its first six updates (parity set E).
  const double expected[] = {1e-07, 0.0006667333333333333, 0.0013333666666666669,
                             0.002, 0.0017320508075688772, 0.0015491933384829666};
  for (int update = 0; update < 6; ++update) {
    EXPECT_NEAR(schedule.at(update), expected[update], 1e-15) << update;
  }
}

TEST(Schedule, CosineEndsAtTheFinalRate) {
  Schedule schedule{ScheduleKind::kCosine, 1e-3, 1e-7, 1e-6, 10, 110};
  EXPECT_DOUBLE_EQ(schedule.at(0), 1e-7);
  EXPECT_DOUBLE_EQ(schedule.at(10), 1e-3);
  EXPECT_NEAR(schedule.at(60), (1e-3 + 1e-6) / 2, 1e-12);
  EXPECT_DOUBLE_EQ(schedule.at(110), 1e-6);
  EXPECT_DOUBLE_EQ(schedule.at(100000), 1e-6);
}

TEST(Schedule, WithoutWarmUpStartsAtThePeak) {
  Schedule schedule{ScheduleKind::kInverseSqrt, 1e-3, 1e-7, 0, 0, 0};
  EXPECT_DOUBLE_EQ(schedule.at(0), 1e-3);
  EXPECT_DOUBLE_EQ(schedule.at(4), 5e-4);
}

TEST(Schedule, UnknownNameNamesTheNearest) {
  EXPECT_EQ(parse_schedule("cosine"), ScheduleKind::kCosine);
  try {
    parse_schedule("cosin");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(error.hint().find("cosine"), std::string::npos);
  }
}

TEST(ScheduleDefaults, FollowDataAndWidth) {
  const RunSize small{400000, 100, 128};
  const RunSize large{400000000, 100000, 512};
  EXPECT_GT(default_updates(large), default_updates(small));
  // More data is passed over less often.
  EXPECT_LT(default_updates(large) / large.updates_per_epoch,
            default_updates(small) / small.updates_per_epoch);
  EXPECT_EQ(default_updates({10, 1, 128}), 1000);
  EXPECT_GT(default_learning_rate(small), default_learning_rate(large));
  EXPECT_DOUBLE_EQ(default_learning_rate({0, 0, 640}), 5e-4);
}

TEST(ScheduleDefaults, ShortTrainingsOfRandomWeightsWarmUpLonger) {
  EXPECT_EQ(default_warmup(1000000, false), 4000);
  EXPECT_EQ(default_warmup(12000, false), 1000);
  EXPECT_EQ(default_warmup(1500, false), 400);
  EXPECT_EQ(default_warmup(600, false), 200);
  EXPECT_EQ(default_warmup(1500, true), 125);
  EXPECT_GE(default_warmup(1, false), 1);
  EXPECT_GE(default_warmup(1, true), 1);
}

}  // namespace
}  // namespace hat::train
