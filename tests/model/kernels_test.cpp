// Every kernel, for every instruction set that this processor has, against ATen.
#include "model/kernels/kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "model/elementwise_aten.h"
#include "model/parallel.h"

namespace hat::model {
namespace {

using kernels::Isa;

std::vector<Isa> present() {
  std::vector<Isa> all{Isa::kScalar};
  if (kernels::best_isa() >= Isa::kAvx2) all.push_back(Isa::kAvx2);
  if (kernels::best_isa() >= Isa::kAvx512) all.push_back(Isa::kAvx512);
  return all;
}

/// Calls f(isa, type, rows, dim) over instruction sets, types and odd sizes.
template <class F>
void for_all(const F& f) {
  at::manual_seed(1);
  for (const Isa isa : present()) {
    for (const auto& [rows, dim] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {2, 3}, {5, 16}, {3, 17}, {4, 100}, {7, 513}, {2, 2048}}) {
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        SCOPED_TRACE(::testing::Message() << "isa " << static_cast<int>(isa) << " rows " << rows
                                          << " dim " << dim << " " << type);
        f(isa, type, rows, dim);
      }
    }
  }
}

/// Equal within the precision of the type.
void expect_close(const at::Tensor& a, const at::Tensor& b, double tolerance = 2e-6) {
  const bool low = a.scalar_type() == at::kBFloat16 || b.scalar_type() == at::kBFloat16;
  const double relative = low ? 1.0 / 128 : tolerance;
  const at::Tensor x = a.to(at::kDouble);
  const at::Tensor y = b.to(at::kDouble);
  const double scale = std::max(1.0, y.abs().max().item<double>());
  EXPECT_LE((x - y).abs().max().item<double>(), relative * scale);
}

kernels::Dropout some_dropout(double rate = 0.3) { return make_dropout(rate, {7, 11, 13}, 17); }

float* floats(const at::Tensor& t) { return data<float>(t); }

TEST(Kernels, BiasActivation) {
  for_all([](Isa isa, at::ScalarType type, int64_t rows, int64_t dim) {
    for (const bool relu : {false, true}) {
      for (const kernels::Dropout drop : {kernels::Dropout{}, some_dropout()}) {
        const at::Tensor x = at::randn({rows, dim}).to(type);
        const at::Tensor bias = at::randn({dim});
        const at::Tensor dy = at::randn({rows, dim}).to(type);
        const at::Tensor expected = x.clone();
        aten::bias_activation_(expected, bias, relu, drop);
        const at::Tensor ours = x.clone();
        const at::Tensor dx = at::empty_like(dy);
        const at::Tensor sums = at::zeros({dim});
        with_type(type, [&](auto* t) {
          using T = std::remove_pointer_t<decltype(t)>;
          const auto& table = kernels::table<T>(isa);
          table.bias_activation(data<T>(ours), floats(bias), relu, drop, {0, rows, dim});
          table.bias_activation_backward(data<T>(dy), data<T>(ours), relu, drop, data<T>(dx),
                                         floats(sums), {0, rows, dim});
        });
        expect_close(ours, expected);
        const at::Tensor expected_sums = at::zeros({dim});
        expect_close(dx, aten::bias_activation_backward(dy, expected, relu, drop, expected_sums));
        expect_close(sums, expected_sums, type == at::kFloat ? 2e-6 : 1e-2);
      }
    }
  });
}

TEST(Kernels, Residual) {
  for_all([](Isa isa, at::ScalarType type, int64_t rows, int64_t dim) {
    for (const kernels::Dropout drop : {kernels::Dropout{}, some_dropout(0.9)}) {
      const at::Tensor x = at::randn({rows, dim});
      const at::Tensor branch = at::randn({rows, dim}).to(type);
      const at::Tensor bias = at::randn({dim});
      const at::Tensor d = at::randn({rows, dim});
      const at::Tensor ours = at::empty_like(x);
      const at::Tensor dbranch = at::empty_like(branch);
      const at::Tensor sums = at::zeros({dim});
      with_type(type, [&](auto* t) {
        using T = std::remove_pointer_t<decltype(t)>;
        const auto& table = kernels::table<T>(isa);
        table.residual(floats(x), data<T>(branch), floats(bias), drop, floats(ours),
                       {0, rows, dim});
        table.residual_backward(floats(d), drop, data<T>(dbranch), floats(sums), {0, rows, dim});
      });
      expect_close(ours, aten::residual(x, branch, bias, drop));
      const at::Tensor expected_sums = at::zeros({dim});
      expect_close(dbranch, aten::residual_backward(d, type, drop, expected_sums));
      expect_close(sums, expected_sums);
    }
  });
}

TEST(Kernels, Norm) {
  for_all([](Isa isa, at::ScalarType type, int64_t rows, int64_t dim) {
    // One channel is its own mean: rounding errors times 1 / sqrt(epsilon) is all there is.
    if (dim == 1) return;
    // A mean far from zero is what a one-pass variance gets wrong.
    const at::Tensor x = at::randn({rows, dim}) * 3 + 50;
    const at::Tensor gamma = at::randn({dim});
    const at::Tensor beta = at::randn({dim});
    const at::Tensor y = at::empty_like(x);
    const at::Tensor low = at::empty({rows, dim}, type);
    const at::Tensor mean = at::empty({rows});
    const at::Tensor rstd = at::empty({rows});
    const Normalised expected = aten::normalise(x, gamma, beta, 1e-5, true, true, type);
    const at::Tensor dy = at::randn({rows, dim});
    const at::Tensor dlow = at::randn({rows, dim}).to(type);
    const at::Tensor through = at::randn({rows, dim});
    with_type(type, [&](auto* t) {
      using T = std::remove_pointer_t<decltype(t)>;
      const auto& table = kernels::table<T>(isa);
      table.norm(floats(x), floats(gamma), floats(beta), 1e-5f, floats(y), data<T>(low),
                 floats(mean), floats(rstd), {0, rows, dim});
      expect_close(y, expected.normal, 2e-5);
      expect_close(low, expected.low, 2e-5);
      for (int which = 1; which < 8; ++which) {
        if ((which & 3) == 0) continue;
        const at::Tensor a = (which & 1) ? dy : at::Tensor();
        const at::Tensor b = (which & 2) ? dlow : at::Tensor();
        const at::Tensor c = (which & 4) ? through : at::Tensor();
        const at::Tensor dx = at::empty_like(x);
        const at::Tensor sums = at::zeros({2, dim});
        table.norm_backward(floats(x), floats(gamma), floats(mean), floats(rstd), floats(a),
                            data<T>(b), floats(c), floats(dx), floats(sums), floats(sums) + dim,
                            {0, rows, dim});
        const at::Tensor expected_sums = at::zeros({2, dim});
        expect_close(dx,
                     aten::normalise_backward(x, gamma, expected.mean, expected.rstd, a, b, c,
                                              expected_sums[0], expected_sums[1]),
                     1e-4);
        expect_close(sums, expected_sums, 1e-4);
      }
    });
  });
}

TEST(Kernels, Embed) {
  for_all([](Isa isa, at::ScalarType type, int64_t rows, int64_t dim) {
    constexpr int64_t kWords = 5;
    const at::Tensor wide = at::randn({kWords, dim + 3});
    const at::Tensor table_slice = wide.narrow(1, 0, dim);
    const at::Tensor positions = at::randn({9, dim + 1});
    const at::Tensor tokens = at::randint(0, kWords, {rows}, at::kLong);
    const at::Tensor places = at::randint(0, 9, {rows}, at::kLong);
    const kernels::Dropout drop = some_dropout();
    const at::Tensor y = at::empty({rows, dim});
    const at::Tensor low = at::empty({rows, dim}, type);
    const at::Tensor dy = at::randn({rows, dim});
    const at::Tensor dlow = at::randn({rows, dim}).to(type);
    const at::Tensor gradient = at::zeros_like(wide);
    const at::Tensor expected_gradient = at::zeros_like(wide);
    with_type(type, [&](auto* t) {
      using T = std::remove_pointer_t<decltype(t)>;
      const auto& table = kernels::table<T>(isa);
      table.embed(floats(table_slice), table_slice.stride(0), data<int64_t>(tokens),
                  floats(positions), positions.stride(0), data<int64_t>(places), 8.0f, drop,
                  floats(y), data<T>(low), {0, rows, dim});
      // In two ranges of columns, as threads share them.
      for (const auto& [first, last] : {std::pair{int64_t{0}, dim / 2}, std::pair{dim / 2, dim}})
        table.embed_backward(floats(dy), data<T>(dlow), data<int64_t>(tokens), 8.0f, drop,
                             floats(gradient), gradient.stride(0), 1, first, last, {0, rows, dim});
    });
    const Embedded expected = aten::embed(table_slice, tokens, positions, places, 8.0, drop, type);
    expect_close(y, expected.full);
    expect_close(low, expected.low);
    aten::embed_backward(dy, dlow, tokens, 8.0, drop, expected_gradient.narrow(1, 0, dim));
    expect_close(gradient, expected_gradient, 1e-5);
    EXPECT_EQ(gradient[1].abs().max().item<double>(), 0.0) << "padding has no gradient";
  });
}

TEST(Kernels, Accumulate) {
  for_all([](Isa isa, at::ScalarType type, int64_t rows, int64_t dim) {
    const at::Tensor x = at::randn({rows, dim}).to(type);
    const at::Tensor out = at::randn({rows, dim + 5});
    const at::Tensor expected = out.clone();
    expected.narrow(1, 0, dim).add_(x);
    with_type(type, [&](auto* t) {
      using T = std::remove_pointer_t<decltype(t)>;
      kernels::table<T>(isa).accumulate(data<T>(x), floats(out), dim + 5, {0, rows, dim});
    });
    expect_close(out, expected);
  });
}

TEST(Kernels, CrossEntropy) {
  for_all([](Isa isa, at::ScalarType type, int64_t rows, int64_t dim) {
    if (type == at::kBFloat16) return;  // sums of rounded numbers; the fp32 path shows the formula
    for (const double spread : {1.0, 60.0}) {
      for (const bool has_teacher : {false, true}) {
        for (const double temperature : {1.0, 2.5}) {
          const at::Tensor logits = at::randn({rows, dim}) * spread;
          const at::Tensor targets = at::randint(0, dim, {rows}, at::kLong);
          const at::Tensor teacher = has_teacher ? at::randn({rows, dim}) * spread : at::Tensor();
          const CrossEntropyOptions options{0.1, 0.7, temperature, 0.25, true};
          const at::Tensor expected = logits.clone();
          const auto [loss, nll] = aten::cross_entropy_(expected, targets, teacher, options);
          const at::Tensor ours = logits.clone();
          double sums[2] = {0, 0};
          kernels::table<float>(isa).cross_entropy(
              floats(ours), data<int64_t>(targets), floats(teacher), 0.1f, 0.7f,
              static_cast<float>(temperature), 0.25f, true, sums, {0, rows, dim});
          EXPECT_NEAR(sums[0], loss, 1e-5 * std::abs(loss) + 1e-5);
          EXPECT_NEAR(sums[1], nll, 1e-5 * std::abs(nll) + 1e-5);
          expect_close(ours, expected, 5e-6);
        }
      }
    }
  });
}

TEST(Kernels, LowPrecisionKeepsInfinityAndNan) {
  const float specials[4] = {INFINITY, -INFINITY, NAN, 3.4e38f};
  for (const Isa isa : present()) {
    const at::Tensor x = at::zeros({1, 4});
    const at::Tensor out = at::empty({1, 4}, at::kBFloat16);
    for (int i = 0; i < 4; ++i) x.data_ptr<float>()[i] = specials[i];
    const at::Tensor sums = at::zeros({4});
    kernels::table<kernels::Bf16>(isa).residual_backward(floats(x), {}, data<kernels::Bf16>(out),
                                                         floats(sums), {0, 1, 4});
    const at::Tensor back = out.to(at::kFloat).view({-1});
    EXPECT_EQ(back[0].item<float>(), INFINITY);
    EXPECT_EQ(back[1].item<float>(), -INFINITY);
    EXPECT_TRUE(std::isnan(back[2].item<float>()));
  }
}

TEST(Dropout, KeepsTheShareItShould) {
  for (const double rate : {0.05, 0.1, 0.5}) {
    const at::Tensor mask = aten::dropout_mask({1000, 1000}, some_dropout(rate), at::kCPU);
    EXPECT_NEAR(mask.eq(0).to(at::kDouble).mean().item<double>(), rate, 0.002);
    EXPECT_NEAR(mask.mean().item<double>(), 1.0, 0.005);
    // Neither rows nor neighbours are correlated.
    const at::Tensor centred = mask - mask.mean();
    const double variance = centred.square().mean().item<double>();
    for (const int64_t lag : {1, 2, 16, 1000}) {
      const at::Tensor flat = centred.view({-1});
      const int64_t n = flat.size(0) - lag;
      const double covariance =
          (flat.narrow(0, 0, n) * flat.narrow(0, lag, n)).mean().item<double>();
      EXPECT_LT(std::abs(covariance / variance), 0.005) << lag;
    }
  }
}

TEST(Dropout, EveryPartOfTheKeyMatters) {
  const auto mask = [](DropoutKey key, uint64_t site) {
    return aten::dropout_mask({100, 100}, make_dropout(0.5, key, site), at::kCPU);
  };
  const at::Tensor base = mask({1, 2, 3}, 4);
  EXPECT_TRUE(base.equal(mask({1, 2, 3}, 4)));
  for (const at::Tensor& other :
       {mask({2, 2, 3}, 4), mask({1, 3, 3}, 4), mask({1, 2, 4}, 4), mask({1, 2, 3}, 5)}) {
    const double agreement = base.eq(other).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(agreement, 0.5, 0.03);
  }
}

TEST(Dropout, RateZeroDropsNothing) { EXPECT_EQ(make_dropout(0, {1, 2, 3}, 4).threshold, 0u); }

}  // namespace
}  // namespace hat::model
