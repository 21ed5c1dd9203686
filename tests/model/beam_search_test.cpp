#include "hat/model/beam_search.h"

#include <cmath>

#include "hat/base/error.h"
#include "model/parity.h"

namespace hat::model {
namespace {

using testing::ParitySet;

/// Set F: n-best lists of the original on the network of set A.
TEST(BeamSearch, EqualsTheOriginal) {
  const fs::path path = hat::testing::parity_dir() / "F_beam_search.json";
  const auto set = ParitySet::open("A_iwslt_like");
  if (!fs::exists(path) || !set) GTEST_SKIP() << "set F or A is absent";
  const config::Json golden = config::load_json(path);
  const auto sources = golden.at("src").get<std::vector<std::vector<int32_t>>>();
  const auto network = set->load();
  for (const config::Json& run : golden.at("runs")) {
    SCOPED_TRACE(run.at("beam").dump() + " " + run.at("lenpen").dump());
    const auto index = run.at("config_index_in_set_A").get<size_t>();
    network->set_architecture(set->architecture(set->cases().at(index)));
    BeamOptions options;
    options.beam = run.at("beam").get<int>();
    options.length_penalty = run.at("lenpen").get<double>();
    options.max_length_factor = run.at("max_len_a").get<double>();
    options.max_length = run.at("max_len_b").get<int>();
    const auto ours = beam_search(*network, sources, options);
    const config::Json& hypotheses = run.at("hypos");
    ASSERT_EQ(ours.size(), hypotheses.size());
    for (size_t s = 0; s < ours.size(); ++s) {
      ASSERT_EQ(ours[s].size(), hypotheses[s].size()) << s;
      for (size_t h = 0; h < ours[s].size(); ++h) {
        const config::Json& expected = hypotheses[s][h];
        EXPECT_EQ(ours[s][h].tokens, expected.at("tokens").get<std::vector<int32_t>>())
            << s << " " << h;
        EXPECT_NEAR(ours[s][h].score, expected.at("score").get<double>(), 2e-5);
        const auto scores = expected.at("positional_scores").get<std::vector<double>>();
        ASSERT_EQ(ours[s][h].token_scores.size(), scores.size());
        for (size_t t = 0; t < scores.size(); ++t)
          EXPECT_NEAR(ours[s][h].token_scores[t], scores[t], 5e-5);
      }
    }
  }
}

NetworkSpec tiny_spec(int vocabulary) {
  NetworkSpec spec;
  spec.capacities.encoder_embed_dim = spec.capacities.decoder_embed_dim = 16;
  spec.capacities.encoder.assign(1, {24, 2, 16});
  spec.capacities.decoder.assign(1, {24, 2, 16, 2, 16, 1});
  spec.vocabulary = {vocabulary, vocabulary};
  return spec;
}

TEST(BeamSearch, BatchEqualsSingleSentences) {
  Transformer net(tiny_spec(40));
  net.initialize(4);
  const std::vector<std::vector<int32_t>> sources{{5, 9, 30, 2}, {7, 2}, {11, 12, 13, 14, 15, 2}};
  BeamOptions options;
  options.beam = 3;
  options.max_length = 12;
  const auto batch = beam_search(net, sources, options);
  for (size_t s = 0; s < sources.size(); ++s) {
    const auto alone = beam_search(net, {sources[s]}, options);
    ASSERT_EQ(alone[0].size(), batch[s].size());
    for (size_t h = 0; h < alone[0].size(); ++h) {
      EXPECT_EQ(alone[0][h].tokens, batch[s][h].tokens);
      EXPECT_NEAR(alone[0][h].score, batch[s][h].score, 1e-4);
    }
  }
}

TEST(BeamSearch, BeamOfOneIsGreedy) {
  Transformer net(tiny_spec(40));
  net.initialize(4);
  BeamOptions options;
  options.beam = 1;
  options.max_length = 10;
  const auto result = beam_search(net, {{5, 9, 30, 2}}, options);
  ASSERT_EQ(result[0].size(), 1u);
  const at::NoGradGuard no_grad;
  std::vector<int64_t> prefix{kEosId};
  const at::Tensor source = at::tensor({5, 9, 30, 2}, at::kLong).view({1, 4});
  for (const int32_t token : result[0][0].tokens) {
    const auto length = static_cast<int64_t>(prefix.size());
    at::Tensor last =
        net.forward(source, at::tensor(prefix, at::kLong).view({1, length}))[0][length - 1].clone();
    last[kPadId] = -INFINITY;
    if (length == 1) last[kEosId] = -INFINITY;
    if (length <= options.max_length) {
      EXPECT_EQ(last.argmax().item<int64_t>(), token);
    }
    prefix.push_back(token);
  }
}

TEST(BeamSearch, EndsAtTheLongestLength) {
  Transformer net(tiny_spec(40));
  net.initialize(4);
  // An output table whose eos row never wins.
  at::Tensor table = net.parameters().value(net.parameters().find("encoder.embed_tokens.weight"));
  table[kEosId] = -table.slice(0, 4).mean(0) * 50;
  net.parameters().values_changed();
  BeamOptions options;
  options.beam = 4;
  options.max_length = 6;
  const auto result = beam_search(net, {{5, 9, 30, 2}, {8, 2}}, options);
  for (const auto& hypotheses : result) {
    EXPECT_EQ(hypotheses.size(), 4u);
    for (const Hypothesis& h : hypotheses) {
      EXPECT_LE(h.tokens.size(), 7u);
      EXPECT_EQ(h.tokens.back(), kEosId);
    }
  }
}

TEST(BeamSearch, TinyVocabularyAndWideBeam) {
  Transformer net(tiny_spec(6));  // two real words: fewer continuations than the beam asks for
  net.initialize(4);
  BeamOptions options;
  options.beam = 8;
  options.max_length = 4;
  const auto result = beam_search(net, {{4, 5, 2}}, options);
  EXPECT_FALSE(result[0].empty());
  for (const Hypothesis& h : result[0]) EXPECT_TRUE(std::isfinite(h.score));
  EXPECT_TRUE(beam_search(net, {}, options).empty());
  options.beam = 0;
  EXPECT_THROW(beam_search(net, {{4, 2}}, options), Error);
}

}  // namespace
}  // namespace hat::model
