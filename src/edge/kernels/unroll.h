#pragma once

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

}  // namespace
}  // namespace hat::edge

#define HAT_INLINE __attribute__((always_inline))
