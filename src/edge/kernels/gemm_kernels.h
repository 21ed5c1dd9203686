#pragma once

#include "edge/kernels/attention_kernels.h"
#include "hat/edge/isa.h"

// The loops around the inner products and what follows them, written once over `Lanes`. An
// instruction set's file gives `Blocks` with
//
//   kWideActivations: whether int8() reads Activations::wide;
//   kInt8Rows, kInt4Rows, kFp32Rows: the most rows that one call can hold in registers;
//   kProductRows: rows of two vectors each that fit in registers, for attention;
//   int8(x, row, rows, w, k_pad, acc): acc [rows][32] int32 sums of one panel, exact;
//   int4(rows, group, groups, q, group_sums, acc): acc [rows][32] floats, before the row's scale;
//   fp32(rows, w, k, x, ldx, acc): acc [rows][32] floats.
namespace hat::edge {
namespace {

/// What follows a panel's products, for the columns from `column`; the bias is loaded once.
class PanelEnd {
 public:
  PanelEnd(const GemmTask& task, uint32_t column)
      : task_(task), column_(column), valid_(task.w.n - column) {
    const float* bias = task.epilogue.bias;
    if (bias == nullptr) return;
    bias_[0] = load_up_to(bias + column, valid_, 0.0f);
    if (valid_ > 16) bias_[1] = load_up_to(bias + column + 16, valid_ - 16, 0.0f);
  }

  /// Stores one row of products, already scaled.
  [[gnu::always_inline]] inline void store(Lanes low, Lanes high, uint32_t row) const {
    const Epilogue& e = task_.epilogue;
    float* y = task_.y + row * task_.ldy + column_;
    const float* residual =
        e.residual == nullptr ? nullptr : e.residual + row * e.ld_residual + column_;
    if (e.bias != nullptr) {
      low = low + bias_[0];
      high = high + bias_[1];
    }
    if (e.activation != Activation::kNone) {
      low = apply(e.activation, low);
      high = apply(e.activation, high);
    }
    if (valid_ >= kPanelRows) {
      if (residual != nullptr) {
        low = Lanes::load(residual) + low;
        high = Lanes::load(residual + 16) + high;
      }
      low.store(y);
      high.store(y + 16);
      return;
    }
    if (residual != nullptr) low = load_up_to(residual, valid_, 0.0f) + low;
    store_up_to(low, y, valid_);
    if (valid_ <= 16) return;
    if (residual != nullptr) high = load_up_to(residual + 16, valid_ - 16, 0.0f) + high;
    store_up_to(high, y + 16, valid_ - 16);
  }

 private:
  const GemmTask& task_;
  uint32_t column_;
  uint32_t valid_;
  Lanes bias_[2] = {Lanes::zero(), Lanes::zero()};
};

/// Rows in equal blocks of at most `most`: 13 rows are 7 + 6, not 12 + 1.
inline uint32_t block_rows(uint32_t m, uint32_t most) {
  const uint32_t blocks = (m + most - 1) / most;
  return (m + blocks - 1) / blocks;
}

template <class Blocks>
void gemm_int8(const GemmTask& task, uint32_t begin, uint32_t end) {
  const uint32_t k_pad = (task.w.k + kGroup - 1) / kGroup * kGroup;
  const uint32_t step = block_rows(task.x.m, Blocks::kInt8Rows);
  alignas(64) int32_t acc[Blocks::kInt8Rows * kPanelRows];
  for (uint32_t panel = begin; panel < end; ++panel) {
    const std::byte* data = task.w.data + panel * task.w.panel_bytes;
    const Lanes low = Lanes::load(reinterpret_cast<const float*>(data));
    const Lanes high = Lanes::load(reinterpret_cast<const float*>(data) + 16);
    const auto* weights = reinterpret_cast<const int8_t*>(data + kInt8Header);
    const PanelEnd end_of_panel(task, panel * kPanelRows);
    for (uint32_t row = 0; row < task.x.m; row += step) {
      const uint32_t rows = task.x.m - row < step ? task.x.m - row : step;
      Blocks::int8(task.x, row, rows, weights, k_pad, acc);
      for (uint32_t r = 0; r < rows; ++r) {
        const Lanes scale = Lanes::set1(task.x.scales[row + r]);
        const int32_t* sums = acc + r * kPanelRows;
        end_of_panel.store(Lanes::from_int32(sums) * (scale * low),
                           Lanes::from_int32(sums + 16) * (scale * high), row + r);
      }
    }
  }
}

template <class Blocks>
void gemm_int4(const GemmTask& task, uint32_t begin, uint32_t end) {
  const uint32_t groups = (task.w.k + kGroup - 1) / kGroup;
  const uint32_t step = block_rows(task.x.m, Blocks::kInt4Rows);
  alignas(64) float acc[Blocks::kInt4Rows * kPanelRows];
  for (uint32_t panel = begin; panel < end; ++panel) {
    const std::byte* data = task.w.data + panel * task.w.panel_bytes;
    const PanelEnd end_of_panel(task, panel * kPanelRows);
    for (uint32_t row = 0; row < task.x.m; row += step) {
      const uint32_t rows = task.x.m - row < step ? task.x.m - row : step;
      Blocks::int4(rows, data, groups, task.x.q + size_t{row} * groups * kGroup,
                   task.x.group_sums + size_t{row} * groups, acc);
      for (uint32_t r = 0; r < rows; ++r) {
        const Lanes scale = Lanes::set1(task.x.scales[row + r]);
        const float* sums = acc + r * kPanelRows;
        end_of_panel.store(Lanes::load(sums) * scale, Lanes::load(sums + 16) * scale, row + r);
      }
    }
  }
}

template <class Blocks>
void gemm_fp32(const GemmTask& task, uint32_t begin, uint32_t end) {
  const uint32_t step = block_rows(task.x.m, Blocks::kFp32Rows);
  alignas(64) float acc[Blocks::kFp32Rows * kPanelRows];
  for (uint32_t panel = begin; panel < end; ++panel) {
    const auto* weights = reinterpret_cast<const float*>(task.w.data + panel * task.w.panel_bytes);
    const PanelEnd end_of_panel(task, panel * kPanelRows);
    for (uint32_t row = 0; row < task.x.m; row += step) {
      const uint32_t rows = task.x.m - row < step ? task.x.m - row : step;
      Blocks::fp32(rows, weights, task.w.k, task.x.x + row * task.x.ldx, task.x.ldx, acc);
      for (uint32_t r = 0; r < rows; ++r) {
        const float* sums = acc + r * kPanelRows;
        end_of_panel.store(Lanes::load(sums), Lanes::load(sums + 16), row + r);
      }
    }
  }
}

uint64_t read_bytes(const std::byte* data, size_t size) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sums[32] = {};
  for (size_t i = 0; i < size / 8; i += 32) {
    for (size_t j = 0; j < 32; ++j) sums[j] += words[i + j];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

/// The table of an instruction set whose blocks are `Blocks`.
template <class Blocks>
constexpr Kernels make_table(Isa isa) {
  return {isa,
          Blocks::kWideActivations,
          gemm_fp32<Blocks>,
          gemm_int8<Blocks>,
          gemm_int4<Blocks>,
          quantize_row,
          layer_norm,
          softmax,
          log_sum_exp,
          top_k,
          add,
          scale_add,
          activate,
          cached_scores,
          cached_values,
          shared_scores<Blocks>,
          shared_values<Blocks>,
          read_bytes};
}

}  // namespace
}  // namespace hat::edge
