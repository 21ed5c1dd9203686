#if defined(__aarch64__)

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_neon.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on
#include "edge/kernels/neon_fp32.h"

namespace hat::edge {
namespace {

inline int8x8_t broadcast_four(const int8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return vreinterpret_s8_s32(vdup_n_s32(word));
}

// Adds `steps` (even) times four terms to M rows by 8 columns of a panel. Products of two steps are
// added in 16 bits, which holds for every byte that a file can hold: 2 * 128 * 127 = 32512. A
// column's sum stands in two neighbours until the end.
template <int M>
inline void int8_part(const int8_t* w, uint32_t steps, const int8_t* q, size_t ldq,
                      const char* next, int32_t* acc) {
  int32x4_t total[M][4];
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<4>([&](int c) HAT_INLINE { total[r][c] = vdupq_n_s32(0); });
  });
  for (uint32_t i = 0; i < steps; i += 2, w += 8 * kPanelRows, next += 64) {
    prefetch(next);
    unrolled<4>([&](int c) HAT_INLINE {
      const int8x8_t v0 = vld1_s8(w + c * 8);
      const int8x8_t v1 = vld1_s8(w + 4 * kPanelRows + c * 8);
      unrolled<M>([&](int r) HAT_INLINE {
        const int8_t* at = q + r * ldq + i * 4;
        const int16x8_t pairs =
            vmlal_s8(vmull_s8(v0, broadcast_four(at)), v1, broadcast_four(at + 4));
        total[r][c] = vpadalq_s16(total[r][c], pairs);
      });
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<2>([&](int half) HAT_INLINE {
      int32_t* out = acc + r * kPanelRows + half * 4;
      const int32x4_t sum = vpaddq_s32(total[r][2 * half], total[r][2 * half + 1]);
      vst1q_s32(out, vaddq_s32(vld1q_s32(out), sum));
    });
  });
}

template <int M>
void int8_rows(const int8_t* w, uint32_t k_pad, const int8_t* q, int32_t* acc) {
  constexpr uint32_t kStep = kBlockBytes / kPanelRows;
  for (uint32_t i = 0; i < M * kPanelRows; ++i) acc[i] = 0;
  for (uint32_t k = 0; k < k_pad; k += kStep, w += kBlockBytes) {
    const uint32_t steps = (k_pad - k < kStep ? k_pad - k : kStep) / 4;
    const char* next = reinterpret_cast<const char*>(w) + kBlockBytes;
    for (int c = 0; c < 4; ++c) {
      int8_part<M>(w + c * 32, steps, q + k, k_pad, next + size_t{32} * steps * c, acc + c * 8);
    }
  }
}

// M rows by 4 columns, the first of them given in units of 4. A group's eight products a place stay
// within 16 bits (8 * 8 * 127 = 8128).
template <int M>
inline void int4_part(const std::byte* data, uint32_t groups, const int8_t* q, int first,
                      float* acc) {
  const uint8x16_t low_half = vdupq_n_u8(15);
  const int8x16_t eight = vdupq_n_s8(8);
  const size_t k_pad = size_t{groups} * kGroup;
  float32x4_t total[M];
  unrolled<M>([&](int r) HAT_INLINE { total[r] = vdupq_n_f32(0.0f); });
  for (uint32_t g = 0; g < groups; ++g, data += kInt4GroupBytes) {
    const int8_t* x = q + size_t{g} * kGroup;
    int16x8_t sum[M][2];
    unrolled<M>([&](int r) HAT_INLINE { sum[r][0] = sum[r][1] = vdupq_n_s16(0); });
    if (first == 0) {
      for (size_t at = 0; at < kInt4GroupBytes; at += 64) prefetch(data + 2048 + at);
    }
    unrolled<4>([&](int b) HAT_INLINE {
      const uint8x16_t v =
          vld1q_u8(reinterpret_cast<const uint8_t*>(data + 64 + b * 128) + first * 16);
      const int8x16_t low = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(v, low_half)), eight);
      const int8x16_t high = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(v, 4)), eight);
      unrolled<M>([&](int r) HAT_INLINE {
        const int8x8_t x_low = broadcast_four(x + r * k_pad + b * 8);
        const int8x8_t x_high = broadcast_four(x + r * k_pad + b * 8 + 4);
        sum[r][0] = vmlal_s8(sum[r][0], vget_low_s8(low), x_low);
        sum[r][1] = vmlal_s8(sum[r][1], vget_high_s8(low), x_low);
        sum[r][0] = vmlal_s8(sum[r][0], vget_low_s8(high), x_high);
        sum[r][1] = vmlal_s8(sum[r][1], vget_high_s8(high), x_high);
      });
    });
    const auto* scales = reinterpret_cast<const uint16_t*>(data) + first * 4;
    const float32x4_t scale = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(scales), 16));
    unrolled<M>([&](int r) HAT_INLINE {
      const int32x4_t exact = vpaddq_s32(vpaddlq_s16(sum[r][0]), vpaddlq_s16(sum[r][1]));
      total[r] = vaddq_f32(total[r], vmulq_f32(vcvtq_f32_s32(exact), scale));
    });
  }
  unrolled<M>([&](int r) HAT_INLINE { vst1q_f32(acc + r * kPanelRows + first * 4, total[r]); });
}

template <int M>
void int4_rows(const std::byte* data, uint32_t groups, const int8_t* q, float* acc) {
  for (int first = 0; first < 8; ++first) int4_part<M>(data, groups, q, first, acc);
}

struct Blocks {
  static constexpr bool kWideActivations = false;
  static constexpr uint32_t kInt8Rows = 5;
  static constexpr uint32_t kInt4Rows = 5;
  static constexpr uint32_t kFp32Rows = kFp32RowsNeon;
  static constexpr uint32_t kProductRows = 2;

  static void int8(const Activations& x, uint32_t row, uint32_t rows, const int8_t* w,
                   uint32_t k_pad, int32_t* acc) {
    constexpr decltype(&int8_rows<1>) kByRows[] = {int8_rows<1>, int8_rows<2>, int8_rows<3>,
                                                   int8_rows<4>, int8_rows<5>};
    kByRows[rows - 1](w, k_pad, x.q + size_t{row} * k_pad, acc);
  }
  static void int4(uint32_t rows, const std::byte* data, uint32_t groups, const int8_t* q,
                   const int32_t* /*group_sums*/, float* acc) {
    constexpr decltype(&int4_rows<1>) kByRows[] = {int4_rows<1>, int4_rows<2>, int4_rows<3>,
                                                   int4_rows<4>, int4_rows<5>};
    kByRows[rows - 1](data, groups, q, acc);
  }
  static void fp32(uint32_t rows, const float* w, uint32_t k, const float* x, size_t ldx,
                   float* acc) {
    fp32_block(rows, w, k, x, ldx, acc);
  }
};

}  // namespace

const Kernels kNeonKernels = make_table<Blocks>(Isa::kNeon);

}  // namespace hat::edge

#endif
