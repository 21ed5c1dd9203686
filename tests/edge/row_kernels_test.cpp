#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "edge/kernel_tables.h"
#include "edge/kernels/kernels.h"

namespace hat::edge {
namespace {

class RowKernels : public testing::TestWithParam<NamedTable> {};

INSTANTIATE_TEST_SUITE_P(Kernels, RowKernels, testing::ValuesIn(all_tables()),
                         [](const auto& param) { return param.param.name; });

TEST_P(RowKernels, QuantisesRowsAlike) {
  const Kernels& table = *GetParam().table;
  const Kernels& scalar = kScalarKernels;
  for (const uint32_t k : {1u, 15u, 16u, 17u, 31u, 33u, 100u, 512u, 777u}) {
    for (const float range : {0.0f, 1e-35f, 1e-20f, 1.0f, 3e4f, 1e38f}) {
      std::vector<float> x = random_values(k, k, range);
      if (k > 4) {  // exact halves
        x[0] = range;
        x[1] = range * (0.5f / 127);
        x[2] = range * (1.5f / 127);
        x[3] = -range * (2.5f / 127);
      }
      const uint32_t k_pad = round_up(k, kGroup);
      std::vector<int8_t> q1(k_pad, 99);
      std::vector<int8_t> q2(k_pad, 98);
      std::vector<int32_t> groups1(k_pad / kGroup);
      std::vector<int32_t> groups2(k_pad / kGroup);
      float scale1, scale2;
      int32_t sum1, sum2;
      scalar.quantize_row(x.data(), k, q1.data(), &scale1, &sum1, groups1.data());
      table.quantize_row(x.data(), k, q2.data(), &scale2, &sum2, groups2.data());
      EXPECT_EQ(q1, q2);
      EXPECT_EQ(scale1, scale2);
      EXPECT_EQ(sum1, sum2);
      EXPECT_EQ(groups1, groups2);
      EXPECT_EQ(std::accumulate(q1.begin(), q1.end(), 0), sum1);
      for (uint32_t i = 0; i < k; ++i) {
        const float limit = scale1 * 0.5001f + (range < 1e-30f ? range : 0.0f);
        EXPECT_NEAR(static_cast<float>(q1[i]) * scale1, x[i], limit);
      }
      for (uint32_t i = k; i < k_pad; ++i) EXPECT_EQ(q1[i], 0);
    }
  }
}

TEST_P(RowKernels, RowFunctionsEqualScalarBitForBit) {
  const Kernels& table = *GetParam().table;
  const Kernels& scalar = kScalarKernels;
  for (const uint32_t n : {1u, 2u, 15u, 16u, 17u, 48u, 63u, 64u, 65u, 512u, 1001u}) {
    for (const float range : {1e-3f, 1.0f, 30.0f, 200.0f}) {
      SCOPED_TRACE(testing::Message() << "n " << n << " range " << range);
      const std::vector<float> x = random_values(n, n + 20, range);
      const std::vector<float> gamma = random_values(n, 21);
      const std::vector<float> beta = random_values(n, 22);
      const auto both = [&](const char* what, auto run) {
        std::vector<float> a = x;
        std::vector<float> b = x;
        run(scalar, a);
        run(table, b);
        EXPECT_TRUE(same_bits(a, b)) << what;
      };
      both("layer_norm", [&](const Kernels& t, std::vector<float>& v) {
        t.layer_norm(x.data(), n, gamma.data(), beta.data(), 1e-5f, v.data());
      });
      both("softmax", [&](const Kernels& t, std::vector<float>& v) { t.softmax(v.data(), n); });
      both("log_sum_exp",
           [&](const Kernels& t, std::vector<float>& v) { v[0] = t.log_sum_exp(x.data(), n); });
      both("add",
           [&](const Kernels& t, std::vector<float>& v) { t.add(beta.data(), n, v.data()); });
      both("scale_add", [&](const Kernels& t, std::vector<float>& v) {
        t.scale_add(x.data(), 22.6f, beta.data(), n, v.data());
      });
      both("scale", [&](const Kernels& t, std::vector<float>& v) {
        t.scale_add(x.data(), 22.6f, nullptr, n, v.data());
      });
      both("relu", [&](const Kernels& t, std::vector<float>& v) {
        t.activate(Activation::kRelu, v.data(), n);
      });
      both("gelu", [&](const Kernels& t, std::vector<float>& v) {
        t.activate(Activation::kGelu, v.data(), n);
      });
    }
  }
}

TEST_P(RowKernels, RowFunctionsComputeWhatTheyShould) {
  const Kernels& table = *GetParam().table;
  for (const uint32_t n : {1u, 17u, 300u}) {
    const std::vector<float> x = random_values(n, 30, 20.0f);
    double sum = 0;
    double top = -1e30;
    for (const float v : x) top = std::max(top, double{v});
    for (const float v : x) sum += std::exp(v - top);
    EXPECT_NEAR(table.log_sum_exp(x.data(), n), top + std::log(sum), 1e-5);
    std::vector<float> p = x;
    table.softmax(p.data(), n);
    for (uint32_t i = 0; i < n; ++i) EXPECT_NEAR(p[i], std::exp(x[i] - top) / sum, 1e-6);

    double mean = 0;
    double variance = 0;
    for (const float v : x) mean += v / n;
    for (const float v : x) variance += (v - mean) * (v - mean) / n;
    const std::vector<float> gamma = random_values(n, 31);
    const std::vector<float> beta = random_values(n, 32);
    std::vector<float> y(n);
    table.layer_norm(x.data(), n, gamma.data(), beta.data(), 1e-5f, y.data());
    for (uint32_t i = 0; i < n; ++i) {
      EXPECT_NEAR(y[i], (x[i] - mean) / std::sqrt(variance + 1e-5) * gamma[i] + beta[i], 1e-4);
    }
  }
}

TEST_P(RowKernels, SoftmaxGivesMaskedPlacesZero) {
  const Kernels& table = *GetParam().table;
  std::vector<float> x = random_values(40, 33);
  for (size_t i = 20; i < 40; ++i) x[i] = -std::numeric_limits<float>::infinity();
  table.softmax(x.data(), 40);
  EXPECT_NEAR(std::accumulate(x.begin(), x.end(), 0.0f), 1.0f, 1e-5f);
  for (size_t i = 20; i < 40; ++i) EXPECT_EQ(x[i], 0.0f);
}

TEST_P(RowKernels, TopKIsSortedWithTheSmallerIndexFirst) {
  const Kernels& table = *GetParam().table;
  for (const uint32_t n : {1u, 5u, 16u, 63u, 64u, 65u, 1000u, 32003u}) {
    for (const uint32_t k : {1u, 2u, 10u, 40u}) {
      std::vector<float> x = random_values(n, n + k, 4.0f);
      for (float& v : x) v = std::round(v * 8) / 8;  // many equal values
      if (n > 20) x[7] = std::numeric_limits<float>::quiet_NaN();
      if (n > 20) x[8] = -std::numeric_limits<float>::infinity();
      std::vector<int32_t> order;
      for (uint32_t i = 0; i < n; ++i) {
        if (n <= 20 || (i != 7 && i != 8)) order.push_back(static_cast<int32_t>(i));
      }
      std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        return x[static_cast<size_t>(a)] > x[static_cast<size_t>(b)];
      });
      std::vector<float> values(k, -std::numeric_limits<float>::infinity());
      std::vector<int32_t> indices(k, -1);
      const uint32_t piece = n / 3;
      table.top_k(x.data(), piece, 0, k, values.data(), indices.data());
      table.top_k(x.data() + piece, n - piece, piece, k, values.data(), indices.data());
      for (uint32_t i = 0; i < k; ++i) {
        if (i < order.size()) {
          EXPECT_EQ(indices[i], order[i]);
          EXPECT_EQ(values[i], x[static_cast<size_t>(order[i])]);
        } else {
          EXPECT_EQ(indices[i], -1);
          EXPECT_EQ(values[i], -std::numeric_limits<float>::infinity());
        }
      }
    }
  }
}

TEST_P(RowKernels, AttentionOverACacheEqualsScalar) {
  const Kernels& table = *GetParam().table;
  const Kernels& scalar = kScalarKernels;
  for (const uint32_t d : {1u, 16u, 20u, 64u, 80u, 128u}) {
    for (const uint32_t heads : {1u, 3u, 8u}) {
      const uint32_t length = 11;
      const uint32_t slots = 4;
      const size_t width = size_t{heads} * d;
      const std::vector<float> cache = random_values(length * slots * width, 40);
      const std::vector<float> q = random_values(width, 41);
      std::vector<int32_t> index(length);
      for (uint32_t t = 0; t < length; ++t) index[t] = static_cast<int32_t>((t * 7 + 1) % slots);
      const CachedRows rows{cache.data(), slots * width, width, index.data()};
      std::vector<float> s1(heads * 16, 3.0f);
      std::vector<float> s2 = s1;
      scalar.cached_scores(q.data(), rows, length, heads, d, 0.125f, s1.data(), 16);
      table.cached_scores(q.data(), rows, length, heads, d, 0.125f, s2.data(), 16);
      EXPECT_TRUE(same_bits(s1, s2));
      std::vector<float> o1(width);
      std::vector<float> o2(width);
      scalar.cached_values(s1.data(), 16, rows, length, heads, d, o1.data());
      table.cached_values(s1.data(), 16, rows, length, heads, d, o2.data());
      EXPECT_TRUE(same_bits(o1, o2));
      // Against the definition.
      const uint32_t h = heads - 1;
      double score = 0;
      double value = 0;
      const auto at = [&](uint32_t t, uint32_t c) {
        return cache[(t * slots + static_cast<uint32_t>(index[t])) * width + h * d + c];
      };
      for (uint32_t c = 0; c < d; ++c) score += double{q[h * d + c]} * at(5, c);
      for (uint32_t t = 0; t < length; ++t) value += double{s1[h * 16 + t]} * at(t, d - 1);
      EXPECT_NEAR(s1[h * 16 + 5], score * 0.125, 1e-5);
      EXPECT_NEAR(o1[h * d + d - 1], value, 1e-4);
    }
  }
}

TEST_P(RowKernels, SharedAttentionEqualsScalar) {
  const Kernels& table = *GetParam().table;
  const Kernels& scalar = kScalarKernels;
  for (const uint32_t m : {1u, 4u, 5u, 7u, 13u}) {
    for (const uint32_t length : {1u, 15u, 16u, 17u, 33u, 50u}) {
      for (const uint32_t d : {1u, 16u, 20u, 48u, 64u}) {
        const size_t ldk = round_up(length, 16);
        const std::vector<float> keys = random_values(size_t{length} * d, 50);
        const std::vector<float> q = random_values(size_t{m} * d, 51);
        std::vector<float> keys_t(d * ldk, 9.0f);
        transpose_keys(keys.data(), d, length, d, keys_t.data(), ldk);
        std::vector<float> s1(m * ldk, 3.0f);
        std::vector<float> s2 = s1;
        scalar.shared_scores(q.data(), d, m, keys_t.data(), ldk, length, d, 0.3f, s1.data(), ldk);
        table.shared_scores(q.data(), d, m, keys_t.data(), ldk, length, d, 0.3f, s2.data(), ldk);
        EXPECT_TRUE(same_bits(s1, s2));
        double score = 0;
        for (uint32_t c = 0; c < d; ++c) {
          score += double{q[(m - 1) * d + c]} * keys[(length - 1) * d + c];
        }
        EXPECT_NEAR(s1[(m - 1) * ldk + length - 1], score * 0.3, 1e-5);
        std::vector<float> o1(size_t{m} * d);
        std::vector<float> o2 = o1;
        scalar.shared_values(s1.data(), ldk, m, keys.data(), d, length, d, o1.data(), d);
        table.shared_values(s1.data(), ldk, m, keys.data(), d, length, d, o2.data(), d);
        EXPECT_TRUE(same_bits(o1, o2));
        double value = 0;
        for (uint32_t t = 0; t < length; ++t) value += double{s1[t]} * keys[t * d + d - 1];
        EXPECT_NEAR(o1[d - 1], value, 1e-4);
      }
    }
  }
}

}  // namespace
}  // namespace hat::edge
