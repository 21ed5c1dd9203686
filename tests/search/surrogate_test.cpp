#include "hat/search/surrogate.h"

#include <gtest/gtest.h>

#include "hat/metrics/ranking.h"
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

}  // namespace
}  // namespace hat::search
