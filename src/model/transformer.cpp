#include "hat/model/transformer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "hat/arch/positions.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "model/network.h"
#include "model/ops.h"

namespace hat::model {
namespace {

/// Places of dropout in the network: a number each, stable when layers are left out.
enum Site : uint64_t {
  kSelfBranch,
  kCrossBranch,
  kFfnBranch,
  kActivation,
  kSelfProbabilities,
  kCrossProbabilities,
  kSitesPerLayer
};
constexpr uint64_t kEncoderEmbedding = 1;
constexpr uint64_t kDecoderEmbedding = 2;
uint64_t encoder_site(size_t layer) { return 1000 + layer * kSitesPerLayer; }
uint64_t decoder_site(size_t layer) { return 100000 + layer * kSitesPerLayer; }

void require_at_most(int value, int capacity, const std::string& what) {
  HAT_CHECK(value <= capacity, ErrorKind::kConfig,
            str("the architecture's ", what, " is ", value, ", but the network has ", capacity),
            "Choose an architecture of the space that the network was made for.");
}

}  // namespace

NetworkSpec super_spec(const arch::SearchSpace& space, const arch::Vocabulary& vocabulary) {
  NetworkSpec spec;
  spec.capacities = space.super();
  spec.options = space.options();
  spec.vocabulary = vocabulary;
  return spec;
}

NetworkSpec sub_spec(const NetworkSpec& super, const arch::Architecture& sub) {
  NetworkSpec spec = super;
  const arch::Architecture& sizes = super.capacities;
  if (spec.super_encoder_embed_dim == 0) spec.super_encoder_embed_dim = sizes.encoder_embed_dim;
  if (spec.super_decoder_embed_dim == 0) spec.super_decoder_embed_dim = sizes.decoder_embed_dim;
  if (spec.super_encoder_layers == 0)
    spec.super_encoder_layers = static_cast<int>(sizes.encoder.size());
  spec.capacities = sub;
  return spec;
}

Transformer::Impl::Impl(NetworkSpec network_spec, c10::Device device)
    : spec(sub_spec(network_spec, network_spec.capacities)),
      layout(spec),
      store(layout.parameters, layout.aliases, device),
      slices(store),
      active(spec.capacities),
      cuts(cut(layout, spec, active)) {
  ensure_positions(spec.options.max_positions + arch::kFirstPosition);
}

void Transformer::Impl::ensure_positions(int64_t rows) {
  if (encoder_positions.defined()) {
    if (encoder_positions.size(0) >= rows) return;
    rows = std::max(rows, 2 * encoder_positions.size(0));  // decoding asks for one more each step
  }
  HAT_CHECK(rows <= (1 << 20), ErrorKind::kData,
            str("a sentence of ", rows, " tokens is too long"));
  const auto build = [&](int width, int super_width) {
    const std::vector<float> table =
        arch::position_table(spec.options, width, super_width, static_cast<int>(rows));
    return at::tensor(table, at::kFloat).view({rows, width}).to(store.device());
  };
  encoder_positions = build(spec.capacities.encoder_embed_dim, spec.super_encoder_embed_dim);
  const bool same = spec.capacities.decoder_embed_dim == spec.capacities.encoder_embed_dim &&
                    spec.super_decoder_embed_dim == spec.super_encoder_embed_dim;
  decoder_positions = same ? encoder_positions
                           : build(spec.capacities.decoder_embed_dim, spec.super_decoder_embed_dim);
}

at::Tensor Transformer::Impl::places(const at::Tensor& tokens) const {
  const at::Tensor real = tokens.ne(kPadId);
  const at::Tensor counted = real.cumsum(1) + (arch::kFirstPosition - 1);
  return at::where(real, counted, at::full_like(counted, arch::kPaddingPosition))
      .view({-1})
      .to(store.device());
}

at::Tensor Transformer::Impl::additive_mask(const at::Tensor& padding, size_t pieces) {
  if (!padding.defined()) return {};
  const at::Tensor mask = at::zeros(padding.sizes(), padding.options().dtype(at::kFloat))
                              .masked_fill_(padding, -INFINITY);
  return mask.repeat({1, static_cast<int64_t>(pieces)}).unsqueeze(1).unsqueeze(1);
}

ResidualNorm Transformer::Impl::norm_options(bool final_norm) const {
  return {spec.options.pre_norm, final_norm, spec.options.layer_norm_epsilon};
}

Activation Transformer::Impl::activation() const {
  return spec.options.activation == "gelu" ? Activation::kGelu : Activation::kRelu;
}

Stream Transformer::Impl::resumed(const at::Tensor& layer, const NormSlices* next) {
  const at::Tensor rows = layer.view({-1, layer.size(2)});
  if (next) return residual_norm(slices, rows, {}, {}, *next, norm_options(), {});
  return {rows, rows.to(slices.low_type())};
}

Stream Transformer::Impl::self_block(const Stream& x, const LayerSlices& layer,
                                     const NormSlices& next, const AttentionShape& shape,
                                     const at::Tensor& mask, bool causal, double residual_rate,
                                     double attention_rate, const Pass& pass, uint64_t site) {
  const Tensors qkv = project(slices, x.low, {layer.self.q, layer.self.k, layer.self.v});
  const at::Tensor mixed =
      attention(qkv[0], qkv[1], qkv[2], shape, mask, causal,
                make_dropout(attention_rate, pass.key, site + kSelfProbabilities));
  const at::Tensor branch = linear(slices, mixed, {layer.self.out.weight, {}});
  return residual_norm(slices, x.x, branch, layer.self.out.bias, next, norm_options(),
                       make_dropout(residual_rate, pass.key, site + kSelfBranch));
}

Stream Transformer::Impl::feed_forward_block(const Stream& x, const LayerSlices& layer,
                                             const NormSlices& next, bool final_norm,
                                             double residual_rate, double activation_rate,
                                             const Pass& pass, uint64_t site) {
  const at::Tensor inner = linear(slices, x.low, layer.fc1, activation(),
                                  make_dropout(activation_rate, pass.key, site + kActivation));
  const at::Tensor branch = linear(slices, inner, {layer.fc2.weight, {}});
  return residual_norm(slices, x.x, branch, layer.fc2.bias, next, norm_options(final_norm),
                       make_dropout(residual_rate, pass.key, site + kFfnBranch));
}

const Transformer::Impl::Memory& Transformer::Impl::memory(const EncoderOutput& encoded, int layer,
                                                           MemoryCache* cache) {
  const std::vector<int> pieces =
      arch::cross_memory_pieces(active, layer, spec.options, spec.super_encoder_layers);
  const auto [entry, is_new] = cache->try_emplace(pieces);
  Memory& memory = entry->second;
  if (!is_new) return memory;
  Tensors parts;
  for (const int piece : pieces) {
    parts.push_back(piece == arch::kFinalOutput ? encoded.output
                                                : encoded.layers.at(static_cast<size_t>(piece)));
  }
  const at::Tensor all = parts.size() == 1 ? parts[0] : at::cat(parts, 1);
  memory.length = all.size(1);
  memory.states = all.reshape({-1, all.size(2)}).to(slices.low_type());
  memory.mask = additive_mask(encoded.padding, pieces.size());
  return memory;
}

Transformer::Transformer(NetworkSpec spec, c10::Device device)
    : impl_(std::make_unique<Impl>(std::move(spec), device)) {}
Transformer::~Transformer() = default;

const NetworkSpec& Transformer::spec() const { return impl_->spec; }
ParameterStore& Transformer::parameters() { return impl_->store; }
const ParameterStore& Transformer::parameters() const { return impl_->store; }
c10::Device Transformer::device() const { return impl_->store.device(); }
const arch::Architecture& Transformer::architecture() const { return impl_->active; }
void Transformer::set_compute(Compute compute) { impl_->slices.set_compute(compute); }
Compute Transformer::compute() const { return impl_->slices.compute(); }

void Transformer::set_weight_rounding(WeightRounding rounding) {
  // A model file cuts a shared table in what the decoder uses and the rest.
  const bool shared = impl_->layout.encoder_table == impl_->layout.output_table;
  impl_->slices.set_rounding(rounding, shared ? impl_->layout.output_table : -1,
                             impl_->spec.capacities.decoder_embed_dim);
}

void Transformer::set_architecture(const arch::Architecture& a) {
  const arch::Architecture& most = impl_->spec.capacities;
  HAT_CHECK(a.family == most.family, ErrorKind::kConfig,
            "the architecture is of another family than the network");
  arch::check(a, "architecture");
  require_at_most(a.encoder_embed_dim, most.encoder_embed_dim, "encoder width");
  require_at_most(a.decoder_embed_dim, most.decoder_embed_dim, "decoder width");
  const auto layers = [](const auto& stack) { return static_cast<int>(stack.size()); };
  require_at_most(layers(a.encoder), layers(most.encoder), "number of encoder layers");
  require_at_most(layers(a.decoder), layers(most.decoder), "number of decoder layers");
  for (size_t i = 0; i < a.encoder.size(); ++i) {
    const std::string where = str(" of encoder layer ", i);
    require_at_most(a.encoder[i].ffn_dim, most.encoder[i].ffn_dim, "ffn_dim" + where);
    require_at_most(a.encoder[i].qkv_dim, most.encoder[i].qkv_dim, "qkv_dim" + where);
  }
  for (size_t i = 0; i < a.decoder.size(); ++i) {
    const std::string where = str(" of decoder layer ", i);
    const arch::DecoderLayer& layer = a.decoder[i];
    require_at_most(layer.ffn_dim, most.decoder[i].ffn_dim, "ffn_dim" + where);
    require_at_most(layer.self_qkv_dim, most.decoder[i].self_qkv_dim, "self_qkv_dim" + where);
    require_at_most(layer.cross_qkv_dim, most.decoder[i].cross_qkv_dim, "cross_qkv_dim" + where);
    arch::cross_memory_pieces(a, static_cast<int>(i), impl_->spec.options,
                              impl_->spec.super_encoder_layers);  // throws when it cannot be
  }
  impl_->active = a;
  impl_->cuts = cut(impl_->layout, impl_->spec, a);
}

EncoderOutput Transformer::encode(const at::Tensor& source, const Pass& pass) {
  return run_encoder(source, pass, nullptr, 0);
}

EncoderOutput Transformer::encode_on(const at::Tensor& source, const EncoderOutput& known,
                                     size_t layers) {
  HAT_DCHECK(layers <= known.layers.size() && layers <= impl_->active.encoder.size());
  return run_encoder(source, {}, &known, layers);
}

/// From layer `first` on; what lies before it is taken from `known`.
EncoderOutput Transformer::run_encoder(const at::Tensor& source, const Pass& pass,
                                       const EncoderOutput* known, size_t first) {
  Impl& net = *impl_;
  HAT_DCHECK(source.dim() == 2 && source.scalar_type() == at::kLong && source.is_cpu());
  const int64_t batch = source.size(0);
  const int64_t length = source.size(1);
  const int64_t dim = net.active.encoder_embed_dim;
  net.ensure_positions(length + arch::kFirstPosition);
  const ScaledDropout rates = scaled_dropout(pass.training ? pass.dropout : DropoutRates{});

  EncoderOutput out;
  const at::Tensor padding = source.eq(kPadId);
  if (padding.any().item<bool>()) out.padding = padding.to(device());
  const at::Tensor mask = Impl::additive_mask(out.padding, 1);
  const auto& layers = net.cuts.encoder;
  const bool pre = net.spec.options.pre_norm;
  Stream x;
  if (first == 0) {
    x = embed_tokens(net.slices, net.cuts.encoder_table, source.reshape({-1}).to(device()),
                     net.encoder_positions, net.places(source), encoder_embed_scale(),
                     make_dropout(rates.encoder, pass.key, kEncoderEmbedding));
    if (pre)
      x = residual_norm(net.slices, x.x, {}, {}, layers[0].self_norm, net.norm_options(), {});
  } else {
    out.layers.assign(known->layers.begin(), known->layers.begin() + static_cast<int64_t>(first));
    HAT_DCHECK(out.layers.back().size(2) == dim);
    const bool last = first == layers.size();
    x = net.resumed(out.layers.back(),
                    pre ? (last ? &net.cuts.encoder_norm : &layers[first].self_norm) : nullptr);
  }
  for (size_t i = first; i < layers.size(); ++i) {
    const bool last = i + 1 == layers.size();
    const AttentionShape shape{batch, length, length, layers[i].self.heads};
    x = net.self_block(x, layers[i], pre ? layers[i].final_norm : layers[i].self_norm, shape, mask,
                       false, rates.encoder_attention, rates.attention, pass, encoder_site(i));
    const NormSlices& next = !pre   ? layers[i].final_norm
                             : last ? net.cuts.encoder_norm
                                    : layers[i + 1].self_norm;
    x = net.feed_forward_block(x, layers[i], next, false, rates.encoder, rates.encoder_activation,
                               pass, encoder_site(i));
    out.layers.push_back(x.x.view({batch, length, dim}));
  }
  out.output = (pre ? x.low.to(at::kFloat) : x.x).view({batch, length, dim});
  return out;
}

at::Tensor Transformer::decode(const at::Tensor& prev_output, const EncoderOutput& encoded,
                               const Pass& pass, std::vector<at::Tensor>* inner) {
  return run_decoder(prev_output, encoded, pass, inner, 0);
}

at::Tensor Transformer::decode_on(const at::Tensor& prev_output, const EncoderOutput& encoded,
                                  std::vector<at::Tensor>* inner, size_t layers) {
  HAT_DCHECK(layers < inner->size() && layers <= impl_->active.decoder.size());
  inner->resize(layers + 1);
  return run_decoder(prev_output, encoded, {}, inner, layers);
}

/// From layer `first` on, where `inner` holds the output of the layer before it when it is not 0.
at::Tensor Transformer::run_decoder(const at::Tensor& prev_output, const EncoderOutput& encoded,
                                    const Pass& pass, std::vector<at::Tensor>* inner,
                                    size_t first) {
  Impl& net = *impl_;
  HAT_DCHECK(prev_output.dim() == 2 && prev_output.scalar_type() == at::kLong &&
             prev_output.is_cpu());
  HAT_DCHECK(encoded.output.size(2) == net.active.encoder_embed_dim &&
             encoded.layers.size() == net.active.encoder.size());
  const int64_t batch = prev_output.size(0);
  const int64_t length = prev_output.size(1);
  const int64_t dim = net.active.decoder_embed_dim;
  net.ensure_positions(length + arch::kFirstPosition);
  const ScaledDropout rates = scaled_dropout(pass.training ? pass.dropout : DropoutRates{});
  const auto keep = [&](const at::Tensor& x) {
    if (inner) inner->push_back(x.view({batch, length, dim}));
  };

  const auto& layers = net.cuts.decoder;
  const bool pre = net.spec.options.pre_norm;
  Stream x;
  if (first == 0) {
    if (inner) inner->clear();
    x = embed_tokens(net.slices, net.cuts.decoder_table, prev_output.reshape({-1}).to(device()),
                     net.decoder_positions, net.places(prev_output), decoder_embed_scale(),
                     make_dropout(rates.decoder, pass.key, kDecoderEmbedding));
    keep(x.x);
    if (pre)
      x = residual_norm(net.slices, x.x, {}, {}, layers[0].self_norm, net.norm_options(), {});
  } else {
    HAT_DCHECK(inner->back().size(2) == dim);
    const bool last = first == layers.size();
    x = net.resumed(inner->back(),
                    pre ? (last ? &net.cuts.decoder_norm : &layers[first].self_norm) : nullptr);
  }
  Impl::MemoryCache memories;
  for (size_t i = first; i < layers.size(); ++i) {
    const LayerSlices& layer = layers[i];
    const bool last = i + 1 == layers.size();
    const uint64_t site = decoder_site(i);
    x = net.self_block(x, layer, pre ? layer.cross_norm : layer.self_norm,
                       {batch, length, length, layer.self.heads}, {}, true, rates.decoder,
                       rates.attention, pass, site);

    const Impl::Memory& memory = net.memory(encoded, static_cast<int>(i), &memories);
    const at::Tensor q = project(net.slices, x.low, {layer.cross.q})[0];
    const Tensors kv = project(net.slices, memory.states, {layer.cross.k, layer.cross.v});
    const at::Tensor mixed =
        attention(q, kv[0], kv[1], {batch, length, memory.length, layer.cross.heads}, memory.mask,
                  false, make_dropout(rates.attention, pass.key, site + kCrossProbabilities));
    const at::Tensor branch = linear(net.slices, mixed, {layer.cross.out.weight, {}});
    x = residual_norm(net.slices, x.x, branch, layer.cross.out.bias,
                      pre ? layer.final_norm : layer.cross_norm, net.norm_options(),
                      make_dropout(rates.decoder, pass.key, site + kCrossBranch));

    const NormSlices& next = !pre   ? layer.final_norm
                             : last ? net.cuts.decoder_norm
                                    : layers[i + 1].self_norm;
    x = net.feed_forward_block(x, layer, next, pre && last && inner == nullptr, rates.decoder,
                               rates.decoder_activation, pass, site);
    keep(x.x);
  }
  // Behind a pre-norm stack the stream itself was normalised (final_norm), or its low copy is.
  const at::Tensor hidden = pre && inner ? x.low.to(at::kFloat) : x.x;
  return hidden.view({batch, length, dim});
}

at::Tensor Transformer::logits(const at::Tensor& hidden) {
  Impl& net = *impl_;
  const at::Tensor rows = hidden.reshape({-1, hidden.size(-1)}).to(net.slices.low_type());
  const at::Tensor flat = linear(net.slices, rows, {net.cuts.output_table, {}}).to(at::kFloat);
  std::vector<int64_t> shape = hidden.sizes().vec();
  shape.back() = net.spec.vocabulary.target;
  return flat.view(shape);
}

at::Tensor Transformer::forward(const at::Tensor& source, const at::Tensor& prev_output,
                                const Pass& pass) {
  return logits(decode(prev_output, encode(source, pass), pass));
}

double Transformer::encoder_embed_scale() const {
  const int width = impl_->spec.options.scale_embeddings_by_super
                        ? impl_->spec.super_encoder_embed_dim
                        : impl_->active.encoder_embed_dim;
  return std::sqrt(static_cast<double>(width));
}

double Transformer::decoder_embed_scale() const {
  const int width = impl_->spec.options.scale_embeddings_by_super
                        ? impl_->spec.super_decoder_embed_dim
                        : impl_->active.decoder_embed_dim;
  return std::sqrt(static_cast<double>(width));
}

Transformer::ScaledDropout Transformer::scaled_dropout(const DropoutRates& rates) const {
  const double encoder_share =
      static_cast<double>(impl_->active.encoder_embed_dim) / impl_->spec.super_encoder_embed_dim;
  const double decoder_share =
      static_cast<double>(impl_->active.decoder_embed_dim) / impl_->spec.super_decoder_embed_dim;
  ScaledDropout out;
  out.encoder = rates.residual * encoder_share;
  out.encoder_attention = impl_->spec.options.compat ? rates.residual : out.encoder;
  out.decoder = rates.residual * decoder_share;
  out.encoder_activation = rates.activation * encoder_share;
  out.decoder_activation = rates.activation * decoder_share;
  out.attention = rates.attention;
  return out;
}

std::unique_ptr<Transformer> Transformer::extract(const arch::Architecture& sub) const {
  const Impl& from = *impl_;
  auto network = std::make_unique<Transformer>(sub_spec(from.spec, sub), device());
  network->set_compute(compute());
  Impl& to = *network->impl_;
  const at::NoGradGuard no_grad;
  const auto sources = flatten(cut(from.layout, from.spec, sub), from.spec.options);
  const auto targets = flatten(to.cuts, to.spec.options);
  HAT_DCHECK(sources.size() == targets.size());
  for (size_t i = 0; i < sources.size(); ++i)
    to.slices.value(targets[i]).copy_(from.slices.value(sources[i]));
  to.store.values_changed();
  return network;
}

}  // namespace hat::model
