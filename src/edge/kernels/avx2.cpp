#if defined(__AVX2__) && defined(__FMA__)

// The lanes come first: the rest is written over them.
// clang-format off
#include "edge/kernels/lanes_avx2.h"
#include "edge/kernels/gemm_kernels.h"
// clang-format on
#include "edge/kernels/tiles_avx2.h"

namespace hat::edge {
namespace {

// Sums of products as assembly because g++ 12 first computes the products of all rows and then
// spills the sums that have no register left.
struct Avx2Dot : Avx2Tiles {
  // Bytes are widened to 16 bits, so that vpmaddwd is exact for every byte that a file can hold
  // (vpmaddubsw would saturate); a column's sum stands in two neighbours until the end.
  static constexpr bool kWideActivations = true;
  static constexpr int kInt8Vectors = 8;
  static constexpr int int8_turn(int m) { return m == 1 ? 8 : m <= 3 ? 4 : 2; }
  using Input = int16_t;
  static const int16_t* inputs(const Activations& x) { return x.wide; }
  static int32_t int8_start(int32_t /*sum*/) { return 0; }
  template <int V>
  [[gnu::always_inline]] static void int8_begin(const int32_t* /*acc*/, __m256i* total) {
    unrolled<V>([&](int v) HAT_INLINE { total[v] = _mm256_setzero_si256(); });
  }
  static __m256i int8_weights(const int8_t* w, int vector) {
    return _mm256_cvtepi8_epi16(_mm_load_si128(reinterpret_cast<const __m128i*>(w) + vector));
  }
  static __m256i int8_input(const int16_t* x) {
    int64_t four;
    __builtin_memcpy(&four, x, sizeof(four));
    return _mm256_set1_epi64x(four);
  }
  static void int8_add(__m256i& sum, __m256i weights, __m256i input) {
    __m256i product;
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
            : "+x"(sum), "=&x"(product)
            : "x"(weights), "x"(input));
  }
  template <int V>
  [[gnu::always_inline]] static void int8_end(const __m256i* total, int32_t* acc) {
    unrolled<V / 2>([&](int pair) HAT_INLINE {
      const __m256i mixed = _mm256_hadd_epi32(total[2 * pair], total[2 * pair + 1]);
      auto* out = reinterpret_cast<__m256i*>(acc + pair * 8);
      const __m256i sum = _mm256_permute4x64_epi64(mixed, 0xD8);
      _mm256_store_si256(out, _mm256_add_epi32(_mm256_load_si256(out), sum));
    });
  }

  // Halves are 0..15, standing for -8..7. A group's eight pair sums fit 16 bits (8 * 2 * 15 * 127 =
  // 30480), so they are widened once a group.
  static __m256i int4_start(int32_t /*offset*/) { return _mm256_setzero_si256(); }
  static void int4_add(__m256i& sum, const Halves& w, const int8_t* x) {
    add_products8(sum, w.low, broadcast_four(x));
    add_products8(sum, w.high, broadcast_four(x + 4));
  }
  static void add_products8(__m256i& sum, __m256i unsigned_bytes, __m256i signed_bytes) {
    __m256i product;
    __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
            : "+x"(sum), "=&x"(product)
            : "x"(unsigned_bytes), "x"(signed_bytes));
  }
  static void int4_end(__m256i sum, int32_t offset, __m256 scales, float* acc) {
    const __m256i wide = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    add_scaled(_mm256_add_epi32(wide, _mm256_set1_epi32(offset)), scales, acc);
  }
};

}  // namespace

const Kernels kAvx2Kernels = make_table<TileBlocks<Avx2Dot>>(Isa::kAvx2);

}  // namespace hat::edge

#endif
