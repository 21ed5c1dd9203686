#include "hat/arch/search_space.h"
#include "hat/base/error.h"
#include "hat/base/python_random.h"
#include "hat/base/strings.h"

namespace hat::arch {

Architecture sample_like_original(const SearchSpace& space, uint64_t update) {
  HAT_CHECK(space.family() == Family::kSeq2Seq, ErrorKind::kConfig,
            "the original's sampler knows encoder-decoder spaces only");
  PythonRandom random(update);
  const auto draw = [&](const char* name) {
    for (const Gene& gene : space.genes()) {
      if (gene.name == name) {
        return gene.choices[random.choice(static_cast<uint32_t>(gene.choices.size()))];
      }
    }
    fail(ErrorKind::kConfig, str("the original's sampler needs the gene ", name));
  };
  // The original has one qkv width; more would leave its sequence of draws undefined.
  int qkv_dim = 0;
  for (const Gene& gene : space.genes()) {
    if (!gene.name.ends_with("qkv_dim")) continue;
    const bool same = qkv_dim == 0 || qkv_dim == gene.choices.front();
    HAT_CHECK(gene.choices.size() == 1 && same, ErrorKind::kConfig,
              str("the original's sampler needs one qkv width, and ", gene.name, " has choices"),
              "Use another train.strategy with this space.");
    qkv_dim = gene.choices.front();
  }
  Architecture a;
  a.encoder_embed_dim = draw("encoder.embed_dim");
  a.decoder_embed_dim = draw("decoder.embed_dim");
  a.encoder.resize(draw("encoder.layers"));
  a.decoder.resize(draw("decoder.layers"));
  for (EncoderLayer& layer : a.encoder) {
    layer.ffn_dim = draw("encoder.ffn_dim");
    layer.heads = draw("encoder.heads");
    layer.qkv_dim = qkv_dim;
  }
  for (DecoderLayer& layer : a.decoder) {
    layer.ffn_dim = draw("decoder.ffn_dim");
    layer.self_heads = draw("decoder.self_heads");
    layer.cross_heads = draw("decoder.cross_heads");
    layer.self_qkv_dim = layer.cross_qkv_dim = qkv_dim;
  }
  // Drawn for every layer of the SuperTransformer, active or not; being last, the rest can be
  // skipped.
  for (DecoderLayer& layer : a.decoder) layer.cross_span = draw("decoder.cross_span");
  return a;
}

}  // namespace hat::arch
