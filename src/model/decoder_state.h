#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/network.h"

namespace hat::model {

/// Keys and values of the tokens decoded so far. Self-attention's belong to hypotheses and follow
/// them when the beam is re-ordered; cross-attention's are computed once and belong to sentences.
class Transformer::DecoderState {
 public:
  int beam = 1;
  int64_t steps = 0;  ///< tokens consumed
  /// Sentence (row of the encoder's batch that is still decoded) of every group of `beam` rows.
  int64_t sentences = 0;

  struct Layer {
    at::Tensor self_keys;  ///< [rows, capacity, qkv], `steps` of them filled
    at::Tensor self_values;
    at::Tensor cross_keys;  ///< [sentences, memory length, qkv]
    at::Tensor cross_values;
    at::Tensor mask;  ///< [sentences, 1, 1, memory length] or undefined
  };
  std::vector<Layer> layers;

  /// Makes row r the continuation of row parents[r]; sentences whose rows are all gone are dropped.
  void reorder(const std::vector<int64_t>& parents);
  /// Appends one key and value [rows, qkv] a hypothesis and returns all so far, [rows, steps + 1,
  /// qkv].
  void append(Layer* layer, const at::Tensor& key, const at::Tensor& value, at::Tensor* keys,
              at::Tensor* values) const;
};

}  // namespace hat::model
