#include "hat/metrics/classification.h"

#include <gtest/gtest.h>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/metrics/hypervolume.h"

namespace hat::metrics {
namespace {

TEST(ConfusionMatrix, ScoresOfASmallCase) {
  const std::vector<int> labels = {0, 0, 1, 1, 1, 2};
  const std::vector<int> predictions = {0, 1, 1, 1, 0, 0};
  const ConfusionMatrix m(labels, predictions, 4);  // class 3 never occurs
  EXPECT_DOUBLE_EQ(m.accuracy(), 0.5);
  EXPECT_EQ(m.count(1, 0), 1);
  EXPECT_DOUBLE_EQ(m.precision(0), 1.0 / 3);
  EXPECT_DOUBLE_EQ(m.recall(0), 0.5);
  EXPECT_DOUBLE_EQ(m.f1(0), 0.4);
  EXPECT_DOUBLE_EQ(m.f1(1), 2.0 / 3);
  EXPECT_DOUBLE_EQ(m.f1(2), 0.0);
  EXPECT_DOUBLE_EQ(m.macro_f1(), (0.4 + 2.0 / 3) / 3);
}

TEST(ConfusionMatrix, RefusesLabelsOutOfRange) {
  const std::vector<int> good = {0};
  const std::vector<int> bad = {2};
  EXPECT_THROW(ConfusionMatrix(bad, good, 2), Error);
  EXPECT_THROW(ConfusionMatrix(good, bad, 2), Error);
  EXPECT_THROW(ConfusionMatrix({}, {}, 2), Error);
}

TEST(Hypervolume, KnownAreasAndVolumes) {
  EXPECT_DOUBLE_EQ(hypervolume({}, {1, 1}), 0.0);
  EXPECT_DOUBLE_EQ(hypervolume({{2}, {3}}, {5}), 3.0);
  EXPECT_DOUBLE_EQ(hypervolume({{1, 2}, {2, 1}}, {3, 3}), 3.0);
  // a dominated point, one on the border and one outside change nothing
  EXPECT_DOUBLE_EQ(hypervolume({{1, 2}, {2, 1}, {2, 2}, {3, 0}, {0, 9}}, {3, 3}), 3.0);
  EXPECT_DOUBLE_EQ(hypervolume({{1, 1, 1}}, {2, 3, 4}), 6.0);
  EXPECT_DOUBLE_EQ(hypervolume({{0, 1, 1}, {1, 0, 1}, {1, 1, 0}}, {2, 2, 2}), 4.0);
}

TEST(Hypervolume, AgreesWithSampling) {
  Rng rng(11);
  for (size_t dimensions : {2, 3, 4}) {
    std::vector<std::vector<double>> points(12, std::vector<double>(dimensions));
    for (auto& p : points) {
      for (double& x : p) x = rng.uniform();
    }
    int inside = 0;
    constexpr int kSamples = 100'000;
    for (int i = 0; i < kSamples; ++i) {
      std::vector<double> q(dimensions);
      for (double& x : q) x = rng.uniform();
      bool dominated = false;
      for (const auto& p : points) {
        bool below = true;
        for (size_t d = 0; d < dimensions; ++d) below = below && p[d] <= q[d];
        dominated = dominated || below;
      }
      inside += dominated;
    }
    const double exact = hypervolume(points, std::vector<double>(dimensions, 1.0));
    EXPECT_NEAR(exact, static_cast<double>(inside) / kSamples, 0.01) << dimensions;
  }
}

}  // namespace
}  // namespace hat::metrics
