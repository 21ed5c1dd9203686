#include "hat/metrics/ranking.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "hat/base/rng.h"

namespace hat::metrics {
namespace {

// Kendall's definition, pair by pair.
double slow_tau(const std::vector<double>& a, const std::vector<double>& b) {
  double score = 0;
  double untied_a = 0;
  double untied_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const double da = a[i] < a[j] ? -1 : a[i] > a[j];
      const double db = b[i] < b[j] ? -1 : b[i] > b[j];
      score += da * db;
      untied_a += da * da;
      untied_b += db * db;
    }
  }
  return untied_a == 0 || untied_b == 0 ? 0.0 : score / std::sqrt(untied_a * untied_b);
}

TEST(KendallTau, EqualsTheDefinitionWithAndWithoutTies) {
  Rng rng(3);
  for (int round = 0; round < 200; ++round) {
    const size_t n = rng.below(40);
    const uint64_t values = 1 + rng.below(round % 2 == 0 ? 5 : 1000);
    std::vector<double> a(n);
    std::vector<double> b(n);
    for (size_t i = 0; i < n; ++i) {
      a[i] = static_cast<double>(rng.below(values));
      b[i] = rng.chance(0.5) ? a[i] : static_cast<double>(rng.below(values));
    }
    EXPECT_NEAR(kendall_tau(a, b), slow_tau(a, b), 1e-12);
  }
}

TEST(KendallTau, KnownValues) {
  EXPECT_DOUBLE_EQ(kendall_tau(std::vector<double>{1, 2, 3}, std::vector<double>{10, 20, 30}), 1.0);
  EXPECT_DOUBLE_EQ(kendall_tau(std::vector<double>{1, 2, 3}, std::vector<double>{3, 2, 1}), -1.0);
  EXPECT_DOUBLE_EQ(kendall_tau(std::vector<double>{1, 1, 1}, std::vector<double>{3, 2, 1}), 0.0);
  EXPECT_DOUBLE_EQ(kendall_tau(std::vector<double>{}, std::vector<double>{}), 0.0);
  // scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0])
  EXPECT_NEAR(kendall_tau(std::vector<double>{12, 2, 1, 12, 2}, std::vector<double>{1, 4, 7, 1, 0}),
              -0.47140452079103173, 1e-12);
}

TEST(KendallTau, LargeListsStayFast) {
  Rng rng(5);
  std::vector<double> a(300'000);
  for (double& x : a) x = rng.uniform();
  EXPECT_DOUBLE_EQ(kendall_tau(a, a), 1.0);
}

TEST(Bootstrap, IntervalOfAMeanCoversItAndIsSeeded) {
  Rng rng(7);
  std::vector<double> sample(400);
  for (double& x : sample) x = 5 + rng.normal();
  const auto mean_of = [&](std::span<const size_t> indexes) {
    double sum = 0;
    for (size_t i : indexes) sum += sample[i];
    return sum / static_cast<double>(indexes.size());
  };
  const Interval first = bootstrap_interval(sample.size(), mean_of, 1000, 0.95, 1);
  EXPECT_LT(first.low, 5.05);
  EXPECT_GT(first.high, 4.95);
  EXPECT_NEAR(first.high - first.low, 2 * 1.96 / 20, 0.03);
  const Interval second = bootstrap_interval(sample.size(), mean_of, 1000, 0.95, 1);
  EXPECT_EQ(first.low, second.low);
  EXPECT_NE(bootstrap_interval(sample.size(), mean_of, 1000, 0.95, 2).low, first.low);
}

TEST(Bootstrap, TauOfAPerfectRankingIsCertain) {
  const std::vector<double> a = {1, 2, 3, 4, 5, 6, 7, 8};
  const Interval interval = kendall_tau_interval(a, a, 500, 0.9, 1);
  EXPECT_DOUBLE_EQ(interval.low, 1.0);
  EXPECT_DOUBLE_EQ(interval.high, 1.0);
}

}  // namespace
}  // namespace hat::metrics
