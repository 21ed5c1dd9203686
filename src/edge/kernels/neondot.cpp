#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_neon.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on
#include "edge/kernels/tiles_neon.h"

namespace hat::edge {
namespace {

struct NeonDotProduct : NeonTiles {
  static constexpr int kInt8Rows = 6;
  static constexpr int kInt8Vectors = 8;
  static constexpr int kInt8Steps = 1;
  static constexpr int kInt8Together = 4;
  using Int8Sum = int32x4_t;
  template <int V>
  [[gnu::always_inline]] static void int8_begin(const int32_t* acc, int32x4_t* total) {
    unrolled<V>([&](int v) HAT_INLINE { total[v] = vld1q_s32(acc + v * 4); });
  }
  static int8x16_t int8_weights(const int8_t* w, int vector) { return vld1q_s8(w + vector * 16); }
  static int8x16_t int8_input(const int8_t* x) { return vreinterpretq_s8_s32(broadcast_four(x)); }
  static void int8_add(int32x4_t& sum, int8x16_t w, int8x16_t x) { sum = vdotq_s32(sum, w, x); }
  template <int V>
  [[gnu::always_inline]] static void int8_end(const int32x4_t* total, int32_t* acc) {
    unrolled<V>([&](int v) HAT_INLINE { vst1q_s32(acc + v * 4, total[v]); });
  }

  static constexpr int int4_turn(int) { return 2; }
  using Int4Sum = int32x4_t;
  static int32x4_t int4_start(int32_t /*offset*/) { return vdupq_n_s32(0); }
  static void int4_add(int32x4_t& sum, const Halves& w, const int8_t* x) {
    int8_add(sum, w.low, int8_input(x));
    int8_add(sum, w.high, int8_input(x + 4));
  }
  static void int4_end(int32x4_t sum, int32_t /*offset*/, float32x4_t scales, float* acc) {
    add_scaled(sum, scales, acc);
  }
};

}  // namespace

const Kernels kNeonDotKernels = make_table<TileBlocks<NeonDotProduct>>(Isa::kNeonDot);

}  // namespace hat::edge

#endif
