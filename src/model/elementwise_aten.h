#pragma once

#include "model/elementwise.h"

// The functions of elementwise.h by operators of ATen: for devices other than the CPU, and what the
// kernels are tested against.
namespace hat::model::aten {

void bias_activation_(at::Tensor x, const at::Tensor& bias, bool relu, kernels::Dropout drop);
at::Tensor bias_activation_backward(const at::Tensor& dy, const at::Tensor& y, bool relu,
                                    kernels::Dropout drop, at::Tensor dbias);
at::Tensor residual(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& bias,
                    kernels::Dropout drop);
at::Tensor residual_backward(const at::Tensor& d, at::ScalarType low, kernels::Dropout drop,
                             at::Tensor dbias);
Normalised normalise(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     double epsilon, bool want_normal, bool want_low, at::ScalarType low);
at::Tensor normalise_backward(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& mean,
                              const at::Tensor& rstd, const at::Tensor& dnormal,
                              const at::Tensor& dlow, const at::Tensor& through, at::Tensor dgamma,
                              at::Tensor dbeta);
Embedded embed(const at::Tensor& table, const at::Tensor& tokens, const at::Tensor& positions,
               const at::Tensor& places, double scale, kernels::Dropout drop, at::ScalarType low);
void embed_backward(const at::Tensor& dfull, const at::Tensor& dlow, const at::Tensor& tokens,
                    double scale, kernels::Dropout drop, at::Tensor gradient);
std::pair<double, double> cross_entropy_(at::Tensor logits, const at::Tensor& targets,
                                         const at::Tensor& teacher,
                                         const CrossEntropyOptions& options);

/// 0 or drop.scale for every element of a contiguous tensor: the same choice as the kernels'.
at::Tensor dropout_mask(at::IntArrayRef shape, kernels::Dropout drop, c10::Device device);

}  // namespace hat::model::aten
