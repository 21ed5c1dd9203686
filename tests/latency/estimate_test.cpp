#include "latency/estimate.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/latency/latency_set.h"

namespace hat::latency {
namespace {

/// Runs of a network on a machine shared with other programs: 24 pieces of equal length. Wall times
/// hold the slices given to others, CPU times some cold caches after each.
class BusyMachine {
 public:
  explicit BusyMachine(uint64_t seed, double slow = 1) : rng_(seed, "busy machine"), slow_(slow) {}

  void run(double quiet_ms, RunTimes* times) {
    constexpr int kPieces = 24;
    std::vector<double> wall(kPieces), cpu(kPieces);
    for (int i = 0; i < kPieces; ++i) {
      const double ms = slow_ * quiet_ms / kPieces * (1 + 0.01 * rng_.normal());
      const bool disturbed = rng_.uniform() < ms / kSliceMs;
      cpu[i] = ms + (disturbed ? 0.3 * rng_.uniform() : 0);
      wall[i] = cpu[i] + (disturbed ? kSliceMs * (0.5 + rng_.uniform()) : 0);
    }
    double total = 0, total_cpu = 0;
    for (int i = 0; i < kPieces; ++i) {
      total += wall[i];
      total_cpu += cpu[i];
    }
    times->total_ms.push_back(total);
    times->total_cpu_ms.push_back(total_cpu);
    times->piece_ms.push_back(wall);
    times->piece_cpu_ms.push_back(cpu);
    times->encoder_pieces = 4;
  }

 private:
  static constexpr double kSliceMs = 3;
  Rng rng_;
  double slow_;
};

RunTimes runs(double quiet_ms, int count, uint64_t seed, double slow = 1) {
  BusyMachine machine(seed, slow);
  RunTimes times;
  for (int i = 0; i < count; ++i) machine.run(quiet_ms, &times);
  return times;
}

TEST(Estimate, ABusyMachineDoesNotShow) {
  for (const bool cpu : {true, false}) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      EXPECT_NEAR(quiet_time(runs(18, 25, seed), cpu).total_ms, 18 * 0.985, 0.015 * 18)
          << cpu << " " << seed;
    }
  }
  // Plain wall means are somewhere else.
  EXPECT_GT(trimmed_mean(runs(18, 25, 1).total_ms, 0.1), 1.3 * 18);
}

TEST(Estimate, TheStatedErrorIsTheRealOne) {
  std::vector<double> times, stated;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const QuietTime quiet = quiet_time(runs(6, 24, seed), true);
    times.push_back(quiet.total_ms);
    stated.push_back(quiet.error_ms);
  }
  EXPECT_LT(standard_deviation(times), 2 * mean(stated));
  EXPECT_GT(standard_deviation(times), 0.4 * mean(stated));
}

TEST(Estimate, MoreRunsMakeTheErrorSmaller) {
  const auto error = [](int count) {
    double sum = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      sum += quiet_time(runs(6, count, seed), true).error_ms;
    }
    return sum;
  };
  EXPECT_LT(error(96), 0.7 * error(16));
}

TEST(Estimate, TheEncoderIsItsOwnPieces) {
  const QuietTime quiet = quiet_time(runs(12, 20, 1), true);
  EXPECT_NEAR(quiet.encoder_ms, 2, 0.1);
}

TEST(Estimate, OneRunIsEnoughForAValue) {
  const QuietTime quiet = quiet_time(runs(6, 1, 1), true);
  EXPECT_NEAR(quiet.total_ms, 6.5, 1);
  EXPECT_EQ(quiet.error_ms, 0);
}

/// A set of 40 rows of one network, the small anchor's unless told otherwise, whose true time is
/// 10 ms and whose quiet times and anchors are as `slow(i)` says: factors for the network, the
/// small and the large anchor.
template <class Slow>
std::vector<double> corrected(Slow slow, const arch::Architecture* network = nullptr) {
  const arch::SearchSpace space = arch::SearchSpace::named("small");
  LatencySet set;
  set.anchors = Anchors::of(space);
  set.anchors->small_ms = 2;
  set.anchors->large_ms = 30;
  for (int i = 0; i < 40; ++i) {
    const auto [own, small, large] = slow(i);
    LatencyRow row;
    row.architecture = network == nullptr ? set.anchors->small : *network;
    row.session = 1;
    row.quiet_ms = 10 * own;
    row.quiet_encoder_ms = 2 * own;
    row.small_anchor_ms = 2 * small;
    row.large_anchor_ms = 30 * large;
    set.rows.push_back(row);
  }
  set.apply_reference();
  for (const LatencyRow& row : set.rows) {
    EXPECT_NEAR(row.encoder_ms + row.decoder_ms, row.total_ms, 1e-9);
  }
  return set.totals_ms();
}

double worst(const std::vector<double>& times) {
  double most = 0;
  for (const double ms : times) most = std::max(most, std::abs(ms / 10 - 1));
  return most;
}

TEST(SlowDown, LastingOnesAreDividedOut) {
  // The device throttles from row 15 on.
  const auto times = corrected([](int i) {
    return i < 15 ? std::array{1.0, 1.0, 1.0} : std::array{1.4, 1.4, 1.41};
  });
  EXPECT_LT(worst(times), 0.02);
}

TEST(SlowDown, WhatTheLargeAnchorAloneSeesLeavesSmallNetworksAlone) {
  const auto times = corrected([](int i) {
    return i < 15 ? std::array{1.0, 1.0, 1.0} : std::array{1.0, 1.0, 1.3};
  });
  EXPECT_LT(worst(times), 0.01);
}

TEST(SlowDown, WhatTheLargeAnchorAloneSeesIsDividedOutByTheWeightsStreamed) {
  const arch::SearchSpace space = arch::SearchSpace::named("small");
  const auto memory_slow_by = [](double factor) {
    return [factor](int i) {
      return i < 15 ? std::array{1.0, 1.0, 1.0} : std::array{factor, 1.0, 1.3};
    };
  };
  const arch::Architecture middle = space.middle();
  EXPECT_LT(worst(corrected(memory_slow_by(1.3), &middle)), 0.02);
  // Larger than the large anchor: no more than the anchor itself.
  const arch::Architecture largest = space.largest();
  EXPECT_LT(worst(corrected(memory_slow_by(1.3), &largest)), 0.02);
}

TEST(SlowDown, NoiseOfTheAnchorsIsNotPassedOn) {
  const arch::SearchSpace space = arch::SearchSpace::named("small");
  for (const arch::Architecture& network : {space.smallest(), space.middle()}) {
    Rng rng(1, "noise");
    const auto noisy = [&](int) {
      return std::array{1.0, std::exp(0.02 * rng.normal()), std::exp(0.02 * rng.normal())};
    };
    EXPECT_LT(worst(corrected(noisy, &network)), 0.01);
  }
}

TEST(SlowDown, AClockThatJumpsFromRowToRowIsFollowed) {
  Rng rng(1, "clock");
  const auto times = corrected([&](int) {
    const double clock = std::exp(0.25 * rng.normal());
    return std::array{clock, clock * std::exp(0.01 * rng.normal()),
                      clock * std::exp(0.01 * rng.normal())};
  });
  std::vector<double> errors;
  for (const double ms : times) errors.push_back(std::abs(ms / 10 - 1));
  EXPECT_LT(median(errors), 0.1);
}

TEST(SlowDown, OneOddRowIsAnOddRow) {
  const auto times = corrected([](int i) {
    return i == 20 ? std::array{1.0, 1.6, 1.0} : std::array{1.0, 1.0, 1.0};
  });
  EXPECT_LT(worst(times), 0.01);
}

TEST(Visits, LeaveARangeWhereTheAnchorsWereSlowed) {
  TimeRange time;
  time.add(0.28, 0.302);
  EXPECT_EQ(time.likely_ms(0.296), 0.296);
  EXPECT_EQ(time.likely_ms(0.25), 0.28);
  EXPECT_EQ(time.likely_ms(0.33), 0.302);
  time.add(0.3, 0.3);  // nothing slowed the anchors: the measurement decides
  for (const double predicted : {0.25, 0.296, 0.33}) EXPECT_EQ(time.likely_ms(predicted), 0.3);
}

TEST(Visits, NoneIsFasterThanTheNetwork) {
  TimeRange time;
  time.add(0.31, 0.4);  // divided by too little
  time.add(0.28, 0.302);
  EXPECT_EQ(time.least_ms(), 0.302);
  EXPECT_EQ(time.most_ms(), 0.302);
}

TEST(Visits, ADeviceFasterThanAtItsReferenceIsNoBound) {
  TimeRange time;
  time.add(0.302, 0.28);
  EXPECT_EQ(time.least_ms(), 0.302);
  EXPECT_EQ(time.most_ms(), 0.302);
}

TEST(Visits, TheQuietestStays) {
  const arch::SearchSpace space = arch::SearchSpace::named("small");
  const std::vector<std::pair<arch::Architecture, double>> visits = {{space.smallest(), 3},
                                                                     {space.largest(), 9},
                                                                     {space.middle(), 6},
                                                                     {space.smallest(), 2},
                                                                     {space.largest(), 10}};
  LatencySet set;
  for (const auto& [architecture, ms] : visits) {
    LatencyRow row;
    row.architecture = architecture;
    row.quiet_ms = ms;
    set.rows.push_back(row);
  }
  set.merge_visits();
  ASSERT_EQ(set.rows.size(), 3U);
  EXPECT_EQ(set.rows[0].quiet_ms, 9);
  EXPECT_EQ(set.rows[1].quiet_ms, 6);
  EXPECT_EQ(set.rows[2].quiet_ms, 2);
  EXPECT_EQ(*set.rows[2].architecture, space.smallest());
}

}  // namespace
}  // namespace hat::latency
