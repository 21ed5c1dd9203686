#pragma once

#include "edge/kernels/lanes_neon.h"
#include "edge/kernels/table.h"

// What the two NEON instruction sets share: fp32 products, and the blocks along k.
namespace hat::edge {
namespace {

// As in avx2_fp32.h: a block of a panel stays in the first cache while its columns take turns.
constexpr size_t kBlockBytes = 8192;

inline void prefetch(const void* p) { __builtin_prefetch(p, 0, 3); }

/// Adds `count` terms to M rows by 16 columns of a panel.
template <int M>
inline void fp32_part(const float* w, uint32_t count, const float* x, size_t ldx, const char* next,
                      float* acc) {
  float32x4_t total[M][4];
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<4>([&](int c) HAT_INLINE { total[r][c] = vld1q_f32(acc + r * kPanelRows + c * 4); });
  });
  for (uint32_t i = 0; i < count; ++i, w += kPanelRows, next += 64) {
    prefetch(next);
    float32x4_t v[4];
    unrolled<4>([&](int c) HAT_INLINE { v[c] = vld1q_f32(w + c * 4); });
    unrolled<M>([&](int r) HAT_INLINE {
      const float32x4_t factor = vdupq_n_f32(x[r * ldx + i]);
      unrolled<4>([&](int c) HAT_INLINE { total[r][c] = vfmaq_f32(total[r][c], factor, v[c]); });
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<4>([&](int c) HAT_INLINE { vst1q_f32(acc + r * kPanelRows + c * 4, total[r][c]); });
  });
}

template <int M>
void fp32_rows(const float* w, uint32_t k, const float* x, size_t ldx, float* acc) {
  constexpr uint32_t kStep = kBlockBytes / (kPanelRows * sizeof(float));
  for (uint32_t i = 0; i < M * kPanelRows; ++i) acc[i] = 0.0f;
  for (uint32_t i = 0; i < k; i += kStep, w += kStep * kPanelRows) {
    const uint32_t count = k - i < kStep ? k - i : kStep;
    const char* next = reinterpret_cast<const char*>(w) + kBlockBytes;
    fp32_part<M>(w, count, x + i, ldx, next, acc);
    fp32_part<M>(w + 16, count, x + i, ldx, next + size_t{64} * count, acc + 16);
  }
}

constexpr uint32_t kFp32RowsNeon = 6;

inline void fp32_block(uint32_t rows, const float* w, uint32_t k, const float* x, size_t ldx,
                       float* acc) {
  constexpr decltype(&fp32_rows<1>) kByRows[] = {fp32_rows<1>, fp32_rows<2>, fp32_rows<3>,
                                                 fp32_rows<4>, fp32_rows<5>, fp32_rows<6>};
  kByRows[rows - 1](w, k, x, ldx, acc);
}

}  // namespace
}  // namespace hat::edge
