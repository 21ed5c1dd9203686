#include "model/elementwise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/model/transformer.h"
#include "model/elementwise_aten.h"
#include "model/parallel.h"
#include "model/product.h"

namespace hat::model {
namespace {

template <class T>
const kernels::Table<T>& kernel_table() {
  return kernels::table<T>(kernels::best_isa());
}

float* floats(const at::Tensor& tensor) { return data<float>(tensor); }

}  // namespace

kernels::Dropout make_dropout(double rate, const DropoutKey& key, uint64_t site) {
  kernels::Dropout drop;
  if (rate <= 0) return drop;
  HAT_DCHECK(rate < 1);
  const uint64_t update = mix_seed(mix_seed(key.seed, key.update), key.micro_batch);
  const uint64_t mixed = mix_seed(update, site);
  drop.key0 = static_cast<uint32_t>(mixed);
  drop.key1 = static_cast<uint32_t>(mixed >> 32);
  drop.threshold = static_cast<uint32_t>(std::max(1.0, std::round(rate * 4294967296.0)));
  drop.scale = static_cast<float>(1.0 / (1.0 - rate));
  return drop;
}

void bias_activation_(at::Tensor x, const at::Tensor& bias, bool relu, kernels::Dropout drop) {
  if (!x.is_cpu()) return aten::bias_activation_(x, bias, relu, drop);
  const int64_t dim = x.size(1);
  const at::Tensor added = bias.defined() ? bias : at::zeros({dim}, at::kFloat);
  with_type(x.scalar_type(), [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_rows(x.size(0), dim, [&](kernels::Rows rows) {
      kernel_table<T>().bias_activation(data<T>(x), floats(added), relu, drop, rows);
    });
  });
}

at::Tensor bias_activation_backward(const at::Tensor& dy, const at::Tensor& y, bool relu,
                                    kernels::Dropout drop, at::Tensor dbias) {
  if (!dy.is_cpu()) return aten::bias_activation_backward(dy, y, relu, drop, dbias);
  const bool changes = relu || drop.threshold != 0;
  const at::Tensor dx = changes ? empty_rows(dy.size(0), dy.size(1), dy.options()) : dy;
  with_type(dy.scalar_type(), [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_rows_summing(dy.size(0), dy.size(1), {floats(dbias)}, [&](kernels::Rows rows, float* sums) {
      kernel_table<T>().bias_activation_backward(data<T>(dy), data<T>(y), relu, drop, data<T>(dx),
                                                 sums, rows);
    });
  });
  return dx;
}

at::Tensor residual(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& bias,
                    kernels::Dropout drop) {
  if (!x.is_cpu()) return aten::residual(x, branch, bias, drop);
  const at::Tensor out = at::empty_like(x);
  with_type(branch.scalar_type(), [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_rows(x.size(0), x.size(1), [&](kernels::Rows rows) {
      kernel_table<T>().residual(floats(x), data<T>(branch), floats(bias), drop, floats(out), rows);
    });
  });
  return out;
}

at::Tensor residual_backward(const at::Tensor& d, at::ScalarType low, kernels::Dropout drop,
                             at::Tensor dbias) {
  if (!d.is_cpu()) return aten::residual_backward(d, low, drop, dbias);
  const bool same = low == at::kFloat && drop.threshold == 0;
  const at::Tensor dbranch =
      same ? at::Tensor() : empty_rows(d.size(0), d.size(1), d.options().dtype(low));
  with_type(low, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_rows_summing(d.size(0), d.size(1), {floats(dbias)}, [&](kernels::Rows rows, float* sums) {
      kernel_table<T>().residual_backward(floats(d), drop, data<T>(dbranch), sums, rows);
    });
  });
  return same ? d : dbranch;
}

Normalised normalise(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     double epsilon, bool want_normal, bool want_low, at::ScalarType low) {
  if (!x.is_cpu()) return aten::normalise(x, gamma, beta, epsilon, want_normal, want_low, low);
  Normalised out;
  // In fp32 the low copy is the result itself.
  if (want_normal || (want_low && low == at::kFloat)) out.normal = at::empty_like(x);
  if (want_low && low != at::kFloat)
    out.low = empty_rows(x.size(0), x.size(1), x.options().dtype(low));
  out.mean = at::empty({x.size(0)}, x.options());
  out.rstd = at::empty({x.size(0)}, x.options());
  with_type(low, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_rows(x.size(0), x.size(1), [&](kernels::Rows rows) {
      kernel_table<T>().norm(floats(x), floats(gamma), floats(beta), static_cast<float>(epsilon),
                             floats(out.normal), data<T>(out.low), floats(out.mean),
                             floats(out.rstd), rows);
    });
  });
  if (want_low && low == at::kFloat) out.low = out.normal;
  return out;
}

at::Tensor normalise_backward(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& mean,
                              const at::Tensor& rstd, const at::Tensor& dnormal,
                              const at::Tensor& dlow, const at::Tensor& through, at::Tensor dgamma,
                              at::Tensor dbeta) {
  if (!x.is_cpu())
    return aten::normalise_backward(x, gamma, mean, rstd, dnormal, dlow, through, dgamma, dbeta);
  const at::Tensor dx = at::empty_like(x);
  with_type(dlow.defined() ? dlow.scalar_type() : at::kFloat, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_rows_summing(x.size(0), x.size(1), {floats(dgamma), floats(dbeta)},
                     [&](kernels::Rows rows, float* sums) {
                       kernel_table<T>().norm_backward(
                           floats(x), floats(gamma), floats(mean), floats(rstd), floats(dnormal),
                           data<T>(dlow), floats(through), floats(dx), sums, sums + rows.dim, rows);
                     });
  });
  return dx;
}

Embedded embed(const at::Tensor& table, const at::Tensor& tokens, const at::Tensor& positions,
               const at::Tensor& places, double scale, kernels::Dropout drop, at::ScalarType low) {
  if (!table.is_cpu()) return aten::embed(table, tokens, positions, places, scale, drop, low);
  Embedded out;
  out.full = at::empty({tokens.size(0), table.size(1)}, table.options());
  if (low != at::kFloat)
    out.low = empty_rows(tokens.size(0), table.size(1), table.options().dtype(low));
  with_type(low, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_rows(tokens.size(0), table.size(1), [&](kernels::Rows rows) {
      kernel_table<T>().embed(floats(table), table.stride(0), data<int64_t>(tokens),
                              floats(positions), positions.stride(0), data<int64_t>(places),
                              static_cast<float>(scale), drop, floats(out.full), data<T>(out.low),
                              rows);
    });
  });
  if (low == at::kFloat) out.low = out.full;
  return out;
}

void embed_backward(const at::Tensor& dfull, const at::Tensor& dlow, const at::Tensor& tokens,
                    double scale, kernels::Dropout drop, at::Tensor gradient) {
  if (!gradient.is_cpu()) return aten::embed_backward(dfull, dlow, tokens, scale, drop, gradient);
  const int64_t dim = gradient.size(1);
  const kernels::Rows rows{0, tokens.size(0), dim};
  with_type(dlow.defined() ? dlow.scalar_type() : at::kFloat, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    // Threads share columns, not rows: a word that occurs twice is added in order.
    const int64_t grain = std::max<int64_t>(16, kGrainElements / std::max<int64_t>(1, rows.end));
    at::parallel_for(0, dim, grain, [&](int64_t first, int64_t last) {
      kernel_table<T>().embed_backward(floats(dfull), data<T>(dlow), data<int64_t>(tokens),
                                       static_cast<float>(scale), drop, floats(gradient),
                                       gradient.stride(0), kPadId, first, last, rows);
    });
  });
}

std::pair<double, double> cross_entropy_(at::Tensor logits, const at::Tensor& targets,
                                         const at::Tensor& teacher,
                                         const CrossEntropyOptions& options) {
  if (!logits.is_cpu()) return aten::cross_entropy_(logits, targets, teacher, options);
  const int64_t rows_total = logits.size(0);
  // One pair of sums a row, added in order: the result does not depend on the threads.
  std::vector<double> sums(static_cast<size_t>(2 * rows_total), 0.0);
  with_type(logits.scalar_type(), [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    for_rows(rows_total, logits.size(1), [&](kernels::Rows rows) {
      for (int64_t r = rows.begin; r < rows.end; ++r)
        kernel_table<T>().cross_entropy(
            data<T>(logits), data<int64_t>(targets), data<T>(teacher),
            static_cast<float>(options.smoothing), static_cast<float>(options.teacher_weight),
            static_cast<float>(options.temperature), static_cast<float>(options.gradient_scale),
            options.gradient, sums.data() + 2 * r, {r, r + 1, rows.dim});
    });
  });
  std::pair<double, double> total{0, 0};
  for (int64_t r = 0; r < rows_total; ++r) {
    total.first += sums[static_cast<size_t>(2 * r)];
    total.second += sums[static_cast<size_t>(2 * r + 1)];
  }
  return total;
}

}  // namespace hat::model
