// The reference: what every other instruction set must agree with.

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_scalar.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on

namespace hat::edge {
namespace {

struct Blocks {
  static constexpr uint32_t kProductRows = 1;
  static constexpr bool kWideActivations = false;
  static constexpr uint32_t kInt8Rows = 4;
  static constexpr uint32_t kInt4Rows = 4;
  static constexpr uint32_t kFp32Rows = 4;

  static void int8(const Activations& x_rows, uint32_t row, uint32_t rows, const int8_t* w,
                   uint32_t k_pad, int32_t* acc) {
    const int8_t* q = x_rows.q + size_t{row} * k_pad;
    for (uint32_t r = 0; r < rows; ++r) {
      int32_t total[kPanelRows] = {};
      for (uint32_t k = 0; k < k_pad; k += 4) {
        const int8_t* x = q + size_t{r} * k_pad + k;
        const int8_t* tile = w + size_t{k} * kPanelRows;
        for (uint32_t c = 0; c < kPanelRows; ++c) {
          const int8_t* v = tile + c * 4;
          total[c] += x[0] * v[0] + x[1] * v[1] + x[2] * v[2] + x[3] * v[3];
        }
      }
      for (uint32_t c = 0; c < kPanelRows; ++c) acc[r * kPanelRows + c] = total[c];
    }
  }

  static void int4(uint32_t rows, const std::byte* data, uint32_t groups, const int8_t* q,
                   const int32_t* /*group_sums*/, float* acc) {
    for (uint32_t r = 0; r < rows; ++r) {
      float total[kPanelRows] = {};
      for (uint32_t g = 0; g < groups; ++g) {
        const std::byte* group = data + g * kInt4GroupBytes;
        const auto* scales = reinterpret_cast<const uint16_t*>(group);
        const auto* nibbles = reinterpret_cast<const uint8_t*>(group + 64);
        const int8_t* x = q + (size_t{r} * groups + g) * kGroup;
        int32_t sums[kPanelRows] = {};
        for (uint32_t b = 0; b < 4; ++b) {
          for (uint32_t c = 0; c < kPanelRows; ++c) {
            const uint8_t* v = nibbles + (b * kPanelRows + c) * 4;
            for (uint32_t i = 0; i < 4; ++i) {
              sums[c] += x[b * 8 + i] * ((v[i] & 15) - 8);
              sums[c] += x[b * 8 + 4 + i] * ((v[i] >> 4) - 8);
            }
          }
        }
        for (uint32_t c = 0; c < kPanelRows; ++c) {
          total[c] += static_cast<float>(sums[c]) * bfloat16_to_float(scales[c]);
        }
      }
      for (uint32_t c = 0; c < kPanelRows; ++c) acc[r * kPanelRows + c] = total[c];
    }
  }

  static void fp32(uint32_t rows, const float* w, uint32_t k, const float* x, size_t ldx,
                   float* acc) {
    for (uint32_t r = 0; r < rows; ++r) {
      float total[kPanelRows] = {};
      for (uint32_t i = 0; i < k; ++i) {
        const float factor = x[r * ldx + i];
        for (uint32_t c = 0; c < kPanelRows; ++c) {
          total[c] += factor * w[size_t{i} * kPanelRows + c];
        }
      }
      for (uint32_t c = 0; c < kPanelRows; ++c) acc[r * kPanelRows + c] = total[c];
    }
  }
};

}  // namespace

const Kernels kScalarKernels = make_table<Blocks>(Isa::kScalar);

}  // namespace hat::edge
