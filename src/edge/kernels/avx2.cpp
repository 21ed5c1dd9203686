#if defined(__AVX2__) && defined(__FMA__)

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_avx2.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on
#include "edge/kernels/avx2_fp32.h"

namespace hat::edge {
namespace {

// M rows by C vectors of 8 columns. vpmaddubsw multiplies unsigned by signed bytes and adds pairs
// into saturating 16 bits: |w| and x with the sign of w keep a pair's sum within 2 * 128 * 127 =
// 32512, so it is exact for every byte that a file can hold.
template <int M, int C>
inline void int8_part(const int8_t* w, uint32_t k_pad, const int8_t* q, int32_t* acc) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i total[M][C];
  for (int r = 0; r < M; ++r) {
    for (int c = 0; c < C; ++c) total[r][c] = _mm256_setzero_si256();
  }
  for (uint32_t k = 0; k < k_pad; k += 4, w += 4 * kPanelRows) {
    prefetch(w);
    prefetch(w + 64);
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      const __m256i v = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + c * 32));
      const __m256i size = _mm256_abs_epi8(v);
#pragma GCC unroll 8
      for (int r = 0; r < M; ++r) {
        const __m256i x = _mm256_set1_epi32(load_word(q + r * size_t{k_pad} + k));
        const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(x, v));
        total[r][c] = _mm256_add_epi32(total[r][c], _mm256_madd_epi16(pairs, ones));
      }
    }
  }
  for (int r = 0; r < M; ++r) {
    for (int c = 0; c < C; ++c) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(acc + r * kPanelRows + c * 8), total[r][c]);
    }
  }
}

template <int M>
void int8_rows(const int8_t* w, uint32_t k_pad, const int8_t* q, int32_t* acc) {
  if constexpr (M <= 3) {
    int8_part<M, 4>(w, k_pad, q, acc);
  } else {
    int8_part<M, 2>(w, k_pad, q, acc);
    int8_part<M, 2>(w + 64, k_pad, q, acc + 16);
  }
}

// Halves are 0..15, standing for -8..7. A group's eight pair sums fit 16 bits (8 * 2 * 15 * 127 =
// 30480), so they are widened once a group.
template <int M, int C>
inline void int4_part(const std::byte* data, uint32_t groups, const int8_t* q,
                      const int32_t* group_sums, int first, float* acc) {
  const __m256i low_half = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  const size_t k_pad = size_t{groups} * kGroup;
  for (int r = 0; r < M; ++r) {
    for (int c = 0; c < C; ++c) {
      _mm256_store_ps(acc + r * kPanelRows + (first + c) * 8, _mm256_setzero_ps());
    }
  }
  for (uint32_t g = 0; g < groups; ++g, data += kInt4GroupBytes) {
    const int8_t* x = q + size_t{g} * kGroup;
    __m256i sum[M][C];
    for (int r = 0; r < M; ++r) {
      for (int c = 0; c < C; ++c) sum[r][c] = _mm256_setzero_si256();
    }
    prefetch(data);
#pragma GCC unroll 4
    for (int b = 0; b < 4; ++b) {
      const std::byte* tile = data + 64 + b * 128;
      prefetch(tile);
      prefetch(tile + 64);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        const auto* at = reinterpret_cast<const __m256i*>(tile) + first + c;
        const __m256i v = _mm256_load_si256(at);
        const __m256i low = _mm256_and_si256(v, low_half);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), low_half);
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) {
          const __m256i x_low = _mm256_set1_epi32(load_word(x + r * k_pad + b * 8));
          const __m256i x_high = _mm256_set1_epi32(load_word(x + r * k_pad + b * 8 + 4));
          sum[r][c] = _mm256_add_epi16(sum[r][c], _mm256_maddubs_epi16(low, x_low));
          sum[r][c] = _mm256_add_epi16(sum[r][c], _mm256_maddubs_epi16(high, x_high));
        }
      }
    }
    const auto* scales = reinterpret_cast<const __m128i*>(data) + first;
    for (int c = 0; c < C; ++c) {
      const __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_load_si128(scales + c)), 16);
      for (int r = 0; r < M; ++r) {
        const __m256i offset = _mm256_set1_epi32(-8 * group_sums[r * size_t{groups} + g]);
        const __m256i exact = _mm256_add_epi32(_mm256_madd_epi16(sum[r][c], ones), offset);
        const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(exact), _mm256_castsi256_ps(bits));
        float* out = acc + r * kPanelRows + (first + c) * 8;
        _mm256_store_ps(out, _mm256_add_ps(_mm256_load_ps(out), product));
      }
    }
  }
}

template <int M>
void int4_rows(const std::byte* data, uint32_t groups, const int8_t* q, const int32_t* group_sums,
               float* acc) {
  if constexpr (M <= 2) {
    int4_part<M, 4>(data, groups, q, group_sums, 0, acc);
  } else {
    int4_part<M, 2>(data, groups, q, group_sums, 0, acc);
    int4_part<M, 2>(data, groups, q, group_sums, 2, acc);
  }
}

struct Blocks {
  static constexpr uint32_t kInt8Rows = 5;
  static constexpr uint32_t kInt4Rows = 5;
  static constexpr uint32_t kFp32Rows = kFp32RowsAvx2;
  static constexpr uint32_t kProductRows = 2;

  static void int8(uint32_t rows, const int8_t* w, uint32_t k_pad, const int8_t* q,
                   const int32_t* /*sums*/, int32_t* acc) {
    constexpr decltype(&int8_rows<1>) kByRows[] = {int8_rows<1>, int8_rows<2>, int8_rows<3>,
                                                   int8_rows<4>, int8_rows<5>};
    kByRows[rows - 1](w, k_pad, q, acc);
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

const Kernels kAvx2Kernels = make_table<Blocks>(Isa::kAvx2);

}  // namespace hat::edge

#endif
