#pragma once

#include "edge/kernels/lanes_avx2.h"
#include "edge/kernels/table.h"
#include "edge/kernels/unroll.h"

// fp32 products for the two instruction sets with 16 AVX registers.
namespace hat::edge {
namespace {

// A panel is worked on in blocks along k that stay in the first cache while its columns take turns
// (16 registers hold no more); meanwhile the next block is asked for, a share at a time.
constexpr size_t kBlockBytes = 8192;

inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

inline int32_t load_word(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return word;
}

/// Adds `count` terms to M rows by C vectors of 8 columns of a panel, and asks for the part of
/// `next` that belongs to this turn.
template <int M, int C>
inline void fp32_part(const float* w, uint32_t count, const float* x, size_t ldx, const char* next,
                      float* acc) {
  __m256 total[M][C];
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<C>([&](int c)
                    HAT_INLINE { total[r][c] = _mm256_load_ps(acc + r * kPanelRows + c * 8); });
  });
  for (uint32_t i = 0; i < count; ++i, w += kPanelRows, next += C * 32) {
    prefetch(next);
    if constexpr (C > 2) prefetch(next + 64);
    __m256 v[C];
    unrolled<C>([&](int c) HAT_INLINE { v[c] = _mm256_load_ps(w + c * 8); });
    unrolled<M>([&](int r) HAT_INLINE {
      const __m256 factor = _mm256_set1_ps(x[r * ldx + i]);
      unrolled<C>([&](int c)
                      HAT_INLINE { total[r][c] = _mm256_fmadd_ps(factor, v[c], total[r][c]); });
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<C>([&](int c)
                    HAT_INLINE { _mm256_store_ps(acc + r * kPanelRows + c * 8, total[r][c]); });
  });
}

constexpr uint32_t kFp32RowsAvx2 = 6;

template <int M>
void fp32_rows(const float* w, uint32_t k, const float* x, size_t ldx, float* acc) {
  constexpr uint32_t kStep = kBlockBytes / (kPanelRows * sizeof(float));
  constexpr int kColumns = M <= 2 ? 4 : 2;
  for (uint32_t i = 0; i < M * kPanelRows; ++i) acc[i] = 0.0f;
  for (uint32_t i = 0; i < k; i += kStep, w += kStep * kPanelRows) {
    const uint32_t count = k - i < kStep ? k - i : kStep;
    const char* next = reinterpret_cast<const char*>(w) + kBlockBytes;
    for (int c = 0; c < 4; c += kColumns) {
      fp32_part<M, kColumns>(w + c * 8, count, x + i, ldx, next + c * 32 * count, acc + c * 8);
    }
  }
}

inline void fp32_block(uint32_t rows, const float* w, uint32_t k, const float* x, size_t ldx,
                       float* acc) {
  constexpr decltype(&fp32_rows<1>) kByRows[] = {fp32_rows<1>, fp32_rows<2>, fp32_rows<3>,
                                                 fp32_rows<4>, fp32_rows<5>, fp32_rows<6>};
  kByRows[rows - 1](w, k, x, ldx, acc);
}

}  // namespace
}  // namespace hat::edge
