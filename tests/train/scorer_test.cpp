#include "hat/train/scorer.h"

#include <gtest/gtest.h>

#include "hat/base/rng.h"
#include "train/benchmark_corpus.h"
#include "train/plain_scorer.h"

namespace hat::train {
namespace {

constexpr double kSmoothing = 0.1;
constexpr arch::Vocabulary kWords{50, 50};

struct Fixture {
  explicit Fixture(const arch::SearchSpace& space)
      : network(model::super_spec(space, kWords)),
        set(BenchmarkCorpus(12, kWords, 3).by_length(200)) {
    network.initialize(5);
  }
  Scorer scorer() {
    return Scorer(
        network, [this](int64_t) { return set; }, kSmoothing);
  }
  model::Transformer network;
  ValidationSet set;
};

/// Networks that share more and less with the one before: one slot changed each time.
std::vector<arch::Architecture> walk(const arch::SearchSpace& space, int steps) {
  Rng rng(11, "walk");
  arch::Genotype genotype = space.sample(rng);
  std::vector<arch::Architecture> networks;
  for (int i = 0; i < steps; ++i) {
    networks.push_back(space.decode(genotype));
    const size_t slot = rng.below(genotype.size());
    genotype[slot] = static_cast<uint8_t>(rng.below(space.choices_at(slot)));
  }
  return networks;
}

class ScorerOf : public ::testing::TestWithParam<const char*> {};

TEST_P(ScorerOf, WhatIsKeptChangesNoDigit) {
  const arch::SearchSpace space = arch::SearchSpace::named(GetParam());
  Fixture f(space);
  std::vector<arch::Architecture> networks = walk(space, 60);
  networks.push_back(networks[3]);
  for (const auto compute : {model::Compute::kFp32, model::Compute::kBf16}) {
    f.network.set_compute(compute);
    Scorer keeping = f.scorer();
    for (const arch::Architecture& one : networks) {
      const Score kept = keeping.score(one, 0);
      const Score alone = f.scorer().score(one, 0);
      ASSERT_EQ(kept.loss, alone.loss);
      ASSERT_EQ(kept.nll, alone.nll);
      ASSERT_EQ(kept.tokens, f.set.tokens());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Spaces, ScorerOf, ::testing::Values("tiny", "small"));

TEST(Scorer, AgreesWithValidation) {
  const arch::SearchSpace space = arch::SearchSpace::named("tiny");
  Fixture f(space);
  Scorer scorer = f.scorer();
  for (const arch::Architecture& one : walk(space, 5)) {
    const Score score = scorer.score(one, 0);
    f.network.set_architecture(one);
    const model::LossSums sums = f.set.evaluate(f.network, kSmoothing);
    EXPECT_NEAR(score.loss, sums.loss / static_cast<double>(sums.tokens), 1e-6 * score.loss);
  }
}

TEST(PlainScorer, IsTheSameLossByAnotherWay) {
  const arch::SearchSpace space = arch::SearchSpace::named("iwslt");
  Fixture f(space);
  Scorer scorer = f.scorer();
  PlainScorer plain(f.network);
  for (const arch::Architecture& one : walk(space, 3)) {
    const double loss = scorer.score(one, 0).loss;
    EXPECT_NEAR(plain.score(one, f.set, kSmoothing), loss, 1e-5 * loss);
  }
}

}  // namespace
}  // namespace hat::train
