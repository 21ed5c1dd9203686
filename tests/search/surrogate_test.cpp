#include "hat/search/surrogate.h"

#include <gtest/gtest.h>

#include "hat/base/stats.h"
#include "hat/metrics/ranking.h"
#include "search/draw.h"
#include "search/synthetic.h"

namespace hat::search {
namespace {

using testing::ChainSpace;

TEST(Surrogate, InvertsAMatrix) {
  std::vector<double> matrix{4, 1, 2, 1, 3, 0, 2, 0, 5};
  std::vector<double> inverse = matrix;
  invert_positive_definite(inverse, 3);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) {
      double sum = 0;
      for (size_t k = 0; k < 3; ++k) sum += matrix[i * 3 + k] * inverse[k * 3 + j];
      EXPECT_NEAR(sum, i == j ? 1 : 0, 1e-12);
    }
  }
}

TEST(Surrogate, RanksNetworksItHasNotSeen) {
  for (const ChainSpace::Shape& shape : testing::shapes()) {
    const ChainSpace space(shape, 1);
    Rng rng(1);
    std::vector<Genotype> genotypes;
    std::vector<double> losses;
    for (int i = 0; i < 200; ++i) {
      genotypes.push_back(sample(space, rng));
      losses.push_back(space.loss(genotypes.back()));
    }
    Surrogate surrogate(space, [&](const Genotype& g) {
      return std::vector<double>{static_cast<double>(space.cost(g))};
    });
    surrogate.fit(genotypes, losses);
    std::vector<double> expected;
    std::vector<double> real;
    for (int i = 0; i < 200; ++i) {
      const Genotype genotype = sample(space, rng);
      expected.push_back(surrogate.loss(genotype));
      real.push_back(space.loss(genotype));
    }
    EXPECT_GT(metrics::kendall_tau(expected, real), 0.85) << shape.name;
  }
}

TEST(Surrogate, ConstantAndSinglePointsAreHandled) {
  const ChainSpace space(testing::shapes()[0], 1);
  Rng rng(2);
  Surrogate surrogate(space, {});
  const std::vector<Genotype> one{sample(space, rng)};
  surrogate.fit(one, {3.5});
  EXPECT_NEAR(surrogate.loss(one[0]), 3.5, 1e-6);
  const std::vector<Genotype> two{sample(space, rng), sample(space, rng)};
  surrogate.fit(two, {-1.0, -1.0});
  EXPECT_NEAR(surrogate.loss(two[1]), -1.0, 1e-6);
}

TEST(Surrogate, DrawsAgreeWhereItHasSeenAndDifferElsewhere) {
  const ChainSpace space(testing::shapes()[0], 1);
  Rng rng(3);
  std::vector<Genotype> genotypes;
  std::vector<double> losses;
  for (int i = 0; i < 60; ++i) {
    genotypes.push_back(sample(space, rng));
    losses.push_back(space.loss(genotypes.back()));
  }
  Surrogate surrogate(space, {});
  surrogate.fit(genotypes, losses);
  double seen = 0;
  double unseen = 0;
  const Genotype elsewhere = sample(space, rng);
  for (int i = 0; i < 20; ++i) {
    const Surrogate::Function draw = surrogate.draw(rng);
    seen += std::abs(surrogate.value(draw, genotypes[0]) -
                     surrogate.value(surrogate.expected(), genotypes[0]));
    unseen += std::abs(surrogate.value(draw, elsewhere) -
                       surrogate.value(surrogate.expected(), elsewhere));
  }
  EXPECT_LT(seen, unseen);
}

TEST(Surrogate, DrawsDifferInPairsNeverSeenTogether) {
  const ChainSpace space(testing::shapes()[4], 1);
  // The first genes of the first two layers, after the width and the depth.
  const size_t a = 2;
  const size_t b = a + space.shape().genes.size();
  Rng rng(4);
  std::vector<Genotype> genotypes;
  std::vector<double> losses;
  while (genotypes.size() < 200) {
    Genotype genotype = sample(space, rng);
    if (!space.is_alive(genotype, b) || (genotype[a] == 3 && genotype[b] == 3)) continue;
    losses.push_back(space.loss(genotype));
    genotypes.push_back(std::move(genotype));
  }
  Surrogate surrogate(space, {});
  surrogate.fit(genotypes, losses);
  // What `choice` in both does beyond what it does in each.
  const auto together = [&](const Surrogate::Function& function, uint8_t choice) {
    Genotype genotype = genotypes[0];
    const auto value = [&](uint8_t first, uint8_t second) {
      genotype[a] = first;
      genotype[b] = second;
      return surrogate.value(function, genotype);
    };
    return value(choice, choice) - value(choice, 0) - value(0, choice) + value(0, 0);
  };
  std::vector<double> seen;
  std::vector<double> unseen;
  for (int i = 0; i < 200; ++i) {
    const Surrogate::Function draw = surrogate.draw(rng);
    seen.push_back(together(draw, 2));
    unseen.push_back(together(draw, 3));
  }
  // Each pair of the space has an effect of its own, 0.2 times a normal draw: four of them make
  // about a third of the losses' standard deviation, in which values are told.
  EXPECT_LT(standard_deviation(seen), 0.02);
  EXPECT_GT(standard_deviation(unseen), 0.15);
  EXPECT_LT(standard_deviation(unseen), 0.6);
}

TEST(Draw, PairsHaveTheProductCovariance) {
  const std::vector<double> near{1, 0.6, 0.6, 1};
  const std::vector<double> far{1, 0.1, 0.3, 0.1, 1, 0.5, 0.3, 0.5, 1};
  const Factor a = factor_of(near, 2);
  const Factor b = factor_of(far, 3);
  Rng rng(5);
  constexpr int kDraws = 20'000;
  std::vector<double> covariance(36, 0.0);
  for (int i = 0; i < kDraws; ++i) {
    const std::vector<double> draw = draw_pair(a, b, 2.0, rng);
    for (size_t x = 0; x < 6; ++x) {
      for (size_t y = 0; y < 6; ++y) covariance[x * 6 + y] += draw[x] * draw[y] / kDraws;
    }
  }
  for (size_t x = 0; x < 6; ++x) {
    for (size_t y = 0; y < 6; ++y) {
      const double expected = 2 * near[x / 3 * 2 + y / 3] * far[x % 3 * 3 + y % 3];
      EXPECT_NEAR(covariance[x * 6 + y], expected, 0.1) << x << " " << y;
    }
  }
}

}  // namespace
}  // namespace hat::search
