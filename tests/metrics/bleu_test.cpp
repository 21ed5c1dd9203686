#include "hat/metrics/bleu.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "hat/base/error.h"
#include "hat/metrics/chrf.h"
#include "testing/shared_data.h"

namespace hat::metrics {
namespace {

using Json = nlohmann::json;

Json load(const std::filesystem::path& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

template <class T>
T value_or(const Json& object, const char* key, T fallback) {
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? fallback : it->get<T>();
}

BleuOptions bleu_options(const Json& c) {
  BleuOptions o;
  o.tokenize = value_or<std::string>(c, "tokenize", "13a");
  o.lowercase = value_or(c, "lowercase", false);
  o.smooth_method = value_or<std::string>(c, "smooth_method", "exp");
  if (c.contains("smooth_value") && !c["smooth_value"].is_null()) {
    o.smooth_value = c["smooth_value"].get<double>();
  }
  o.max_order = value_or(c, "max_ngram_order", 4);
  o.effective_order = value_or(c, "effective_order", false);
  return o;
}

ChrfOptions chrf_options(const Json& c) {
  ChrfOptions o;
  o.char_order = value_or(c, "char_order", 6);
  o.word_order = value_or(c, "word_order", 0);
  o.beta = value_or(c, "beta", 2);
  o.white_space = !value_or(c, "remove_whitespace", true);
  o.eps_smoothing = value_or(c, "eps_smoothing", false);
  o.lowercase = value_or(c, "lowercase", false);
  return o;
}

using Lines = std::vector<std::string>;
using Streams = std::vector<std::vector<std::string>>;

void check_bleu(const Json& c, const BleuScore& ours) {
  EXPECT_NEAR(ours.score, c["expected_score"].get<double>(), c["tolerance"].get<double>());
  const Json& computed = c["computed"];
  EXPECT_NEAR(ours.score, computed["score"].get<double>(), 1e-9);
  EXPECT_NEAR(ours.brevity_penalty, computed["bp"].get<double>(), 1e-12);
  EXPECT_EQ(ours.statistics.hypothesis_length, computed["sys_len"].get<int64_t>());
  EXPECT_EQ(ours.statistics.reference_length, computed["ref_len"].get<int64_t>());
  EXPECT_EQ(ours.statistics.counts, computed["counts"].get<std::vector<double>>());
  EXPECT_EQ(ours.statistics.totals, computed["totals"].get<std::vector<double>>());
  const auto precisions = computed["precisions"].get<std::vector<double>>();
  ASSERT_EQ(ours.precisions.size(), precisions.size());
  for (size_t n = 0; n < precisions.size(); ++n) {
    EXPECT_NEAR(ours.precisions[n], precisions[n], 1e-9);
  }
}

// Returns whether the kind is one of ours; TER is not.
bool check_case(const Json& c) {
  const std::string kind = c["kind"].get<std::string>();
  if (kind == "sentence_bleu") {
    check_bleu(c,
               sentence_bleu(c["hyp"].get<std::string>(), c["refs"].get<Lines>(), bleu_options(c)));
  } else if (kind == "corpus_bleu") {
    check_bleu(
        c, corpus_bleu(c["hyps"].get<Lines>(), c["ref_streams"].get<Streams>(), bleu_options(c)));
  } else if (kind == "corpus_chrf") {
    EXPECT_NEAR(
        corpus_chrf(c["hyps"].get<Lines>(), c["ref_streams"].get<Streams>(), chrf_options(c)),
        c["expected_score"].get<double>(), c["tolerance"].get<double>());
  } else if (kind == "sentence_chrf") {
    EXPECT_NEAR(sentence_chrf(c["hyp"].get<std::string>(), c["refs"].get<Lines>(), chrf_options(c)),
                c["expected_score"].get<double>(), c["tolerance"].get<double>());
  } else if (kind == "tokenize") {
    const std::string input = c["input"].get<std::string>();
    EXPECT_EQ(bleu_tokenize(input, "13a"), c["tokens_13a"].get<std::string>());
    EXPECT_EQ(bleu_tokenize(input, "intl"), c["tokens_intl"].get<std::string>());
  } else if (kind == "statistics") {
    const BleuScore score =
        corpus_bleu(c["hyps"].get<Lines>(), c["ref_streams"].get<Streams>(), bleu_options(c));
    EXPECT_EQ(score.statistics.counts, c["expected_counts"].get<std::vector<double>>());
    EXPECT_EQ(score.statistics.totals, c["expected_totals"].get<std::vector<double>>());
  } else if (kind == "from_statistics") {
    const BleuStatistics s{c["sys_len"].get<int64_t>(), c["ref_len"].get<int64_t>(),
                           c["counts"].get<std::vector<double>>(),
                           c["totals"].get<std::vector<double>>()};
    EXPECT_NEAR(bleu_from_statistics(s, bleu_options(c)).score, c["expected_score"].get<double>(),
                c["tolerance"].get<double>());
  } else {
    EXPECT_NE(kind.find("ter"), std::string::npos) << "unknown kind " << kind;
    return false;
  }
  return true;
}

TEST(BleuGolden, EveryCaseOfTheSharedFile) {
  const auto path = testing::shared_dir() / "data" / "metrics" / "bleu_cases.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const Json file = load(path);
  size_t checked = 0;
  for (const Json& c : file["cases"]) {
    SCOPED_TRACE(c.dump());
    checked += check_case(c);
  }
  EXPECT_GT(checked, 0u);
}

TEST(BleuGolden, TokenBleuOfTheOriginal) {
  const auto path = testing::parity_dir() / "I_bleu.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const Json cases = load(path);
  ASSERT_FALSE(cases.empty());
  for (const Json& c : cases) {
    const BleuScore score = token_bleu(c["hyp"].get<Lines>(), c["ref"].get<Lines>());
    EXPECT_EQ(token_bleu_line(score), c["line"].get<std::string>());
    EXPECT_NEAR(score.score, c["bleu"].get<double>(), 1e-9);
    EXPECT_EQ(score.statistics.counts, c["counts"]["match"].get<std::vector<double>>());
    EXPECT_EQ(score.statistics.totals, c["counts"]["total"].get<std::vector<double>>());
  }
}

TEST(TokenBleu, SplitsCompoundsOnceAndNeverMatchesUnknownReferenceWords) {
  const BleuScore same = token_bleu({"a well-known x-y-z"}, {"a well-known x-y-z"});
  EXPECT_DOUBLE_EQ(same.score, 100.0);
  EXPECT_EQ(same.statistics.hypothesis_length, 7);  // a, well, mark, known, x, mark, y-z
  const BleuScore unknown = token_bleu({"a <unk> b c d"}, {"a <unk> b c d"});
  EXPECT_EQ(unknown.statistics.counts[0], 4);
}

TEST(Bleu, SignaturesReadAsSacreBleuPrintsThem) {
  BleuOptions o;
  EXPECT_EQ(bleu_signature(o, 1), "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
  o.lowercase = true;
  o.tokenize = "intl";
  o.smooth_method = "floor";
  o.effective_order = true;
  EXPECT_EQ(bleu_signature(o, 2),
            "nrefs:2|case:lc|eff:yes|tok:intl|smooth:floor[0.10]|version:2.6.0");
  ChrfOptions c;
  EXPECT_EQ(chrf_signature(c, 1), "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0");
  EXPECT_EQ(chrf_name(c), "chrF2");
  c.word_order = 2;
  EXPECT_EQ(chrf_name(c), "chrF2++");
}

TEST(Bleu, LowerCasesBeyondAscii) {
  BleuOptions o;
  o.tokenize = "none";
  o.lowercase = true;
  const Lines hypothesis = {"ÜBER ΟΔΟΣ ДОМ İI straße x"};
  const Streams reference = {{"über οδος дом i̇i straße x"}};
  EXPECT_DOUBLE_EQ(corpus_bleu(hypothesis, reference, o).score, 100.0);
  o.lowercase = false;
  EXPECT_LT(corpus_bleu(hypothesis, reference, o).score, 30.0);
}

TEST(Bleu, RefusesWhatMakesNoSense) {
  BleuOptions o;
  o.tokenize = "13b";
  EXPECT_THROW(corpus_bleu({"a"}, {{"a"}}, o), Error);
  o = {};
  o.smooth_method = "expo";
  try {
    corpus_bleu({"a"}, {{"a"}}, o);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_NE(e.message().find("'exp'"), std::string::npos) << e.message();
  }
  EXPECT_THROW(corpus_bleu({"a", "b"}, {{"a"}}), Error);
  EXPECT_THROW(corpus_bleu({"a"}, {}), Error);
  EXPECT_THROW(corpus_bleu({}, {{}}), Error);
}

TEST(Bleu, InvalidBytesAreScoredNotFatal) {
  const std::string broken("a \xFF\xC3 b\0c", 9);
  EXPECT_DOUBLE_EQ(corpus_chrf({broken}, {{broken}}), 100.0);
  EXPECT_GE(corpus_bleu({broken}, {{"a b c d"}}).score, 0.0);
}

}  // namespace
}  // namespace hat::metrics
