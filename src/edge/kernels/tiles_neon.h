#pragma once

#include "edge/kernels/lanes_neon.h"
#include "edge/kernels/panel_tiles.h"

// What the two NEON instruction sets share of a panel's tiles (panel_tiles.h).
namespace hat::edge {
namespace {

struct NeonTiles {
  static constexpr bool kWideActivations = false;
  static constexpr uint32_t kProductRows = 2;
  static constexpr int kInt4Rows = 5;
  static constexpr int kFp32Rows = 6;
  static constexpr int kInt4Vectors = 8;
  static constexpr int kFp32Vectors = 8;
  static constexpr int int8_turn(int) { return 4; }
  static constexpr int fp32_turn(int) { return 4; }

  using Input = int8_t;
  static const int8_t* inputs(const Activations& x) { return x.q; }
  static int32_t int8_start(int32_t /*sum*/) { return 0; }
  static int32x4_t broadcast_four(const int8_t* p) {
    int32_t word;
    __builtin_memcpy(&word, p, sizeof(word));
    return vdupq_n_s32(word);
  }

  /// Halves as -8..7.
  struct Halves {
    int8x16_t low;
    int8x16_t high;
  };
  static Halves int4_weights(const std::byte* tile, int vector) {
    const uint8x16_t v = vld1q_u8(reinterpret_cast<const uint8_t*>(tile) + vector * 16);
    const int8x16_t eight = vdupq_n_s8(8);
    return {vsubq_s8(vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(15))), eight),
            vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(v, 4)), eight)};
  }
  static float32x4_t int4_scales(const std::byte* group, int vector) {
    const auto* scales = reinterpret_cast<const uint16_t*>(group) + vector * 4;
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(scales), 16));
  }
  static void add_scaled(int32x4_t exact, float32x4_t scales, float* acc) {
    vst1q_f32(acc, vaddq_f32(vld1q_f32(acc), vmulq_f32(vcvtq_f32_s32(exact), scales)));
  }

  using Fp32Sum = float32x4_t;
  static float32x4_t fp32_load(const float* p) { return vld1q_f32(p); }
  static void fp32_store(float32x4_t sum, float* p) { vst1q_f32(p, sum); }
  static float32x4_t fp32_set1(float x) { return vdupq_n_f32(x); }
  static void fp32_add(float32x4_t& sum, float32x4_t factor, float32x4_t weights) {
    sum = vfmaq_f32(sum, factor, weights);
  }
};

}  // namespace
}  // namespace hat::edge
