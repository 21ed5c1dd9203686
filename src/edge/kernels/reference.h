#pragma once

#include <cstdint>
#include <cstring>

// Scalar arithmetic that the kernels share: conversions and the exp, log and erf whose operations
// are the contract of kernels.h. Internal linkage on purpose: these are compiled once an
// instruction set.
namespace hat::edge {
namespace {

/// Adding and subtracting 1.5 * 2^23 rounds to the nearest whole number, halves to even. |x| <
/// 2^22.
inline constexpr float kRoundMagic = 12582912.0f;

// exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln(2) / 2; polynomial of expf in Cephes
// (Moshier 1989). Relative error below 2e-7.
inline constexpr float kExpLowest = -87.3365447f;  // below: 0
inline constexpr float kExpHighest = 88.3762626f;  // above: as if this
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kLn2High = 0.693359375f;
inline constexpr float kLn2Low = -2.12194440e-4f;
inline constexpr float kExpTerms[6] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                       4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};

// erf(x) = 1 - t (a1 + t (a2 + ...)) exp(-x^2), t = 1 / (1 + p x), x >= 0: Abramowitz and Stegun,
// 7.1.26, absolute error below 2e-7.
inline constexpr float kErfP = 0.3275911f;
inline constexpr float kErfTerms[5] = {1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f,
                                       0.254829592f};
inline constexpr float kSqrtHalf = 0.70710678f;

inline int32_t round_to_int(float x) {
  // Any value is defined: a float beyond int32 (or NaN) must not reach the conversion.
  const float rounded = (x + kRoundMagic) - kRoundMagic;
  return rounded >= -1e9f && rounded <= 1e9f ? static_cast<int32_t>(rounded) : 0;
}

inline float power_of_two(float whole) {
  const uint32_t bits = static_cast<uint32_t>(round_to_int(whole) + 127) << 23;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

inline float bfloat16_to_float(uint16_t half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

/// log(x) for finite x > 0 in double precision with additions, products and divisions alone, so
/// that no library's rounding enters: log m = 2 artanh((m - 1) / (m + 1)) for m in [0.7, 1.4].
inline float log_reference(float x) {
  uint64_t bits;
  double value = x;
  std::memcpy(&bits, &value, sizeof(bits));
  int exponent = static_cast<int>(bits >> 52) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
  double m;
  std::memcpy(&m, &bits, sizeof(m));
  if (m > 1.4142135623730951) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double s2 = s * s;
  double sum = 0.0;
  for (int term = 19; term >= 1; term -= 2) sum = sum * s2 + 1.0 / term;
  return static_cast<float>(2.0 * s * sum + exponent * 0.6931471805599453);
}

}  // namespace
}  // namespace hat::edge
