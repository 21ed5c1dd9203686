#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/arch/cost.h"
#include "hat/arch/search_space.h"
#include "hat/base/file.h"

// A model file (model.hat) is one FlatBuffer, schema src/edge/model.fbs, file identifier "HATM",
// mapped and used in place. docs/format.md describes every field. In short:
//
//   version, precision, weight layout     what a reader must know to go on
//   architecture, options, vocabulary     the network, layer by layer
//   matrices                              quantised and packed as the kernels read them, each
//   vector
//                                         64-byte aligned in the file
//   vectors                               biases and layer norms, fp32
//   tokenizers, shortlist                 so that one file is the whole product
//   config, provenance                    JSON text, not interpreted by the runtime
//
// Offsets in a FlatBuffer are 32 bits wide and signed, so a model file is limited to 2 GiB (about
// two billion int8 weights); build_model_file refuses what would not fit. Numbers are
// little-endian. Nothing of a file is used before all of it has been checked: see model.h.

namespace hat::edge {

/// A tensor as the training half stores it: row-major, fp32.
struct TensorView {
  std::span<const float> values;
  std::vector<int64_t> shape;
};

/// Gives the tensor of a fairseq name ("encoder.layers.0.fc1.weight"; hat-spec section 2 and
/// docs/compat.md), already cut to the architecture. The view must stay valid until the next call.
/// Throws for a name it does not have.
using TensorSource = std::function<TensorView(const std::string& name)>;

/// Which target words may follow from a source word: the output layer then computes only these.
/// A sentence's shortlist is `always` plus the candidates of its source tokens; ascending, no
/// doubles.
struct Shortlist {
  std::vector<int32_t> always;      ///< frequent words and the special tokens
  std::vector<uint32_t> offsets;    ///< vocabulary.source + 1 positions in `candidates`
  std::vector<int32_t> candidates;  ///< target tokens, source token after source token
  bool empty() const { return always.empty() && candidates.empty(); }
};

/// Everything that goes into a model file except the weights.
struct ModelSpec {
  arch::Architecture architecture;  ///< family kSeq2Seq
  arch::ModelOptions options;
  arch::Vocabulary vocabulary;
  /// Widths of the sinusoid tables that the network was trained with: the SuperTransformer's
  /// embedding widths. Matter with options.compat only; 0 stands for the stack's own width.
  int encoder_position_width = 0;
  int decoder_position_width = 0;
  /// Layers of the SuperTransformer's encoder; matters with options.compat only. 0: the
  /// architecture's.
  int super_encoder_layers = 0;
  /// Factor of the embeddings; 0 stands for sqrt of the stack's width.
  float encoder_embed_scale = 0;
  float decoder_embed_scale = 0;
  arch::Precision precision = arch::Precision::kInt8;
  /// SentencePiece .model bytes; `target_tokenizer` stays empty for a joint one. Both may be empty:
  /// such a model translates token ids only (benchmarks).
  std::string source_tokenizer;
  std::string target_tokenizer;
  Shortlist shortlist;
  /// (layer, head) pairs of cross-attention whose mean gives alignments; empty: all heads of the
  /// last decoder layer.
  std::vector<std::pair<int, int>> alignment_heads;
  std::string config_json;      ///< the resolved configuration of the run, JSON text or empty
  std::string provenance_json;  ///< version, commit, data hashes, quality; JSON text or empty
};

/// A finished model file in memory; the data starts at a multiple of 64 bytes.
class ModelBytes {
 public:
  ModelBytes() = default;
  ModelBytes(std::unique_ptr<std::byte, void (*)(std::byte*)> storage,
             std::span<const std::byte> view)
      : storage_(std::move(storage)), view_(view) {}
  std::span<const std::byte> bytes() const { return view_; }

 private:
  std::unique_ptr<std::byte, void (*)(std::byte*)> storage_{nullptr, nullptr};
  std::span<const std::byte> view_;
};

/// The bytes of a file in memory of the right alignment, in huge pages where there are such.
ModelBytes aligned_copy(std::span<const std::byte> bytes);
/// The same, filled by `fill`.
ModelBytes aligned_bytes(size_t size, const std::function<void(std::span<std::byte>)>& fill);

/// Quantises, packs and serialises. Throws kConfig for a spec that the runtime cannot run and kData
/// when a tensor has another shape than the architecture asks for, or values that are not finite.
ModelBytes build_model(const ModelSpec& spec, const TensorSource& tensors);
/// The same, written atomically to `path`.
void build_model_file(const ModelSpec& spec, const TensorSource& tensors, const fs::path& path);

/// What a model file keeps of one row of weights: quantised, packed, and read back.
std::vector<float> stored_row(arch::Precision precision, std::span<const float> row);

/// Names and shapes that build_model asks for, in its order.
struct TensorRequest {
  std::string name;
  std::vector<int64_t> shape;
};
std::vector<TensorRequest> required_tensors(const ModelSpec& spec);

/// Weights drawn from the seed (uniform, variance as Xavier's; layer norms 1 and 0), the same on
/// every machine. Benchmarks and latency measurement build networks from it.
TensorSource random_tensor_source(const ModelSpec& spec, uint64_t seed);
/// A shortlist of `words` target words for every sentence, for benchmarks.
Shortlist fixed_shortlist(const arch::Vocabulary& vocabulary, int words);

/// What `hat describe model.hat` prints: JSON text with format version, id, precision,
/// architecture, options, vocabulary, parameters, bytes by part, shortlist size, config and
/// provenance. Checks the whole file first.
std::string describe_model_file(const fs::path& path);

}  // namespace hat::edge
