#pragma once

#include <cstdint>

// Loops over registers. An array of sums stays in registers only if its loops are gone before the
// compiler splits arrays into variables, and g++ 12 unrolls ordinary loops too late for that: the
// sums would be written to memory and read again for every product.
namespace hat::edge {
namespace {

template <int N, class F>
[[gnu::always_inline]] inline void unrolled(const F& body) {
  if constexpr (N > 0) {
    unrolled<N - 1>(body);
    body(N - 1);
  }
}

/// Calls body.operator()<rows>() for 1 <= rows <= Most: the number of rows as a constant.
template <int Most, class F>
[[gnu::always_inline]] inline void with_row_count(uint32_t rows, const F& body) {
  if (rows == Most) {
    body.template operator()<Most>();
  } else if constexpr (Most > 1) {
    with_row_count<Most - 1>(rows, body);
  }
}

}  // namespace
}  // namespace hat::edge

#define HAT_INLINE __attribute__((always_inline))
