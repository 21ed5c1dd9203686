#include "hat/arch/search_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "hat/arch/positions.h"
#include "hat/base/error.h"
#include "testing/shared_data.h"

namespace hat::arch {
namespace {

using config::Json;
const fs::path kSpaces = fs::path(HAT_SOURCE_DIR) / "configs" / "spaces";

Json valid_space() {
  return Json::parse(R"({"family": "seq2seq", "genes": {
    "encoder.embed_dim": [64, 32], "encoder.layers": [3, 1], "encoder.ffn_dim": [128, 64],
    "encoder.heads": [4, 2], "encoder.qkv_dim": [32], "decoder.embed_dim": [64],
    "decoder.layers": [2, 1], "decoder.ffn_dim": [64], "decoder.self_heads": [2],
    "decoder.self_qkv_dim": [32, 16], "decoder.cross_heads": [2], "decoder.cross_qkv_dim": [32],
    "decoder.cross_span": [1, 2, 3]}})");
}

std::string error_of(const Json& json) {
  try {
    SearchSpace::from_json(json, "x.json");
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kConfig);
    return e.message();
  }
  return "";
}

TEST(SearchSpace, EveryShippedSpaceSurvivesEncodingAndItsOwnJson) {
  Rng rng(7);
  for (const std::string& name : SearchSpace::shipped_names()) {
    const SearchSpace space = SearchSpace::named(name);
    EXPECT_EQ(space.name(), name);
    EXPECT_EQ(SearchSpace::from_json(space.to_json(), name).id(), space.id());
    EXPECT_TRUE(space.contains(space.largest()));
    EXPECT_TRUE(space.contains(space.smallest()));
    EXPECT_TRUE(space.contains(space.middle()));
    for (int i = 0; i < 200; ++i) {
      const Genotype genotype = space.sample(rng);
      const Architecture a = space.decode(genotype);
      check(a, name);
      EXPECT_EQ(space.decode(space.encode(a)), a);
      EXPECT_EQ(architecture_from_json(to_json(a), name), a);
    }
  }
}

/// Counting by formula against counting by enumeration.
TEST(SearchSpace, CountIsTheNumberOfDifferentNetworks) {
  for (const bool compat : {false, true}) {
    Json json = valid_space();
    json["model"] = {{"compat", compat}};
    const SearchSpace space = SearchSpace::from_json(json, "x.json");
    std::set<std::string> networks;
    Genotype genotype(space.slots().size(), 0);
    for (;;) {
      networks.insert(canonical_text(space.decode(genotype)));
      size_t slot = 0;
      while (slot < genotype.size() && ++genotype[slot] == space.choices_at(slot))
        genotype[slot++] = 0;
      if (slot == genotype.size()) break;
    }
    EXPECT_EQ(space.count(), std::to_string(networks.size())) << compat;
  }
}

TEST(SearchSpace, DeadSlotsDoNotChangeTheNetwork) {
  const SearchSpace space = SearchSpace::from_json(valid_space(), "x.json");
  Rng rng(3);
  int dead = 0;
  for (int i = 0; i < 300; ++i) {
    Genotype genotype = space.sample(rng);
    const Architecture before = space.decode(genotype);
    for (size_t slot = 0; slot < genotype.size(); ++slot) {
      if (space.is_alive(genotype, slot)) continue;
      ++dead;
      genotype[slot] = static_cast<uint8_t>(rng.below(space.choices_at(slot)));
      EXPECT_EQ(space.decode(genotype), before);
    }
  }
  EXPECT_GT(dead, 0);
}

TEST(SearchSpace, HeadsFollowHeadDim) {
  Json json = valid_space();
  json["model"] = {{"head_dim", 16}};
  json["genes"].erase("encoder.heads");
  json["genes"].erase("decoder.self_heads");
  json["genes"].erase("decoder.cross_heads");
  const SearchSpace space = SearchSpace::from_json(json, "x.json");
  EXPECT_EQ(space.largest().decoder[0].self_heads, 2);
  EXPECT_EQ(space.smallest().decoder[0].self_heads, 1);
  EXPECT_TRUE(space.contains(space.smallest()));
}

TEST(SearchSpace, MistakesAreNamed) {
  using ::testing::HasSubstr;
  Json json = valid_space();
  json["genes"]["encoder.ffn_dims"] = {1};
  EXPECT_THAT(error_of(json), HasSubstr("Did you mean 'encoder.ffn_dim'?"));
  json = valid_space();
  json["genes"].erase("decoder.layers");
  EXPECT_THAT(error_of(json), HasSubstr("'decoder.layers' is missing"));
  json = valid_space();
  json["genes"]["encoder.heads"] = {3};
  EXPECT_THAT(error_of(json), HasSubstr("does not divide"));
  json = valid_space();
  json["genes"]["encoder.ffn_dim"] = {64, 64};
  EXPECT_THAT(error_of(json), HasSubstr("twice"));
  json = valid_space();
  json["genes"]["encoder.ffn_dim"] = {0};
  EXPECT_THAT(error_of(json), HasSubstr("not within"));
  json = valid_space();
  json["genes"]["encoder.ffn_dim"] = "wide";
  EXPECT_THAT(error_of(json), HasSubstr("whole numbers"));
  json = valid_space();
  json["super"] = {{"encoder.ffn_dim", 32}};
  EXPECT_THAT(error_of(json), HasSubstr("smaller than the choice"));
  json = valid_space();
  json["version"] = 9;
  EXPECT_THAT(error_of(json), HasSubstr("version"));
  EXPECT_THROW(SearchSpace::named("smal"), Error);
}

TEST(SearchSpace, OriginalSamplerDrawsAsTheOriginalDid) {
  const fs::path path = testing::parity_dir() / "G_sampler.json";
  if (!fs::exists(path)) GTEST_SKIP() << "set G is not in " << testing::parity_dir();
  const Json golden = config::load_json(path);
  for (const auto& [name, entry] : golden["spaces"].items()) {
    Json genes;
    const Json& e = entry["choices"]["encoder"];
    const Json& d = entry["choices"]["decoder"];
    Json spans = Json::array();
    for (int value : d["decoder_arbitrary_ende_attn"]) spans.push_back(value == -1 ? 1 : value + 1);
    const Json json = {{"genes",
                        {{"encoder.embed_dim", e["encoder_embed_dim"]},
                         {"encoder.layers", e["encoder_layer_num"]},
                         {"encoder.ffn_dim", e["encoder_ffn_embed_dim"]},
                         {"encoder.heads", e["encoder_self_attention_heads"]},
                         {"encoder.qkv_dim", 512},
                         {"decoder.embed_dim", d["decoder_embed_dim"]},
                         {"decoder.layers", d["decoder_layer_num"]},
                         {"decoder.ffn_dim", d["decoder_ffn_embed_dim"]},
                         {"decoder.self_heads", d["decoder_self_attention_heads"]},
                         {"decoder.self_qkv_dim", 512},
                         {"decoder.cross_heads", d["decoder_ende_attention_heads"]},
                         {"decoder.cross_qkv_dim", 512},
                         {"decoder.cross_span", spans}}}};
    const SearchSpace space = SearchSpace::from_json(json, name);
    ASSERT_FALSE(entry["samples"].empty());
    for (size_t update = 0; update < entry["samples"].size(); ++update) {
      EXPECT_EQ(sample_like_original(space, update),
                architecture_from_json(entry["samples"][update], name))
          << name << " update " << update;
    }
  }
}

TEST(SearchSpace, CrossMemoryPieces) {
  Architecture a;
  a.encoder_embed_dim = a.decoder_embed_dim = 8;
  a.encoder.resize(2, {8, 1, 8});
  a.decoder = {{8, 1, 8, 1, 8, 1}, {8, 1, 8, 1, 8, 2}, {8, 1, 8, 1, 8, 3}};
  ModelOptions options;
  using V = std::vector<int>;
  EXPECT_EQ(cross_memory_pieces(a, 0, options, 3), (V{-1}));
  EXPECT_EQ(cross_memory_pieces(a, 1, options, 3), (V{-1, 0}));
  EXPECT_EQ(cross_memory_pieces(a, 2, options, 3), (V{-1, 0}));
  // hat-spec section 1: with 3 slots and 2 active layers the original repeats the final output.
  options.compat = true;
  EXPECT_EQ(cross_memory_pieces(a, 1, options, 3), (V{-1, 1}));
  EXPECT_EQ(cross_memory_pieces(a, 2, options, 3), (V{-1, 1, 0}));
  EXPECT_EQ(cross_memory_pieces(a, 2, options, 6), (V{-1, 1, 1}));
  EXPECT_THROW(cross_memory_pieces(a, 2, options, 2), Error);
}

TEST(Positions, NestedTablesAreSlicesOfEachOther) {
  const ModelOptions options;
  const std::vector<float> wide = position_table(options, 64, 64, 20);
  const std::vector<float> narrow = position_table(options, 40, 64, 20);
  for (int p = 0; p < 20; ++p) {
    for (int c = 0; c < 40; ++c) EXPECT_EQ(narrow[p * 40 + c], wide[p * 64 + c]);
  }
  // Channel pair 0 has frequency 1, pair 1 has 10000^-1/2.
  EXPECT_FLOAT_EQ(wide[5 * 64 + 0], std::sin(5.0F));
  EXPECT_FLOAT_EQ(wide[5 * 64 + 1], std::cos(5.0F));
  EXPECT_FLOAT_EQ(wide[5 * 64 + 2], std::sin(0.05F));
  for (int c = 0; c < 64; ++c) EXPECT_EQ(wide[kPaddingPosition * 64 + c], 0.0F);
}

TEST(Positions, CompatIsTheOriginalsTableCut) {
  ModelOptions options;
  options.compat = true;
  const std::vector<float> table = position_table(options, 6, 8, 4);
  const float step = std::log(10000.0F) / 3;
  EXPECT_NEAR(table[3 * 6 + 1], std::sin(3 * std::exp(-step)), 1e-6);
  EXPECT_NEAR(table[3 * 6 + 4], std::cos(3.0F), 1e-6);
}

}  // namespace
}  // namespace hat::arch
