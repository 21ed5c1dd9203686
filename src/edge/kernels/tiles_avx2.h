#pragma once

#include "edge/kernels/lanes_avx2.h"
#include "edge/kernels/panel_tiles.h"

// What the two instruction sets with 16 AVX registers share of a panel's tiles (panel_tiles.h).
namespace hat::edge {
namespace {

struct Avx2Tiles {
  static constexpr uint32_t kProductRows = 2;
  static constexpr int kInt8Rows = 6;
  static constexpr int kInt4Rows = 5;
  static constexpr int kFp32Rows = 6;
  static constexpr int kInt8Steps = 1;
  static constexpr int kInt8Together = 2;  // no more than two registers for weights
  static constexpr int kInt4Vectors = 4;
  static constexpr int kFp32Vectors = 4;
  static constexpr int int4_turn(int m) { return m <= 2 ? 4 : 2; }
  static constexpr int fp32_turn(int m) { return m <= 2 ? 4 : 2; }

  using Int8Sum = __m256i;
  using Int4Sum = __m256i;
  struct Halves {
    __m256i low;
    __m256i high;
  };
  static Halves int4_weights(const std::byte* tile, int vector) {
    const __m256i low_half = _mm256_set1_epi8(15);
    const __m256i v = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile) + vector);
    return {_mm256_and_si256(v, low_half), _mm256_and_si256(_mm256_srli_epi16(v, 4), low_half)};
  }
  static __m256i broadcast_four(const int8_t* p) {
    int32_t word;
    __builtin_memcpy(&word, p, sizeof(word));
    return _mm256_set1_epi32(word);
  }
  static __m256 int4_scales(const std::byte* group, int vector) {
    const auto* scales = reinterpret_cast<const __m128i*>(group) + vector;
    const __m256i words = _mm256_cvtepu16_epi32(_mm_load_si128(scales));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
  }
  static void add_scaled(__m256i exact, __m256 scales, float* acc) {
    const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(exact), scales);
    _mm256_store_ps(acc, _mm256_add_ps(_mm256_load_ps(acc), product));
  }

  using Fp32Sum = __m256;
  static __m256 fp32_load(const float* p) { return _mm256_load_ps(p); }
  static void fp32_store(__m256 sum, float* p) { _mm256_store_ps(p, sum); }
  static __m256 fp32_set1(float x) { return _mm256_set1_ps(x); }
  static void fp32_add(__m256& sum, __m256 factor, __m256 weights) {
    sum = _mm256_fmadd_ps(factor, weights, sum);
  }
};

}  // namespace
}  // namespace hat::edge
