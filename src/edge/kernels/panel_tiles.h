#pragma once

#include "edge/kernels/table.h"
#include "edge/kernels/unroll.h"

// Products of a few rows with one panel, for instruction sets whose registers hold the sums of some
// of a panel's columns only (all but AVX-512): the columns take turns, `Vectors` at a time. Written
// once over `Dot`, which an instruction set's file gives:
//
//   kWideActivations, kProductRows: as in gemm_kernels.h;
//   kInt8Rows, kInt4Rows, kFp32Rows: the most rows at once;
//   kInt8Vectors, kInt4Vectors, kFp32Vectors: vectors that hold the 32 columns of a panel;
//   int8_turn(m), int4_turn(m), fp32_turn(m): how many of them are held at once for m rows;
//   Input, inputs(x): what int8 rows are read from;
//   Int8Sum, kInt8Steps (steps of four terms that one addition takes), kInt8Together (vectors of
//   weights that are loaded before their products), int8_start(sum of the row),
//   int8_begin<V>(acc, sums), int8_weights(w, vector), int8_input(x), int8_add(sum, weights,
//   input), int8_end<V>(sums, acc): products with bytes, exact for every byte that a file can hold;
//   Int4Sum, int4_start(offset), int4_weights(tile, vector), int4_add(sum, weights, x),
//   int4_scales(group, vector), int4_end(sum, offset, scales, acc): acc += scale * (products of one
//   group + offset), in that order of operations;
//   Fp32Sum, fp32_load(p), fp32_store(sum, p), fp32_set1(x), fp32_add(sum, factor, weights): fused.
namespace hat::edge {
namespace {

// A panel is worked on in blocks along k that stay in the first cache while its columns take turns;
// meanwhile the next block is asked for, a share at a time.
constexpr size_t kBlockBytes = 8192;
constexpr size_t kPrefetchInt4 = 2048;

inline void prefetch(const void* p) { __builtin_prefetch(p, 0, 3); }

/// Asks for the `Bytes` at next, at most two cache lines.
template <size_t Bytes>
inline void prefetch_share(const char* next) {
  prefetch(next);
  if constexpr (Bytes > 64) prefetch(next + 64);
}

/// Adds `steps` times four terms to M rows by V vectors of columns, and asks for the part of `next`
/// that belongs to this turn.
template <class Dot, int M, int V>
[[gnu::always_inline]] inline void int8_part(const int8_t* w, uint32_t steps,
                                             const typename Dot::Input* x, size_t ldx,
                                             const char* next, int32_t* acc) {
  constexpr size_t kShare = V * (4 * kPanelRows / Dot::kInt8Vectors) * Dot::kInt8Steps;
  constexpr int kTogether = Dot::kInt8Together < V ? Dot::kInt8Together : V;
  typename Dot::Int8Sum total[M][V];
  unrolled<M>([&](int r)
                  HAT_INLINE { Dot::template int8_begin<V>(acc + r * kPanelRows, total[r]); });
  for (uint32_t i = 0; i < steps; i += Dot::kInt8Steps) {
    prefetch_share<kShare>(next);
    next += kShare;
    unrolled<V / kTogether>([&](int turn) HAT_INLINE {
      decltype(Dot::int8_weights(w, 0)) v[kTogether];
      unrolled<kTogether>([&](int c)
                              HAT_INLINE { v[c] = Dot::int8_weights(w, turn * kTogether + c); });
      unrolled<M>([&](int r) HAT_INLINE {
        const auto factor = Dot::int8_input(x + r * ldx + i * 4);
        unrolled<kTogether>(
            [&](int c) HAT_INLINE { Dot::int8_add(total[r][turn * kTogether + c], v[c], factor); });
      });
    });
    w += 4 * kPanelRows * Dot::kInt8Steps;
  }
  unrolled<M>([&](int r) HAT_INLINE { Dot::template int8_end<V>(total[r], acc + r * kPanelRows); });
}

template <class Dot, int M>
[[gnu::noinline]] void int8_rows(const int8_t* w, uint32_t k_pad, const typename Dot::Input* x,
                                 const int32_t* sums, int32_t* acc) {
  constexpr uint32_t kStep = kBlockBytes / kPanelRows;
  constexpr int kTurn = Dot::int8_turn(M);
  constexpr int kColumns = kPanelRows / Dot::kInt8Vectors;
  for (uint32_t i = 0; i < M * kPanelRows; ++i) acc[i] = Dot::int8_start(sums[i / kPanelRows]);
  for (uint32_t k = 0; k < k_pad; k += kStep, w += kBlockBytes) {
    const uint32_t steps = (k_pad - k < kStep ? k_pad - k : kStep) / 4;
    const char* next = reinterpret_cast<const char*>(w) + kBlockBytes;
    for (int v = 0; v < Dot::kInt8Vectors; v += kTurn) {
      const int first = v * kColumns;
      int8_part<Dot, M, kTurn>(w + 4 * first, steps, x + k, k_pad,
                               next + size_t{4} * steps * static_cast<size_t>(first), acc + first);
    }
  }
}

/// M rows by V vectors of columns, from vector `first`.
template <class Dot, int M, int V>
[[gnu::always_inline]] inline void int4_part(const std::byte* data, uint32_t groups,
                                             const int8_t* q, const int32_t* group_sums, int first,
                                             float* acc) {
  constexpr int kColumns = kPanelRows / Dot::kInt4Vectors;
  const size_t k_pad = size_t{groups} * kGroup;
  for (uint32_t g = 0; g < groups; ++g, data += kInt4GroupBytes) {
    const int8_t* x = q + size_t{g} * kGroup;
    const auto offset = [&](int r) HAT_INLINE { return -8 * group_sums[r * size_t{groups} + g]; };
    typename Dot::Int4Sum sum[M][V];
    unrolled<M>([&](int r) HAT_INLINE {
      unrolled<V>([&](int v) HAT_INLINE { sum[r][v] = Dot::int4_start(offset(r)); });
    });
    if (first == 0) {
      unrolled<kInt4GroupBytes / 64>(
          [&](int line) HAT_INLINE { prefetch(data + kPrefetchInt4 + 64 * line); });
    }
    unrolled<4>([&](int b) HAT_INLINE {
      const std::byte* tile = data + 64 + b * 128;
      unrolled<V>([&](int v) HAT_INLINE {
        const auto halves = Dot::int4_weights(tile, first + v);
        unrolled<M>([&](int r)
                        HAT_INLINE { Dot::int4_add(sum[r][v], halves, x + r * k_pad + b * 8); });
      });
    });
    unrolled<V>([&](int v) HAT_INLINE {
      const auto scales = Dot::int4_scales(data, first + v);
      unrolled<M>([&](int r) HAT_INLINE {
        Dot::int4_end(sum[r][v], offset(r), scales, acc + r * kPanelRows + (first + v) * kColumns);
      });
    });
  }
}

template <class Dot, int M>
[[gnu::noinline]] void int4_rows(const std::byte* data, uint32_t groups, const int8_t* q,
                                 const int32_t* group_sums, float* acc) {
  constexpr int kTurn = Dot::int4_turn(M);
  for (uint32_t i = 0; i < M * kPanelRows; ++i) acc[i] = 0.0f;
  for (int v = 0; v < Dot::kInt4Vectors; v += kTurn) {
    int4_part<Dot, M, kTurn>(data, groups, q, group_sums, v, acc);
  }
}

/// As int8_part.
template <class Dot, int M, int V>
[[gnu::always_inline]] inline void fp32_part(const float* w, uint32_t count, const float* x,
                                             size_t ldx, const char* next, float* acc) {
  constexpr int kColumns = kPanelRows / Dot::kFp32Vectors;
  constexpr size_t kShare = V * kColumns * sizeof(float);
  typename Dot::Fp32Sum total[M][V];
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<V>([&](int v) HAT_INLINE {
      total[r][v] = Dot::fp32_load(acc + r * kPanelRows + v * kColumns);
    });
  });
  for (uint32_t i = 0; i < count; ++i, w += kPanelRows, next += kShare) {
    prefetch_share<kShare>(next);
    typename Dot::Fp32Sum weights[V];
    unrolled<V>([&](int v) HAT_INLINE { weights[v] = Dot::fp32_load(w + v * kColumns); });
    unrolled<M>([&](int r) HAT_INLINE {
      const auto factor = Dot::fp32_set1(x[r * ldx + i]);
      unrolled<V>([&](int v) HAT_INLINE { Dot::fp32_add(total[r][v], factor, weights[v]); });
    });
  }
  unrolled<M>([&](int r) HAT_INLINE {
    unrolled<V>([&](int v) HAT_INLINE {
      Dot::fp32_store(total[r][v], acc + r * kPanelRows + v * kColumns);
    });
  });
}

template <class Dot, int M>
[[gnu::noinline]] void fp32_rows(const float* w, uint32_t k, const float* x, size_t ldx,
                                 float* acc) {
  constexpr uint32_t kStep = kBlockBytes / (kPanelRows * sizeof(float));
  constexpr int kTurn = Dot::fp32_turn(M);
  constexpr int kColumns = kPanelRows / Dot::kFp32Vectors;
  for (uint32_t i = 0; i < M * kPanelRows; ++i) acc[i] = 0.0f;
  for (uint32_t i = 0; i < k; i += kStep, w += kStep * kPanelRows) {
    const uint32_t count = k - i < kStep ? k - i : kStep;
    const char* next = reinterpret_cast<const char*>(w) + kBlockBytes;
    for (int v = 0; v < Dot::kFp32Vectors; v += kTurn) {
      const int first = v * kColumns;
      fp32_part<Dot, M, kTurn>(w + first, count, x + i, ldx,
                               next + sizeof(float) * count * static_cast<size_t>(first),
                               acc + first);
    }
  }
}

/// What gemm_kernels.h wants of an instruction set.
template <class Dot>
struct TileBlocks {
  static constexpr bool kWideActivations = Dot::kWideActivations;
  static constexpr uint32_t kInt8Rows = Dot::kInt8Rows;
  static constexpr uint32_t kInt4Rows = Dot::kInt4Rows;
  static constexpr uint32_t kFp32Rows = Dot::kFp32Rows;
  static constexpr uint32_t kProductRows = Dot::kProductRows;

  static void int8(const Activations& x, uint32_t row, uint32_t rows, const int8_t* w,
                   uint32_t k_pad, int32_t* acc) {
    with_row_count<Dot::kInt8Rows>(rows, [&]<int M>() HAT_INLINE {
      int8_rows<Dot, M>(w, k_pad, Dot::inputs(x) + size_t{row} * k_pad, x.sums + row, acc);
    });
  }
  static void int4(uint32_t rows, const std::byte* data, uint32_t groups, const int8_t* q,
                   const int32_t* group_sums, float* acc) {
    with_row_count<Dot::kInt4Rows>(
        rows, [&]<int M>() HAT_INLINE { int4_rows<Dot, M>(data, groups, q, group_sums, acc); });
  }
  static void fp32(uint32_t rows, const float* w, uint32_t k, const float* x, size_t ldx,
                   float* acc) {
    with_row_count<Dot::kFp32Rows>(
        rows, [&]<int M>() HAT_INLINE { fp32_rows<Dot, M>(w, k, x, ldx, acc); });
  }
};

}  // namespace
}  // namespace hat::edge
