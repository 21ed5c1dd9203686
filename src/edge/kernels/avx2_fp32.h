#pragma once

#include "edge/kernels/lanes_avx2.h"
#include "edge/kernels/table.h"

// fp32 products for the two instruction sets with 16 AVX registers.
namespace hat::edge {
namespace {

constexpr size_t kPrefetchBytes = 2048;

inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p) + kPrefetchBytes, _MM_HINT_T0);
}

inline int32_t load_word(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return word;
}

/// M rows by C vectors of 8 columns of a panel.
template <int M, int C>
inline void fp32_part(const float* w, uint32_t k, const float* x, size_t ldx, float* acc) {
  __m256 total[M][C];
  for (int r = 0; r < M; ++r) {
    for (int c = 0; c < C; ++c) total[r][c] = _mm256_setzero_ps();
  }
  for (uint32_t i = 0; i < k; ++i, w += kPanelRows) {
    prefetch(w);
    prefetch(w + 16);
    __m256 v[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) v[c] = _mm256_load_ps(w + c * 8);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
      const __m256 factor = _mm256_set1_ps(x[r * ldx + i]);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) total[r][c] = _mm256_fmadd_ps(factor, v[c], total[r][c]);
    }
  }
  for (int r = 0; r < M; ++r) {
    for (int c = 0; c < C; ++c) _mm256_store_ps(acc + r * kPanelRows + c * 8, total[r][c]);
  }
}

constexpr uint32_t kFp32RowsAvx2 = 6;

template <int M>
void fp32_rows(const float* w, uint32_t k, const float* x, size_t ldx, float* acc) {
  if constexpr (M <= 2) {
    fp32_part<M, 4>(w, k, x, ldx, acc);
  } else {
    fp32_part<M, 2>(w, k, x, ldx, acc);
    fp32_part<M, 2>(w + 16, k, x, ldx, acc + 16);
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
