#include "model/ops.h"

#include <ATen/ATen.h>

#include <cmath>

#include "hat/base/error.h"
#include "model/parallel.h"
#include "model/product.h"

namespace hat::model {
namespace {

at::Tensor gradient_of_bias(Slices& slices, const Slice& bias) {
  return bias.parameter < 0 ? at::Tensor() : slices.gradient(bias);
}
at::Tensor value_of_bias(Slices& slices, const Slice& bias) {
  return bias.parameter < 0 ? at::Tensor() : slices.value(bias);
}

/// The gradient behind bias, activation and dropout, and that of the bias.
at::Tensor activation_backward(Slices& slices, const Slice& bias, Activation activation,
                               kernels::Dropout drop, const at::Tensor& dy,
                               const at::Tensor& saved) {
  const at::Tensor dbias = gradient_of_bias(slices, bias);
  if (activation == Activation::kGelu) {
    const at::Tensor kept =
        drop.threshold == 0 ? dy : bias_activation_backward(dy, dy, false, drop, at::Tensor());
    return bias_activation_backward(at::gelu_backward(kept, saved), saved, false, {}, dbias);
  }
  const bool relu = activation == Activation::kRelu;
  if (!relu && drop.threshold == 0 && !dbias.defined()) return dy;
  return bias_activation_backward(dy, saved, relu, drop, dbias);
}

}  // namespace

at::Tensor linear(Slices& slices, const at::Tensor& x, const LinearSlices& weights,
                  Activation activation, kernels::Dropout drop) {
  return record({x, slices.anchor()}, [&](Backward* backward) -> Tensors {
    at::Tensor y = product(x, slices.operand(weights.weight).t());
    at::Tensor saved;  // what the backward of the activation needs
    if (activation == Activation::kGelu) {
      bias_activation_(y, value_of_bias(slices, weights.bias), false, {});
      saved = y;
      y = at::gelu(saved);
      if (drop.threshold != 0) bias_activation_(y, at::Tensor(), false, drop);
    } else {
      const bool relu = activation == Activation::kRelu;
      if (weights.bias.parameter >= 0 || relu || drop.threshold != 0)
        bias_activation_(y, value_of_bias(slices, weights.bias), relu, drop);
      if (relu) saved = y.detach();
    }
    if (backward) {
      *backward = [&slices, input = x.detach(), needs_input = x.requires_grad(), weights,
                   activation, drop, saved](const Tensors& gradients) -> Tensors {
        if (!gradients[0].defined()) return {at::Tensor(), at::Tensor()};
        const at::Tensor dy = activation_backward(slices, weights.bias, activation, drop,
                                                  gradients[0].contiguous(), saved);
        slices.add_product(weights.weight, dy, input);
        if (!needs_input) return {at::Tensor(), at::Tensor()};
        return {product(dy, slices.operand(weights.weight)), at::Tensor()};
      };
    }
    return {y};
  })[0];
}

Tensors project(Slices& slices, const at::Tensor& x, const std::vector<LinearSlices>& weights) {
  return record({x, slices.anchor()}, [&](Backward* backward) -> Tensors {
    Tensors outputs;
    for (const LinearSlices& w : weights) {
      outputs.push_back(product(x, slices.operand(w.weight).t()));
      bias_activation_(outputs.back(), value_of_bias(slices, w.bias), false, {});
    }
    if (backward) {
      *backward = [&slices, input = x.detach(), needs_input = x.requires_grad(),
                   weights](const Tensors& gradients) -> Tensors {
        at::Tensor dx;
        for (size_t i = 0; i < weights.size(); ++i) {
          if (!gradients[i].defined()) continue;
          at::Tensor dy = gradients[i].contiguous();
          if (weights[i].idle_bias) {
            slices.gradient(weights[i].bias);  // touched like its layer's others, and left at zero
          } else {
            dy = activation_backward(slices, weights[i].bias, Activation::kNone, {}, dy,
                                     at::Tensor());
          }
          slices.add_product(weights[i].weight, dy, input);
          if (!needs_input) continue;
          const at::Tensor w = slices.operand(weights[i].weight);
          if (dx.defined()) {
            add_product(dx, dy, w);
          } else {
            dx = product(dy, w);
          }
        }
        return {dx, at::Tensor()};
      };
    }
    return outputs;
  });
}

Stream residual_norm(Slices& slices, const at::Tensor& x, const at::Tensor& branch,
                     const Slice& bias, const NormSlices& norm, const ResidualNorm& options,
                     kernels::Dropout drop) {
  const at::ScalarType low = slices.low_type();
  const bool has_branch = branch.defined();
  const bool want_normal = !options.pre_norm || options.final_norm;
  const bool want_sum = !want_normal && has_branch;
  // Outputs: the stream (sum or normalised), then the low copy unless it is the same tensor.
  const bool separate_low = low != at::kFloat || !want_normal;
  Tensors inputs{x, slices.anchor()};
  if (has_branch) inputs.push_back(branch);
  Tensors outputs = record(inputs, [&](Backward* backward) -> Tensors {
    const at::Tensor sum = has_branch ? residual(x, branch, slices.value(bias), drop) : x.detach();
    const Normalised result = normalise(sum, slices.value(norm.gamma), slices.value(norm.beta),
                                        options.epsilon, want_normal, separate_low, low);
    Tensors out;
    if (want_normal) out.push_back(result.normal);
    if (want_sum) out.push_back(sum);
    if (separate_low) out.push_back(result.low);
    if (backward) {
      *backward = [&slices, sum = sum.detach(), mean = result.mean, rstd = result.rstd, norm, bias,
                   drop, low, has_branch, want_normal, want_sum,
                   separate_low](const Tensors& gradients) -> Tensors {
        size_t next = 0;
        const at::Tensor dnormal = want_normal ? gradients[next++] : at::Tensor();
        const at::Tensor through = want_sum ? gradients[next++] : at::Tensor();
        const at::Tensor dlow = separate_low ? gradients[next++] : at::Tensor();
        at::Tensor dsum = through;
        if (dnormal.defined() || dlow.defined()) {
          const auto dense = [](const at::Tensor& t) { return t.defined() ? t.contiguous() : t; };
          // A fp32 low copy is one more fp32 gradient to the kernels.
          const bool float_low = low == at::kFloat && !dnormal.defined();
          dsum = normalise_backward(sum, slices.value(norm.gamma), mean, rstd,
                                    dense(float_low ? dlow : dnormal),
                                    float_low ? at::Tensor() : dense(dlow), dense(through),
                                    slices.gradient(norm.gamma), slices.gradient(norm.beta));
        }
        Tensors result_gradients{dsum, at::Tensor()};
        if (has_branch) {
          result_gradients.push_back(dsum.defined() ? residual_backward(dsum.contiguous(), low,
                                                                        drop, slices.gradient(bias))
                                                    : at::Tensor());
        }
        return result_gradients;
      };
    }
    return out;
  });
  Stream stream;
  stream.x = want_normal || want_sum ? outputs[0] : x;
  stream.low = separate_low ? outputs.back() : outputs[0];
  return stream;
}

Stream embed_tokens(Slices& slices, const Slice& table, const at::Tensor& tokens,
                    const at::Tensor& positions, const at::Tensor& places, double scale,
                    kernels::Dropout drop) {
  const at::ScalarType low = slices.low_type();
  const Tensors outputs = record({slices.anchor()}, [&](Backward* backward) -> Tensors {
    const Embedded words = embed(slices.table(table), tokens, positions, places, scale, drop, low);
    if (backward) {
      *backward = [&slices, table, tokens, scale, drop](const Tensors& gradients) -> Tensors {
        const auto dense = [&](size_t i) {
          return i < gradients.size() && gradients[i].defined() ? gradients[i].contiguous()
                                                                : at::Tensor();
        };
        if (dense(0).defined() || dense(1).defined())
          embed_backward(dense(0), dense(1), tokens, scale, drop, slices.gradient(table));
        return {at::Tensor()};
      };
    }
    if (low == at::kFloat) return {words.full};
    return {words.full, words.low};
  });
  return {outputs[0], outputs.back()};
}

namespace {

/// Attention by operators of ATen: other devices, and sentences too long for the caches.
at::Tensor attention_by_aten(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const AttentionShape& shape, const at::Tensor& mask, bool causal,
                             kernels::Dropout drop) {
  const int64_t channels = q.size(-1);
  const int64_t head_dim = channels / shape.heads;
  const auto split = [&](const at::Tensor& x, int64_t length) {
    return x.view({shape.batch, length, shape.heads, head_dim}).transpose(1, 2);
  };
  const at::Tensor queries = split(q, shape.queries);
  const at::Tensor keys = split(k, shape.keys);
  const at::Tensor values = split(v, shape.keys);
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim));
  at::Tensor mixed;
  if (drop.threshold == 0) {
    std::optional<at::Tensor> bias;
    if (mask.defined()) bias = mask.to(q.scalar_type());
    mixed = at::scaled_dot_product_attention(queries, keys, values, bias, 0.0, causal, scale);
  } else {
    at::Tensor scores = at::matmul(queries * scale, keys.transpose(2, 3)).to(at::kFloat);
    if (mask.defined()) scores = scores + mask;
    if (causal) {
      const at::Tensor future =
          at::ones({shape.queries, shape.keys}, scores.options().dtype(at::kBool)).triu(1);
      scores = scores.masked_fill(future, -INFINITY);
    }
    at::Tensor kept = at::ones({shape.batch * shape.heads * shape.queries, shape.keys},
                               scores.options().requires_grad(false));
    bias_activation_(kept, at::Tensor(), false, drop);
    const at::Tensor probabilities = at::softmax(scores, -1) * kept.view(scores.sizes());
    mixed = at::matmul(probabilities.to(q.scalar_type()), values);
  }
  return mixed.transpose(1, 2).reshape({shape.batch * shape.queries, channels});
}

/// Scores of one head beyond this leave the second-level cache.
constexpr int64_t kLargestScores = int64_t{1} << 17;

kernels::AttentionShape kernel_shape(const at::Tensor& q, const at::Tensor& k,
                                     const AttentionShape& shape, const at::Tensor& mask,
                                     bool causal, kernels::Dropout drop) {
  kernels::AttentionShape s;
  s.queries = shape.queries;
  s.keys = shape.keys;
  s.heads = shape.heads;
  s.head_dim = q.size(-1) / shape.heads;
  s.query_row_stride = q.stride(-2);
  s.query_batch_stride = shape.queries * s.query_row_stride;
  s.key_row_stride = k.stride(-2);
  // Keys of a cache are [batch, keys, channels] with room for more between sentences.
  s.key_batch_stride = k.dim() == 3 ? k.stride(0) : shape.keys * s.key_row_stride;
  s.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(s.head_dim)));
  s.causal = causal;
  s.mask = data<float>(mask);
  s.drop = drop;
  return s;
}

/// Splits heads of all sentences among threads, with scratch memory for each.
template <class F>
void for_heads(int64_t batch, const kernels::AttentionShape& s, const F& f) {
  const int64_t work = std::max<int64_t>(1, s.queries * s.keys * s.head_dim);
  const int64_t grain = std::max<int64_t>(1, 8 * kGrainElements / work);
  at::parallel_for(0, batch * s.heads, grain, [&](int64_t first, int64_t last) {
    std::vector<float> scratch(static_cast<size_t>(kernels::attention_scratch(s)));
    f(scratch.data(), first, last);
  });
}

}  // namespace

at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const AttentionShape& shape, const at::Tensor& mask, bool causal,
                     kernels::Dropout drop) {
  if (!q.is_cpu() || shape.queries * shape.keys > kLargestScores)
    return attention_by_aten(q, k, v, shape, mask, causal, drop);
  return record({q, k, v}, [&](Backward* backward) -> Tensors {
    HAT_DCHECK(q.stride(-1) == 1 && k.stride(-1) == 1 && k.strides() == v.strides());
    const kernels::AttentionShape s = kernel_shape(q, k, shape, mask, causal, drop);
    const at::Tensor out = empty_rows(shape.batch * shape.queries, q.size(-1), q.options());
    const at::Tensor log_sums =
        backward ? at::empty({shape.batch * shape.heads, shape.queries}, at::kFloat) : at::Tensor();
    with_type(q.scalar_type(), [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      for_heads(shape.batch, s, [&](float* scratch, int64_t first, int64_t last) {
        kernels::table<T>(kernels::best_isa())
            .attention(data<T>(q), data<T>(k), data<T>(v), s, data<T>(out), data<float>(log_sums),
                       scratch, first, last);
      });
    });
    if (backward) {
      *backward = [s, q = q.detach(), k = k.detach(), v = v.detach(), mask, log_sums,
                   batch = shape.batch](const Tensors& gradients) -> Tensors {
        if (!gradients[0].defined()) return Tensors(3);
        const at::Tensor dout = gradients[0].contiguous();
        HAT_DCHECK(q.dim() == 2 && k.dim() == 2);
        const at::Tensor dq = empty_rows(q.size(0), q.size(1), q.options());
        const at::Tensor dk = empty_rows(k.size(0), k.size(1), k.options());
        const at::Tensor dv = empty_rows(v.size(0), v.size(1), v.options());
        with_type(q.scalar_type(), [&](auto* type) {
          using T = std::remove_pointer_t<decltype(type)>;
          for_heads(batch, s, [&](float* scratch, int64_t first, int64_t last) {
            kernels::table<T>(kernels::best_isa())
                .attention_backward(data<T>(dout), data<T>(q), data<T>(k), data<T>(v),
                                    data<float>(log_sums), s, data<T>(dq), data<T>(dk), data<T>(dv),
                                    scratch, first, last);
          });
        });
        return {dq, dk, dv};
      };
    }
    return {out};
  })[0];
}

}  // namespace hat::model
