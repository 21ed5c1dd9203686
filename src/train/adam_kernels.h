#pragma once

#include <cstdint>

namespace hat::train::kernels {

/// The numbers of one Adam step that are the same for every value of a tensor.
struct AdamStep {
  float beta1, one_minus_beta1;
  float beta2, one_minus_beta2;
  float epsilon;
  float step_size;  ///< with bias correction
  float keep;       ///< 1 - rate * weight_decay
  float gradient_scale;
};

void adam(float* p, float* g, float* m, float* v, int64_t n, const AdamStep& step);
double sum_of_squares(const float* x, int64_t n);
void move_towards(float* target, const float* source, int64_t n, float weight);

}  // namespace hat::train::kernels
