#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edge/kernels/kernels.h"
#include "hat/arch/architecture.h"
#include "hat/arch/cost.h"
#include "hat/base/file.h"
#include "hat/edge/model_file.h"

namespace hat::edge {

inline constexpr uint32_t kFormatVersion = 1;
/// A packed layout or schema that this program does not know is refused; so is a network beyond
/// these.
inline constexpr uint32_t kMaxLayers = 256;
inline constexpr uint32_t kMaxPositions = 65536;

struct Linear {
  PackedMatrix weight;
  const float* bias = nullptr;
};

struct Norm {
  const float* gain = nullptr;
  const float* bias = nullptr;
};

struct EncoderBlock {
  uint32_t heads = 0;
  uint32_t qkv_dim = 0;
  uint32_t ffn_dim = 0;
  Linear self_in;
  Linear self_out;
  Norm self_norm;
  Linear fc1;
  Linear fc2;
  Norm final_norm;
};

struct DecoderBlock {
  uint32_t self_heads = 0;
  uint32_t self_qkv_dim = 0;
  uint32_t cross_heads = 0;
  uint32_t cross_qkv_dim = 0;
  uint32_t ffn_dim = 0;
  std::vector<int> memory;  ///< arch::kFinalOutput or the index of an encoder layer
  Linear self_in;
  Linear self_out;
  Norm self_norm;
  Linear cross_q;
  Linear cross_kv;
  Linear cross_out;
  Norm cross_norm;
  Linear fc1;
  Linear fc2;
  Norm final_norm;
};

struct ShortlistView {
  std::span<const int32_t> always;
  std::span<const uint32_t> offsets;
  std::span<const int32_t> candidates;
  bool empty() const { return always.empty() && candidates.empty(); }
};

/// A checked model file as the runtime sees it: sizes, and views into the file's bytes.
struct Network {
  MappedFile mapped;  ///< one of the two holds the bytes
  ModelBytes owned;
  size_t file_bytes = 0;

  arch::Architecture architecture;
  arch::ModelOptions options;
  arch::Vocabulary vocabulary;
  arch::Precision precision = arch::Precision::kInt8;
  int encoder_position_width = 0;
  int decoder_position_width = 0;
  float encoder_embed_scale = 1;
  float decoder_embed_scale = 1;
  float epsilon = 1e-5f;
  Activation activation = Activation::kRelu;

  PackedMatrix output;         ///< [target, D]
  PackedMatrix encoder_embed;  ///< shared: the columns beyond D, if any; else [source, E]
  PackedMatrix decoder_embed;  ///< [target, D]; the output unless embeddings are separate
  std::vector<EncoderBlock> encoder;
  std::vector<DecoderBlock> decoder;
  Norm encoder_norm;
  Norm decoder_norm;

  std::vector<std::pair<int, int>> alignment_heads;
  ShortlistView shortlist;
  std::string_view source_tokenizer;
  std::string_view target_tokenizer;
  std::string_view config_json;
  std::string_view provenance_json;
  std::string id;

  bool shared_embeddings() const {
    return options.embeddings == arch::ModelOptions::Embeddings::kShared;
  }
};

/// Fills `network` from the bytes after checking all of them. Throws kData naming `name` and the
/// field.
void read_network(std::span<const std::byte> bytes, const std::string& name, Network* network);

WeightType weight_type(arch::Precision precision);

}  // namespace hat::edge
