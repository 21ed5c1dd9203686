#include "edge/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "edge/kernel_tables.h"
#include "hat/base/error.h"

namespace hat::edge {
namespace {

constexpr WeightType kTypes[] = {WeightType::kFp32, WeightType::kInt8, WeightType::kInt4};

std::vector<float> run_gemm(const Kernels& table, const PackedMatrix& w,
                            const std::vector<float>& x, uint32_t m, const Epilogue& epilogue = {},
                            ThreadPool* pool = nullptr) {
  const Forced forced(table);
  ActivationBuffer buffer(m, w.k);
  std::vector<float> y(size_t{m} * w.n, -77.0f);
  gemm(w, buffer.prepare(w.type, x.data(), w.k, m, w.k, pool), y.data(), w.n, epilogue, pool);
  return y;
}

testing::AssertionResult near(const std::vector<float>& a, const std::vector<float>& b, float tol) {
  float most = 0;
  for (const float v : a) most = std::max(most, std::fabs(v));
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= tol * most)) {
      return testing::AssertionFailure() << "at " << i << ": " << a[i] << " vs " << b[i];
    }
  }
  return testing::AssertionSuccess();
}

/// The product in double precision from what the packed matrix holds.
std::vector<float> exact_product(const PackedMatrix& w, const std::vector<float>& x, uint32_t m) {
  std::vector<float> y(size_t{m} * w.n);
  std::vector<float> row(w.k);
  for (uint32_t j = 0; j < w.n; ++j) {
    dequantize_row(w, j, w.k, 1.0f, row.data());
    for (uint32_t i = 0; i < m; ++i) {
      double sum = 0;
      for (uint32_t k = 0; k < w.k; ++k) sum += double{row[k]} * x[size_t{i} * w.k + k];
      y[size_t{i} * w.n + j] = static_cast<float>(sum);
    }
  }
  return y;
}

struct Shape {
  uint32_t m, n, k;
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = [] {
    std::vector<Shape> s = {{1, 1, 1},     {1, 31, 3},    {2, 33, 31},  {3, 32, 32},  {4, 64, 33},
                            {5, 47, 100},  {5, 96, 512},  {6, 100, 70}, {7, 65, 129}, {8, 16, 257},
                            {9, 130, 640}, {64, 70, 300}, {23, 32, 96}, {5, 40, 2048}};
    for (uint32_t m = 1; m <= 13; ++m) s.push_back({m, 63, 95});
    return s;
  }();
  return all;
}

class EveryIsa : public testing::TestWithParam<NamedTable> {};

INSTANTIATE_TEST_SUITE_P(Kernels, EveryIsa, testing::ValuesIn(all_tables()),
                         [](const auto& param) { return param.param.name; });

TEST_P(EveryIsa, ProductsEqualScalarBitForBit) {
  for (const Shape& s : shapes()) {
    for (const WeightType type : kTypes) {
      SCOPED_TRACE(testing::Message()
                   << s.m << "x" << s.n << "x" << s.k << " type " << static_cast<int>(type));
      const Weights w(type, random_values(size_t{s.n} * s.k, 1), s.n, s.k);
      const std::vector<float> x = random_values(size_t{s.m} * s.k, 2);
      const std::vector<float> expected = run_gemm(kScalarKernels, w.matrix, x, s.m);
      const std::vector<float> actual = run_gemm(*GetParam().table, w.matrix, x, s.m);
      if (type == WeightType::kFp32) {
        EXPECT_TRUE(near(expected, actual, 1e-5f));
      } else {
        EXPECT_TRUE(same_bits(expected, actual));
      }
    }
  }
}

// Sums of the largest products: where 16-bit pair sums saturate, and int32 comes nearest to its
// end.
TEST_P(EveryIsa, FullRangeValuesDoNotSaturate) {
  for (const uint32_t k : {32u, 1000u, 4096u, kMaxColumns}) {
    for (const float x_sign : {1.0f, -1.0f}) {
      SCOPED_TRACE(testing::Message() << "k " << k << " sign " << x_sign);
      const uint32_t n = 34;
      std::vector<float> values(size_t{n} * k);
      for (size_t i = 0; i < values.size(); ++i) values[i] = i / k % 2 == 0 ? 127.0f : -127.0f;
      const Weights w(WeightType::kInt8, values, n, k);
      const std::vector<float> x(size_t{5} * k, 127.0f * x_sign);
      const std::vector<float> y = run_gemm(*GetParam().table, w.matrix, x, 5);
      for (size_t i = 0; i < y.size(); ++i) {
        const float sign = i % n % 2 == 0 ? x_sign : -x_sign;
        EXPECT_EQ(y[i], sign * static_cast<float>(127 * 127 * static_cast<int64_t>(k)));
      }
    }
  }
}

TEST_P(EveryIsa, FullRangeInt4DoesNotSaturate) {
  for (const float extreme : {1.0f, -1.0f}) {
    const uint32_t n = 33;
    const uint32_t k = 4096;
    const Weights w(WeightType::kInt4, std::vector<float>(size_t{n} * k, extreme), n, k);
    std::vector<float> x(size_t{6} * k, 127.0f);
    for (size_t i = 0; i < x.size(); i += 3) x[i] = -127.0f;
    const std::vector<float> expected = run_gemm(kScalarKernels, w.matrix, x, 6);
    EXPECT_TRUE(same_bits(expected, run_gemm(*GetParam().table, w.matrix, x, 6)));
    EXPECT_TRUE(near(exact_product(w.matrix, x, 6), expected, 1e-4f));
  }
}

// A damaged or hostile file may hold any byte: every instruction set must compute, and agree.
TEST_P(EveryIsa, AgreesOnArbitraryWeightBytes) {
  const Shape s{5, 70, 96};
  const std::vector<float> x = random_values(size_t{s.m} * s.k, 4);
  Weights w(WeightType::kInt8, s.n, s.k);
  pack_random(WeightType::kInt8, s.n, s.k, 5, w.memory.get());
  for (size_t i = kInt8Header; i < kInt8Header + s.k * kPanelRows; i += 2) {
    w.memory.get()[i] = std::byte{0x80};
  }
  EXPECT_TRUE(same_bits(run_gemm(kScalarKernels, w.matrix, x, s.m),
                        run_gemm(*GetParam().table, w.matrix, x, s.m)));
}

TEST_P(EveryIsa, EpilogueAddsBiasActivatesAndAddsResidual) {
  const Shape s{5, 45, 64};
  const std::vector<float> x = random_values(size_t{s.m} * s.k, 6);
  const std::vector<float> bias = random_values(s.n, 7);
  const std::vector<float> residual = random_values(size_t{s.m} * s.n, 8);
  const Weights w(WeightType::kInt8, random_values(size_t{s.n} * s.k, 9), s.n, s.k);
  const std::vector<float> plain = run_gemm(*GetParam().table, w.matrix, x, s.m);
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kGelu}) {
    const Epilogue epilogue{bias.data(), residual.data(), s.n, activation};
    const std::vector<float> y = run_gemm(*GetParam().table, w.matrix, x, s.m, epilogue);
    EXPECT_TRUE(same_bits(run_gemm(kScalarKernels, w.matrix, x, s.m, epilogue), y));
    for (size_t i = 0; i < y.size(); ++i) {
      float v = plain[i] + bias[i % s.n];
      if (activation == Activation::kRelu) v = std::max(v, 0.0f);
      if (activation == Activation::kGelu) v = 0.5f * v * (1.0f + std::erf(v * 0.70710678f));
      EXPECT_NEAR(y[i], v + residual[i], 2e-6f * (1 + std::fabs(v)));
    }
  }
}

TEST_P(EveryIsa, RowsAndThreadsDoNotChangeResults) {
  const uint32_t n = 200;
  const uint32_t k = 512;
  const uint32_t m = 29;
  const std::vector<float> x = random_values(size_t{m} * k, 10);
  ThreadPool pool(3);
  for (const WeightType type : kTypes) {
    const Weights w(type, random_values(size_t{n} * k, 11), n, k);
    const std::vector<float> all = run_gemm(*GetParam().table, w.matrix, x, m, {}, &pool);
    for (const uint32_t row : {0u, 5u, 28u}) {
      const std::vector<float> one_x(x.begin() + row * k, x.begin() + (row + 1) * k);
      const std::vector<float> one(all.begin() + row * n, all.begin() + (row + 1) * n);
      EXPECT_TRUE(same_bits(one, run_gemm(*GetParam().table, w.matrix, one_x, 1)));
    }
  }
}

TEST_P(EveryIsa, WritesOnlyItsColumns) {
  const Forced forced(*GetParam().table);
  for (const WeightType type : kTypes) {
    const uint32_t n = 37;
    const uint32_t ldy = 50;
    const Weights w(type, random_values(n * 32, 12), n, 32);
    const std::vector<float> x = random_values(3 * 32, 13);
    ActivationBuffer buffer(3, 32);
    std::vector<float> y(3 * ldy, -5.0f);
    gemm(w.matrix, buffer.prepare(type, x.data(), 32, 3, 32), y.data(), ldy);
    for (size_t i = 0; i < y.size(); ++i) {
      EXPECT_EQ(y[i] == -5.0f, i % ldy >= n) << i;
    }
  }
}

TEST_P(EveryIsa, SurvivesInfinityAndNan) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const WeightType type : kTypes) {
    const Weights w(type, random_values(40 * 64, 60), 40, 64);
    for (const float bad : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> x = random_values(5 * 64, 61);
      x[70] = bad;
      run_gemm(*GetParam().table, w.matrix, x, 5);
    }
  }
  const Kernels& table = *GetParam().table;
  std::vector<float> x(70, -inf);
  table.softmax(x.data(), 70);
  table.log_sum_exp(x.data(), 70);
}

/// FNV-1a over the bits of floats.
uint64_t hash_bits(const std::vector<float>& values, uint64_t hash = 0xcbf29ce484222325ull) {
  for (const float value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    hash = (hash ^ bits) * 0x100000001b3ull;
  }
  return hash;
}

// The instruction sets of one processor are compared with scalar above; these constants tie scalar
// on one architecture to scalar on another.
TEST(Architectures, GiveTheSameBits) {
  const Shape s{3, 45, 200};
  const std::vector<float> x = random_values(size_t{s.m} * s.k, 80, 2.0f);
  const std::vector<float> bias = random_values(s.n, 81);
  const Epilogue epilogue{bias.data(), nullptr, 0, Activation::kGelu};
  const auto product = [&](WeightType type) {
    const Weights w(type, random_values(size_t{s.n} * s.k, 82), s.n, s.k);
    return run_gemm(kScalarKernels, w.matrix, x, s.m, epilogue);
  };
  EXPECT_EQ(hash_bits(product(WeightType::kInt8)), 16503459113768864393u);
  EXPECT_EQ(hash_bits(product(WeightType::kInt4)), 6160798317615792883u);
  std::vector<float> row = x;
  const auto n = static_cast<uint32_t>(row.size());
  kScalarKernels.layer_norm(x.data(), n, x.data(), x.data(), 1e-5f, row.data());
  row.push_back(kScalarKernels.log_sum_exp(x.data(), n));
  kScalarKernels.softmax(row.data(), n);
  EXPECT_EQ(hash_bits(row), 5786975452638560765u);
}

TEST(Packing, KeepsWeightsNear) {
  const uint32_t n = 50;
  const uint32_t k = 77;
  const std::vector<float> values = random_values(size_t{n} * k, 70);
  std::vector<float> row(k);
  for (const WeightType type : kTypes) {
    // int4 may cut a group's extreme value where that lowers the squared error.
    const float most = type == WeightType::kFp32   ? 0
                       : type == WeightType::kInt8 ? 0.51f / 127
                                                   : 0.2f;
    const Weights w(type, values, n, k);
    for (uint32_t j = 0; j < n; ++j) {
      dequantize_row(w.matrix, j, k, 2.0f, row.data());
      for (uint32_t i = 0; i < k; ++i) {
        EXPECT_NEAR(row[i], 2 * values[size_t{j} * k + i], 2 * most);
      }
    }
  }
}

TEST(Packing, ProductsFollowTheWeights) {
  const Shape s{3, 50, 100};
  const std::vector<float> x = random_values(size_t{s.m} * s.k, 71);
  for (const WeightType type : kTypes) {
    const Weights w(type, random_values(size_t{s.n} * s.k, 72), s.n, s.k);
    EXPECT_TRUE(near(exact_product(w.matrix, x, s.m), run_gemm(kScalarKernels, w.matrix, x, s.m),
                     type == WeightType::kFp32 ? 1e-5f : 0.02f));
  }
}

TEST(Packing, GatherTakesRowsInOrder) {
  const uint32_t n = 90;
  const uint32_t k = 70;
  const std::vector<float> values = random_values(size_t{n} * k, 73);
  const std::vector<int32_t> wanted = {89, 0,  31, 32, 33, 5,  5,  64, 70, 1,  2,  3,
                                       4,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                                       17, 18, 19, 20, 21, 22, 23, 24, 25, 26};
  std::vector<float> a(k);
  std::vector<float> b(k);
  for (const WeightType type : kTypes) {
    const Weights w(type, values, n, k);
    const Weights some(type, static_cast<uint32_t>(wanted.size()), k);
    gather_rows(w.matrix, wanted, some.memory.get());
    for (size_t i = 0; i < wanted.size(); ++i) {
      dequantize_row(w.matrix, static_cast<uint32_t>(wanted[i]), k, 1.0f, a.data());
      dequantize_row(some.matrix, static_cast<uint32_t>(i), k, 1.0f, b.data());
      EXPECT_TRUE(same_bits(a, b));
    }
  }
  const Weights w(WeightType::kInt8, values, n, k);
  const Weights some(WeightType::kInt8, 1, k);
  EXPECT_THROW(gather_rows(w.matrix, std::vector<int32_t>{90}, some.memory.get()), Error);
  EXPECT_THROW(gather_rows(w.matrix, std::vector<int32_t>{-1}, some.memory.get()), Error);
}

TEST(Packing, RefusesWrongShapesAndSizes) {
  EXPECT_THROW(packed_bytes(WeightType::kInt8, 0, 1), Error);
  EXPECT_THROW(packed_bytes(WeightType::kInt8, 1, 0), Error);
  EXPECT_THROW(packed_bytes(WeightType::kInt8, 1, kMaxColumns + 1), Error);
  EXPECT_THROW(packed_bytes(WeightType::kInt8, kMaxRows + 1, 1), Error);
  EXPECT_THROW(packed_bytes(static_cast<WeightType>(3), 1, 1), Error);
  EXPECT_EQ(packed_bytes(WeightType::kFp32, kMaxRows, kMaxColumns), uint64_t{1} << 42);
  const Weights w(WeightType::kInt8, 32, 32);
  EXPECT_THROW(view_packed(WeightType::kInt8, 32, 32, {w.memory.get(), w.size - 1}), Error);
  EXPECT_THROW(view_packed(WeightType::kInt8, 32, 32, {w.memory.get() + 1, w.size}), Error);
}

TEST(Packing, SizesArePartOfTheFormat) {
  EXPECT_EQ(packed_bytes(WeightType::kFp32, 33, 10), 2u * 10 * 32 * 4);
  EXPECT_EQ(packed_bytes(WeightType::kInt8, 33, 40), 2u * (256 + 64 * 32));
  EXPECT_EQ(packed_bytes(WeightType::kInt4, 33, 40), 2u * 2 * 576);
}

TEST(IsaNames, RoundTripAndRefuseUnknown) {
  for (const Isa isa : supported_isas()) EXPECT_EQ(parse_isa(isa_name(isa)), isa);
  try {
    parse_isa("avx1024");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_NE(error.hint().find("avx512"), std::string::npos);
  }
}

}  // namespace
}  // namespace hat::edge
