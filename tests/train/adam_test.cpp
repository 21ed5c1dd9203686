#include "hat/train/adam.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "hat/base/rng.h"

namespace hat::train {
namespace {

std::vector<float> random_values(size_t n, uint64_t seed) {
  Rng rng(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

// The formula, one value at a time, in double.
struct Reference {
  double p, m = 0, v = 0;
  int t = 0;
  void step(double g, double rate, const AdamOptions& o) {
    ++t;
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    p -= rate * o.weight_decay * p;
    p -= rate * std::sqrt(1 - std::pow(o.beta2, t)) / (1 - std::pow(o.beta1, t)) * m /
         (std::sqrt(v) + o.epsilon);
  }
};

TEST(Adam, AgreesWithTheFormula) {
  const AdamOptions options{0.9, 0.98, 1e-8, 0.01};
  const size_t n = 1003;  // no multiple of any vector width
  std::vector<float> p = random_values(n, 1);
  std::vector<Reference> expected(n);
  for (size_t i = 0; i < n; ++i) expected[i].p = p[i];
  Adam adam(options, n, 1);
  const Region all{0, 0, 1, static_cast<int64_t>(n), static_cast<int64_t>(n)};
  for (int update = 0; update < 20; ++update) {
    std::vector<float> g = random_values(n, 100 + update);
    for (size_t i = 0; i < n; ++i) expected[i].step(g[i] * 0.25, 1e-2, options);
    adam.step(p, g, {&all, 1}, 1e-2, 0.25);
    for (float value : g) ASSERT_EQ(value, 0.0f);
  }
  for (size_t i = 0; i < n; ++i) ASSERT_NEAR(p[i], expected[i].p, 2e-5) << i;
}

TEST(Adam, MovesOnlyTheRegionAndCountsOnlyItsTensor) {
  // Two tensors of 6 x 10; the leading 3 x 4 of the second is touched.
  std::vector<float> p(120, 1.0f), g(120, 2.0f);
  Adam adam({}, 120, 2);
  const Region region{1, 60, 3, 4, 10};
  adam.step(p, g, {&region, 1}, 0.1, 1.0);
  for (int i = 0; i < 120; ++i) {
    const int row = (i - 60) / 10, column = (i - 60) % 10;
    const bool inside = i >= 60 && row < 3 && column < 4;
    EXPECT_EQ(p[i] != 1.0f, inside) << i;
    EXPECT_EQ(g[i], inside ? 0.0f : 2.0f) << i;
  }
  EXPECT_EQ(adam.steps(), (std::vector<int64_t>{0, 1}));
}

TEST(Adam, SameBitsWithAnyNumberOfThreads) {
  const size_t n = 300001;
  const Region regions[] = {{0, 0, 300, 700, 1000}, {0, 300000, 1, 1, 1}};
  std::vector<std::vector<float>> results;
  double norms[2];
  for (int threads : {1, 2}) {
    at::set_num_threads(threads);
    std::vector<float> p = random_values(n, 5), g = random_values(n, 6);
    Adam adam({}, n, 1);
    norms[threads - 1] = gradient_norm(g, regions);
    adam.step(p, g, regions, 1e-3, 1.0);
    results.push_back(p);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(norms[0], norms[1]);
}

TEST(GradientNorm, CountsTheRegionOnly) {
  std::vector<float> g(100, 1.0f);
  g[99] = 1000.0f;
  const Region region{0, 0, 4, 9, 10};
  EXPECT_DOUBLE_EQ(gradient_norm(g, {&region, 1}), 6.0);
  EXPECT_DOUBLE_EQ(gradient_norm(g, {}), 0.0);
}

TEST(MoveTowards, GoesTheWeightOfTheWay) {
  std::vector<float> a{1, 2, 3}, b{3, 2, 1};
  move_towards(a, b, 0.5);
  EXPECT_EQ(a, (std::vector<float>{2, 2, 2}));
}

}  // namespace
}  // namespace hat::train
