#include "hat/latency/agreement.h"

#include <gtest/gtest.h>

#include <cmath>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/latency/measure.h"
#include "latency_fixtures.h"
#include "synthetic_sets.h"

namespace hat::latency {
namespace {

/// A set of hat's own form: the formula of SyntheticDevice with normal relative noise.
LatencySet measured_set(int rows, double noise, uint64_t architectures, uint64_t seed) {
  Rng draw(architectures, "architectures");
  Rng rng(seed, "noise");
  const testing::SyntheticDevice device;
  LatencySet set;
  set.origin = "set";
  set.anchors.emplace();
  set.anchors->small_ms = 10;
  set.anchors->large_ms = 100;
  for (int i = 0; i < rows; ++i) {
    LatencyRow row;
    row.architecture = testing::random_architecture(&draw);
    row.totals = arch::layer_totals(*row.architecture);
    const double ms = device.encoder(*row.architecture) + device.decoder(*row.architecture);
    row.quiet_ms = row.total_ms = ms * (1 + noise * rng.normal());
    row.small_anchor_ms = 10;
    row.large_anchor_ms = 100;
    row.wall_total.mean = ms * (1 + 0.5 * rng.uniform());
    set.rows.push_back(std::move(row));
  }
  return set;
}

TEST(Agreement, IsZeroForTheSameAndGrowsWithNoise) {
  const Agreement same = agreement({1, 2, 3}, {1, 2, 3});
  EXPECT_EQ(same.median_difference_percent, 0);
  EXPECT_NEAR(same.kendall_tau, 1, 1e-9);
  const Agreement other = agreement({1, 2, 3}, {1.1, 2.2, 3.3});
  EXPECT_NEAR(other.median_difference_percent, 100 * 0.1 / 1.05, 1e-9);
  EXPECT_NEAR(other.kendall_tau, 1, 1e-9);
  EXPECT_NEAR(agreement({1, 2, 3}, {3, 2, 1}).kendall_tau, -1, 1e-9);
}

TEST(Agreement, ComparesWhatBothSetsHold) {
  const LatencySet a = measured_set(60, 0.005, 1, 1);
  LatencySet b = measured_set(60, 0.005, 1, 2);
  b.rows.erase(b.rows.begin(), b.rows.begin() + 5);
  const SetAgreement result = compare_sets(a, b);
  EXPECT_EQ(result.architectures, 55);
  EXPECT_LT(result.latency.median_difference_percent, 1);
  EXPECT_GT(result.latency.kendall_tau, 0.95);
  EXPECT_GT(result.wall.median_difference_percent, 3);
  EXPECT_THROW(compare_sets(a, measured_set(10, 0, 99, 1)), Error);
}

TEST(Agreement, AReferenceGivesBothTheSameMilliseconds) {
  LatencySet set = measured_set(5, 0, 1, 1);
  LatencySet from = set;
  from.anchors->large_ms = 200;
  from.anchors->small_ms = 20;
  take_reference(from, &set);
  EXPECT_NEAR(set.rows[0].total_ms, 2 * set.rows[0].quiet_ms, 0.02 * set.rows[0].quiet_ms);
}

TEST(HeldOut, BudgetsAreKeptAsPromised) {
  double exceeded = 0;
  double budgets = 0;
  constexpr int kSets = 12;
  for (uint64_t seed = 1; seed <= kSets; ++seed) {
    const Predictor predictor = train_predictor(measured_set(50, 0.02, seed, seed), {}, {});
    const HeldOutReport report =
        evaluate_held_out(predictor, measured_set(150, 0.02, 1000 + seed, 50 + seed), 0.9, seed);
    EXPECT_EQ(report.budgets, 200);
    EXPECT_EQ(report.accuracy.rows, 150);
    EXPECT_LT(report.accuracy.mape_percent, 4);
    exceeded += report.bound_exceeded_percent / kSets;
    budgets += report.budget_exceeded_percent / kSets;
  }
  EXPECT_LE(exceeded, 10);
  EXPECT_LE(budgets, 10);
}

TEST(HeldOut, ABoundThatIsTooLowShows) {
  const Predictor predictor = train_predictor(measured_set(50, 0.01, 1, 1), {}, {});
  LatencySet slower = measured_set(100, 0.01, 2, 2);
  for (LatencyRow& row : slower.rows) row.total_ms *= 1.2;
  const HeldOutReport report = evaluate_held_out(predictor, slower, 0.9, 1);
  EXPECT_GT(report.bound_exceeded_percent, 90);
  EXPECT_GT(report.budget_exceeded_percent, 70);
  EXPECT_NEAR(report.accuracy.mape_percent, 16.7, 3);
}

}  // namespace
}  // namespace hat::latency
