#if defined(__AVX2__) && defined(__FMA__)

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_avx2.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on
#include "edge/kernels/avx2_fp32.h"

namespace hat::edge {
namespace {

// sum += products, as assembly because g++ 12 first computes the products of all rows and then
// spills the sums that have no register left.
inline void add_products16(__m256i& sum, __m256i a, __m256i b) {
  __m256i product;
  __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(product) : "x"(a), "x"(b));
}
inline void add_products8(__m256i& sum, __m256i unsigned_bytes, __m256i signed_bytes) {
  __m256i product;
  __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
          : "+x"(sum), "=&x"(product)
          : "x"(unsigned_bytes), "x"(signed_bytes));
}

inline int64_t load_four(const int16_t* p) {
  int64_t four;
  __builtin_memcpy(&four, p, sizeof(four));
  return four;
}

// Adds `steps` times four terms to M rows by C vectors of 4 columns of a panel. Bytes are widened
// to 16 bits, so that vpmaddwd is exact for every byte that a file can hold (vpmaddubsw would
// saturate); a column's sum stands in two neighbours until the end.
template <int M, int C>
inline void int8_part(const int8_t* w, uint32_t steps, const int16_t* x, size_t ldx,
                      const char* next, int32_t* acc) {
  __m256i total[M][C];
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<C>([&](int c) HAT_INLINE { total[r][c] = _mm256_setzero_si256(); });
  });
  for (uint32_t i = 0; i < steps; ++i, w += 4 * kPanelRows, next += C * 16) {
    prefetch(next);
    if constexpr (C > 4) prefetch(next + 64);
    // Two vectors at a time, so that weights take no more than two registers.
    unrolled<C / 2>([&](int pair) HAT_INLINE {
      const auto* at = reinterpret_cast<const __m128i*>(w) + 2 * pair;
      const __m256i w0 = _mm256_cvtepi8_epi16(_mm_load_si128(at));
      const __m256i w1 = _mm256_cvtepi8_epi16(_mm_load_si128(at + 1));
      unrolled<M>([&](int r) HAT_INLINE {
        const __m256i v = _mm256_set1_epi64x(load_four(x + r * ldx + i * 4));
        add_products16(total[r][2 * pair], w0, v);
        add_products16(total[r][2 * pair + 1], w1, v);
      });
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<C / 2>([&](int pair) HAT_INLINE {
      const __m256i mixed = _mm256_hadd_epi32(total[r][2 * pair], total[r][2 * pair + 1]);
      auto* out = reinterpret_cast<__m256i*>(acc + r * kPanelRows + pair * 8);
      const __m256i sum = _mm256_permute4x64_epi64(mixed, 0xD8);
      _mm256_store_si256(out, _mm256_add_epi32(_mm256_load_si256(out), sum));
    });
  });
}

template <int M>
void int8_rows(const int8_t* w, uint32_t k_pad, const int16_t* x, int32_t* acc) {
  constexpr uint32_t kStep = kBlockBytes / kPanelRows;
  constexpr int kColumns = M == 1 ? 8 : M <= 3 ? 4 : 2;
  for (uint32_t i = 0; i < M * kPanelRows; ++i) acc[i] = 0;
  for (uint32_t k = 0; k < k_pad; k += kStep, w += kBlockBytes) {
    const uint32_t steps = (k_pad - k < kStep ? k_pad - k : kStep) / 4;
    const char* next = reinterpret_cast<const char*>(w) + kBlockBytes;
    for (int c = 0; c < 8; c += kColumns) {
      int8_part<M, kColumns>(w + c * 16, steps, x + k, k_pad, next + c * 16 * steps, acc + c * 4);
    }
  }
}

constexpr size_t kPrefetchInt4 = 2048;

// Halves are 0..15, standing for -8..7. A group's eight pair sums fit 16 bits (8 * 2 * 15 * 127 =
// 30480), so they are widened once a group.
template <int M, int C>
inline void int4_part(const std::byte* data, uint32_t groups, const int8_t* q,
                      const int32_t* group_sums, int first, float* acc) {
  const __m256i low_half = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
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
      unrolled<C>([&](int c) HAT_INLINE { sum[r][c] = _mm256_setzero_si256(); });
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
          const __m256i x_low = _mm256_set1_epi32(load_word(x + r * k_pad + b * 8));
          const __m256i x_high = _mm256_set1_epi32(load_word(x + r * k_pad + b * 8 + 4));
          add_products8(sum[r][c], low, x_low);
          add_products8(sum[r][c], high, x_high);
        });
      });
    });
    const auto* scales = reinterpret_cast<const __m128i*>(data) + first;
    unrolled<C>([&](int c) HAT_INLINE {
      const __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_load_si128(scales + c)), 16);
      unrolled<M>([&](int r) HAT_INLINE {
        const __m256i offset = _mm256_set1_epi32(-8 * group_sums[r * size_t{groups} + g]);
        const __m256i exact = _mm256_add_epi32(_mm256_madd_epi16(sum[r][c], ones), offset);
        const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(exact), _mm256_castsi256_ps(bits));
        float* out = acc + r * kPanelRows + (first + c) * 8;
        _mm256_store_ps(out, _mm256_add_ps(_mm256_load_ps(out), product));
      });
    });
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
  static constexpr bool kWideActivations = true;
  static constexpr uint32_t kInt8Rows = 6;
  static constexpr uint32_t kInt4Rows = 5;
  static constexpr uint32_t kFp32Rows = kFp32RowsAvx2;
  static constexpr uint32_t kProductRows = 2;

  static void int8(const Activations& x, uint32_t row, uint32_t rows, const int8_t* w,
                   uint32_t k_pad, int32_t* acc) {
    constexpr decltype(&int8_rows<1>) kByRows[] = {int8_rows<1>, int8_rows<2>, int8_rows<3>,
                                                   int8_rows<4>, int8_rows<5>, int8_rows<6>};
    kByRows[rows - 1](w, k_pad, x.wide + size_t{row} * k_pad, acc);
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
