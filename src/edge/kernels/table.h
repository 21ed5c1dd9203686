#pragma once

// What the files of the instruction sets see: plain structs and function types, no standard library
// beyond integers. Code compiled for AVX-512 must not hold inline functions with external linkage,
// which the linker might choose for the whole program.

#include <cstddef>
#include <cstdint>

namespace hat::edge {

enum class Isa;  // hat/edge/isa.h

/// How the weights W [n, k] of y = x W^T + b are stored. The numbers are those of the model file.
enum class WeightType : uint8_t {
  kFp32 = 0,
  kInt8 = 1,  ///< symmetric, one fp32 scale a row of W: w = q * scale, q in [-127, 127]
  kInt4 = 2,  ///< one bfloat16 scale a group of 32 along k: w = q * scale, q in [-8, 7]
};

/// Weights lie in panels of 32 rows of W (32 outputs), each panel one contiguous stream, in one
/// tile that every instruction set reads in place, so that it is made at export and mapped at load:
///
///   fp32:  float [k][32]
///   int8:  float scale[32]; 128 bytes of zero; int8 [k_pad / 4][32][4]
///   int4:  for every group of 32 along k: bfloat16 scale[32]; uint8 [4][32][4], where byte
///          [b][row][i] holds q + 8 of k = 8 b + i in its low half, of k = 8 b + 4 + i in its high
///
/// k_pad is k rounded up to 32, n is padded to 32; padding is w = 0. A panel is a multiple of 64
/// bytes.
inline constexpr uint32_t kPanelRows = 32;
inline constexpr uint32_t kGroup = 32;
/// Where an int8 panel's weights begin, and the bytes of one int4 group.
inline constexpr size_t kInt8Header = 256;
inline constexpr size_t kInt4GroupBytes = 64 + 4 * 128;
/// Largest k: sums of 65,536 products of 8-bit numbers, one of them with an offset of 128, fit
/// int32.
inline constexpr uint32_t kMaxColumns = 65536;
inline constexpr uint32_t kMaxRows = 1u << 24;

/// A view: the bytes belong to the model file or to whoever packed them; 64-byte aligned.
struct PackedMatrix {
  WeightType type = WeightType::kFp32;
  uint32_t n = 0;          ///< rows of W = outputs
  uint32_t k = 0;          ///< columns of W = inputs
  size_t panel_bytes = 0;  ///< from one panel to the next
  const std::byte* data = nullptr;
};

/// m rows of activations, ready for a product. For fp32 weights only `x` is set (a view of the
/// caller's rows). For integer weights every row is quantised symmetrically: scale = max|x| / 127,
/// q = round half to even(x * (127 / max|x|)); a row whose max|x| is below 1e-30 is all zeros.
struct Activations {
  uint32_t m = 0;
  uint32_t k = 0;
  const float* x = nullptr;
  size_t ldx = 0;
  const int8_t* q = nullptr;            ///< [m][k_pad], zero beyond k
  const float* scales = nullptr;        ///< [m]
  const int32_t* sums = nullptr;        ///< [m], sum of q
  const int32_t* group_sums = nullptr;  ///< [m][k_pad / 32], sum of q over each group; int4 only
  const int16_t* wide = nullptr;        ///< [m][k_pad], q again, if Kernels::wide_activations
};

enum class Activation : uint8_t { kNone, kRelu, kGelu };

/// What happens to a product before it is stored: y = residual + activation(product + bias).
struct Epilogue {
  const float* bias = nullptr;      ///< [n] or null
  const float* residual = nullptr;  ///< row i at residual + i * ld_residual, or null; may be y
  size_t ld_residual = 0;
  Activation activation = Activation::kNone;
};

/// What gemm() hands to an instruction set: the product of all rows with a range of panels.
struct GemmTask {
  PackedMatrix w;
  Activations x;
  float* y = nullptr;
  size_t ldy = 0;
  Epilogue epilogue;
};

/// Keys or values of earlier steps, kept where they were written. Position t of the sequence that
/// is being continued lies at base + t * time_stride + slots[t] * slot_stride (in floats): beams
/// that are re-ordered change slots and copy nothing. slots may be null (all 0).
struct CachedRows {
  const float* base = nullptr;
  size_t time_stride = 0;
  size_t slot_stride = 0;
  const int32_t* slots = nullptr;
};

/// The functions of one instruction set. Outputs may be the inputs where both are rows of n floats.
struct Kernels {
  Isa isa;
  bool wide_activations;  ///< gemm_int8 reads Activations::wide

  /// Products: panels [begin, end) of task.w, all rows.
  void (*gemm_fp32)(const GemmTask& task, uint32_t begin, uint32_t end);
  void (*gemm_int8)(const GemmTask& task, uint32_t begin, uint32_t end);
  void (*gemm_int4)(const GemmTask& task, uint32_t begin, uint32_t end);
  /// One row: q [k_pad], its scale and sums (k_pad = k rounded up to 32). group_sums may be null.
  void (*quantize_row)(const float* x, uint32_t k, int8_t* q, float* scale, int32_t* sum,
                       int32_t* group_sums);

  /// y = (x - mean) / sqrt(variance + eps) * gamma + beta; both sums are sum16, the variance is
  /// that of x - mean over n.
  void (*layer_norm)(const float* x, uint32_t n, const float* gamma, const float* beta, float eps,
                     float* y);
  /// x = exp(x - max) / sum16; n >= 1. -infinity gives 0 (a mask), but one value must be finite.
  void (*softmax)(float* x, uint32_t n);
  /// max + log(sum16 of exp(x - max)): log softmax is x minus this. n >= 1.
  float (*log_sum_exp)(const float* x, uint32_t n);
  /// Goes on looking for the k largest values of a row that comes in pieces, in ascending order:
  /// `values` and `indices` hold those found so far, largest first, the smaller index first among
  /// equals, -infinity and -1 where there are none yet. x is the piece from index `first`. NaN and
  /// -infinity are never taken. k >= 1; meant for small k.
  void (*top_k)(const float* x, uint32_t n, uint32_t first, uint32_t k, float* values,
                int32_t* indices);
  /// y += x
  void (*add)(const float* x, uint32_t n, float* y);
  /// y = x * factor + z (z may be null: y = x * factor). Embedding scale and position.
  void (*scale_add)(const float* x, float factor, const float* z, uint32_t n, float* y);
  void (*activate)(Activation activation, float* x, uint32_t n);

  /// Attention of one row q [heads * d] over its own history of `length` positions (decoder
  /// self-attention). Channels of head h are [h * d, (h + 1) * d) in q, keys and values.
  /// scores[h * ld + t] = sum16 over c of q[h, c] * key[t][h, c], times scale.
  void (*cached_scores)(const float* q, const CachedRows& keys, uint32_t length, uint32_t heads,
                        uint32_t d, float scale, float* scores, size_t ld);
  /// out[h * d + c] = sum over t ascending of p[h * ld + t] * value[t][h, c].
  void (*cached_values)(const float* p, size_t ld, const CachedRows& values, uint32_t length,
                        uint32_t heads, uint32_t d, float* out);

  /// Attention of m rows that share one head's keys and values (encoder, cross-attention).
  /// scores[i * ld + t] = (sum over c ascending of q[i * ldq + c] * keys_t[c * ldk + t]) * scale
  /// for t < length. keys_t comes from transpose_keys(): ldk is a multiple of 16, at least length.
  void (*shared_scores)(const float* q, size_t ldq, uint32_t m, const float* keys_t, size_t ldk,
                        uint32_t length, uint32_t d, float scale, float* scores, size_t ld);
  /// out[i * ldo + c] = sum over t ascending of p[i * ld + t] * values[t * ldv + c], c < d.
  void (*shared_values)(const float* p, size_t ld, uint32_t m, const float* values, size_t ldv,
                        uint32_t length, uint32_t d, float* out, size_t ldo);

  /// Reads every byte and returns some checksum. 64-byte aligned, size a multiple of 256.
  uint64_t (*read_bytes)(const std::byte* data, size_t size);
};

extern const Kernels kScalarKernels;
extern const Kernels kAvx2Kernels;
extern const Kernels kAvxVnniKernels;
extern const Kernels kAvxVnniEvexKernels;  // for tests on machines with AVX-512 alone
extern const Kernels kAvx512Kernels;
extern const Kernels kNeonKernels;
extern const Kernels kNeonDotKernels;

}  // namespace hat::edge
