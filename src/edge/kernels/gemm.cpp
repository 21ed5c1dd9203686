#include <algorithm>
#include <cstdlib>
#include <new>

#include "edge/kernels/kernels.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::edge {

namespace {

// Below these a second thread costs more than it brings.
constexpr uint64_t kMinBytesToSplit = 32 * 1024;
constexpr uint64_t kMinValuesToSplit = 32 * 1024;
// Several parts a thread, so that one that is interrupted does not hold up the others for long.
constexpr uint32_t kPartsPerThread = 4;

struct BufferLayout {
  size_t scales = 0;
  size_t sums = 0;
  size_t group_sums = 0;
  size_t wide = 0;
  size_t total = 0;
};

BufferLayout layout_of(uint32_t m, uint32_t k, bool with_wide) {
  const size_t k_pad = round_up(k, kGroup);
  const auto aligned = [](size_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  };
  BufferLayout layout;
  layout.scales = aligned(m * k_pad);
  layout.sums = layout.scales + aligned(m * sizeof(float));
  layout.group_sums = layout.sums + aligned(m * sizeof(int32_t));
  layout.wide = layout.group_sums + aligned(m * (k_pad / kGroup) * sizeof(int32_t));
  layout.total = layout.wide + (with_wide ? aligned(m * k_pad * sizeof(int16_t)) : 0);
  return layout;
}

}  // namespace

void ActivationBuffer::Free::operator()(std::byte* memory) const { std::free(memory); }

ActivationBuffer::ActivationBuffer(uint32_t max_m, uint32_t max_k) : max_m_(max_m), max_k_(max_k) {
  HAT_DCHECK(max_k <= kMaxColumns && max_m <= kMaxRows);
  if (max_m == 0 || max_k == 0) return;
  size_bytes_ = layout_of(max_m, max_k, kernels().wide_activations).total;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size_bytes_)));
  if (memory_ == nullptr) throw std::bad_alloc();
}

Activations ActivationBuffer::prepare(WeightType type, const float* x, size_t ldx, uint32_t m,
                                      uint32_t k, ThreadPool* pool) {
  Activations result;
  result.m = m;
  result.k = k;
  result.x = x;
  result.ldx = ldx;
  if (type == WeightType::kFp32 || m == 0) return result;
  HAT_DCHECK(m <= max_m_ && k <= max_k_);
  const Kernels& table = kernels();
  // Laid out for the rows at hand: what is used stays together in the cache.
  const BufferLayout layout = layout_of(m, k, table.wide_activations);
  HAT_DCHECK(layout.total <= size_bytes_);
  std::byte* memory = memory_.get();
  auto* q = reinterpret_cast<int8_t*>(memory);
  auto* scales = reinterpret_cast<float*>(memory + layout.scales);
  auto* sums = reinterpret_cast<int32_t*>(memory + layout.sums);
  auto* group_sums = reinterpret_cast<int32_t*>(memory + layout.group_sums);
  auto* wide = reinterpret_cast<int16_t*>(memory + layout.wide);
  const size_t k_pad = round_up(k, kGroup);
  const bool with_groups = type == WeightType::kInt4;
  const bool with_wide = type == WeightType::kInt8 && table.wide_activations;
  const auto quantize = [&](size_t row) {
    table.quantize_row(x + row * ldx, k, q + row * k_pad, scales + row, sums + row,
                       with_groups ? group_sums + row * (k_pad / kGroup) : nullptr);
    if (!with_wide) return;
    for (size_t i = row * k_pad; i < (row + 1) * k_pad; ++i) wide[i] = q[i];
  };
  const bool split = pool != nullptr && uint64_t{m} * k >= kMinValuesToSplit;
  const size_t parts =
      split ? std::min<size_t>(m, static_cast<size_t>(pool->threads()) * kPartsPerThread) : 1;
  const auto quantize_part = [&](size_t part) {
    for (size_t row = m * part / parts; row < m * (part + 1) / parts; ++row) quantize(row);
  };
  if (split) {
    pool->parallel_for(parts, quantize_part);
  } else {
    quantize_part(0);
  }
  result.q = q;
  result.scales = scales;
  result.sums = sums;
  if (with_groups) result.group_sums = group_sums;
  if (with_wide) result.wide = wide;
  return result;
}

void gemm(const PackedMatrix& w, const Activations& x, float* y, size_t ldy,
          const Epilogue& epilogue, ThreadPool* pool) {
  if (x.m == 0) return;
  HAT_DCHECK(w.k == x.k);
  HAT_DCHECK(w.type == WeightType::kFp32 || x.q != nullptr);
  const Kernels& table = kernels();
  const auto product = w.type == WeightType::kInt8   ? table.gemm_int8
                       : w.type == WeightType::kInt4 ? table.gemm_int4
                                                     : table.gemm_fp32;
  const GemmTask task{w, x, y, ldy, epilogue};
  const uint32_t panels = panel_count(w.n);
  const uint64_t work = uint64_t{panels} * w.panel_bytes * ((x.m + 7) / 8);
  if (pool == nullptr || pool->threads() == 1 || work < kMinBytesToSplit) {
    product(task, 0, panels);
    return;
  }
  const uint32_t parts = std::min(panels, static_cast<uint32_t>(pool->threads()) * kPartsPerThread);
  pool->parallel_for(parts, [&](size_t part) {
    const auto begin = static_cast<uint32_t>(uint64_t{panels} * part / parts);
    const auto end = static_cast<uint32_t>(uint64_t{panels} * (part + 1) / parts);
    product(task, begin, end);
  });
}

void transpose_keys(const float* k, size_t ld, uint32_t length, uint32_t d, float* keys_t,
                    size_t ldk) {
  // 16 positions at a time: a cache line of every row of the result.
  for (uint32_t first = 0; first < ldk; first += 16) {
    const uint32_t count = first < length ? std::min(length - first, 16u) : 0;
    for (uint32_t c = 0; c < d; ++c) {
      float* out = keys_t + c * ldk + first;
      for (uint32_t t = 0; t < 16; ++t) out[t] = t < count ? k[(first + t) * ld + c] : 0.0f;
    }
  }
}

}  // namespace hat::edge
