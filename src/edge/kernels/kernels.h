#pragma once

// The compute kernels of the device runtime: everything that takes time, and nothing that knows
// what a transformer is. Two levels: Kernels (table.h), a table of functions for one instruction
// set; and the free functions below, which choose the table and split the work over a ThreadPool.
// The rest of edge calls those where they exist, and kernels() elsewhere.
//
// One order of float operations. Every function, fp32 gemm aside, gives the same bits on every
// instruction set and for every number of threads and rows, because the order is its contract:
//
// 1. No fused multiply-add, no reassociation (the files are compiled with -ffp-contract=off).
//
// 2. Where every output has its own sum (gemm, attention values, shared scores), its terms are
//    added in ascending order, starting from 0.
//
// 3. sum16: 16 partial sums, lane j taking the elements i = j (mod 16) in ascending order from +0;
//    then lanes j and j + 8 are added, then j and j + 4, j + 2, j + 1.
//
// 4. exp, log and erf are our own (reference.h); max is exact in any order.
//
// fp32 gemm uses fused multiply-add in ascending k on every vector instruction set, so these agree
// bit for bit with each other; scalar rounds twice and stays within 1e-5 relative.
//
// All of this holds for finite inputs. With NaN or infinity nothing reads or writes out of bounds
// and every function returns, but the values may differ.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "edge/kernels/table.h"
#include "hat/edge/isa.h"
#include "hat/edge/thread_pool.h"

namespace hat::edge {

constexpr uint32_t round_up(uint32_t value, uint32_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
constexpr uint32_t panel_count(uint32_t n) { return (n + kPanelRows - 1) / kPanelRows; }
inline constexpr size_t kAlignment = 64;

// Packed weights; the layout is in table.h.

/// Bytes of one panel and of a whole matrix. 1 <= n <= kMaxRows, 1 <= k <= kMaxColumns and a known
/// type, else kData; within those limits nothing overflows 64 bits.
uint64_t panel_bytes(WeightType type, uint32_t k);
uint64_t packed_bytes(WeightType type, uint32_t n, uint32_t k);

/// A checked view of bytes from a file: kData unless the size is exactly packed_bytes() and the
/// address is 64-byte aligned. Any content is safe to compute with.
PackedMatrix view_packed(WeightType type, uint32_t n, uint32_t k, std::span<const std::byte> bytes);

/// Quantises and packs row-major w (row i at w + i * ldw) into packed_bytes() bytes; the same bytes
/// on every machine. int8: scale = max|row| / 127. int4: the scale of least squared error among a
/// few.
void pack(WeightType type, const float* w, size_t ldw, uint32_t n, uint32_t k, std::byte* out);

/// Packed random weights of about unit gain (standard deviation near 1 / sqrt(k)), for timing
/// networks that were never trained. Much faster than pack().
void pack_random(WeightType type, uint32_t n, uint32_t k, uint64_t seed, std::byte* out);

/// The matrix of some rows of another, in the given order (a vocabulary shortlist), into
/// packed_bytes(type, rows.size(), k) bytes. Every row index must be in [0, src.n) (checked).
void gather_rows(const PackedMatrix& src, std::span<const int32_t> rows, std::byte* out);

/// out[i] = W[row][i] * factor for i < count <= k: an embedding row out of a packed table.
void dequantize_row(const PackedMatrix& w, uint32_t row, uint32_t count, float factor, float* out);

/// Memory for quantised rows, allocated once for the largest m and k that will come.
class ActivationBuffer {
 public:
  ActivationBuffer() = default;
  ActivationBuffer(uint32_t max_m, uint32_t max_k);

  /// Row i of x is at x + i * ldx. The result refers to this buffer (to x for kFp32) until the next
  /// call. kInternal when m or k is beyond what was allocated. `pool` may be null.
  Activations prepare(WeightType type, const float* x, size_t ldx, uint32_t m, uint32_t k,
                      ThreadPool* pool = nullptr);

  /// Bytes allocated.
  size_t size_bytes() const { return size_bytes_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  uint32_t max_m_ = 0;
  uint32_t max_k_ = 0;
  size_t size_bytes_ = 0;
  std::unique_ptr<std::byte, Free> memory_;
};

/// y[i][j] = epilogue(sum over k of x[i][k] W[j][k]), row i at y + i * ldy; only columns j < n are
/// written. Int8: float(int32 sum) * (scale_x * scale_w) + bias. Int4: groups in ascending order,
/// acc += float(int32 sum of the group) * scale_group from 0, then acc * scale_x + bias.
/// y must not overlap x or the weights. `pool` may be null (one thread).
void gemm(const PackedMatrix& w, const Activations& x, float* y, size_t ldy,
          const Epilogue& epilogue = {}, ThreadPool* pool = nullptr);

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

// Measuring.

/// GB/s (powers of ten) at which `threads` threads together read a block of `bytes`, each its part:
/// the best megabyte of several passes within about 0.2 s. The block is allocated and written
/// first.
double measure_read_bandwidth_gbps(size_t bytes, int threads);

struct GemmTiming {
  double min_ns = 0;
  double median_ns = 0;
  double weight_gbps = 0;  ///< packed bytes over min_ns
  double gops = 0;         ///< 2 m n k over min_ns
};
/// Times gemm() on random weights, quantisation of the rows included, for about `budget_ms`. It
/// cycles through as many copies of the matrix as fill `footprint_bytes`, so that 0 measures a
/// matrix in cache and 256 MiB one in memory.
GemmTiming measure_gemm(WeightType type, uint32_t m, uint32_t n, uint32_t k, int threads,
                        size_t footprint_bytes, double budget_ms);

}  // namespace hat::edge
