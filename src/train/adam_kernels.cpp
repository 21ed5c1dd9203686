#include "adam_kernels.h"

#include <cmath>

// Plain loops that the compiler turns into vector code, once for each instruction set; the loader
// takes the best that the processor has. Contraction to fused multiply-add is off for this file
// (module.cmake), so that all of them give the same bits.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define HAT_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define HAT_CLONES
#endif

namespace hat::train::kernels {

HAT_CLONES void adam(float* __restrict p, float* __restrict g, float* __restrict m,
                     float* __restrict v, int64_t n, const AdamStep& step) {
  const AdamStep s = step;
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * s.gradient_scale;
    const float first = s.beta1 * m[i] + s.one_minus_beta1 * gradient;
    const float second = s.beta2 * v[i] + s.one_minus_beta2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    p[i] = p[i] * s.keep - s.step_size * (first / (std::sqrt(second) + s.epsilon));
    g[i] = 0;
  }
}

HAT_CLONES double sum_of_squares(const float* x, int64_t n) {
  // Eight sums side by side: a fixed order that vector units can follow.
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int lane = 0; lane < 8; ++lane) {
      const double value = x[i + lane];
      sums[lane] += value * value;
    }
  }
  double total = 0;
  for (double sum : sums) total += sum;
  for (; i < n; ++i) total += static_cast<double>(x[i]) * x[i];
  return total;
}

HAT_CLONES void move_towards(float* __restrict target, const float* __restrict source, int64_t n,
                             float weight) {
  for (int64_t i = 0; i < n; ++i) target[i] += weight * (source[i] - target[i]);
}

}  // namespace hat::train::kernels
