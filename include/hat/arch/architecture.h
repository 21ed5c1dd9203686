#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hat/config/json.h"

namespace hat::arch {

enum class Family {
  kSeq2Seq,  ///< encoder and decoder: translation
  kEncoder,  ///< encoder only: classification
};

/// One encoder layer: self-attention, then feed-forward network.
struct EncoderLayer {
  int ffn_dim = 0;  ///< inner width of the feed-forward network
  int heads = 0;
  int qkv_dim =
      0;  ///< channels of query (and of key, and of value) over all heads; heads divides it
  bool operator==(const EncoderLayer&) const = default;
};

/// One decoder layer: causal self-attention, attention over the encoder, feed-forward network.
struct DecoderLayer {
  int ffn_dim = 0;
  int self_heads = 0;
  int self_qkv_dim = 0;
  int cross_heads = 0;
  int cross_qkv_dim = 0;
  /// How many of the last encoder layers the cross-attention sees, concatenated along time: 1, 2 or
  /// 3
  /// (-1, 1, 2 in the original's files).
  int cross_span = 1;
  bool operator==(const DecoderLayer&) const = default;
};

/// One network of a space, layer by layer: what is searched, extracted, measured and deployed. The
/// vectors hold the active layers only, so two genotypes of one network are equal here.
/// Source: HAT (Wang et al. 2020), section 3.1.
struct Architecture {
  Family family = Family::kSeq2Seq;
  int encoder_embed_dim = 0;
  std::vector<EncoderLayer> encoder;
  int decoder_embed_dim = 0;  ///< 0 for kEncoder
  std::vector<DecoderLayer> decoder;

  bool operator==(const Architecture&) const = default;
};

/// The canonical text of an architecture: everything alive, nothing else. Equal text, equal network
/// (within one set of ModelOptions).
std::string canonical_text(const Architecture& architecture);
/// 16 hexadecimal digits of a hash of the canonical text: the name of an architecture in caches,
/// file names and tables.
std::string architecture_id(const Architecture& architecture);

/// Throws kConfig naming `origin` and the layer when a width is not positive, heads do not divide
/// the qkv width, a span is not 1 to 3, or there are absurdly many or wide layers.
void check(const Architecture& architecture, const std::string& origin);

config::OrderedJson to_json(const Architecture& architecture);
/// Reads hat's own JSON ({"family": ..., "encoder": {...}}), or the flat form with the original's
/// field names (an object with "encoder_embed_dim", ...; or that split in "encoder" and "decoder"
/// objects); checks it. `qkv_dim` is what the original's form leaves out; it fixes it at 512.
Architecture architecture_from_json(const config::Json& json, const std::string& origin,
                                    int qkv_dim = 512);
/// Reads a file in hat's JSON or the original's flat YAML (`encoder-embed-dim-subtransformer:
/// 512`).
Architecture load_architecture(const fs::path& path, int qkv_dim = 512);

/// The layers drawn as text, one line a layer, for people.
std::string draw(const Architecture& architecture);

}  // namespace hat::arch
