// Training with rounded weights must see exactly the weights of the model file.
#include "model/rounding.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <new>

#include "edge/kernels/kernels.h"
#include "hat/base/rng.h"

namespace hat::exporting {
namespace {

std::vector<float> as_packed(edge::WeightType type, const std::vector<float>& row) {
  const auto k = static_cast<uint32_t>(row.size());
  const size_t size = edge::packed_bytes(type, 1, k);
  struct Free {
    void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  const std::unique_ptr<std::byte, Free> memory(
      static_cast<std::byte*>(::operator new (size, std::align_val_t{64})));
  edge::pack(type, row.data(), k, 1, k, memory.get());
  std::vector<float> out(k);
  edge::dequantize_row(edge::view_packed(type, 1, k, {memory.get(), size}), 0, k, 1.0f, out.data());
  return out;
}

TEST(Rounding, EqualsTheModelFileToTheBit) {
  Rng rng(3);
  for (const int k : {1, 7, 31, 32, 33, 64, 200, 513}) {
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::vector<float> row(static_cast<size_t>(k));
      for (float& value : row) value = static_cast<float>(rng.normal() * 0.1);
      if (repeat == 0) row.assign(row.size(), 0.0f);
      if (repeat == 1) row.assign(row.size(), -0.25f);
      if (repeat == 2) row[0] = 1e-35f;
      std::vector<float> out(row.size());
      model::round_row(model::WeightRounding::kInt8, row.data(), k, out.data());
      EXPECT_EQ(out, as_packed(edge::WeightType::kInt8, row)) << k << " " << repeat;
      model::round_row(model::WeightRounding::kInt4, row.data(), k, out.data());
      EXPECT_EQ(out, as_packed(edge::WeightType::kInt4, row)) << k << " " << repeat;
      model::round_row(model::WeightRounding::kNone, row.data(), k, out.data());
      EXPECT_EQ(out, row);
    }
  }
}

}  // namespace
}  // namespace hat::exporting
