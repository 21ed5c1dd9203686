#pragma once

#include "edge/kernels/row_kernels.h"
#include "edge/kernels/unroll.h"

// Attention over `Lanes`; see row_kernels.h for why these are templates of internal linkage.
namespace hat::edge {
namespace {

inline const float* cached_row(const CachedRows& rows, uint32_t t) {
  const size_t slot = rows.slots == nullptr ? 0 : static_cast<size_t>(rows.slots[t]);
  return rows.base + t * rows.time_stride + slot * rows.slot_stride;
}

inline float dot(const float* a, const float* b, uint32_t n) {
  Lanes total = Lanes::zero();
  uint32_t i = 0;
  for (; i + 16 <= n; i += 16) total = total + Lanes::load(a + i) * Lanes::load(b + i);
  if (i < n) {
    total = total + Lanes::load_part(a + i, n - i, 0.0f) * Lanes::load_part(b + i, n - i, 0.0f);
  }
  return total.sum();
}

// How many positions ahead rows are asked for: they lie where their slots happen to be, so the
// processor cannot guess.
constexpr uint32_t kRowsAhead = 6;

inline void prefetch_row(const CachedRows& rows, uint32_t t, uint32_t length, uint32_t floats) {
  if (t >= length) return;
  const float* row = cached_row(rows, t);
  for (uint32_t i = 0; i < floats; i += 16) __builtin_prefetch(row + i, 0, 3);
}

void cached_scores(const float* q, const CachedRows& keys, uint32_t length, uint32_t heads,
                   uint32_t d, float scale, float* scores, size_t ld) {
  for (uint32_t t = 0; t < kRowsAhead; ++t) prefetch_row(keys, t, length, heads * d);
  for (uint32_t t = 0; t < length; ++t) {
    prefetch_row(keys, t + kRowsAhead, length, heads * d);
    const float* key = cached_row(keys, t);
    for (uint32_t h = 0; h < heads; ++h) {
      scores[h * ld + t] = dot(q + size_t{h} * d, key + size_t{h} * d, d) * scale;
    }
  }
}

/// Blocks of 16 channels [first, first + 16 * B) of one head over all positions.
template <int B>
inline void cached_block(const float* p, const CachedRows& values, uint32_t length, size_t first,
                         float* out) {
  Lanes total[B];
  unrolled<B>([&](int b) HAT_INLINE { total[b] = Lanes::zero(); });
  for (uint32_t t = 0; t < length; ++t) {
    const float* row = cached_row(values, t) + first;
    const Lanes weight = Lanes::set1(p[t]);
    unrolled<B>([&](int b)
                    HAT_INLINE { total[b] = total[b] + weight * Lanes::load(row + b * 16); });
  }
  unrolled<B>([&](int b) HAT_INLINE { total[b].store(out + first + b * 16); });
}

void cached_values(const float* p, size_t ld, const CachedRows& values, uint32_t length,
                   uint32_t heads, uint32_t d, float* out) {
  // Head after head reads a part of every row: the first finds all of them on their way.
  for (uint32_t t = 0; t < length; ++t) prefetch_row(values, t, length, heads * d);
  for (uint32_t h = 0; h < heads; ++h) {
    const float* weights = p + h * ld;
    const size_t first = size_t{h} * d;
    uint32_t c = 0;
    for (; c + 64 <= d; c += 64) cached_block<4>(weights, values, length, first + c, out);
    for (; c + 16 <= d; c += 16) cached_block<1>(weights, values, length, first + c, out);
    if (c == d) continue;
    Lanes total = Lanes::zero();
    for (uint32_t t = 0; t < length; ++t) {
      const float* row = cached_row(values, t) + first + c;
      total = total + Lanes::set1(weights[t]) * Lanes::load_part(row, d - c, 0.0f);
    }
    total.store_part(out + first + c, d - c);
  }
}

/// out[r][0..count) = sum over i ascending of a[r * lda + i] * b[i * ldb + 0..count), times scale,
/// for R rows and up to 16 * C columns. Reads whole vectors of b unless `exact`.
template <int R, int C>
inline void product_block(const float* a, size_t lda, const float* b, size_t ldb, uint32_t terms,
                          Lanes scale, float* out, size_t ldo, uint32_t count, bool exact) {
  Lanes total[R][C];
  unrolled<R>([&](int r) HAT_INLINE {
    unrolled<C>([&](int c) HAT_INLINE { total[r][c] = Lanes::zero(); });
  });
  for (uint32_t i = 0; i < terms; ++i) {
    Lanes row[C];
    unrolled<C>([&](int c) HAT_INLINE {
      row[c] = exact ? load_up_to(b + i * ldb + c * 16, count - c * 16, 0.0f)
                     : Lanes::load(b + i * ldb + c * 16);
    });
    unrolled<R>([&](int r) HAT_INLINE {
      const Lanes factor = Lanes::set1(a[r * lda + i]);
      unrolled<C>([&](int c) HAT_INLINE { total[r][c] = total[r][c] + factor * row[c]; });
    });
  }
  unrolled<R>([&](int r) HAT_INLINE {
    unrolled<C>([&](int c) HAT_INLINE {
      store_up_to(total[r][c] * scale, out + r * ldo + c * 16, count - c * 16);
    });
  });
}

template <class Blocks, int C>
inline void product_rows(const float* a, size_t lda, uint32_t m, const float* b, size_t ldb,
                         uint32_t terms, Lanes scale, float* out, size_t ldo, uint32_t count,
                         bool exact) {
  uint32_t i = 0;
  for (; i + Blocks::kProductRows <= m; i += Blocks::kProductRows) {
    product_block<Blocks::kProductRows, C>(a + i * lda, lda, b, ldb, terms, scale, out + i * ldo,
                                           ldo, count, exact);
  }
  for (; i < m; ++i) {
    product_block<1, C>(a + i * lda, lda, b, ldb, terms, scale, out + i * ldo, ldo, count, exact);
  }
}

template <class Blocks>
void shared_scores(const float* q, size_t ldq, uint32_t m, const float* keys_t, size_t ldk,
                   uint32_t length, uint32_t d, float scale, float* scores, size_t ld) {
  const Lanes factor = Lanes::set1(scale);
  uint32_t t = 0;
  for (; t + 16 < length; t += 32) {
    product_rows<Blocks, 2>(q, ldq, m, keys_t + t, ldk, d, factor, scores + t, ld, length - t,
                            false);
  }
  if (t < length) {
    product_rows<Blocks, 1>(q, ldq, m, keys_t + t, ldk, d, factor, scores + t, ld, length - t,
                            false);
  }
}

template <class Blocks>
void shared_values(const float* p, size_t ld, uint32_t m, const float* values, size_t ldv,
                   uint32_t length, uint32_t d, float* out, size_t ldo) {
  const Lanes one = Lanes::set1(1.0f);
  uint32_t c = 0;
  for (; c + 32 <= d; c += 32) {
    product_rows<Blocks, 2>(p, ld, m, values + c, ldv, length, one, out + c, ldo, 32, false);
  }
  for (; c < d; c += 16) {
    product_rows<Blocks, 1>(p, ld, m, values + c, ldv, length, one, out + c, ldo, d - c,
                            d - c < 16);
  }
}

}  // namespace
}  // namespace hat::edge
