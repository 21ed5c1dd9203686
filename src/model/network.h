#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <vector>

#include "hat/model/transformer.h"
#include "model/layout.h"
#include "model/slices.h"

namespace hat::model {

/// The private part of Transformer.
struct Transformer::Impl {
  Impl(NetworkSpec network_spec, c10::Device device);

  NetworkSpec spec;
  Layout layout;
  ParameterStore store;
  Slices slices;
  arch::Architecture active;
  NetworkSlices cuts;
  at::Tensor encoder_positions;  ///< [rows, encoder capacity]
  at::Tensor decoder_positions;

  /// Rows of the position table for these tokens, on the device.
  at::Tensor places(const at::Tensor& tokens) const;
  void ensure_positions(int64_t rows);
  /// [batch, 1, 1, length * pieces]: 0 or minus infinity; undefined without padding.
  static at::Tensor additive_mask(const at::Tensor& padding, size_t pieces);
  /// Memory of one decoder layer, [batch * pieces * length, E] in the low type; layers with equal
  /// pieces share it through `cache`.
  struct Memory {
    at::Tensor states;
    at::Tensor mask;
    int64_t length = 0;
  };
  using MemoryCache = std::map<std::vector<int>, Memory>;
  const Memory& memory(const EncoderOutput& encoded, int layer, MemoryCache* cache);

  ResidualNorm norm_options(bool final_norm = false) const;
  Stream self_block(const Stream& x, const LayerSlices& layer, const NormSlices& next,
                    const AttentionShape& shape, const at::Tensor& mask, bool causal,
                    double residual_rate, double attention_rate, const Pass& pass, uint64_t site);
  Stream feed_forward_block(const Stream& x, const LayerSlices& layer, const NormSlices& next,
                            bool final_norm, double residual_rate, double activation_rate,
                            const Pass& pass, uint64_t site);
  /// The stream behind a layer whose output [batch, length, dim] is known; `next` is the norm that
  /// a pre-norm layer begins with, null with post-norm.
  Stream resumed(const at::Tensor& layer, const NormSlices* next);
  Activation activation() const;
};

/// What losses and beam search may see of a network.
struct TransformerAccess {
  static Transformer::Impl& impl(Transformer& network) { return *network.impl_; }
  static const Transformer::Impl& impl(const Transformer& network) { return *network.impl_; }
};

}  // namespace hat::model
