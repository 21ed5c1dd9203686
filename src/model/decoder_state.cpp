#include "model/decoder_state.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "hat/arch/positions.h"
#include "hat/base/error.h"
#include "model/ops.h"

namespace hat::model {
namespace {

constexpr int64_t kFirstCapacity = 32;

bool is_identity(const std::vector<int64_t>& parents, int64_t rows) {
  if (static_cast<int64_t>(parents.size()) != rows) return false;
  for (int64_t r = 0; r < rows; ++r)
    if (parents[static_cast<size_t>(r)] != r) return false;
  return true;
}

/// Only what is filled is copied.
at::Tensor select_rows(const at::Tensor& cache, const at::Tensor& rows, int64_t filled) {
  const at::Tensor out = at::empty({rows.size(0), cache.size(1), cache.size(2)}, cache.options());
  out.narrow(1, 0, filled).copy_(cache.narrow(1, 0, filled).index_select(0, rows));
  return out;
}

void store_step(at::Tensor* cache, const at::Tensor& entry, int64_t step) {
  if (!cache->defined() || cache->size(1) == step) {
    const int64_t capacity = std::max(kFirstCapacity, 2 * step);
    const at::Tensor larger = at::empty({entry.size(0), capacity, entry.size(1)}, entry.options());
    if (step > 0) larger.narrow(1, 0, step).copy_(cache->narrow(1, 0, step));
    *cache = larger;
  }
  cache->select(1, step).copy_(entry);
}

}  // namespace

void Transformer::DecoderState::reorder(const std::vector<int64_t>& parents) {
  const int64_t rows = sentences * beam;
  HAT_DCHECK(!parents.empty() && parents.size() % static_cast<size_t>(beam) == 0);
  if (steps == 0 || is_identity(parents, rows)) return;
  std::vector<int64_t> kept;
  for (size_t r = 0; r < parents.size(); ++r) {
    HAT_DCHECK(parents[r] >= 0 && parents[r] < rows);
    const int64_t sentence = parents[r] / beam;
    if (r % static_cast<size_t>(beam) == 0) kept.push_back(sentence);
    HAT_DCHECK(sentence == kept.back());
  }
  const auto device = layers[0].cross_keys.device();
  const at::Tensor index = at::tensor(parents, at::kLong).to(device);
  const bool drop = !is_identity(kept, sentences);
  const at::Tensor sentence_index = at::tensor(kept, at::kLong).to(device);
  for (Layer& layer : layers) {
    layer.self_keys = select_rows(layer.self_keys, index, steps);
    layer.self_values = select_rows(layer.self_values, index, steps);
    if (!drop) continue;
    layer.cross_keys = layer.cross_keys.index_select(0, sentence_index);
    layer.cross_values = layer.cross_values.index_select(0, sentence_index);
    if (layer.mask.defined()) layer.mask = layer.mask.index_select(0, sentence_index);
  }
  sentences = static_cast<int64_t>(kept.size());
}

void Transformer::DecoderState::append(Layer* layer, const at::Tensor& key, const at::Tensor& value,
                                       at::Tensor* keys, at::Tensor* values) const {
  store_step(&layer->self_keys, key, steps);
  store_step(&layer->self_values, value, steps);
  *keys = layer->self_keys.narrow(1, 0, steps + 1);
  *values = layer->self_values.narrow(1, 0, steps + 1);
}

std::shared_ptr<Transformer::DecoderState> Transformer::start_decoding(const EncoderOutput& encoded,
                                                                       int beam) {
  HAT_DCHECK(beam > 0);
  const at::NoGradGuard no_grad;
  Impl& net = *impl_;
  auto state = std::make_shared<DecoderState>();
  state->beam = beam;
  state->sentences = encoded.output.size(0);
  Impl::MemoryCache memories;
  for (size_t i = 0; i < net.cuts.decoder.size(); ++i) {
    const LayerSlices& layer = net.cuts.decoder[i];
    const Impl::Memory& memory = net.memory(encoded, static_cast<int>(i), &memories);
    const Tensors kv = project(net.slices, memory.states, {layer.cross.k, layer.cross.v});
    const auto shape = [&](const at::Tensor& t) {
      return t.view({state->sentences, memory.length, t.size(1)});
    };
    state->layers.push_back({{}, {}, shape(kv[0]), shape(kv[1]), memory.mask});
  }
  return state;
}

at::Tensor Transformer::decode_step(DecoderState& state, const std::vector<int64_t>& tokens,
                                    const std::vector<int64_t>& parents) {
  const at::NoGradGuard no_grad;
  Impl& net = *impl_;
  state.reorder(parents);
  const int64_t rows = state.sentences * state.beam;
  HAT_DCHECK(static_cast<int64_t>(tokens.size()) == rows);
  const int64_t place = arch::kFirstPosition + state.steps;
  net.ensure_positions(place + 1);

  Stream x =
      embed_tokens(net.slices, net.cuts.decoder_table, at::tensor(tokens, at::kLong).to(device()),
                   net.decoder_positions, at::full({rows}, place, at::kLong).to(device()),
                   decoder_embed_scale(), {});
  const auto& layers = net.cuts.decoder;
  const bool pre = net.spec.options.pre_norm;
  if (pre) x = residual_norm(net.slices, x.x, {}, {}, layers[0].self_norm, net.norm_options(), {});
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerSlices& layer = layers[i];
    DecoderState::Layer& cache = state.layers[i];
    const Tensors qkv = project(net.slices, x.low, {layer.self.q, layer.self.k, layer.self.v});
    at::Tensor keys;
    at::Tensor values;
    state.append(&cache, qkv[1], qkv[2], &keys, &values);
    at::Tensor mixed = attention(qkv[0], keys, values, {rows, 1, state.steps + 1, layer.self.heads},
                                 {}, false, {});
    x = residual_norm(net.slices, x.x, linear(net.slices, mixed, {layer.self.out.weight, {}}),
                      layer.self.out.bias, pre ? layer.cross_norm : layer.self_norm,
                      net.norm_options(), {});

    // The hypotheses of a sentence are queries to one memory.
    const at::Tensor q = project(net.slices, x.low, {layer.cross.q})[0];
    mixed = attention(q, cache.cross_keys, cache.cross_values,
                      {state.sentences, state.beam, cache.cross_keys.size(1), layer.cross.heads},
                      cache.mask, false, {});
    x = residual_norm(net.slices, x.x, linear(net.slices, mixed, {layer.cross.out.weight, {}}),
                      layer.cross.out.bias, pre ? layer.final_norm : layer.cross_norm,
                      net.norm_options(), {});
    const bool last = i + 1 == layers.size();
    const NormSlices& next = !pre   ? layer.final_norm
                             : last ? net.cuts.decoder_norm
                                    : layers[i + 1].self_norm;
    x = net.feed_forward_block(x, layer, next, pre && last, 0, 0, {}, 0);
  }
  ++state.steps;
  return logits(x.x);
}

}  // namespace hat::model
