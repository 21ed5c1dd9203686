#include "model/elementwise_aten.h"

#include <ATen/ATen.h>

#include "hat/model/transformer.h"

namespace hat::model::aten {
namespace {

constexpr int64_t kWord = 0xffffffff;

/// (a * b) mod 2^32 for a in [0, 2^32) in int64 arithmetic, which wraps mod 2^64.
at::Tensor multiply(const at::Tensor& a, int64_t b) { return (a * b).bitwise_and(kWord); }
at::Tensor shift(const at::Tensor& a, int64_t bits) { return at::bitwise_right_shift(a, bits); }

at::Tensor drop_(const at::Tensor& x, kernels::Dropout drop) {
  if (drop.threshold == 0) return x;
  return x * dropout_mask(x.sizes(), drop, x.device()).to(x.scalar_type());
}

at::Tensor column_sums(const at::Tensor& x) { return x.to(at::kFloat).sum(0); }

}  // namespace

at::Tensor dropout_mask(at::IntArrayRef shape, kernels::Dropout drop, c10::Device device) {
  const at::TensorOptions options = at::TensorOptions().dtype(at::kLong).device(device);
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  // kernels::dropout_hash, on int64.
  at::Tensor x =
      (multiply(at::arange(count, options), 0x9e3779b1) + static_cast<int64_t>(drop.key0))
          .bitwise_and(kWord);
  x = x.bitwise_xor(shift(x, 16));
  x = multiply(x, 0x85ebca6b);
  x = (x.bitwise_xor(shift(x, 13)) + static_cast<int64_t>(drop.key1)).bitwise_and(kWord);
  x = multiply(x, 0xc2b2ae35);
  x = x.bitwise_xor(shift(x, 16));
  return x.ge(static_cast<int64_t>(drop.threshold)).to(at::kFloat).mul_(drop.scale).view(shape);
}

void bias_activation_(at::Tensor x, const at::Tensor& bias, bool relu, kernels::Dropout drop) {
  at::Tensor y = bias.defined() ? x.to(at::kFloat) + bias : x.to(at::kFloat);
  if (relu) y = at::relu(y);
  x.copy_(drop_(y, drop));
}

at::Tensor bias_activation_backward(const at::Tensor& dy, const at::Tensor& y, bool relu,
                                    kernels::Dropout drop, at::Tensor dbias) {
  at::Tensor dx = drop_(dy.to(at::kFloat), drop);
  if (relu) dx = dx * y.gt(0);
  if (dbias.defined()) dbias.add_(dx.sum(0));
  return dx.to(dy.scalar_type());
}

at::Tensor residual(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& bias,
                    kernels::Dropout drop) {
  return x + drop_(branch.to(at::kFloat) + bias, drop);
}

at::Tensor residual_backward(const at::Tensor& d, at::ScalarType low, kernels::Dropout drop,
                             at::Tensor dbias) {
  const at::Tensor dbranch = drop_(d, drop);
  if (dbias.defined()) dbias.add_(column_sums(dbranch));
  return dbranch.to(low);
}

Normalised normalise(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     double epsilon, bool want_normal, bool want_low, at::ScalarType low) {
  auto [normal, mean, rstd] = at::native_layer_norm(x, {x.size(1)}, gamma, beta, epsilon);
  Normalised out;
  if (want_low) out.low = normal.to(low);
  if (want_normal) out.normal = normal;
  out.mean = mean.view({-1});
  out.rstd = rstd.view({-1});
  return out;
}

at::Tensor normalise_backward(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& mean,
                              const at::Tensor& rstd, const at::Tensor& dnormal,
                              const at::Tensor& dlow, const at::Tensor& through, at::Tensor dgamma,
                              at::Tensor dbeta) {
  at::Tensor d = dnormal;
  if (dlow.defined()) d = d.defined() ? d + dlow.to(at::kFloat) : dlow.to(at::kFloat);
  const auto [dx, dg, db] = at::native_layer_norm_backward(
      d.contiguous(), x, {x.size(1)}, mean.unsqueeze(1), rstd.unsqueeze(1), gamma,
      at::zeros_like(gamma), {true, true, true});
  dgamma.add_(dg);
  dbeta.add_(db);
  return through.defined() ? dx + through : dx;
}

Embedded embed(const at::Tensor& table, const at::Tensor& tokens, const at::Tensor& positions,
               const at::Tensor& places, double scale, kernels::Dropout drop, at::ScalarType low) {
  Embedded out;
  out.full = drop_(table.index_select(0, tokens) * scale +
                       positions.index_select(0, places).narrow(1, 0, table.size(1)),
                   drop);
  out.low = out.full.to(low);
  return out;
}

void embed_backward(const at::Tensor& dfull, const at::Tensor& dlow, const at::Tensor& tokens,
                    double scale, kernels::Dropout drop, at::Tensor gradient) {
  at::Tensor d = dfull;
  if (dlow.defined()) d = d.defined() ? d + dlow.to(at::kFloat) : dlow.to(at::kFloat);
  d = drop_(d, drop) * scale;
  gradient.index_add_(0, tokens, d * tokens.ne(kPadId).unsqueeze(1));
}

std::pair<double, double> cross_entropy_(at::Tensor logits, const at::Tensor& targets,
                                         const at::Tensor& teacher,
                                         const CrossEntropyOptions& options) {
  const at::Tensor z = logits.to(at::kFloat);
  const at::Tensor log_p = at::log_softmax(z, 1);
  const at::Tensor index = targets.unsqueeze(1);
  const double uniform = options.smoothing / static_cast<double>(z.size(1));
  const double weight = teacher.defined() ? options.teacher_weight : 0.0;
  const double t = options.temperature;
  const at::Tensor nll = -log_p.gather(1, index).sum(at::kDouble);
  at::Tensor loss = (1 - options.smoothing) * nll - uniform * log_p.sum(at::kDouble);
  at::Tensor soft_p;
  at::Tensor q;
  if (teacher.defined()) {
    const at::Tensor soft = at::log_softmax(z / t, 1);
    q = at::softmax(teacher.to(at::kFloat) / t, 1);
    soft_p = soft.exp();
    loss = (1 - weight) * loss - weight * t * t * (q * soft).sum(at::kDouble);
  }
  if (options.gradient) {
    at::Tensor gradient = log_p.exp() - uniform;
    gradient.scatter_add_(1, index, at::full_like(index, options.smoothing - 1, z.options()));
    gradient.mul_(options.gradient_scale * (1 - weight));
    if (teacher.defined()) gradient.add_(soft_p - q, options.gradient_scale * weight * t);
    logits.copy_(gradient);
  }
  return {loss.item<double>(), nll.item<double>()};
}

}  // namespace hat::model::aten
