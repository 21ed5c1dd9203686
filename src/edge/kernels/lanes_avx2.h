#pragma once

#include <immintrin.h>

#include <cstdint>

// 16 floats in two AVX registers, lanes 0-7 in a; lanes_scalar.h says what the operations mean.
namespace hat::edge {
namespace {

alignas(64) constexpr int32_t kLaneMask[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                               -1, -1, -1, -1, -1, 0,  0,  0,  0,  0,  0,
                                               0,  0,  0,  0,  0,  0,  0,  0,  0,  0};

struct Lanes {
  __m256 a;
  __m256 b;

  /// All ones in the lanes below count, for lanes 0-7 (half 0) or 8-15 (half 1).
  static __m256i mask_of(uint32_t count, int half) {
    const int32_t* p = kLaneMask + 16 - count + half * 8;
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static Lanes zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Lanes set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Lanes load_part(const float* p, uint32_t count, float fill) {
    const __m256 other = _mm256_set1_ps(fill);
    const __m256i m0 = mask_of(count, 0);
    const __m256i m1 = mask_of(count, 1);
    return {_mm256_blendv_ps(other, _mm256_maskload_ps(p, m0), _mm256_castsi256_ps(m0)),
            _mm256_blendv_ps(other, _mm256_maskload_ps(p + 8, m1), _mm256_castsi256_ps(m1))};
  }
  static Lanes from_int32(const int32_t* p) {
    const auto* q = reinterpret_cast<const __m256i*>(p);
    return {_mm256_cvtepi32_ps(_mm256_loadu_si256(q)),
            _mm256_cvtepi32_ps(_mm256_loadu_si256(q + 1))};
  }
  static Lanes from_bfloat16(const uint16_t* p) {
    const auto* q = reinterpret_cast<const __m128i*>(p);
    const __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128(q));
    const __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128(q + 1));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(low, 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(high, 16))};
  }
  void store(float* p) const {
    _mm256_storeu_ps(p, a);
    _mm256_storeu_ps(p + 8, b);
  }
  void store_part(float* p, uint32_t count) const {
    _mm256_maskstore_ps(p, mask_of(count, 0), a);
    _mm256_maskstore_ps(p + 8, mask_of(count, 1), b);
  }
  void store_int8(int8_t* p) const {
    const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xD8);
    const __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }

  friend Lanes operator+(Lanes x, Lanes y) {
    return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
  }
  friend Lanes operator-(Lanes x, Lanes y) {
    return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
  }
  friend Lanes operator*(Lanes x, Lanes y) {
    return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
  }
  friend Lanes operator/(Lanes x, Lanes y) {
    return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
  }
  static Lanes max(Lanes x, Lanes y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
  static Lanes min(Lanes x, Lanes y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
  static Lanes abs(Lanes x) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
  }
  static Lanes copy_sign(Lanes x, Lanes y) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const Lanes size = abs(x);
    return {_mm256_or_ps(size.a, _mm256_and_ps(sign, y.a)),
            _mm256_or_ps(size.b, _mm256_and_ps(sign, y.b))};
  }
  static Lanes where_at_least(Lanes x, Lanes limit, Lanes y) {
    return {_mm256_and_ps(_mm256_cmp_ps(x.a, limit.a, _CMP_GE_OQ), y.a),
            _mm256_and_ps(_mm256_cmp_ps(x.b, limit.b, _CMP_GE_OQ), y.b)};
  }
  static __m256 power_of_two(__m256 n) {
    const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
  }
  static Lanes power_of_two(Lanes n) { return {power_of_two(n.a), power_of_two(n.b)}; }
  static uint32_t greater(Lanes x, Lanes y) {
    const int low = _mm256_movemask_ps(_mm256_cmp_ps(x.a, y.a, _CMP_GT_OQ));
    const int high = _mm256_movemask_ps(_mm256_cmp_ps(x.b, y.b, _CMP_GT_OQ));
    return static_cast<uint32_t>(low | high << 8);
  }
  float sum() const {
    const __m256 s8 = _mm256_add_ps(a, b);
    const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
  }
  float largest() const {
    const __m256 m8 = _mm256_max_ps(a, b);
    const __m128 m4 = _mm_max_ps(_mm256_castps256_ps128(m8), _mm256_extractf128_ps(m8, 1));
    const __m128 m2 = _mm_max_ps(m4, _mm_movehl_ps(m4, m4));
    return _mm_cvtss_f32(_mm_max_ss(m2, _mm_movehdup_ps(m2)));
  }
};

}  // namespace
}  // namespace hat::edge
