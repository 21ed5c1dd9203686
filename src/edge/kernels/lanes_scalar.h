#pragma once

#include <cstdint>
#include <cstring>

#include "edge/kernels/reference.h"

// 16 floats as plain C++: the meaning of the operations that the other lanes_*.h give by hand.
// Everything is in an unnamed namespace: each instruction set's file must keep its own copy.
namespace hat::edge {
namespace {

struct Lanes {
  float v[16];

  template <class F>
  static Lanes make(F f) {
    Lanes r;
    for (int i = 0; i < 16; ++i) r.v[i] = f(i);
    return r;
  }
  static Lanes zero() { return set1(0.0f); }
  static Lanes set1(float x) {
    return make([&](int) { return x; });
  }
  static Lanes load(const float* p) {
    return make([&](int i) { return p[i]; });
  }
  /// The first count lanes from memory, the others `fill`. 0 < count < 16.
  static Lanes load_part(const float* p, uint32_t count, float fill) {
    return make([&](int i) { return static_cast<uint32_t>(i) < count ? p[i] : fill; });
  }
  static Lanes from_int32(const int32_t* p) {
    return make([&](int i) { return static_cast<float>(p[i]); });
  }
  static Lanes from_bfloat16(const uint16_t* p) {
    return make([&](int i) { return bfloat16_to_float(p[i]); });
  }
  void store(float* p) const { std::memcpy(p, v, sizeof(v)); }
  void store_part(float* p, uint32_t count) const { std::memcpy(p, v, count * sizeof(float)); }
  /// Rounded half to even; |lanes| <= 127.5.
  void store_int8(int8_t* p) const {
    for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(round_to_int(v[i]));
  }

  friend Lanes operator+(Lanes a, Lanes b) {
    return make([&](int i) { return a.v[i] + b.v[i]; });
  }
  friend Lanes operator-(Lanes a, Lanes b) {
    return make([&](int i) { return a.v[i] - b.v[i]; });
  }
  friend Lanes operator*(Lanes a, Lanes b) {
    return make([&](int i) { return a.v[i] * b.v[i]; });
  }
  friend Lanes operator/(Lanes a, Lanes b) {
    return make([&](int i) { return a.v[i] / b.v[i]; });
  }
  static Lanes max(Lanes a, Lanes b) {
    return make([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static Lanes min(Lanes a, Lanes b) {
    return make([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  static Lanes abs(Lanes a) {
    return make([&](int i) { return __builtin_fabsf(a.v[i]); });
  }
  /// a, with the sign of b.
  static Lanes copy_sign(Lanes a, Lanes b) {
    return make([&](int i) { return __builtin_copysignf(a.v[i], b.v[i]); });
  }
  /// a where x >= limit, else +0.
  static Lanes where_at_least(Lanes x, Lanes limit, Lanes a) {
    return make([&](int i) { return x.v[i] >= limit.v[i] ? a.v[i] : 0.0f; });
  }
  /// 2^n for whole n in [-126, 127].
  static Lanes power_of_two(Lanes n) {
    return make([&](int i) { return hat::edge::power_of_two(n.v[i]); });
  }
  /// Bit i is set where lane i is greater.
  static uint32_t greater(Lanes a, Lanes b) {
    uint32_t mask = 0;
    for (int i = 0; i < 16; ++i) mask |= static_cast<uint32_t>(a.v[i] > b.v[i]) << i;
    return mask;
  }
  /// The fixed tree: lanes j and j + 8, then + 4, + 2, + 1.
  float sum() const {
    float s[8];
    for (int i = 0; i < 8; ++i) s[i] = v[i] + v[i + 8];
    for (int i = 0; i < 4; ++i) s[i] = s[i] + s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
  }
  float largest() const {
    float m = v[0];
    for (int i = 1; i < 16; ++i) m = v[i] > m ? v[i] : m;
    return m;
  }
};

}  // namespace
}  // namespace hat::edge
