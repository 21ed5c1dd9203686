#pragma once

#include <cstdint>

#include "hat/model/compute.h"

namespace hat::model {

/// What is left of one row of weights after quantising it as model files do (docs/format.md) and
/// back: int8 with one scale a row, int4 with one bfloat16 scale a group of 32.
void round_row(WeightRounding rounding, const float* row, int64_t n, float* out);

}  // namespace hat::model
