#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/autograd.h"
#include "model/elementwise.h"
#include "model/slices.h"

// The differentiable operations that networks are built from. Each reads leading slices of weights
// and in its backward adds to the same slices of the gradient buffer.
namespace hat::model {

struct LinearSlices {
  Slice weight;  ///< [out, in]
  Slice bias;    ///< [out]; parameter -1: none
  /// The bias of keys adds one number to all scores of a query, which softmax ignores: its gradient
  /// is exactly zero. Computed, it would be rounding, which Adam turns into steps.
  bool idle_bias = false;
};
struct NormSlices {
  Slice gamma;
  Slice beta;
};
enum class Activation { kNone, kRelu, kGelu };

/// x [rows, in] -> dropout(activation(x W^T + b)) [rows, out], all in the low type.
at::Tensor linear(Slices& slices, const at::Tensor& x, const LinearSlices& weights,
                  Activation activation = Activation::kNone, kernels::Dropout drop = {});
/// Several projections of one input: the gradient of x is summed inside the products.
Tensors project(Slices& slices, const at::Tensor& x, const std::vector<LinearSlices>& weights);

/// The residual stream: `x` is fp32, `low` what the next product reads (x itself when fp32 and
/// post-norm). All [rows, dim].
struct Stream {
  at::Tensor x;
  at::Tensor low;
};
struct ResidualNorm {
  bool pre_norm = false;
  bool final_norm =
      false;  ///< the norm after a pre-norm stack: `x` of the result is normalised too
  double epsilon = 1e-5;
};
/// sum = x + dropout(branch + bias); post-norm: {LN(sum), low LN(sum)}, pre-norm: {sum, low
/// LN(sum)}. With an undefined branch sum = x (the first norm of a pre-norm stack).
Stream residual_norm(Slices& slices, const at::Tensor& x, const at::Tensor& branch,
                     const Slice& bias, const NormSlices& norm, const ResidualNorm& options,
                     kernels::Dropout drop);

/// Words and positions; `tokens` and `places` int64 [rows].
Stream embed_tokens(Slices& slices, const Slice& table, const at::Tensor& tokens,
                    const at::Tensor& positions, const at::Tensor& places, double scale,
                    kernels::Dropout drop);

struct AttentionShape {
  int64_t batch = 0;
  int64_t queries = 0;  ///< tokens a sentence
  int64_t keys = 0;
  int64_t heads = 0;
};
/// softmax(q k^T / sqrt(head dim) + mask) v, per head. q is [batch * queries, qkv], k and v
/// [batch * keys, qkv]; `mask` [batch, 1, 1, keys] is added (undefined: none).
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const AttentionShape& shape, const at::Tensor& mask, bool causal,
                     kernels::Dropout drop);

}  // namespace hat::model
