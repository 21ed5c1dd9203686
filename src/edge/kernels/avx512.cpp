#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_avx512.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on
#include "edge/kernels/unroll.h"

namespace hat::edge {
namespace {

// How far ahead of the products weights are asked for; measured with measure_gemm() on matrices
// larger than the caches.
constexpr size_t kPrefetchBytes = 4096;

inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p) + kPrefetchBytes, _MM_HINT_T0);
}

// sum += four products of unsigned and signed bytes. As assembly because g++ 12 copies the sums
// around the intrinsic, which halves the speed.
inline void dot(__m512i& sum, __m512i unsigned_bytes, __m512i signed_bytes) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(unsigned_bytes), "v"(signed_bytes));
}

inline int32_t load_word(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return word;
}

// Weights become unsigned by adding 128 (flipping the top bit), which adds 128 * (sum of the row)
// to every product: the sums start from minus that. U sets of sums take turns where M rows alone
// have too few to hide the latency of an instruction.
template <int M, int U>
[[gnu::noinline]] void int8_rows(const int8_t* w, uint32_t k_pad, const int8_t* q,
                                 const int32_t* sums, int32_t* acc) {
  const __m512i flip = _mm512_set1_epi8(-128);
  __m512i total[U][M][2];
  unrolled<M>([&](int r) HAT_INLINE {
    total[0][r][0] = total[0][r][1] = _mm512_set1_epi32(-128 * sums[r]);
    unrolled<U - 1>([&](int u) HAT_INLINE {
      total[u + 1][r][0] = total[u + 1][r][1] = _mm512_setzero_si512();
    });
  });
  for (uint32_t k = 0; k < k_pad; k += 4 * U) {
    unrolled<U>([&](int u) HAT_INLINE {
      const __m512i w0 = _mm512_xor_si512(_mm512_load_si512(w), flip);
      const __m512i w1 = _mm512_xor_si512(_mm512_load_si512(w + 64), flip);
      prefetch(w);
      prefetch(w + 64);
      w += 128;
      unrolled<M>([&](int r) HAT_INLINE {
        const __m512i x = _mm512_set1_epi32(load_word(q + r * size_t{k_pad} + k + 4 * u));
        dot(total[u][r][0], w0, x);
        dot(total[u][r][1], w1, x);
      });
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<2>([&](int half) HAT_INLINE {
      __m512i sum = total[0][r][half];
      unrolled<U - 1>([&](int u)
                          HAT_INLINE { sum = _mm512_add_epi32(sum, total[u + 1][r][half]); });
      _mm512_store_si512(acc + r * kPanelRows + half * 16, sum);
    });
  });
}

// Halves are 0..15 and stand for -8..7: the sums of a group start from -8 * (sum of the row's
// group).
template <int M>
[[gnu::noinline]] void int4_rows(const std::byte* data, uint32_t groups, const int8_t* q,
                                 const int32_t* group_sums, float* acc) {
  const __m512i low_half = _mm512_set1_epi8(15);
  const size_t k_pad = size_t{groups} * kGroup;
  __m512 total[M][2];
  unrolled<M>([&](int r) HAT_INLINE { total[r][0] = total[r][1] = _mm512_setzero_ps(); });
  for (uint32_t g = 0; g < groups; ++g, data += kInt4GroupBytes) {
    __m512i sum[M][2];
    unrolled<M>([&](int r) HAT_INLINE {
      sum[r][0] = sum[r][1] = _mm512_set1_epi32(-8 * group_sums[r * size_t{groups} + g]);
    });
    const int8_t* x = q + size_t{g} * kGroup;
    prefetch(data);
    unrolled<4>([&](int b) HAT_INLINE {
      const std::byte* tile = data + 64 + b * 128;
      prefetch(tile);
      prefetch(tile + 64);
      const __m512i w0 = _mm512_load_si512(tile);
      const __m512i w1 = _mm512_load_si512(tile + 64);
      const __m512i low0 = _mm512_and_si512(w0, low_half);
      const __m512i low1 = _mm512_and_si512(w1, low_half);
      const __m512i high0 = _mm512_and_si512(_mm512_srli_epi16(w0, 4), low_half);
      const __m512i high1 = _mm512_and_si512(_mm512_srli_epi16(w1, 4), low_half);
      unrolled<M>([&](int r) HAT_INLINE {
        const __m512i x_low = _mm512_set1_epi32(load_word(x + r * k_pad + b * 8));
        const __m512i x_high = _mm512_set1_epi32(load_word(x + r * k_pad + b * 8 + 4));
        dot(sum[r][0], low0, x_low);
        dot(sum[r][1], low1, x_low);
        dot(sum[r][0], high0, x_high);
        dot(sum[r][1], high1, x_high);
      });
    });
    const auto* scales = reinterpret_cast<const uint16_t*>(data);
    const Lanes scale[2] = {Lanes::from_bfloat16(scales), Lanes::from_bfloat16(scales + 16)};
    unrolled<M>([&](int r) HAT_INLINE {
      unrolled<2>([&](int half) HAT_INLINE {
        const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][half]), scale[half].v);
        total[r][half] = _mm512_add_ps(total[r][half], product);
      });
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    _mm512_store_ps(acc + r * kPanelRows, total[r][0]);
    _mm512_store_ps(acc + r * kPanelRows + 16, total[r][1]);
  });
}

template <int M>
[[gnu::noinline]] void fp32_rows(const float* w, uint32_t k, const float* x, size_t ldx,
                                 float* acc) {
  __m512 total[M][2];
  unrolled<M>([&](int r) HAT_INLINE { total[r][0] = total[r][1] = _mm512_setzero_ps(); });
  for (uint32_t i = 0; i < k; ++i, w += kPanelRows) {
    const __m512 w0 = _mm512_load_ps(w);
    const __m512 w1 = _mm512_load_ps(w + 16);
    prefetch(w);
    prefetch(w + 16);
    unrolled<M>([&](int r) HAT_INLINE {
      const __m512 factor = _mm512_set1_ps(x[r * ldx + i]);
      total[r][0] = _mm512_fmadd_ps(factor, w0, total[r][0]);
      total[r][1] = _mm512_fmadd_ps(factor, w1, total[r][1]);
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    _mm512_store_ps(acc + r * kPanelRows, total[r][0]);
    _mm512_store_ps(acc + r * kPanelRows + 16, total[r][1]);
  });
}

struct Blocks {
  static constexpr bool kWideActivations = false;
  static constexpr uint32_t kInt8Rows = 12;
  static constexpr uint32_t kInt4Rows = 6;
  static constexpr uint32_t kFp32Rows = 12;
  static constexpr uint32_t kProductRows = 4;

  /// Sets of sums for so many rows: enough independent sums to hide an instruction's latency.
  static constexpr int sets(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }
  static void int8(const Activations& x, uint32_t row, uint32_t rows, const int8_t* w,
                   uint32_t k_pad, int32_t* acc) {
    with_row_count<kInt8Rows>(rows, [&]<int M>() HAT_INLINE {
      int8_rows<M, sets(M)>(w, k_pad, x.q + size_t{row} * k_pad, x.sums + row, acc);
    });
  }
  static void int4(uint32_t rows, const std::byte* data, uint32_t groups, const int8_t* q,
                   const int32_t* group_sums, float* acc) {
    with_row_count<kInt4Rows>(
        rows, [&]<int M>() HAT_INLINE { int4_rows<M>(data, groups, q, group_sums, acc); });
  }
  static void fp32(uint32_t rows, const float* w, uint32_t k, const float* x, size_t ldx,
                   float* acc) {
    with_row_count<kFp32Rows>(rows, [&]<int M>() HAT_INLINE { fp32_rows<M>(w, k, x, ldx, acc); });
  }
};

}  // namespace

const Kernels kAvx512Kernels = make_table<Blocks>(Isa::kAvx512);

}  // namespace hat::edge

#endif
