// Training with rounded weights must see exactly the weights of the model file.
#include "hat/model/rounding.h"

#include <gtest/gtest.h>

#include "hat/base/rng.h"
#include "hat/edge/model_file.h"

namespace hat::exporting {
namespace {

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
      EXPECT_EQ(out, edge::stored_row(arch::Precision::kInt8, row)) << k << " " << repeat;
      model::round_row(model::WeightRounding::kInt4, row.data(), k, out.data());
      EXPECT_EQ(out, edge::stored_row(arch::Precision::kInt4, row)) << k << " " << repeat;
      model::round_row(model::WeightRounding::kNone, row.data(), k, out.data());
      EXPECT_EQ(out, row);
    }
  }
}

}  // namespace
}  // namespace hat::exporting
