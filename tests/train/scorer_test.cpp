#include "hat/train/scorer.h"

#include <gtest/gtest.h>

#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/metrics/bleu.h"
#include "hat/metrics/chrf.h"
#include "hat/train/translation_scorer.h"
#include "tiny_run.h"
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
  std::vector<arch::Architecture> networks = walk(space, 25);
  networks.push_back(networks[3]);
  for (const auto compute : {model::Compute::kFp32, model::Compute::kBf16}) {
    f.network.set_compute(compute);
    Scorer keeping = f.scorer();
    Scorer keeping_little = f.scorer();
    keeping_little.keep_at_most(2.5e5);
    for (const arch::Architecture& one : networks) {
      const Score kept = keeping.score(one, 0);
      const Score alone = f.scorer().score(one, 0);
      ASSERT_EQ(kept.loss, alone.loss);
      ASSERT_EQ(keeping_little.score(one, 0).loss, alone.loss);
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

std::string words_of(const std::vector<int>& pieces) {
  std::string text;
  for (const int piece : pieces) {
    if (piece >= data::kFirstPiece) text += str(text.empty() ? "" : " ", "w", piece % 7);
  }
  return text;
}

TEST(TranslationScorer, IsTheCorpusScoreOfSentencesTranslatedOneByOne) {
  const testing::ScratchFolder folder;
  Rng rng(8, "pairs");
  const auto sentence = [&] {
    std::vector<int> ids(3 + rng.below(9));
    for (int& id : ids) id = data::kFirstPiece + static_cast<int>(rng.below(40));
    ids.push_back(data::kEos);
    return ids;
  };
  data::TokenDatasetWriter writer(folder.path() / "valid", data::DatasetKind::kPairs, 50, 50);
  for (int i = 0; i < 30; ++i) writer.add(sentence(), sentence());
  writer.finish();
  const auto dataset = data::TokenDataset::open(folder.path() / "valid");

  const arch::SearchSpace space = arch::SearchSpace::named("tiny");
  model::Transformer network(model::super_spec(space, kWords));
  network.initialize(5);
  model::BeamOptions beam;
  beam.beam = 2;
  beam.max_length = 12;
  for (const arch::Architecture& one : walk(space, 2)) {
    network.set_architecture(one);
    std::vector<std::string> hypotheses, references;
    for (const uint32_t i : validation_sentences(dataset, 20)) {
      const auto found = model::beam_search(network, {dataset.source(i).to_vector()}, beam);
      hypotheses.push_back(words_of(found.at(0).at(0).tokens));
      references.push_back(words_of(dataset.target(i).to_vector()));
    }
    const double bleu = metrics::corpus_bleu(hypotheses, {references}).score;
    const double chrf = metrics::corpus_chrf(hypotheses, {references});
    ASSERT_GT(chrf, 0);
    TranslationScorer by_bleu(network, dataset, TranslationMetric::kBleu, beam, words_of, 40);
    TranslationScorer by_chrf(network, dataset, TranslationMetric::kChrf, beam, words_of, 1000);
    EXPECT_NEAR(by_bleu.score(one, 20), 100 - bleu, 1e-9);
    EXPECT_NEAR(by_chrf.score(one, 20), 100 - chrf, 1e-9);
  }
}

}  // namespace
}  // namespace hat::train
