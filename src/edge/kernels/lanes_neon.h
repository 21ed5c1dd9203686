#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "edge/kernels/unroll.h"

// 16 floats in four NEON registers, lanes 0-3 in v[0]; lanes_scalar.h says what the operations
// mean.
namespace hat::edge {
namespace {

struct Lanes {
  float32x4_t v[4];

  template <class F>
  [[gnu::always_inline]] static Lanes make(const F& f) {
    return {{f(0), f(1), f(2), f(3)}};
  }
  static Lanes zero() { return set1(0.0f); }
  static Lanes set1(float x) {
    const float32x4_t all = vdupq_n_f32(x);
    return {{all, all, all, all}};
  }
  static Lanes load(const float* p) {
    return make([&](int i) HAT_INLINE { return vld1q_f32(p + 4 * i); });
  }
  static Lanes load_part(const float* p, uint32_t count, float fill) {
    float part[16];
    for (uint32_t i = 0; i < 16; ++i) part[i] = i < count ? p[i] : fill;
    return load(part);
  }
  static Lanes from_int32(const int32_t* p) {
    return make([&](int i) HAT_INLINE { return vcvtq_f32_s32(vld1q_s32(p + 4 * i)); });
  }
  static Lanes from_bfloat16(const uint16_t* p) {
    return make([&](int i) HAT_INLINE {
      return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16));
    });
  }
  void store(float* p) const {
    unrolled<4>([&](int i) HAT_INLINE { vst1q_f32(p + 4 * i, v[i]); });
  }
  void store_part(float* p, uint32_t count) const {
    float part[16];
    store(part);
    for (uint32_t i = 0; i < 16; ++i) {
      if (i < count) p[i] = part[i];
    }
  }
  void store_int8(int8_t* p) const {
    const int16x8_t low =
        vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(v[0])), vqmovn_s32(vcvtnq_s32_f32(v[1])));
    const int16x8_t high =
        vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(v[2])), vqmovn_s32(vcvtnq_s32_f32(v[3])));
    vst1q_s8(p, vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
  }

  friend Lanes operator+(Lanes a, Lanes b) {
    return make([&](int i) HAT_INLINE { return vaddq_f32(a.v[i], b.v[i]); });
  }
  friend Lanes operator-(Lanes a, Lanes b) {
    return make([&](int i) HAT_INLINE { return vsubq_f32(a.v[i], b.v[i]); });
  }
  friend Lanes operator*(Lanes a, Lanes b) {
    return make([&](int i) HAT_INLINE { return vmulq_f32(a.v[i], b.v[i]); });
  }
  friend Lanes operator/(Lanes a, Lanes b) {
    return make([&](int i) HAT_INLINE { return vdivq_f32(a.v[i], b.v[i]); });
  }
  // By comparison, not vmaxq: NaN and zeros of two signs must come out as elsewhere.
  static Lanes max(Lanes a, Lanes b) {
    return make([&](int i)
                    HAT_INLINE { return vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
  }
  static Lanes min(Lanes a, Lanes b) {
    return make([&](int i)
                    HAT_INLINE { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
  }
  static Lanes abs(Lanes a) {
    return make([&](int i) HAT_INLINE { return vabsq_f32(a.v[i]); });
  }
  static Lanes copy_sign(Lanes a, Lanes b) {
    const uint32x4_t sign = vdupq_n_u32(0x80000000u);
    return make([&](int i) HAT_INLINE { return vbslq_f32(sign, b.v[i], a.v[i]); });
  }
  static Lanes where_at_least(Lanes x, Lanes limit, Lanes a) {
    return make([&](int i) HAT_INLINE {
      const uint32x4_t bits = vreinterpretq_u32_f32(a.v[i]);
      return vreinterpretq_f32_u32(vandq_u32(vcgeq_f32(x.v[i], limit.v[i]), bits));
    });
  }
  static Lanes power_of_two(Lanes n) {
    return make([&](int i) HAT_INLINE {
      const int32x4_t biased = vaddq_s32(vcvtnq_s32_f32(n.v[i]), vdupq_n_s32(127));
      return vreinterpretq_f32_s32(vshlq_n_s32(biased, 23));
    });
  }
  static uint32_t greater(Lanes a, Lanes b) {
    const uint32x4_t bits = {1, 2, 4, 8};
    uint32_t mask = 0;
    unrolled<4>([&](int i) HAT_INLINE {
      mask |= vaddvq_u32(vandq_u32(vcgtq_f32(a.v[i], b.v[i]), bits)) << (4 * i);
    });
    return mask;
  }
  float sum() const {
    const float32x4_t s4 = vaddq_f32(vaddq_f32(v[0], v[2]), vaddq_f32(v[1], v[3]));
    const float32x2_t s2 = vadd_f32(vget_low_f32(s4), vget_high_f32(s4));
    return vget_lane_f32(s2, 0) + vget_lane_f32(s2, 1);
  }
  float largest() const {
    float part[16];
    store(part);
    float m = part[0];
    for (int i = 1; i < 16; ++i) m = part[i] > m ? part[i] : m;
    return m;
  }
};

}  // namespace
}  // namespace hat::edge
