#pragma once

#include <ATen/core/Tensor.h>

#include "hat/model/compute.h"
#include "model/kernels/kernels.h"

// Everything between the matrix products, on tensors: kernels.h on the CPU, ATen elsewhere. None of
// these is seen by autograd. Matrices are [rows, dim], contiguous; the residual stream is fp32,
// `low` means the type of operands of products (fp32 or bf16).
namespace hat::model {

/// The dropout of one place in the network. Rate 0 keeps everything.
kernels::Dropout make_dropout(double rate, const DropoutKey& key, uint64_t site);

/// x = dropout(max(0, x + bias)) in place, without max unless `relu`. `bias` may be undefined.
void bias_activation_(at::Tensor x, const at::Tensor& bias, bool relu, kernels::Dropout drop);
/// Its gradient from that of its result `y`; adds the bias gradient to `dbias`.
at::Tensor bias_activation_backward(const at::Tensor& dy, const at::Tensor& y, bool relu,
                                    kernels::Dropout drop, at::Tensor dbias);

/// x + dropout(branch + bias), fp32.
at::Tensor residual(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& bias,
                    kernels::Dropout drop);
/// Gradient of the branch, in its type; the one of x is `d` itself.
at::Tensor residual_backward(const at::Tensor& d, at::ScalarType low, kernels::Dropout drop,
                             at::Tensor dbias);

struct Normalised {
  at::Tensor normal;  ///< fp32, if asked for
  at::Tensor low;     ///< in the low type, if asked for
  at::Tensor mean;    ///< [rows]
  at::Tensor rstd;    ///< [rows]
};
Normalised normalise(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     double epsilon, bool want_normal, bool want_low, at::ScalarType low);
/// Gradient for x of the sum of what its results and x itself (`through`) feed; each gradient may
/// be undefined, but not all.
at::Tensor normalise_backward(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& mean,
                              const at::Tensor& rstd, const at::Tensor& dnormal,
                              const at::Tensor& dlow, const at::Tensor& through, at::Tensor dgamma,
                              at::Tensor dbeta);

/// Result of looking words up: fp32 and, unless `low` is fp32, a copy in it.
struct Embedded {
  at::Tensor full;
  at::Tensor low;
};
/// dropout(scale * table[tokens] + positions[places]); tokens and places are int64 [rows] on the
/// device of the table.
Embedded embed(const at::Tensor& table, const at::Tensor& tokens, const at::Tensor& positions,
               const at::Tensor& places, double scale, kernels::Dropout drop, at::ScalarType low);
/// Adds to the gradient of the table; rows of padding get none.
void embed_backward(const at::Tensor& dfull, const at::Tensor& dlow, const at::Tensor& tokens,
                    double scale, kernels::Dropout drop, at::Tensor gradient);

struct CrossEntropyOptions {
  double smoothing = 0;
  double teacher_weight = 0;
  double temperature = 1;
  double gradient_scale = 1;
  bool gradient = false;
};
/// Sums of loss and nll over rows of logits; replaces the logits by the gradient if asked for.
/// `teacher` (logits, may be undefined) is not changed.
std::pair<double, double> cross_entropy_(at::Tensor logits, const at::Tensor& targets,
                                         const at::Tensor& teacher,
                                         const CrossEntropyOptions& options);

}  // namespace hat::model
