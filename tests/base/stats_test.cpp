#include "hat/base/stats.h"

#include <gtest/gtest.h>

#include <cmath>

#include "testing/expect_error.h"

namespace hat {
namespace {

using testing::expect_error;

const std::vector<double> kValues = {3.1, -2, 7.5, 0.25, 11, 4};
const std::vector<double> kNone;

TEST(Stats, QuantilesAreNumPys) {
  // numpy.quantile(values, q), NumPy 1.24.
  EXPECT_DOUBLE_EQ(quantile(kValues, 0), -2);
  EXPECT_DOUBLE_EQ(quantile(kValues, 0.1), -0.875);
  EXPECT_DOUBLE_EQ(quantile(kValues, 0.25), 0.9625);
  EXPECT_DOUBLE_EQ(quantile(kValues, 0.5), 3.55);
  EXPECT_DOUBLE_EQ(quantile(kValues, 0.9), 9.25);
  EXPECT_DOUBLE_EQ(quantile(kValues, 1), 11);
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{7}, 0.3), 7);
}

TEST(Stats, QuantileOfEqualValuesIsThatValue) {
  const std::vector<double> equal(7, 0.1);
  for (const double q : {0.0, 0.1, 0.33, 0.5, 0.9, 1.0}) EXPECT_EQ(quantile(equal, q), 0.1);
}

TEST(Stats, MeanDeviationMedian) {
  EXPECT_DOUBLE_EQ(mean(kValues), 23.85 / 6);
  EXPECT_DOUBLE_EQ(standard_deviation(kValues), 4.735372213459043);  // numpy.std(ddof=1)
  EXPECT_EQ(standard_deviation(std::vector<double>{5}), 0);
  EXPECT_EQ(standard_deviation(kNone), 0);
  EXPECT_DOUBLE_EQ(median(std::vector<double>{5, 1, 3}), 3);
}

TEST(Stats, TrimmedMeanDropsBothEnds) {
  const std::vector<double> outliers = {1000, 2, 3, 4, -1000};
  EXPECT_DOUBLE_EQ(trimmed_mean(outliers, 0.2), 3);
  EXPECT_DOUBLE_EQ(trimmed_mean(outliers, 0.19), 9.0 / 5);  // floor(0.95) is none
  EXPECT_DOUBLE_EQ(trimmed_mean(std::vector<double>{4}, 0.49), 4);
  std::vector<double> hundred(100, 1.0);
  for (int i = 0; i < 29; ++i) hundred[static_cast<size_t>(i)] = 1e9;
  EXPECT_DOUBLE_EQ(trimmed_mean(hundred, 0.29), 1);  // 0.29 * 100 is below 29 in doubles
}

TEST(Stats, RobustDeviationIgnoresOutliers) {
  EXPECT_DOUBLE_EQ(robust_deviation(std::vector<double>{1, 2, 3, 4, 1e9}), 1.4826);
  EXPECT_EQ(robust_deviation(std::vector<double>{2, 2, 2}), 0);
}

TEST(Stats, Correlation) {
  const std::vector<double> rising = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(correlation(rising, std::vector<double>{10, 20, 30, 40}), 1);
  EXPECT_DOUBLE_EQ(correlation(rising, std::vector<double>{4, 3, 2, 1}), -1);
  EXPECT_DOUBLE_EQ(correlation(rising, std::vector<double>{1, 3, 2, 4}), 0.8);
  EXPECT_EQ(correlation(rising, std::vector<double>(4, 5)), 0);
  EXPECT_EQ(correlation(kNone, kNone), 0);
}

TEST(Stats, WhatHasNoAnswerIsOurBug) {
  expect_error(ErrorKind::kInternal, "empty", [] { mean(kNone); });
  expect_error(ErrorKind::kInternal, "empty", [] { quantile(kNone, 0.5); });
  expect_error(ErrorKind::kInternal, "empty", [] { trimmed_mean(kNone, 0.1); });
  expect_error(ErrorKind::kInternal, "q", [] { quantile(kValues, 1.01); });
  expect_error(ErrorKind::kInternal, "q", [] { quantile(kValues, std::nan("")); });
  expect_error(ErrorKind::kInternal, "fraction", [] { trimmed_mean(kValues, 0.5); });
  expect_error(ErrorKind::kInternal, "size", [] { correlation(kValues, kNone); });
}

}  // namespace
}  // namespace hat
