#if defined(__aarch64__)

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_neon.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on
#include "edge/kernels/tiles_neon.h"

namespace hat::edge {
namespace {

struct NeonWidening : NeonTiles {
  // Products of two steps are added in 16 bits, which holds for every byte that a file can hold:
  // 2 * 128 * 127 = 32512. A column's sum stands in two neighbours until the end.
  static constexpr int kInt8Rows = 5;
  static constexpr int kInt8Vectors = 16;
  static constexpr int kInt8Steps = 2;
  static constexpr int kInt8Together = 1;
  using Int8Sum = int32x4_t;
  struct TwoSteps {
    int8x8_t first;
    int8x8_t second;
  };
  template <int V>
  [[gnu::always_inline]] static void int8_begin(const int32_t* /*acc*/, int32x4_t* total) {
    unrolled<V>([&](int v) HAT_INLINE { total[v] = vdupq_n_s32(0); });
  }
  static TwoSteps int8_weights(const int8_t* w, int vector) {
    return {vld1_s8(w + vector * 8), vld1_s8(w + 4 * kPanelRows + vector * 8)};
  }
  static int8x8_t half_vector(const int8_t* x) {
    return vget_low_s8(vreinterpretq_s8_s32(broadcast_four(x)));
  }
  static TwoSteps int8_input(const int8_t* x) { return {half_vector(x), half_vector(x + 4)}; }
  static void int8_add(int32x4_t& sum, const TwoSteps& w, const TwoSteps& x) {
    sum = vpadalq_s16(sum, vmlal_s8(vmull_s8(w.first, x.first), w.second, x.second));
  }
  template <int V>
  [[gnu::always_inline]] static void int8_end(const int32x4_t* total, int32_t* acc) {
    unrolled<V / 2>([&](int pair) HAT_INLINE {
      int32_t* out = acc + pair * 4;
      const int32x4_t sum = vpaddq_s32(total[2 * pair], total[2 * pair + 1]);
      vst1q_s32(out, vaddq_s32(vld1q_s32(out), sum));
    });
  }

  // A group's eight products a place stay within 16 bits (8 * 8 * 127 = 8128).
  static constexpr int int4_turn(int) { return 1; }
  struct Int4Sum {
    int16x8_t low;
    int16x8_t high;
  };
  static Int4Sum int4_start(int32_t /*offset*/) { return {vdupq_n_s16(0), vdupq_n_s16(0)}; }
  static void int4_add(Int4Sum& sum, const Halves& w, const int8_t* x) {
    const int8x8_t x_low = half_vector(x);
    const int8x8_t x_high = half_vector(x + 4);
    sum.low = vmlal_s8(sum.low, vget_low_s8(w.low), x_low);
    sum.high = vmlal_s8(sum.high, vget_high_s8(w.low), x_low);
    sum.low = vmlal_s8(sum.low, vget_low_s8(w.high), x_high);
    sum.high = vmlal_s8(sum.high, vget_high_s8(w.high), x_high);
  }
  static void int4_end(const Int4Sum& sum, int32_t /*offset*/, float32x4_t scales, float* acc) {
    add_scaled(vpaddq_s32(vpaddlq_s16(sum.low), vpaddlq_s16(sum.high)), scales, acc);
  }
};

}  // namespace

const Kernels kNeonKernels = make_table<TileBlocks<NeonWidening>>(Isa::kNeon);

}  // namespace hat::edge

#endif
