// The runtime against the numbers of the original HAT (parity/README.md).
#include <gtest/gtest.h>

#include <cmath>

#include "edge/parity_set.h"
#include "hat/edge/translator.h"

namespace hat::edge {
namespace {

using testing::ParitySet;

constexpr float kLogitTolerance = 2e-5f;
constexpr float kScoreTolerance = 1e-4f;

class LogitParity : public ::testing::TestWithParam<std::string> {};

TEST_P(LogitParity, TeacherForcingGivesTheOriginalsLogits) {
  if (!ParitySet::exists(GetParam())) GTEST_SKIP() << "no parity set " << GetParam();
  const ParitySet set(GetParam());
  for (const auto& entry : set.cases()) {
    const auto tensors = set.tensors(entry);
    const auto& shape = tensors.at("logits").shape;
    const auto source = tensors.integers("src_tokens");
    const auto target = tensors.integers("target");
    const auto expected = tensors.floats("logits");
    const auto source_length = static_cast<size_t>(tensors.at("src_tokens").shape[1]);
    const auto length = static_cast<size_t>(shape[1]);
    const auto vocabulary = static_cast<size_t>(shape[2]);
    Translator translator(set.model(entry));
    float worst = 0;
    for (size_t row = 0; row < static_cast<size_t>(shape[0]); ++row) {
      std::vector<int> words, wanted;
      for (size_t i = 0; i < source_length; ++i) {
        if (source[row * source_length + i] != 1)
          words.push_back(static_cast<int>(source[row * source_length + i]));
      }
      for (size_t i = 0; i < length && target[row * length + i] != 1; ++i)
        wanted.push_back(static_cast<int>(target[row * length + i]));
      const auto logits = translator.logits(words, wanted);
      for (size_t i = 0; i < logits.size(); ++i) {
        worst = std::max(worst, std::abs(logits[i] - expected[row * length * vocabulary + i]));
      }
    }
    EXPECT_LE(worst, kLogitTolerance) << GetParam() << " case " << entry["index"];
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, LogitParity,
                         ::testing::Values("A_iwslt_like", "B_wmt_like", "C_kdim_differs",
                                           "D_pre_norm"),
                         [](const auto& set) { return set.param; });

TEST(BeamSearchParity, TokensAndScoresAreTheOriginals) {
  const auto path = hat::testing::parity_dir() / "F_beam_search.json";
  if (!fs::exists(path) || !ParitySet::exists("A_iwslt_like")) GTEST_SKIP() << "no parity set F";
  const auto golden = config::load_json(path);
  const ParitySet set("A_iwslt_like");
  for (const auto& run : golden["runs"]) {
    const auto& entry = set.cases()[run["config_index_in_set_A"].get<size_t>()];
    TranslateOptions options;
    options.beam = run["beam"].get<int>();
    options.n_best = options.beam;
    options.length_penalty = run["lenpen"].get<double>();
    options.max_length_a = run["max_len_a"].get<double>();
    options.max_length_b = run["max_len_b"].get<int>();
    Translator translator(set.model(entry));
    std::vector<Request> requests;
    for (const auto& source : golden["src"])
      requests.push_back({source.get<std::vector<int>>(), {}});
    const auto results = translator.translate_batch(requests, options);
    for (size_t i = 0; i < results.size(); ++i) {
      const auto& expected = run["hypos"][i];
      ASSERT_EQ(results[i].size(), expected.size());
      for (size_t n = 0; n < expected.size(); ++n) {
        const auto where = ::testing::Message()
                           << "beam " << options.beam << " sentence " << i << " hypothesis " << n;
        EXPECT_EQ(results[i][n].tokens, expected[n]["tokens"].get<std::vector<int>>()) << where;
        EXPECT_NEAR(results[i][n].score, expected[n]["score"].get<float>(), kScoreTolerance)
            << where;
        const auto positional = expected[n]["positional_scores"].get<std::vector<float>>();
        ASSERT_EQ(results[i][n].positional_scores.size(), positional.size()) << where;
        for (size_t t = 0; t < positional.size(); ++t)
          EXPECT_NEAR(results[i][n].positional_scores[t], positional[t], kScoreTolerance) << where;
      }
    }
  }
}

}  // namespace
}  // namespace hat::edge
