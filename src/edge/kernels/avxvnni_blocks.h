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
#include "edge/kernels/tiles_avx2.h"

namespace hat::edge {
namespace {

struct AvxVnniDot : Avx2Tiles {
  // Weights become unsigned as in avx512.cpp.
  static constexpr bool kWideActivations = false;
  static constexpr int kInt8Vectors = 4;
  static constexpr int int8_turn(int m) { return m <= 2 ? 4 : 2; }
  using Input = int8_t;
  static const int8_t* inputs(const Activations& x) { return x.q; }
  static int32_t int8_start(int32_t sum) { return -128 * sum; }
  template <int V>
  [[gnu::always_inline]] static void int8_begin(const int32_t* acc, __m256i* total) {
    unrolled<V>([&](int v) HAT_INLINE {
      total[v] = _mm256_load_si256(reinterpret_cast<const __m256i*>(acc) + v);
    });
  }
  static __m256i int8_weights(const int8_t* w, int vector) {
    const auto* at = reinterpret_cast<const __m256i*>(w) + vector;
    return _mm256_xor_si256(_mm256_load_si256(at), _mm256_set1_epi8(-128));
  }
  static __m256i int8_input(const int8_t* x) { return broadcast_four(x); }
  static void int8_add(__m256i& sum, __m256i unsigned_bytes, __m256i signed_bytes) {
    __asm__(HAT_DPBUSD " %2, %1, %0" : "+x"(sum) : "x"(unsigned_bytes), "x"(signed_bytes));
  }
  template <int V>
  [[gnu::always_inline]] static void int8_end(const __m256i* total, int32_t* acc) {
    unrolled<V>([&](int v) HAT_INLINE {
      _mm256_store_si256(reinterpret_cast<__m256i*>(acc) + v, total[v]);
    });
  }

  static __m256i int4_start(int32_t offset) { return _mm256_set1_epi32(offset); }
  static void int4_add(__m256i& sum, const Halves& w, const int8_t* x) {
    int8_add(sum, w.low, broadcast_four(x));
    int8_add(sum, w.high, broadcast_four(x + 4));
  }
  static void int4_end(__m256i sum, int32_t /*offset*/, __m256 scales, float* acc) {
    add_scaled(sum, scales, acc);
  }
};

}  // namespace
}  // namespace hat::edge
