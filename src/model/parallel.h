#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/kernels/kernels.h"

namespace hat::model {

/// Elements below which another thread does not pay.
inline constexpr int64_t kGrainElements = 16384;

/// Splits rows among threads.
template <class F>
void for_rows(int64_t rows, int64_t dim, const F& f) {
  const int64_t grain = std::max<int64_t>(1, kGrainElements / std::max<int64_t>(1, dim));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    f(kernels::Rows{begin, end, dim});
  });
}

/// Like for_rows for kernels that also add up columns: `count` sums of `dim` columns, added to
/// `totals` (pointers to dim floats, null: not wanted). Rows are cut into a number of blocks that
/// does not depend on the threads and blocks are added in order, so the result does not either.
template <class F>
void for_rows_summing(int64_t rows, int64_t dim, const std::vector<float*>& totals, const F& f) {
  constexpr int64_t kMaxBlocks = 16;
  constexpr int64_t kMinRows = 16;
  const int64_t blocks = std::clamp<int64_t>(rows / kMinRows, 1, kMaxBlocks);
  const auto count = static_cast<int64_t>(totals.size());
  std::vector<float> partial(static_cast<size_t>(blocks * count * dim), 0.0f);
  const int64_t rows_per_thread = std::max<int64_t>(1, kGrainElements / std::max<int64_t>(1, dim));
  const int64_t grain = std::max<int64_t>(1, rows_per_thread * blocks / std::max<int64_t>(1, rows));
  at::parallel_for(0, blocks, grain, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b)
      f(kernels::Rows{rows * b / blocks, rows * (b + 1) / blocks, dim},
        partial.data() + b * count * dim);
  });
  for (int64_t i = 0; i < count; ++i) {
    float* total = totals[static_cast<size_t>(i)];
    if (total == nullptr) continue;
    for (int64_t b = 0; b < blocks; ++b) {
      const float* part = partial.data() + (b * count + i) * dim;
      for (int64_t c = 0; c < dim; ++c) total[c] += part[c];
    }
  }
}

/// Calls f with a null pointer of the kernels' type for activations of this tensor type.
template <class F>
void with_type(at::ScalarType type, const F& f) {
  if (type == at::kBFloat16) {
    f(static_cast<kernels::Bf16*>(nullptr));
  } else {
    f(static_cast<float*>(nullptr));
  }
}

template <class T>
T* data(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

}  // namespace hat::model
