// Every elastic operation at several slices, forward and gradient, against plain ATen operators
// with weights sliced by hand and differentiated by autograd.
#include "model/ops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "hat/model/transformer.h"
#include "model/elementwise_aten.h"

namespace hat::model {
namespace {

constexpr int64_t kTokens = 24;

/// A store with a [12, 10] matrix, a [12] vector, a stacked [3 * 8, 10] matrix with its bias, a
/// norm of 10 and a table of 9 words, filled with random numbers.
class ElasticOps : public ::testing::Test {
 protected:
  ElasticOps() : store_(parameters(), {}, at::kCPU), slices_(store_) {
    at::manual_seed(3);
    store_.values().copy_(at::randn_like(store_.values()));
    store_.gradients();
  }
  static std::vector<Parameter> parameters() {
    const auto matrix = [](const char* name, int64_t rows, int64_t cols, int groups = 1) {
      Parameter p;
      p.name = name;
      p.rows = rows;
      p.cols = cols;
      p.groups = groups;
      return p;
    };
    const auto vector = [&](const char* name, int64_t rows, int groups = 1) {
      Parameter p = matrix(name, rows, 1, groups);
      p.is_vector = true;
      return p;
    };
    return {matrix("w", 12, 10),    vector("b", 12),     matrix("qkv", 24, 10, 3),
            vector("qkv_b", 24, 3), vector("gamma", 10), vector("beta", 10),
            matrix("table", 9, 10)};
  }
  Slice slice(const char* name, int64_t rows, int64_t cols = 1, int group = 0) {
    return {store_.find(name), group, rows, cols};
  }
  /// The slice cut by hand: a leaf of its own for autograd.
  at::Tensor leaf(const Slice& s) {
    const Parameter& p = store_[s.parameter];
    const int64_t first = p.rows / p.groups * s.group;
    const at::Tensor whole = store_.value(s.parameter).view({p.rows, p.cols});
    at::Tensor cut = whole.narrow(0, first, s.rows).narrow(1, 0, s.cols).clone();
    if (p.is_vector) cut = cut.view({s.rows});
    return cut.requires_grad_(true);
  }
  /// The buffer's gradient of this slice equals the leaf's, and nothing lies outside of all slices
  /// that were given to it.
  void expect_gradient(const Slice& s, const at::Tensor& wanted) {
    const Parameter& p = store_[s.parameter];
    const int64_t first = p.rows / p.groups * s.group;
    at::Tensor whole = store_.gradient(s.parameter).view({p.rows, p.cols});
    at::Tensor ours = whole.narrow(0, first, s.rows).narrow(1, 0, s.cols);
    ASSERT_TRUE(wanted.grad().defined());
    expect_close(ours, wanted.grad().view(ours.sizes()));
    EXPECT_TRUE(store_.is_touched(s.parameter));
    ours.zero_();
  }
  void expect_rest_untouched() {
    EXPECT_EQ(store_.gradients().abs().max().item<double>(), 0.0);
    store_.forget_touched();
  }
  static void expect_close(const at::Tensor& a, const at::Tensor& b, double tolerance = 1e-5) {
    ASSERT_EQ(a.sizes(), b.sizes());
    const double scale = std::max(1.0, b.abs().max().item<double>());
    EXPECT_LE((a - b).abs().max().item<double>(), tolerance * scale);
  }
  static at::Tensor input(int64_t dim) { return at::randn({kTokens, dim}).requires_grad_(true); }

  ParameterStore store_;
  Slices slices_;
};

TEST_F(ElasticOps, Linear) {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{12, 10}, {7, 10}, {12, 3}, {5, 6}}) {
    for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kGelu}) {
      for (const double rate : {0.0, 0.4}) {
        const LinearSlices w{slice("w", rows, cols), slice("b", rows)};
        const kernels::Dropout drop = make_dropout(rate, {1, 2, 3}, 4);
        const at::Tensor x = input(cols);
        const at::Tensor y = linear(slices_, x, w, activation, drop);
        const at::Tensor dy = at::randn_like(y);
        y.backward(dy);

        const at::Tensor x2 = x.detach().clone().requires_grad_(true);
        const at::Tensor weight = leaf(w.weight);
        const at::Tensor bias = leaf(w.bias);
        at::Tensor expected = at::linear(x2, weight, bias);
        if (activation == Activation::kRelu) expected = at::relu(expected);
        if (activation == Activation::kGelu) expected = at::gelu(expected);
        if (rate > 0) expected = expected * aten::dropout_mask(expected.sizes(), drop, at::kCPU);
        expected.backward(dy);
        expect_close(y, expected);
        expect_close(x.grad(), x2.grad());
        expect_gradient(w.weight, weight);
        expect_gradient(w.bias, bias);
        expect_rest_untouched();
      }
    }
  }
}

TEST_F(ElasticOps, LinearWithoutBiasAccumulates) {
  const LinearSlices w{slice("w", 6, 4), {}};
  const at::Tensor x = input(4);
  const at::Tensor weight = leaf(w.weight);
  for (int i = 0; i < 2; ++i) {
    linear(slices_, x, w).sum().backward();
    at::linear(x.detach(), weight).sum().backward();
  }
  expect_gradient(w.weight, weight);
  expect_rest_untouched();
}

TEST_F(ElasticOps, InputWithoutGradientStillTrainsWeights) {
  const LinearSlices w{slice("w", 6, 4), slice("b", 6)};
  const at::Tensor x = at::randn({kTokens, 4});
  const at::Tensor weight = leaf(w.weight);
  const at::Tensor bias = leaf(w.bias);
  linear(slices_, x, w).sum().backward();
  at::linear(x, weight, bias).sum().backward();
  expect_gradient(w.weight, weight);
  expect_gradient(w.bias, bias);
}

TEST_F(ElasticOps, Project) {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{8, 10}, {8, 4}, {4, 10}, {3, 7}}) {
    std::vector<LinearSlices> weights;
    for (int g = 0; g < 3; ++g)
      weights.push_back({slice("qkv", rows, cols, g), slice("qkv_b", rows, 1, g)});
    const at::Tensor x = input(cols);
    const at::Tensor x2 = x.detach().clone().requires_grad_(true);
    const Tensors outputs = project(slices_, x, weights);
    at::Tensor total;
    at::Tensor expected_total;
    Tensors leaves;
    for (size_t g = 0; g < 3; ++g) {
      leaves.push_back(leaf(weights[g].weight));
      leaves.push_back(leaf(weights[g].bias));
      const at::Tensor expected = at::linear(x2, leaves[2 * g], leaves[2 * g + 1]);
      expect_close(outputs[g], expected);
      const at::Tensor weigh = at::randn_like(expected);
      total = g == 0 ? (outputs[g] * weigh).sum() : total + (outputs[g] * weigh).sum();
      expected_total =
          g == 0 ? (expected * weigh).sum() : expected_total + (expected * weigh).sum();
    }
    total.backward();
    expected_total.backward();
    expect_close(x.grad(), x2.grad());
    for (size_t g = 0; g < 3; ++g) {
      expect_gradient(weights[g].weight, leaves[2 * g]);
      expect_gradient(weights[g].bias, leaves[2 * g + 1]);
    }
    expect_rest_untouched();
  }
}

TEST_F(ElasticOps, ResidualNorm) {
  for (const int64_t dim : {10, 6, 3}) {
    for (const bool pre : {false, true}) {
      for (const bool final_norm : {false, true}) {
        for (const bool has_branch : {true, false}) {
          if (!has_branch && !pre) continue;
          const Slice bias = slice("b", dim);
          const NormSlices norm{slice("gamma", dim), slice("beta", dim)};
          const kernels::Dropout drop = make_dropout(0.3, {1, 2, 3}, 4);
          const at::Tensor x = input(dim);
          const at::Tensor branch = has_branch ? input(dim) : at::Tensor();
          const Stream out =
              residual_norm(slices_, x, branch, bias, norm, {pre, final_norm, 1e-5}, drop);
          const at::Tensor x2 = x.detach().clone().requires_grad_(true);
          at::Tensor sum = x2;
          const at::Tensor b = leaf(bias);
          at::Tensor branch2;
          if (has_branch) {
            branch2 = branch.detach().clone().requires_grad_(true);
            sum = x2 + (branch2 + b) * aten::dropout_mask(x.sizes(), drop, at::kCPU);
          }
          const at::Tensor gamma = leaf(norm.gamma);
          const at::Tensor beta = leaf(norm.beta);
          const at::Tensor normal = at::layer_norm(sum, {dim}, gamma, beta, 1e-5);
          const at::Tensor stream = pre && !final_norm ? sum : normal;
          expect_close(out.x, stream);
          expect_close(out.low, normal);
          const at::Tensor u = at::randn({kTokens, dim});
          const at::Tensor v = at::randn({kTokens, dim});
          ((out.x * u).sum() + (out.low * v).sum()).backward();
          ((stream * u).sum() + (normal * v).sum()).backward();
          expect_close(x.grad(), x2.grad(), 1e-4);
          expect_gradient(norm.gamma, gamma);
          expect_gradient(norm.beta, beta);
          if (has_branch) {
            expect_close(branch.grad(), branch2.grad(), 1e-4);
            expect_gradient(bias, b);
          }
          expect_rest_untouched();
        }
      }
    }
  }
}

TEST_F(ElasticOps, EmbedTokens) {
  const at::Tensor tokens = at::randint(0, 9, {kTokens}, at::kLong);
  const at::Tensor places = at::randint(0, 6, {kTokens}, at::kLong);
  const at::Tensor positions = at::randn({6, 10});
  for (const int64_t dim : {10, 4}) {
    const Slice table = slice("table", 9, dim);
    const kernels::Dropout drop = make_dropout(0.3, {1, 2, 3}, 4);
    const Stream out = embed_tokens(slices_, table, tokens, positions, places, 3.0, drop);
    const at::Tensor words = leaf(table);
    const at::Tensor expected = (at::embedding(words, tokens, kPadId) * 3.0 +
                                 positions.index_select(0, places).narrow(1, 0, dim)) *
                                aten::dropout_mask({kTokens, dim}, drop, at::kCPU);
    expect_close(out.x, expected);
    const at::Tensor dy = at::randn_like(expected);
    out.x.backward(dy);
    expected.backward(dy);
    expect_gradient(table, words);
    expect_rest_untouched();
  }
}

/// Attention written out.
at::Tensor plain_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const AttentionShape& s, const at::Tensor& mask, bool causal,
                           const at::Tensor& kept) {
  const int64_t channels = q.size(1);
  const int64_t head_dim = channels / s.heads;
  const auto heads = [&](const at::Tensor& x, int64_t length) {
    return x.view({s.batch, length, s.heads, head_dim}).transpose(1, 2);
  };
  at::Tensor scores = at::matmul(heads(q, s.queries), heads(k, s.keys).transpose(2, 3)) /
                      std::sqrt(static_cast<double>(head_dim));
  if (mask.defined()) scores = scores + mask;
  if (causal)
    scores = scores.masked_fill(at::ones({s.queries, s.keys}, at::kBool).triu(1), -INFINITY);
  at::Tensor p = at::softmax(scores, -1);
  if (kept.defined()) p = p * kept.view(p.sizes());
  return at::matmul(p, heads(v, s.keys)).transpose(1, 2).reshape({-1, channels});
}

TEST_F(ElasticOps, Attention) {
  for (const AttentionShape s :
       {AttentionShape{2, 5, 5, 2}, AttentionShape{3, 4, 7, 4}, AttentionShape{2, 1, 6, 1}}) {
    for (const bool masked : {false, true}) {
      for (const bool causal : {false, true}) {
        if (causal && (s.queries != s.keys || masked)) continue;
        for (const double rate : {0.0, 0.25}) {
          const int64_t channels = 8 * s.heads;
          const auto leaf_input = [&](int64_t length) {
            return at::randn({s.batch * length, channels}).requires_grad_(true);
          };
          const Tensors a{leaf_input(s.queries), leaf_input(s.keys), leaf_input(s.keys)};
          Tensors b;
          for (const at::Tensor& t : a) b.push_back(t.detach().clone().requires_grad_(true));
          at::Tensor mask;
          if (masked) {
            mask = at::zeros({s.batch, 1, 1, s.keys});
            mask[0].narrow(2, s.keys - 2, 2).fill_(-INFINITY);
          }
          const kernels::Dropout drop = make_dropout(rate, {1, 2, 3}, 4);
          at::Tensor kept;
          if (rate > 0)
            kept = aten::dropout_mask({s.batch, s.heads, s.queries, s.keys}, drop, at::kCPU);
          const at::Tensor ours = attention(a[0], a[1], a[2], s, mask, causal, drop);
          const at::Tensor wanted = plain_attention(b[0], b[1], b[2], s, mask, causal, kept);
          expect_close(ours, wanted);
          const at::Tensor dy = at::randn_like(ours);
          ours.backward(dy);
          wanted.backward(dy);
          for (size_t i = 0; i < 3; ++i) expect_close(a[i].grad(), b[i].grad(), 1e-5);
        }
      }
    }
  }
}

TEST_F(ElasticOps, LowPrecisionStaysNear) {
  slices_.set_compute(Compute::kBf16);
  const LinearSlices w{slice("w", 7, 6), slice("b", 7)};
  const at::Tensor x = input(6);
  const at::Tensor y = linear(slices_, x.to(at::kBFloat16), w);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  const at::Tensor dy = at::randn({kTokens, 7}).to(at::kBFloat16);
  y.backward(dy);
  const at::Tensor x2 = x.detach().clone().requires_grad_(true);
  const at::Tensor weight = leaf(w.weight);
  const at::Tensor bias = leaf(w.bias);
  const at::Tensor expected = at::linear(x2, weight, bias);
  expected.backward(dy.to(at::kFloat));
  expect_close(y.to(at::kFloat), expected, 0.02);
  expect_close(x.grad(), x2.grad(), 0.02);
  const at::Tensor gradient = store_.gradient(w.weight.parameter).narrow(0, 0, 7).narrow(1, 0, 6);
  expect_close(gradient, weight.grad(), 0.02);
}

TEST_F(ElasticOps, LowPrecisionCopiesFollowTheWeights) {
  slices_.set_compute(Compute::kBf16);
  const Slice small = slice("w", 3, 2);
  const Slice large = slice("w", 12, 10);
  const auto expect_current = [&](const Slice& s) {
    EXPECT_TRUE(slices_.operand(s).equal(slices_.value(s).to(at::kBFloat16)));
  };
  expect_current(small);
  expect_current(large);
  expect_current(small);
  store_.values().mul_(2);
  store_.values_changed();
  expect_current(small);
  expect_current(large);
}

TEST_F(ElasticOps, TouchedIsWhatWasUsed) {
  EXPECT_TRUE(store_.touched().empty());
  linear(slices_, input(4), {slice("w", 5, 4), slice("b", 5)}).sum().backward();
  linear(slices_, input(3), {slice("w", 7, 3), {}}).sum().backward();
  const auto touched = store_.touched();
  ASSERT_EQ(touched.size(), 2u);
  EXPECT_EQ(touched[0].rows, 7);  // the bounding rectangle of 5 x 4 and 7 x 3
  EXPECT_EQ(touched[0].cols, 4);
  EXPECT_EQ(touched[1].rows, 5);
  EXPECT_EQ(touched[1].cols, 1);
  store_.zero_gradients();
  EXPECT_TRUE(store_.touched().empty());
  EXPECT_EQ(store_.gradients().abs().max().item<double>(), 0.0);
}

}  // namespace
}  // namespace hat::model
