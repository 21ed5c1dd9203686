#include <gtest/gtest.h>

#include "hat/arch/cost.h"
#include "hat/arch/cost_features.h"
#include "hat/base/error.h"
#include "hat/config/json.h"
#include "testing/shared_data.h"

namespace hat::arch {
namespace {

const fs::path kSpaces = fs::path(HAT_SOURCE_DIR) / "configs" / "spaces";

TEST(Counting, PublishedArchitecturesToTheUnit) {
  const fs::path path = testing::shared_dir() / "data/latency/published_architectures.json";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is not here";
  const config::Json json = config::load_json(path);
  ASSERT_FALSE(json["architectures"].empty());
  for (const config::Json& entry : json["architectures"]) {
    const std::string name = entry["name"];
    const Architecture a = architecture_from_json(entry["arch"], name);
    EXPECT_EQ(parameters_without_embeddings(a, {}), entry["params_exact"].get<int64_t>()) << name;
    // The original's profiler also counts some 200 operations on position indices.
    EXPECT_NEAR(flops_like_original(a, entry["dummy_length"]), entry["flops_exact"].get<double>(),
                500)
        << name;
    const std::vector<double> features = original_features(a);
    ASSERT_EQ(features.size(), entry["latency_features"].size());
    for (size_t i = 0; i < features.size(); ++i) {
      EXPECT_NEAR(features[i], entry["latency_features"][i].get<double>(), 1e-9) << name;
    }
  }
}

/// By hand for one small network, so that the closed form is checked without the shared data too.
TEST(Counting, SmallNetworkByHand) {
  Architecture a;
  a.encoder_embed_dim = 8;
  a.encoder = {{16, 2, 4}};
  a.decoder_embed_dim = 6;
  a.decoder = {{10, 2, 4, 1, 2, 1}};
  const int64_t encoder = (12 * 8 + 12) + (8 * 4 + 8) + (16 * 8 + 16) + (8 * 16 + 8) + 4 * 8;
  const int64_t decoder = (12 * 6 + 12) + (6 * 4 + 6) + (2 * 6 + 2) + (4 * 8 + 4) + (6 * 2 + 6) +
                          (10 * 6 + 10) + (6 * 10 + 6) + 6 * 6;
  ModelOptions options;
  EXPECT_EQ(parameters_without_embeddings(a, options), encoder + decoder);
  options.pre_norm = true;
  EXPECT_EQ(parameters_without_embeddings(a, options), encoder + decoder + 2 * 8 + 2 * 6);
  EXPECT_EQ(parameters(a, options, {100, 100}), encoder + decoder + 28 + 100 * 8);
  options.embeddings = ModelOptions::Embeddings::kSeparate;
  EXPECT_EQ(parameters(a, options, {50, 100}), encoder + decoder + 28 + 50 * 8 + 2 * 100 * 6);
  // One source token, one step, one beam: every weight of a product is used once.
  Workload w{1, 1, 1, 1, {50, 100}};
  const double macs = 4 * 4 * 8 + 2 * 8 * 16 + 2 * 4        // encoder
                      + 2 * 2 * 8                           // cross keys and values
                      + 4 * 4 * 6 + 2 * 2 * 6 + 2 * 6 * 10  // decoder products
                      + 2 * 4 + 2 * 2                       // its attention
                      + 6 * 100;                            // output
  EXPECT_DOUBLE_EQ(flops_decoding(a, w), 2 * macs);
}

TEST(Counting, ADistributionOfLengthsIsTheMeanOverIt) {
  const SearchSpace space = SearchSpace::load(kSpaces / "small.json");
  const Architecture a = space.middle();
  const Workload shorter{1, 5, 10, 12, {1000, 1000}};
  const Workload longer{1, 5, 30, 40, {1000, 1000}};
  const Workload both = with_lengths(shorter, {{10, 12}, {30, 40}});
  EXPECT_EQ(both.source_length, 20);
  EXPECT_EQ(both.target_length, 26);
  EXPECT_EQ(both.longest(), (SentenceLength{30, 40}));
  EXPECT_DOUBLE_EQ(flops_decoding(a, both),
                   (flops_decoding(a, shorter) + flops_decoding(a, longer)) / 2);
  const CostFeatures x = cost_features(a, shorter);
  const CostFeatures y = cost_features(a, longer);
  const CostFeatures z = cost_features(a, both);
  for (size_t f = 0; f < z.size(); ++f) EXPECT_NEAR(z[f], (x[f] + y[f]) / 2, 1e-12 * z[f]);
  EXPECT_EQ(workload_from_json(config::Json::parse(to_json(both).dump()), "test"), both);
  EXPECT_FALSE(to_json(shorter).contains("lengths"));
  for (const char* wrong : {"[]", "[[1]]", "[[0, 3]]", "[3]", "{}", "[[1, 2.5]]", "[[5, 5000]]",
                            "[[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],"
                            "[1,1],[1,1],[1,1],[1,1],[1,1],[1,1]]"}) {
    config::Json json = config::Json::parse(to_json(shorter).dump());
    json["lengths"] = config::Json::parse(wrong);
    EXPECT_THROW(workload_from_json(json, "test"), Error) << wrong;
  }
}

TEST(Counting, SpacesOfTheOriginal) {
  EXPECT_EQ(SearchSpace::load(kSpaces / "wmt.json").count(), "417846678672384");
  EXPECT_EQ(SearchSpace::load(kSpaces / "iwslt.json").count(), "417846678672384");
  const SearchSpace latency = SearchSpace::load(kSpaces / "hat-latency.json");
  EXPECT_NEAR(latency.approximate_count() / 1.913e19, 1, 1e-3);
}

TEST(Counting, BytesFollowPrecision) {
  const SearchSpace space = SearchSpace::load(kSpaces / "small.json");
  const Vocabulary v{8000, 8000};
  const double fp32 = model_bytes(space.largest(), space.options(), v, Precision::kFp32);
  EXPECT_DOUBLE_EQ(fp32,
                   4.0 * static_cast<double>(parameters(space.largest(), space.options(), v)));
  EXPECT_LT(model_bytes(space.largest(), space.options(), v, Precision::kInt8), 0.27 * fp32);
  EXPECT_LT(model_bytes(space.largest(), space.options(), v, Precision::kInt4), 0.17 * fp32);
}

}  // namespace
}  // namespace hat::arch
