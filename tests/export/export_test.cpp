// The LibTorch network and its model file translate alike.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "hat/arch/search_space.h"
#include "hat/base/error.h"
#include "hat/base/process.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/edge/isa.h"
#include "hat/edge/translator.h"
#include "hat/export/parity.h"
#include "hat/export/shortlist.h"
#include "testing/temporary_folder.h"

namespace hat::exporting {
namespace {

model::NetworkSpec random_spec(Rng& rng) {
  using Embeddings = arch::ModelOptions::Embeddings;
  model::NetworkSpec spec;
  spec.options.compat = rng.chance(0.5);
  spec.options.pre_norm = rng.chance(0.5);
  spec.options.activation = rng.chance(0.5) ? "relu" : "gelu";
  spec.options.scale_embeddings_by_super = rng.chance(0.3);
  spec.options.embeddings =
      rng.choose(std::vector{Embeddings::kShared, Embeddings::kDecoder, Embeddings::kSeparate});
  spec.options.max_positions = 64;
  spec.vocabulary = {53, 53};
  arch::Architecture& a = spec.capacities;
  const auto pick = [&](std::vector<int> choices) { return rng.choose(choices); };
  a.encoder_embed_dim = pick({32, 48});
  a.decoder_embed_dim = pick({32, 48});
  for (int i = pick({1, 2, 3}); i > 0; --i)
    a.encoder.push_back({pick({32, 64, 80}), pick({1, 2, 4}), pick({16, 32})});
  for (int i = pick({1, 2, 3}); i > 0; --i) {
    a.decoder.push_back({pick({32, 64, 80}), pick({1, 2, 4}), pick({16, 32}), pick({1, 2, 4}),
                         pick({16, 32}), pick({1, 2, 3})});
  }
  spec.super_encoder_embed_dim = 48;
  spec.super_decoder_embed_dim = 48;
  spec.super_encoder_layers = 3;
  return spec;
}

edge::ModelSpec file_spec(const model::Transformer& network, arch::Precision precision) {
  const model::NetworkSpec& from = network.spec();
  edge::ModelSpec spec;
  spec.architecture = from.capacities;
  spec.options = from.options;
  spec.vocabulary = from.vocabulary;
  spec.encoder_position_width = from.super_encoder_embed_dim;
  spec.decoder_position_width = from.super_decoder_embed_dim;
  spec.super_encoder_layers = from.super_encoder_layers;
  spec.encoder_embed_scale = static_cast<float>(network.encoder_embed_scale());
  spec.decoder_embed_scale = static_cast<float>(network.decoder_embed_scale());
  spec.precision = precision;
  return spec;
}

edge::ModelBytes packed_bytes(const model::Transformer& network, arch::Precision precision) {
  const model::ParameterStore& store = network.parameters();
  const edge::TensorSource source = [&store](const std::string& name) {
    const model::Parameter& p = store[store.find(name)];
    return edge::TensorView{
        {store.values().data_ptr<float>() + p.offset, static_cast<size_t>(p.size())}, p.shape()};
  };
  return edge::build_model(file_spec(network, precision), source);
}

std::shared_ptr<const edge::Model> pack(const model::Transformer& network,
                                        arch::Precision precision) {
  return edge::Model::from_bytes(packed_bytes(network, precision), "test");
}

std::vector<std::vector<int>> random_sources(Rng& rng, int count) {
  std::vector<std::vector<int>> out;
  for (int i = 0; i < count; ++i) {
    std::vector<int> tokens;
    for (uint64_t n = 1 + rng.below(12); n > 0; --n)
      tokens.push_back(4 + static_cast<int>(rng.below(49)));
    tokens.push_back(2);
    out.push_back(tokens);
  }
  return out;
}

ParityOptions short_options() {
  ParityOptions options;
  options.beam = 4;
  options.max_length = 15;
  return options;
}

TEST(Parity, FilesOfRandomNetworksTranslateAlike) {
  Rng rng(11);
  for (int round = 0; round < 12; ++round) {
    const auto network = std::make_unique<model::Transformer>(random_spec(rng));
    network->initialize(rng.next());
    const ParityReport report = compare(*network, pack(*network, arch::Precision::kFp32),
                                        random_sources(rng, 8), short_options());
    SCOPED_TRACE(describe(report));
    EXPECT_EQ(report.sentences, 8);
    EXPECT_LE(report.largest_score_difference, kScoreTolerance);
    EXPECT_NO_THROW(require_parity(report, arch::Precision::kFp32));
  }
}

TEST(Parity, QuantisedFilesStayNear) {
  Rng rng(12);
  const auto network = std::make_unique<model::Transformer>(random_spec(rng));
  network->initialize(3);
  for (const arch::Precision precision : {arch::Precision::kInt8, arch::Precision::kInt4}) {
    const ParityReport report =
        compare(*network, pack(*network, precision), random_sources(rng, 8), short_options());
    SCOPED_TRACE(describe(report));
    EXPECT_NO_THROW(require_parity(report, precision));
  }
}

TEST(Parity, RefusesAFileOfOtherWeights) {
  Rng rng(13);
  const auto network = std::make_unique<model::Transformer>(random_spec(rng));
  network->initialize(3);
  const auto file = pack(*network, arch::Precision::kFp32);
  // One weight of one layer is enough to be noticed.
  network->parameters().value(network->parameters().find("decoder.layers.0.fc2.bias"))[0].add_(0.5);
  network->parameters().values_changed();
  const ParityReport report = compare(*network, file, random_sources(rng, 8), short_options());
  EXPECT_THROW(require_parity(report, arch::Precision::kFp32), Error) << describe(report);
  network->initialize(4);
  const auto quantised = pack(*network, arch::Precision::kInt8);
  network->initialize(5);
  network->parameters().values().mul_(3);
  EXPECT_THROW(require_parity(compare(*network, quantised, random_sources(rng, 8), short_options()),
                              arch::Precision::kInt8),
               Error);
}

/// Networks of every shipped space: drawn, exported, loaded and compared.
TEST(SlowParity, EveryShippedSpaceExports) {
  constexpr int kNetworks = 200;
  for (const std::string& name : arch::SearchSpace::shipped_names()) {
    const arch::SearchSpace space = arch::SearchSpace::named(name);
    if (space.family() != arch::Family::kSeq2Seq) continue;
    const bool shared = space.options().embeddings == arch::ModelOptions::Embeddings::kShared;
    const model::NetworkSpec super = model::super_spec(space, {211, shared ? 211 : 193});
    Rng rng(7, name);
    for (int i = 0; i < kNetworks; ++i) {
      const arch::Architecture a = space.decode(space.sample(rng));
      SCOPED_TRACE(name + " " + arch::canonical_text(a));
      model::Transformer network(model::sub_spec(super, a));
      network.initialize(rng.next());
      ParityOptions options = short_options();
      options.max_length = 8;
      const ParityReport report =
          compare(network, pack(network, arch::Precision::kFp32), random_sources(rng, 3), options);
      EXPECT_NO_THROW(require_parity(report, arch::Precision::kFp32)) << describe(report);
    }
  }
}

/// The command line of the aarch64 hat-run under emulation; empty where there is none.
std::vector<std::string> emulated_hat_run() {
  const char* named = std::getenv("HAT_RUN_AARCH64");
  const fs::path program =
      named != nullptr ? fs::path(named) : fs::path(HAT_SOURCE_DIR) / "build-aarch64/bin/hat-run";
  if (!fs::exists(program)) return {};
  for (const char* qemu : {"/usr/bin/qemu-aarch64", "/usr/bin/qemu-aarch64-static"}) {
    if (fs::exists(qemu)) return {qemu, "-cpu", "max", program.string()};
  }
  return {};
}

/// What `hat-run translate --ids --scores --beam 4 --max-length 8` prints, by the library.
std::string translate_ids(const std::shared_ptr<const edge::Model>& model,
                          const std::vector<std::vector<int>>& sources) {
  edge::Translator translator(model);
  edge::TranslateOptions options;
  options.beam = 4;
  options.max_length_b = 8;
  std::string out;
  for (const auto& source : sources) {
    const auto best = translator.translate(source, options).front();
    for (const int token : best.tokens) out += std::to_string(token) + ' ';
    out += str("||| ", fixed(best.score, 6), "\n");
  }
  return out;
}

/// Twenty networks, in turn from every shipped space: the file that agrees with LibTorch here gives
/// the same tokens and scores on the other architecture, on both of its instruction sets.
TEST(SlowParity, Aarch64TranslatesAlike) {
  constexpr int kNetworks = 20;
  const std::vector<std::string> program = emulated_hat_run();
  if (program.empty()) GTEST_SKIP() << "no aarch64 build or no qemu-aarch64";
  std::vector<arch::SearchSpace> spaces;
  for (const std::string& name : arch::SearchSpace::shipped_names()) {
    const arch::SearchSpace space = arch::SearchSpace::named(name);
    if (space.family() == arch::Family::kSeq2Seq) spaces.push_back(space);
  }
  const testing::TemporaryFolder folder;
  Rng rng(17);
  for (size_t i = 0; i < kNetworks; ++i) {
    const arch::SearchSpace& space = spaces[i % spaces.size()];
    const bool shared = space.options().embeddings == arch::ModelOptions::Embeddings::kShared;
    const model::NetworkSpec super = model::super_spec(space, {211, shared ? 211 : 193});
    const arch::Architecture a = space.decode(space.sample(rng));
    SCOPED_TRACE(arch::canonical_text(a));
    model::Transformer network(model::sub_spec(super, a));
    network.initialize(rng.next());
    const auto sources = random_sources(rng, 2);
    std::string lines;
    for (const auto& source : sources) {
      for (const int token : source) lines += std::to_string(token) + ' ';
      lines += '\n';
    }
    ParityOptions options = short_options();
    options.max_length = 8;
    for (const auto precision : {arch::Precision::kFp32, arch::Precision::kInt8}) {
      const auto model = pack(network, precision);
      EXPECT_NO_THROW(require_parity(compare(network, model, sources, options), precision));
      const auto bytes = packed_bytes(network, precision);
      const fs::path path = folder.path() / "model.hat";
      write_file_atomic(
          path, {reinterpret_cast<const char*>(bytes.bytes().data()), bytes.bytes().size()});
      for (const char* isa : {"neon", "neondot"}) {
        std::vector<std::string> command = {"/usr/bin/env", str("HAT_ISA=", isa)};
        command.insert(command.end(), program.begin(), program.end());
        for (const char* word : {"translate", path.c_str(), "--ids", "--scores", "--beam", "4",
                                 "--max-length", "8", "--threads", "1"})
          command.emplace_back(word);
        const RunResult run = run_process(command, lines);
        EXPECT_EQ(run.exit_code, 0) << run.error;
        EXPECT_EQ(run.output, translate_ids(model, sources)) << isa;
      }
    }
  }
}

/// A corpus in which target word 10 + i always translates source word 4 + i, with noise around.
class LexiconCorpus {
 public:
  LexiconCorpus() {
    Rng rng(1);
    for (int n = 0; n < 400; ++n) {
      std::vector<int> source;
      std::vector<int> target;
      for (int t = 0; t < 6; ++t) {
        const int word = static_cast<int>(rng.below(20));
        source.push_back(4 + word);
        target.push_back(10 + word);
        if (rng.chance(0.5)) target.push_back(30);  // a frequent word that translates nothing
      }
      rng.shuffle(target);
      source.push_back(2);
      target.push_back(2);
      sources_.push_back(source);
      targets_.push_back(target);
    }
  }
  ParallelSentences sentences() const {
    return {sources_.size(), [this](size_t i) { return sources_[i]; },
            [this](size_t i) { return targets_[i]; }};
  }

 private:
  std::vector<std::vector<int>> sources_;
  std::vector<std::vector<int>> targets_;
};

TEST(Shortlist, FindsTranslations) {
  const LexiconCorpus corpus;
  ShortlistOptions options;
  options.words = 15;
  const edge::Shortlist list = build_shortlist(corpus.sentences(), {24, 40}, options);
  const std::set<int> always(list.always.begin(), list.always.end());
  for (int token = 0; token < 4; ++token) EXPECT_TRUE(always.count(token));
  EXPECT_TRUE(always.count(30));
  EXPECT_EQ(always.size(), list.always.size());
  EXPECT_TRUE(std::is_sorted(list.always.begin(), list.always.end()));
  ASSERT_EQ(list.offsets.size(), 25u);
  for (int word = 0; word < 20; ++word) {
    const size_t source = static_cast<size_t>(4 + word);
    std::set<int> allowed = always;
    for (uint32_t i = list.offsets[source]; i < list.offsets[source + 1]; ++i) {
      EXPECT_FALSE(always.count(list.candidates[i]));
      allowed.insert(list.candidates[i]);
    }
    EXPECT_TRUE(allowed.count(10 + word)) << word;
  }
  EXPECT_EQ(list.offsets[4], 0u) << "special tokens have no candidates";
}

TEST(Shortlist, IsSeededAndBounded) {
  const LexiconCorpus corpus;
  ShortlistOptions options;
  options.words = 15;
  options.max_word_pairs = 2000;  // a part of the corpus
  const edge::Shortlist a = build_shortlist(corpus.sentences(), {24, 40}, options);
  const edge::Shortlist b = build_shortlist(corpus.sentences(), {24, 40}, options);
  EXPECT_EQ(a.candidates, b.candidates);
  options.words = 5;
  EXPECT_THROW(build_shortlist(corpus.sentences(), {24, 40}, options), Error);
}

}  // namespace
}  // namespace hat::exporting
