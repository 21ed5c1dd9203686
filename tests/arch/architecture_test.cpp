#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "hat/arch/search_space.h"
#include "hat/base/error.h"

namespace hat::arch {
namespace {

using config::Json;

fs::path write(const std::string& name, const std::string& text) {
  const fs::path path = fs::path(::testing::TempDir()) / name;
  std::ofstream(path) << text;
  return path;
}

constexpr const char* kSubTransformer = R"(encoder-embed-dim-subtransformer: 512
decoder-embed-dim-subtransformer: 640   # comment

encoder-ffn-embed-dim-all-subtransformer: [3072, 2048]
decoder-ffn-embed-dim-all-subtransformer: [1024]
encoder-layer-num-subtransformer: 2
decoder-layer-num-subtransformer: 1
encoder-self-attention-heads-all-subtransformer: [8, 4]
decoder-self-attention-heads-all-subtransformer: [4]
decoder-ende-attention-heads-all-subtransformer: [8]
# longer than the active layers: ignored
decoder-arbitrary-ende-attn-all-subtransformer: [2, -1, 1]
)";

TEST(Architecture, ReadsTheOriginalsYaml) {
  const Architecture a = load_architecture(write("sub.yml", kSubTransformer));
  EXPECT_EQ(a.encoder_embed_dim, 512);
  EXPECT_EQ(a.decoder_embed_dim, 640);
  EXPECT_EQ(a.encoder, (std::vector<EncoderLayer>{{3072, 8, 512}, {2048, 4, 512}}));
  EXPECT_EQ(a.decoder, (std::vector<DecoderLayer>{{1024, 4, 512, 8, 512, 3}}));
}

TEST(Architecture, ReadsTheOriginalsSuperTransformer) {
  const SearchSpace space = SearchSpace::load(write("super.yml", R"(
arch: transformersuper_wmt_en_de
share-all-embeddings: True
adam-betas: (0.9, 0.98)
encoder-embed-dim: 640
decoder-embed-dim: 640
encoder-ffn-embed-dim: 3072
decoder-ffn-embed-dim: 3072
encoder-layers: 6
decoder-layers: 6
encoder-attention-heads: 8
decoder-attention-heads: 8
qkv-dim: 512
encoder-embed-choice: [640, 512]
decoder-embed-choice: [640, 512]
encoder-ffn-embed-dim-choice: [3072, 2048, 1024]
decoder-ffn-embed-dim-choice: [3072, 2048, 1024]
encoder-layer-num-choice: [6]
decoder-layer-num-choice: [6, 5, 4, 3, 2, 1]
encoder-self-attention-heads-choice: [8, 4]
decoder-self-attention-heads-choice: [8, 4]
decoder-ende-attention-heads-choice: [8, 4]
decoder-arbitrary-ende-attn-choice: [-1, 1, 2]
)"));
  EXPECT_EQ(space.id(), SearchSpace::named("wmt").id());
}

TEST(Architecture, EqualNetworksHaveEqualIds) {
  const Architecture a = SearchSpace::named("small").largest();
  Architecture b = a;
  EXPECT_EQ(architecture_id(a), architecture_id(b));
  EXPECT_EQ(architecture_id(a).size(), 16U);
  b.decoder.back().ffn_dim /= 2;
  EXPECT_NE(architecture_id(a), architecture_id(b));
}

TEST(Architecture, MistakesAreNamed) {
  using ::testing::HasSubstr;
  const auto error = [](const std::string& name, const std::string& text) -> std::string {
    try {
      load_architecture(write(name, text));
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kConfig);
      return e.message();
    }
    return "";
  };
  EXPECT_THAT(error("a.json", "{"), HasSubstr("not valid JSON at line 1"));
  EXPECT_THAT(error("a.json", "[]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(error("a.json", R"({"encoder": {"embed_dim": 8, "layers": []}, "decoder": {}})"),
              HasSubstr("'embed_dim' is missing"));
  EXPECT_THAT(error("a.json", R"({"encoder": {"embed_dim": 8, "layers": [{"ffn_dims": 3}]}})"),
              HasSubstr("Did you mean 'ffn_dim'?"));
  EXPECT_THAT(error("a.json", R"({"family": "encoder", "encoder": {"embed_dim": 8, "layers":
              [{"ffn_dim": 8, "heads": 3, "qkv_dim": 8}]}})"),
              HasSubstr("3 heads do not divide"));
  EXPECT_THAT(error("a.yml", "encoder-layer-num-subtransformer: 2000000000\n"),
              HasSubstr("missing"));
  EXPECT_THAT(error("a.yml", "just words\n"), HasSubstr("line 1"));
  EXPECT_THAT(error("a.yml", "a: [1, 2\n"), HasSubstr("not closed"));
}

TEST(Architecture, DrawingNamesEveryLayer) {
  const std::string text = draw(SearchSpace::named("tiny").largest());
  EXPECT_THAT(text, ::testing::HasSubstr("encoder  width 96, 2 layers"));
  EXPECT_THAT(text, ::testing::HasSubstr("over last 2 layers"));
}

}  // namespace
}  // namespace hat::arch
