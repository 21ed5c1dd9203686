#include "hat/edge/translator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "edge/kernels/kernels.h"
#include "edge/small_models.h"
#include "hat/base/error.h"

namespace hat::edge {
namespace {

using testing::random_requests;
using testing::same;
using testing::short_options;
using testing::small_model;
using testing::small_spec;

const arch::Precision kPrecisions[] = {arch::Precision::kFp32, arch::Precision::kInt8,
                                       arch::Precision::kInt4};

Shortlist some_words() {
  Shortlist list;
  list.always = {0, 1, 2, 3, 9, 20, 30};
  list.offsets = {0};
  for (int source = 0; source < 70; ++source) {
    for (int k = 0; k < source % 4; ++k) list.candidates.push_back(10 + source % 20 + 9 * k);
    list.offsets.push_back(static_cast<uint32_t>(list.candidates.size()));
  }
  return list;
}

TEST(Translator, BatchIsTheSameAsOneByOne) {
  for (const auto precision : kPrecisions) {
    for (const bool shortlist : {false, true}) {
      auto spec = small_spec(precision);
      if (shortlist) spec.shortlist = some_words();
      Translator translator(small_model(spec));
      auto options = short_options();
      options.alignment = true;
      const auto requests = random_requests(9, 70, 1);
      const auto together = translator.translate_batch(requests, options);
      for (size_t i = 0; i < requests.size(); ++i) {
        EXPECT_TRUE(same(together[i], translator.translate(requests[i].source, options)))
            << arch::precision_name(precision) << " shortlist " << shortlist << " sentence " << i;
      }
    }
  }
}

TEST(Translator, ThreadsChangeNothing) {
  for (const auto precision : kPrecisions) {
    const auto model = small_model(small_spec(precision));
    Translator one(model, 1);
    Translator two(model, 2);
    const auto requests = random_requests(7, 70, 2);
    const auto a = one.translate_batch(requests, short_options());
    const auto b = two.translate_batch(requests, short_options());
    for (size_t i = 0; i < requests.size(); ++i) EXPECT_TRUE(same(a[i], b[i]));
  }
}

// Enough rows for every thread: each takes sentences of its own.
TEST(Translator, ManySentencesAreDividedAmongThreads) {
  auto spec = small_spec();
  for (const bool shortlist : {false, true}) {
    if (shortlist) spec.shortlist = some_words();
    const auto model = small_model(spec);
    Translator one(model, 1);
    Translator three(model, 3);
    auto options = short_options();
    options.alignment = true;
    const auto requests = random_requests(41, 70, 2);
    const auto expected = one.translate_batch(requests, options);
    for (int round = 0; round < 2; ++round) {
      const auto actual = three.translate_batch(requests, options);
      for (size_t i = 0; i < requests.size(); ++i) EXPECT_TRUE(same(expected[i], actual[i])) << i;
      EXPECT_EQ(three.timing().target_tokens, one.timing().target_tokens);
      // Few again: all threads work on them together.
      EXPECT_TRUE(same(three.translate(requests[3].source, options), expected[3]));
    }
    auto wrong = requests;
    wrong[20].source = {5, 70};
    EXPECT_THROW(three.translate_batch(wrong, options), Error);
  }
}

TEST(Translator, IntegerWeightsGiveTheSameOnEveryInstructionSet) {
  for (const auto precision : {arch::Precision::kInt8, arch::Precision::kInt4}) {
    const auto model = small_model(small_spec(precision));
    const auto requests = random_requests(5, 70, 3);
    override_kernels(find_kernels(Isa::kScalar));
    const auto expected = Translator(model).translate_batch(requests, short_options());
    for (const Isa isa : supported_isas()) {
      override_kernels(find_kernels(isa));
      const auto got = Translator(model).translate_batch(requests, short_options());
      for (size_t i = 0; i < requests.size(); ++i)
        EXPECT_TRUE(same(got[i], expected[i])) << isa_name(isa);
    }
    override_kernels(nullptr);
  }
}

TEST(Translator, BeamOfOneIsGreedy) {
  Translator translator(small_model(small_spec()));
  auto options = short_options(1);
  for (const auto& request : random_requests(6, 70, 4)) {
    const auto result = translator.translate(request.source, options).front();
    std::vector<int> greedy;
    for (int step = 0; step <= options.max_length_b; ++step) {
      auto target = greedy;
      target.push_back(2);
      const auto all = translator.logits(request.source, target);
      std::vector<float> logits(all.end() - 70, all.end());
      logits[1] = -1e30f;
      if (step == 0) logits[2] = -1e30f;
      int best = static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      if (step == options.max_length_b) best = 2;
      greedy.push_back(best);
      if (best == 2) break;
    }
    EXPECT_EQ(result.tokens, greedy);
  }
}

TEST(Translator, LogitsOfAPrefixAreAPrefixOfTheLogits) {
  Translator translator(small_model(small_spec()));
  const std::vector<int> source = {8, 9, 10, 2};
  const auto longer = translator.logits(source, {5, 6, 7, 8, 9});
  const auto shorter = translator.logits(source, {5, 6, 60});
  ASSERT_EQ(shorter.size(), 3U * 70);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
}

TEST(Translator, ScoresAreLogProbabilitiesByTeacherForcing) {
  Translator translator(small_model(small_spec(arch::Precision::kFp32)));
  const std::vector<int> source = {30, 31, 7, 2};
  for (const auto& hypothesis : translator.translate(source, short_options())) {
    const auto logits = translator.logits(source, hypothesis.tokens);
    double sum = 0;
    for (size_t t = 0; t < hypothesis.tokens.size(); ++t) {
      const float* row = logits.data() + t * 70;
      double total = 0;
      for (int word = 0; word < 70; ++word) total += std::exp(row[word]);
      const double score = row[hypothesis.tokens[t]] - std::log(total);
      EXPECT_NEAR(hypothesis.positional_scores[t], score, 1e-4);
      sum += score;
    }
    EXPECT_NEAR(hypothesis.score, sum / static_cast<double>(hypothesis.tokens.size()), 1e-4);
  }
}

TEST(Translator, ResultsAreOrderedAndWithinTheLimits) {
  Translator translator(small_model(small_spec()));
  auto options = short_options(5);
  options.min_length = 3;
  options.max_length_b = 6;
  options.length_penalty = 0.6;
  for (const auto& request : random_requests(8, 70, 6)) {
    const auto results = translator.translate(request.source, options);
    ASSERT_EQ(results.size(), 5U);
    for (size_t i = 0; i < results.size(); ++i) {
      if (i > 0) {
        EXPECT_LE(results[i].score, results[i - 1].score);
      }
      EXPECT_EQ(results[i].tokens.back(), 2);
      EXPECT_GE(results[i].tokens.size(), 4U);
      EXPECT_LE(results[i].tokens.size(), 7U);
      EXPECT_EQ(std::count(results[i].tokens.begin(), results[i].tokens.end(), 1), 0);
      EXPECT_EQ(std::count(results[i].tokens.begin(), results[i].tokens.end(), 2), 1);
    }
  }
}

TEST(Translator, StartsWithTheForcedPrefix) {
  Translator translator(small_model(small_spec()));
  auto requests = random_requests(3, 70, 7);
  requests[0].prefix = {40, 41, 42};
  requests[2].prefix = {3};
  const auto results = translator.translate_batch(requests, short_options());
  for (const auto& hypothesis : results[0]) {
    ASSERT_GE(hypothesis.tokens.size(), 3U);
    EXPECT_EQ(std::vector<int>(hypothesis.tokens.begin(), hypothesis.tokens.begin() + 3),
              requests[0].prefix);
  }
  for (const auto& hypothesis : results[2]) EXPECT_EQ(hypothesis.tokens[0], 3);
  EXPECT_TRUE(same(results[1], translator.translate(requests[1].source, short_options())));
}

TEST(Translator, ShortlistAllowsItsWordsOnly) {
  auto spec = small_spec();
  spec.shortlist = some_words();
  Translator translator(small_model(spec));
  const std::vector<int> source = {7, 11, 2};
  std::vector<int32_t> allowed = spec.shortlist.always;
  for (const int token : source) {
    for (uint32_t i = spec.shortlist.offsets[static_cast<size_t>(token)];
         i < spec.shortlist.offsets[static_cast<size_t>(token) + 1]; ++i)
      allowed.push_back(spec.shortlist.candidates[i]);
  }
  for (const auto& hypothesis : translator.translate(source, short_options())) {
    for (const int token : hypothesis.tokens)
      EXPECT_NE(std::find(allowed.begin(), allowed.end(), token), allowed.end()) << token;
  }
}

TEST(Translator, ShortlistOfAllWordsChangesNothing) {
  auto spec = small_spec();
  Translator plain(small_model(spec));
  for (int32_t word = 0; word < 70; ++word) spec.shortlist.always.push_back(word);
  spec.shortlist.offsets.assign(71, 0);
  Translator listed(small_model(spec));
  for (const auto& request : random_requests(5, 70, 8)) {
    EXPECT_TRUE(same(plain.translate(request.source, short_options()),
                     listed.translate(request.source, short_options())));
  }
}

TEST(Translator, AlignsEveryWordToASourceWord) {
  auto spec = small_spec();
  spec.alignment_heads = {{0, 1}, {2, 0}};
  Translator translator(small_model(spec));
  auto options = short_options();
  options.alignment = true;
  const std::vector<int> source = {20, 21, 22, 23, 2};
  for (const auto& hypothesis : translator.translate(source, options)) {
    ASSERT_EQ(hypothesis.alignment.size(), hypothesis.tokens.size() - 1);
    for (size_t t = 0; t < hypothesis.alignment.size(); ++t) {
      EXPECT_EQ(hypothesis.alignment[t].second, static_cast<int>(t));
      EXPECT_GE(hypothesis.alignment[t].first, 0);
      EXPECT_LT(hypothesis.alignment[t].first, 4);
    }
  }
  EXPECT_EQ(moses_alignment({{0, 0}, {2, 1}}), "0-0 2-1");
}

// One table for both sides of different width is the same as three tables cut from it.
TEST(Translator, SharedTableServesBothWidths) {
  for (const int decoder_width : {24, 56}) {
    auto shared = small_spec(arch::Precision::kFp32);
    shared.architecture.decoder_embed_dim = decoder_width;
    auto separate = shared;
    separate.options.embeddings = arch::ModelOptions::Embeddings::kSeparate;
    const int width = std::max(40, decoder_width);
    std::vector<float> table;
    Rng rng(3);
    for (int i = 0; i < 70 * width; ++i) table.push_back(static_cast<float>(rng.normal()) * 0.1f);
    std::vector<float> cut;
    const auto with_table = [&](const ModelSpec& spec) -> TensorSource {
      const auto others = random_tensor_source(spec, 11);
      const auto requests = required_tensors(spec);
      return [&, others, requests](const std::string& name) {
        if (name.find("embed") == std::string::npos) return others(name);
        for (const auto& request : requests) {
          if (request.name != name) continue;
          cut.clear();
          for (size_t row = 0; row < 70; ++row) {
            for (size_t col = 0; col < static_cast<size_t>(request.shape[1]); ++col)
              cut.push_back(table[row * static_cast<size_t>(width) + col]);
          }
          return TensorView{cut, request.shape};
        }
        return others(name);
      };
    };
    Translator a(Model::from_bytes(build_model(shared, with_table(shared)), "shared"));
    Translator b(Model::from_bytes(build_model(separate, with_table(separate)), "separate"));
    for (const auto& request : random_requests(3, 70, 9)) {
      EXPECT_TRUE(same(a.translate(request.source, short_options()),
                       b.translate(request.source, short_options())))
          << decoder_width;
    }
  }
}

TEST(Translator, LongSourcesAreCutAndEmptyOnesTranslated) {
  Translator translator(small_model(small_spec()));
  EXPECT_EQ(translator.translate({}, short_options()).size(), 4U);
  const std::vector<int> endless(5000, 12);
  EXPECT_EQ(translator.translate(endless, short_options()).size(), 4U);
}

TEST(Translator, RefusesWhatItCannotDo) {
  Translator translator(small_model(small_spec()));
  const auto kind = [&](const Request& request, const TranslateOptions& options) {
    try {
      translator.translate_batch({&request, 1}, options);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::kUsage;
    }
    return false;
  };
  auto options = short_options();
  EXPECT_TRUE(kind({{70, 2}, {}}, options));
  EXPECT_TRUE(kind({{-1, 2}, {}}, options));
  EXPECT_TRUE(kind({{5, 2}, {99}}, options));
  EXPECT_TRUE(kind({{5, 2}, {2}}, options));
  EXPECT_TRUE(kind({{5, 2}, std::vector<int>(64, 5)}, options));
  options.beam = 0;
  EXPECT_TRUE(kind({{5, 2}, {}}, options));
  options = short_options();
  options.n_best = 5;
  EXPECT_TRUE(kind({{5, 2}, {}}, options));
  options = short_options();
  options.length_penalty = NAN;
  EXPECT_TRUE(kind({{5, 2}, {}}, options));
  EXPECT_TRUE(translator.translate_batch({}, short_options()).empty());
}

// A vocabulary smaller than twice the beam.
TEST(Translator, FewWordsGiveFewHypotheses) {
  auto spec = small_spec();
  spec.vocabulary = {6, 6};
  Translator translator(small_model(spec));
  auto options = short_options(8);
  const auto results = translator.translate({4, 5, 2}, options);
  EXPECT_GE(results.size(), 1U);
  EXPECT_LE(results.size(), 8U);
}

}  // namespace
}  // namespace hat::edge
