#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/arch/cost.h"
#include "hat/arch/search_space.h"
#include "hat/base/file.h"
#include "hat/model/compute.h"
#include "hat/model/parameter_store.h"

namespace hat::model {

inline constexpr int64_t kPadId = 1;
inline constexpr int64_t kEosId = 2;
inline constexpr int64_t kUnkId = 3;

/// What a network is made of. A SuperTransformer and a stand-alone SubTransformer differ in nothing
/// but these sizes.
struct NetworkSpec {
  arch::Architecture capacities;
  arch::ModelOptions options;
  arch::Vocabulary vocabulary;
  /// Sizes of the SuperTransformer that the network comes from: they decide compat positions,
  /// embedding scale, dropout scale and repeated memory. 0: the capacities' own.
  int super_encoder_embed_dim = 0;
  int super_decoder_embed_dim = 0;
  int super_encoder_layers = 0;
};

/// The spec of a space's SuperTransformer.
NetworkSpec super_spec(const arch::SearchSpace& space, const arch::Vocabulary& vocabulary);
/// A SubTransformer as it is extracted or trained from scratch: capacities are its own sizes, the
/// super_* fields those of `super`.
NetworkSpec sub_spec(const NetworkSpec& super, const arch::Architecture& sub);

/// Result of the encoder, input of the decoder. Batch first.
struct EncoderOutput {
  at::Tensor output;               ///< [batch, source length, E], after a final norm
  std::vector<at::Tensor> layers;  ///< raw output of every active layer, same shape
  at::Tensor padding;  ///< bool [batch, source length], true at padding; undefined: none
};

/// Encoder-decoder transformer whose weights can be cut to any smaller architecture: leading
/// slices, read and differentiated in place. Formulas: docs/compat.md (hat-spec sections 1 and 2);
/// Vaswani et al. 2017, HAT (Wang et al. 2020) section 3.
///
///   Transformer super(super_spec(space, vocabulary));
///   super.initialize(seed);
///   super.set_architecture(space.smallest());
///   auto encoded = super.encode(source, pass);
///   auto hidden = super.decode(prev_output, encoded, pass);
///   LossSums sums = backward_loss(super, hidden, target, {.label_smoothing = 0.1});
///   // super.parameters().gradients() now holds the sum over tokens; touched() says where
///
/// Tokens are int64 [batch, length] on the CPU, padded with kPadId on either side; every row has at
/// least one real token. Not thread-safe: one Transformer, one thread.
class Transformer {
 public:
  explicit Transformer(NetworkSpec spec, c10::Device device = c10::kCPU);
  ~Transformer();
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  const NetworkSpec& spec() const;
  ParameterStore& parameters();
  const ParameterStore& parameters() const;
  c10::Device device() const;

  /// Random weights as fairseq draws them (Xavier uniform on the capacities' shapes, embeddings
  /// N(0, 1/width), biases 0, norms 1 and 0) from hat's own generator.
  void initialize(uint64_t seed);

  /// Selects a SubTransformer; the capacities' own architecture at first. Throws kConfig naming the
  /// property that exceeds the capacities.
  void set_architecture(const arch::Architecture& architecture);
  const arch::Architecture& architecture() const;

  void set_compute(Compute compute);
  Compute compute() const;
  /// For a network that runs at its capacities only: scales are those of whole rows.
  void set_weight_rounding(WeightRounding rounding);

  /// Gradients are recorded unless a c10::NoGradGuard (or InferenceMode) is active.
  EncoderOutput encode(const at::Tensor& source, const Pass& pass = {});
  /// The same without dropout, taking over the outputs of the first `layers` layers from `known`,
  /// which came from the same tokens and weights through the same layers at the same width: equal
  /// to encode(source) to the last bit.
  EncoderOutput encode_on(const at::Tensor& source, const EncoderOutput& known, size_t layers);
  /// Decoder states [batch, length, D] before the output projection. `inner` receives the embedding
  /// and the output of every active layer when not null.
  at::Tensor decode(const at::Tensor& prev_output, const EncoderOutput& encoded,
                    const Pass& pass = {}, std::vector<at::Tensor>* inner = nullptr);
  /// The same without dropout, taking over the embedding and the first `layers` layers from
  /// `inner`, which decode() filled for the same tokens, `encoded` and leading layers; `inner` then
  /// holds this architecture's. Equal to decode() with `inner` to the last bit.
  at::Tensor decode_on(const at::Tensor& prev_output, const EncoderOutput& encoded,
                       std::vector<at::Tensor>* inner, size_t layers);
  /// fp32 logits [..., target vocabulary] of decoder states [..., D].
  at::Tensor logits(const at::Tensor& hidden);
  at::Tensor forward(const at::Tensor& source, const at::Tensor& prev_output,
                     const Pass& pass = {});

  /// One decoding step: see beam_search.h, which is the user of this.
  class DecoderState;
  /// `beam` hypotheses a sentence share its encoder states.
  std::shared_ptr<DecoderState> start_decoding(const EncoderOutput& encoded, int beam);
  /// Logits [rows, target vocabulary] for the last token of every live hypothesis. Row r continues
  /// row `parents[r]` of the step before (identity at the first step); rows stay grouped by
  /// sentence.
  at::Tensor decode_step(DecoderState& state, const std::vector<int64_t>& tokens,
                         const std::vector<int64_t>& parents);

  /// A network with only the weights of `sub`; its fp32 logits are equal to the last bit.
  std::unique_ptr<Transformer> extract(const arch::Architecture& sub) const;

  /// What this architecture multiplies embeddings by, and its effective dropout rates.
  double encoder_embed_scale() const;
  double decoder_embed_scale() const;
  struct ScaledDropout {
    double encoder = 0;            ///< embeddings and feed-forward branches of the encoder
    double encoder_attention = 0;  ///< self-attention branches of the encoder
    double decoder = 0;
    double encoder_activation = 0;
    double decoder_activation = 0;
    double attention = 0;
  };
  ScaledDropout scaled_dropout(const DropoutRates& rates) const;

 private:
  friend struct TransformerAccess;  // losses and decoding inside the module
  struct Impl;
  EncoderOutput run_encoder(const at::Tensor& source, const Pass& pass, const EncoderOutput* known,
                            size_t first);
  at::Tensor run_decoder(const at::Tensor& prev_output, const EncoderOutput& encoded,
                         const Pass& pass, std::vector<at::Tensor>* inner, size_t first);
  std::unique_ptr<Impl> impl_;
};

/// Writes weights with fairseq's names and, as metadata, everything needed to build the network
/// again; `extra` metadata is added. Atomic and deterministic.
void save_transformer(const Transformer& network, const fs::path& path,
                      const std::map<std::string, std::string>& extra = {});
/// Builds the network that the file describes and loads it. Throws kData naming file and tensor.
std::unique_ptr<Transformer> load_transformer(const fs::path& path, c10::Device device = c10::kCPU);
/// Loads weights by name into an existing network (a fairseq export has no metadata). Every
/// parameter must be there in its exact shape; aliases are accepted, `*.version` and position
/// buffers ignored, any other tensor is an error.
void load_weights(Transformer& network, const fs::path& path);

/// Metadata <-> spec: keys "architecture", "options", "vocabulary", "super".
std::map<std::string, std::string> spec_to_metadata(const NetworkSpec& spec);
NetworkSpec spec_from_metadata(const std::map<std::string, std::string>& metadata,
                               const std::string& origin);

}  // namespace hat::model
