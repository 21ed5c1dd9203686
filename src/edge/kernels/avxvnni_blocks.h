#pragma once

// AVX2 with the dot product of four bytes. The instruction exists in two encodings: VEX in
// processors without AVX-512, EVEX in those with it. Programs use the first (avxvnni.cpp); the
// second is the same code, so that machines with AVX-512 alone can test it (avxvnni_evex.cpp). The
// including file defines HAT_DPBUSD.

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_avx2.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on
#include "edge/kernels/avx2_fp32.h"
#include "edge/kernels/unroll.h"

namespace hat::edge {
namespace {

inline void dot(__m256i& sum, __m256i unsigned_bytes, __m256i signed_bytes) {
  __asm__(HAT_DPBUSD " %2, %1, %0" : "+x"(sum) : "x"(unsigned_bytes), "x"(signed_bytes));
}

// Adds `steps` times four terms to M rows by C vectors of 8 columns; weights become unsigned as in
// avx512.cpp.
template <int M, int C>
inline void int8_part(const int8_t* w, uint32_t steps, const int8_t* q, size_t ldq,
                      const char* next, int32_t* acc) {
  const __m256i flip = _mm256_set1_epi8(-128);
  __m256i total[M][C];
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<C>([&](int c) HAT_INLINE {
      const auto* at = reinterpret_cast<const __m256i*>(acc + r * kPanelRows) + c;
      total[r][c] = _mm256_load_si256(at);
    });
  });
  for (uint32_t i = 0; i < steps; ++i, w += 4 * kPanelRows, next += C * 32) {
    prefetch(next);
    if constexpr (C > 2) prefetch(next + 64);
    unrolled<C / 2>([&](int pair) HAT_INLINE {
      const auto* at = reinterpret_cast<const __m256i*>(w) + 2 * pair;
      const __m256i w0 = _mm256_xor_si256(_mm256_load_si256(at), flip);
      const __m256i w1 = _mm256_xor_si256(_mm256_load_si256(at + 1), flip);
      unrolled<M>([&](int r) HAT_INLINE {
        const __m256i x = _mm256_set1_epi32(load_word(q + r * ldq + i * 4));
        dot(total[r][2 * pair], w0, x);
        dot(total[r][2 * pair + 1], w1, x);
      });
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<C>([&](int c) HAT_INLINE {
      _mm256_store_si256(reinterpret_cast<__m256i*>(acc + r * kPanelRows) + c, total[r][c]);
    });
  });
}

template <int M>
void int8_rows(const int8_t* w, uint32_t k_pad, const int8_t* q, const int32_t* sums,
               int32_t* acc) {
  constexpr uint32_t kStep = kBlockBytes / kPanelRows;
  constexpr int kColumns = M <= 2 ? 4 : 2;
  for (uint32_t i = 0; i < M * kPanelRows; ++i) acc[i] = -128 * sums[i / kPanelRows];
  for (uint32_t k = 0; k < k_pad; k += kStep, w += kBlockBytes) {
    const uint32_t steps = (k_pad - k < kStep ? k_pad - k : kStep) / 4;
    const char* next = reinterpret_cast<const char*>(w) + kBlockBytes;
    for (int c = 0; c < 4; c += kColumns) {
      int8_part<M, kColumns>(w + c * 32, steps, q + k, k_pad, next + c * 32 * steps, acc + c * 8);
    }
  }
}

constexpr size_t kPrefetchInt4 = 2048;

template <int M, int C>
inline void int4_part(const std::byte* data, uint32_t groups, const int8_t* q,
                      const int32_t* group_sums, int first, float* acc) {
  const __m256i low_half = _mm256_set1_epi8(15);
  const size_t k_pad = size_t{groups} * kGroup;
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<C>([&](int c) HAT_INLINE {
      _mm256_store_ps(acc + r * kPanelRows + (first + c) * 8, _mm256_setzero_ps());
    });
  });
  for (uint32_t g = 0; g < groups; ++g, data += kInt4GroupBytes) {
    const int8_t* x = q + size_t{g} * kGroup;
    __m256i sum[M][C];
    unrolled<M>([&](int r) HAT_INLINE {
      const __m256i offset = _mm256_set1_epi32(-8 * group_sums[r * size_t{groups} + g]);
      unrolled<C>([&](int c) HAT_INLINE { sum[r][c] = offset; });
    });
    if (first == 0) prefetch(data + kPrefetchInt4);
    unrolled<4>([&](int b) HAT_INLINE {
      const std::byte* tile = data + 64 + b * 128;
      if (first == 0) {
        prefetch(tile + kPrefetchInt4);
        prefetch(tile + kPrefetchInt4 + 64);
      }
      unrolled<C>([&](int c) HAT_INLINE {
        const auto* at = reinterpret_cast<const __m256i*>(tile) + first + c;
        const __m256i v = _mm256_load_si256(at);
        const __m256i low = _mm256_and_si256(v, low_half);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), low_half);
        unrolled<M>([&](int r) HAT_INLINE {
          dot(sum[r][c], low, _mm256_set1_epi32(load_word(x + r * k_pad + b * 8)));
          dot(sum[r][c], high, _mm256_set1_epi32(load_word(x + r * k_pad + b * 8 + 4)));
        });
      });
    });
    const auto* scales = reinterpret_cast<const __m128i*>(data) + first;
    unrolled<C>([&](int c) HAT_INLINE {
      const __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_load_si128(scales + c)), 16);
      unrolled<M>([&](int r) HAT_INLINE {
        const __m256 exact = _mm256_cvtepi32_ps(sum[r][c]);
        float* out = acc + r * kPanelRows + (first + c) * 8;
        const __m256 product = _mm256_mul_ps(exact, _mm256_castsi256_ps(bits));
        _mm256_store_ps(out, _mm256_add_ps(_mm256_load_ps(out), product));
      });
    });
  }
}

template <int M>
void int4_rows(const std::byte* data, uint32_t groups, const int8_t* q, const int32_t* group_sums,
               float* acc) {
  constexpr int kColumns = M <= 2 ? 4 : 2;
  for (int c = 0; c < 4; c += kColumns) {
    int4_part<M, kColumns>(data, groups, q, group_sums, c, acc);
  }
}

struct Blocks {
  static constexpr bool kWideActivations = false;
  static constexpr uint32_t kInt8Rows = 6;
  static constexpr uint32_t kInt4Rows = 5;
  static constexpr uint32_t kFp32Rows = kFp32RowsAvx2;
  static constexpr uint32_t kProductRows = 2;

  static void int8(const Activations& x, uint32_t row, uint32_t rows, const int8_t* w,
                   uint32_t k_pad, int32_t* acc) {
    constexpr decltype(&int8_rows<1>) kByRows[] = {int8_rows<1>, int8_rows<2>, int8_rows<3>,
                                                   int8_rows<4>, int8_rows<5>, int8_rows<6>};
    kByRows[rows - 1](w, k_pad, x.q + size_t{row} * k_pad, x.sums + row, acc);
  }
  static void int4(uint32_t rows, const std::byte* data, uint32_t groups, const int8_t* q,
                   const int32_t* group_sums, float* acc) {
    constexpr decltype(&int4_rows<1>) kByRows[] = {int4_rows<1>, int4_rows<2>, int4_rows<3>,
                                                   int4_rows<4>, int4_rows<5>};
    kByRows[rows - 1](data, groups, q, group_sums, acc);
  }
  static void fp32(uint32_t rows, const float* w, uint32_t k, const float* x, size_t ldx,
                   float* acc) {
    fp32_block(rows, w, k, x, ldx, acc);
  }
};

}  // namespace
}  // namespace hat::edge
