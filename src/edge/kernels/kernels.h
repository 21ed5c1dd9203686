#pragma once

// The compute kernels of the device runtime: everything that takes time, and nothing that knows
// what a transformer is. Two levels:
//   - Kernels, a table of functions for one instruction set, that compute a part of a thing;
//   - free functions (gemm, prepare_activations, ...) that choose the table and split the work over
//   a
//     ThreadPool. The rest of edge calls those where they exist, and the table elsewhere.
//
// One order of float operations. Every function here, fp32 gemm aside, gives the same bits on every
// instruction set and for every number of threads and rows, because the order is part of its
// contract:
//   - no fused multiply-add, no reassociation (the files are compiled with -ffp-contract=off);
//   - "lane-wise" results (gemm, attention values, activations) have one accumulator an output, and
//   add
//     its terms in ascending order, starting from 0;
//   - "reductions" (sum16 below) keep 16 partial sums, lane j taking the elements i = j (mod 16) in
//     ascending order from +0; then lanes j and j + 8 are added, then j and j + 4, j + 2, j + 1;
//   - exp is one polynomial (exp_reference in math.h), max is exact in any order.
// fp32 gemm uses fused multiply-add in ascending k on every vector instruction set (these agree bit
// for bit with each other); scalar rounds twice and stays within 1e-5 relative. All of that holds
// for finite inputs; with NaN or infinity nothing reads or writes out of bounds and every function
// returns, but the values may differ.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hat/edge/isa.h"
#include "hat/edge/thread_pool.h"

namespace hat::edge {

// --- Packed weights ------------------------------------------------------------------------------

/// How the weights W [n, k] of y = x W^T + b are stored. The numbers are those of the model file.
enum class WeightType : uint8_t {
  kFp32 = 0,
  kInt8 = 1,  ///< symmetric, one fp32 scale a row of W: w = q * scale, q in [-127, 127]
  kInt4 = 2,  ///< one bfloat16 scale a group of 32 along k: w = q * scale, q in [-8, 7]
};

/// Weights lie in panels of 32 rows of W (32 outputs), each panel one contiguous stream, in one
/// tile that every instruction set reads in place, so that it is made at export and mapped at load:
///   fp32:  float [k][32]
///   int8:  float scale[32]; 128 bytes of zero; int8 [k_pad / 4][32][4]
///   int4:  for every group of 32 along k: bfloat16 scale[32]; uint8 [4][32][4], where byte
///          [b][row][i] holds q + 8 of k = 8 b + i in its low half and of k = 8 b + 4 + i in its
///          high
/// k_pad is k rounded up to 32, n up to 32; padding is q = 0 (w = 0). A panel is a multiple of 64
/// bytes.
inline constexpr uint32_t kPanelRows = 32;
inline constexpr uint32_t kGroup = 32;
/// Largest k: sums of 65,536 products of 8-bit numbers, one of them with an offset of 128, fit
/// int32.
inline constexpr uint32_t kMaxColumns = 65536;
inline constexpr uint32_t kMaxRows = 1u << 24;
inline constexpr size_t kAlignment = 64;

constexpr uint32_t round_up(uint32_t value, uint32_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// A view: the bytes belong to the model file or to whoever packed them. `data` is 64-byte aligned.
struct PackedMatrix {
  WeightType type = WeightType::kFp32;
  uint32_t n = 0;  ///< rows of W = outputs
  uint32_t k = 0;  ///< columns of W = inputs
  const std::byte* data = nullptr;

  uint32_t panels() const { return round_up(n, kPanelRows) / kPanelRows; }
};

/// Bytes of one panel and of a whole matrix. 1 <= n <= kMaxRows, 1 <= k <= kMaxColumns and a known
/// type or kData; the product cannot overflow 64 bits within those limits.
uint64_t panel_bytes(WeightType type, uint32_t k);
uint64_t packed_bytes(WeightType type, uint32_t n, uint32_t k);

/// A checked view of bytes from a file: kData unless the size is exactly packed_bytes() and the
/// address is aligned. Any content is safe to compute with.
PackedMatrix view_packed(WeightType type, uint32_t n, uint32_t k, std::span<const std::byte> bytes);

/// Quantises and packs row-major w (row i at w + i * ldw) into packed_bytes() bytes. The same bytes
/// on every machine. int8: scale = max|row| / 127. int4: the scale of least squared error among a
/// few.
void pack(WeightType type, const float* w, size_t ldw, uint32_t n, uint32_t k, std::byte* out);

/// Packed random weights of about unit gain (standard deviation near 1 / sqrt(k)), for timing
/// networks that were never trained. Much faster than pack().
void pack_random(WeightType type, uint32_t n, uint32_t k, uint64_t seed, std::byte* out);

/// The matrix of some rows of another, in the given order (a vocabulary shortlist), into
/// packed_bytes(type, rows.size(), k) bytes. Every row index must be below src.n (checked).
void gather_rows(const PackedMatrix& src, std::span<const int32_t> rows, std::byte* out);

/// out[i] = W[row][i] * factor for i < count <= k: an embedding row out of a packed table.
void dequantize_row(const PackedMatrix& w, uint32_t row, uint32_t count, float factor, float* out);

// --- Activations ---------------------------------------------------------------------------------

/// m rows of activations, ready for a product. For fp32 weights only `x` is set (a view of the
/// caller's rows). For integer weights every row is quantised symmetrically:
/// scale = max|x| / 127, q = round half to even(x * (127 / max|x|)), 0 for a row of zeros.
struct Activations {
  uint32_t m = 0;
  uint32_t k = 0;
  const float* x = nullptr;
  size_t ldx = 0;
  const int8_t* q = nullptr;            ///< [m][k_pad], zero beyond k
  const float* scales = nullptr;        ///< [m]
  const int32_t* sums = nullptr;        ///< [m], sum of q
  const int32_t* group_sums = nullptr;  ///< [m][k_pad / 32], sum of q over each group
};

/// Memory for quantised rows, allocated once for the largest m and k that will come.
class ActivationBuffer {
 public:
  ActivationBuffer() = default;
  ActivationBuffer(uint32_t max_m, uint32_t max_k);

  /// Rows row i at x + i * ldx. The result refers to this buffer (and to x for kFp32) until the
  /// next call. kInternal when m or k is beyond what was allocated. `pool` may be null.
  Activations prepare(WeightType type, const float* x, size_t ldx, uint32_t m, uint32_t k,
                      ThreadPool* pool = nullptr);

 private:
  uint32_t max_m_ = 0;
  uint32_t max_k_ = 0;
  std::vector<std::byte> memory_;
};

// --- Products ------------------------------------------------------------------------------------

enum class Activation : uint8_t { kNone, kRelu, kGelu };

/// What happens to a product before it is stored: y = residual + activation(product + bias).
struct Epilogue {
  const float* bias = nullptr;  ///< [n] or null
  const float* residual =
      nullptr;  ///< row i at residual + i * ld_residual, or null; may be y itself
  size_t ld_residual = 0;
  Activation activation = Activation::kNone;
};

/// y[i][j] = epilogue(sum over k of x[i][k] W[j][k]), row i at y + i * ldy, columns j < n only are
/// written. Int8: float(int32 sum) * (scale_x * scale_w) + bias. Int4: groups in ascending order,
/// acc += float(int32 sum of the group) * scale_group from 0, then acc * scale_x + bias.
/// y must not overlap x or the weights. `pool` may be null (one thread).
void gemm(const PackedMatrix& w, const Activations& x, float* y, size_t ldy,
          const Epilogue& epilogue = {}, ThreadPool* pool = nullptr);

// --- The table of one instruction set ------------------------------------------------------------

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

struct Kernels {
  Isa isa;

  // Products: panels [begin, end) of task.w.
  void (*gemm_fp32)(const GemmTask& task, uint32_t begin, uint32_t end);
  void (*gemm_int8)(const GemmTask& task, uint32_t begin, uint32_t end);
  void (*gemm_int4)(const GemmTask& task, uint32_t begin, uint32_t end);
  /// One row: q [k_pad], its scale and sums (k_pad = k rounded up to 32).
  void (*quantize_row)(const float* x, uint32_t k, int8_t* q, float* scale, int32_t* sum,
                       int32_t* group_sums);

  // Rows of n floats. Outputs may be the inputs.
  /// y = (x - mean) / sqrt(variance + eps) * gamma + beta; both sums are sum16, variance of x -
  /// mean.
  void (*layer_norm)(const float* x, uint32_t n, const float* gamma, const float* beta, float eps,
                     float* y);
  /// x = exp(x - max) / sum16; n >= 1. -infinity gives 0 (a mask), but one value must be finite.
  void (*softmax)(float* x, uint32_t n);
  /// max + log(sum16 of exp(x - max)): log softmax is x minus this. n >= 1.
  float (*log_sum_exp)(const float* x, uint32_t n);
  /// The k largest, largest first, the smaller index first among equals. NaN and -infinity are
  /// never taken: missing places are filled with -infinity and index -1. 1 <= k <= 1024.
  void (*top_k)(const float* x, uint32_t n, uint32_t k, float* values, int32_t* indices);
  /// y += x
  void (*add)(const float* x, uint32_t n, float* y);
  /// y = x * factor + z (z may be null: y = x * factor). Embedding scale and position.
  void (*scale_add)(const float* x, float factor, const float* z, uint32_t n, float* y);
  void (*activate)(Activation activation, float* x, uint32_t n);

  // Attention for one row q [heads * d] over its own history of `length` positions (decoder
  // self-attention). Channels of head h are [h * d, (h + 1) * d) in q, keys and values.
  /// scores[h * ld + t] = sum16 over c of q[h, c] * key[t][h, c], times scale.
  void (*cached_scores)(const float* q, const CachedRows& keys, uint32_t length, uint32_t heads,
                        uint32_t d, float scale, float* scores, size_t ld);
  /// out[h, c] = sum over t ascending of p[h * ld + t] * value[t][h, c].
  void (*cached_values)(const float* p, size_t ld, const CachedRows& values, uint32_t length,
                        uint32_t heads, uint32_t d, float* out);

  // Attention for m rows that share one head's keys and values (encoder, cross-attention).
  /// scores[i * ld + t] = (sum over c ascending of q[i * ldq + c] * keys_t[c * ldk + t]) * scale,
  /// for t < length. keys_t is transposed by transpose_keys(): ldk is a multiple of 16, at least
  /// length.
  void (*shared_scores)(const float* q, size_t ldq, uint32_t m, const float* keys_t, size_t ldk,
                        uint32_t length, uint32_t d, float scale, float* scores, size_t ld);
  /// out[i * ldo + c] = sum over t ascending of p[i * ld + t] * values[t * ldv + c], c < d.
  void (*shared_values)(const float* p, size_t ld, uint32_t m, const float* values, size_t ldv,
                        uint32_t length, uint32_t d, float* out, size_t ldo);

  /// Adds up the bytes (as 64-bit words) in some order: reading them is the purpose. 64-byte
  /// aligned, size a multiple of 256.
  uint64_t (*read_bytes)(const std::byte* data, size_t size);
};

/// The table of active_isa().
const Kernels& kernels();
/// The table of one instruction set; null when this program or processor has not got it.
const Kernels* find_kernels(Isa isa);
/// For tests and benchmarks: from now on kernels() and gemm() use this table (null: active_isa()
/// again). Not while other threads compute.
void override_kernels(const Kernels* table);

/// keys_t[c * ldk + t] = k[t * ld + c] for c < d, t < length; zero for length <= t < ldk.
void transpose_keys(const float* k, size_t ld, uint32_t length, uint32_t d, float* keys_t,
                    size_t ldk);

// --- Measuring -----------------------------------------------------------------------------------

/// GB/s (powers of ten) at which `threads` threads together read a block of `bytes`, each its part:
/// the best of several passes within about 0.2 s. The block is allocated and written first.
double measure_read_bandwidth_gbps(size_t bytes, int threads);

struct GemmTiming {
  double min_ns = 0;
  double median_ns = 0;
  double weight_gbps = 0;  ///< packed bytes over min_ns
  double gops = 0;         ///< 2 m n k over min_ns
};
/// Times gemm() on random weights, quantisation of the rows included, for about `budget_ms`. Copies
/// of the matrix are cycled through until they exceed `footprint_bytes`, so that 0 measures a
/// matrix in cache and 256 MiB one in memory.
GemmTiming measure_gemm(WeightType type, uint32_t m, uint32_t n, uint32_t k, int threads,
                        size_t footprint_bytes, double budget_ms);

}  // namespace hat::edge
