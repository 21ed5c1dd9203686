#include "hat/model/rounding.h"

#include <algorithm>
#include <cmath>
#include <cstring>

// The same arithmetic as src/edge/kernels/pack.cpp, which this module may not use: a test of export
// holds them together. Contraction is off (module.cmake), so that they agree to the bit.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define HAT_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define HAT_CLONES
#endif

namespace hat::model {
namespace {

constexpr int64_t kGroup = 32;
constexpr float kSmallest = 1e-30f;  // below, 127 / max is not finite: the row counts as zero
constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
// What a group's extreme value may be divided by to give the scale; the best of them is taken.
constexpr float kDivisors[] = {-8.0f,  -7.5f, -7.0f, -8.5f, -9.0f, -9.5f,
                               -10.0f, 7.0f,  7.5f,  8.0f,  8.5f,  9.0f};

float to_bfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000u;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

inline float quantised(float value, float inverse, float scale, float lowest, float highest) {
  const float rounded = (value * inverse + kRoundMagic) - kRoundMagic;
  return std::min(std::max(rounded, lowest), highest) * scale;
}

HAT_CLONES void round_int8(const float* row, int64_t n, float* out) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(row[i]));
  const bool nothing = !(most >= kSmallest);
  const float scale = nothing ? 0.0f : most / 127.0f;
  const float inverse = nothing ? 0.0f : 127.0f / most;
  for (int64_t i = 0; i < n; ++i) out[i] = quantised(row[i], inverse, scale, -127.0f, 127.0f);
}

float best_int4_scale(const float* w, int64_t count) {
  float extreme = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (std::fabs(w[i]) > std::fabs(extreme)) extreme = w[i];
  }
  if (!(std::fabs(extreme) >= kSmallest)) return 0.0f;
  float best = 0;
  float least = HUGE_VALF;
  for (const float divisor : kDivisors) {
    const float scale = to_bfloat16(extreme / divisor);
    const float inverse = 1.0f / scale;
    float error = 0;
    for (int64_t i = 0; i < count; ++i) {
      const float miss = quantised(w[i], inverse, scale, -8.0f, 7.0f) - w[i];
      error += miss * miss;
    }
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

void round_int4(const float* row, int64_t n, float* out) {
  for (int64_t first = 0; first < n; first += kGroup) {
    const int64_t count = std::min(kGroup, n - first);
    const float scale = best_int4_scale(row + first, count);
    const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
    for (int64_t i = first; i < first + count; ++i)
      out[i] = quantised(row[i], inverse, scale, -8.0f, 7.0f);
  }
}

}  // namespace

void round_row(WeightRounding rounding, const float* row, int64_t n, float* out) {
  switch (rounding) {
    case WeightRounding::kInt8:
      return round_int8(row, n, out);
    case WeightRounding::kInt4:
      return round_int4(row, n, out);
    case WeightRounding::kNone:
      std::copy_n(row, n, out);
  }
}

}  // namespace hat::model
