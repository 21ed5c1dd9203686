#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <vector>

#include "edge/kernels/huge_pages.h"
#include "edge/kernels/kernels.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"

namespace hat::edge {

namespace {

using Clock = std::chrono::steady_clock;

double elapsed_ns(Clock::time_point since) {
  return std::chrono::duration<double, std::nano>(Clock::now() - since).count();
}

}  // namespace

double measure_read_bandwidth_gbps(size_t bytes, int threads) {
  // Timed in slices: a pass over a large block takes so long that on a shared machine every pass is
  // interrupted.
  constexpr size_t kSlice = size_t{1} << 20;
  constexpr double kBudgetNs = 0.2e9;
  constexpr int kMaxPasses = 100'000;
  ThreadPool pool(threads);
  const auto parts = static_cast<size_t>(threads);
  const size_t slice = std::min(kSlice, std::max(bytes / parts / 4096, size_t{1}) * 4096);
  const size_t slices = std::max(bytes / (slice * parts), size_t{1});
  const size_t part_bytes = slice * slices;
  // Pages like those of the weights.
  const Bytes block = allocate_weights(part_bytes * parts);
  std::memset(block.get(), 1, part_bytes * parts);
  std::vector<uint64_t> sums(parts);
  double best_ns = INFINITY;
  const auto begin = Clock::now();
  for (int pass = 0; pass < kMaxPasses && (pass < 3 || elapsed_ns(begin) < kBudgetNs); ++pass) {
    for (size_t i = 0; i < slices; ++i) {
      const auto start = Clock::now();
      pool.parallel_for(parts, [&](size_t part) {
        sums[part] += kernels().read_bytes(block.get() + part * part_bytes + i * slice, slice);
      });
      best_ns = std::min(best_ns, elapsed_ns(start));
    }
  }
  HAT_DCHECK(sums[0] != 0);
  return static_cast<double>(slice * parts) / best_ns;
}

GemmTiming measure_gemm(WeightType type, uint32_t m, uint32_t n, uint32_t k, int threads,
                        size_t footprint_bytes, double budget_ms) {
  const uint64_t size = packed_bytes(type, n, k);
  const uint64_t copies = std::max<uint64_t>(1, (footprint_bytes + size - 1) / size);
  const Bytes weights = allocate_weights(size * copies);
  std::vector<PackedMatrix> matrices;
  for (uint64_t i = 0; i < copies; ++i) {
    std::byte* at = weights.get() + i * size;
    if (i == 0) {
      pack_random(type, n, k, 1, at);
    } else {
      std::memcpy(at, weights.get(), size);
    }
    matrices.push_back(view_packed(type, n, k, {at, size}));
  }
  Rng rng(2);
  std::vector<float> x(size_t{m} * k);
  for (float& value : x) value = static_cast<float>(rng.uniform() * 2 - 1);
  std::vector<float> y(size_t{m} * n);
  ThreadPool pool(threads);
  ActivationBuffer buffer(m, k);

  constexpr size_t kMaxTimings = 1'000'000;
  std::vector<double> timings;
  const auto begin = Clock::now();
  // One round over the copies warms up and is not counted.
  for (size_t i = 0; i < copies + kMaxTimings; ++i) {
    if (i >= copies + 5 && elapsed_ns(begin) > budget_ms * 1e6) break;
    const auto start = Clock::now();
    const Activations rows = buffer.prepare(type, x.data(), k, m, k, &pool);
    gemm(matrices[i % copies], rows, y.data(), n, {}, &pool);
    if (i >= copies) timings.push_back(elapsed_ns(start));
  }
  std::sort(timings.begin(), timings.end());
  GemmTiming result;
  result.min_ns = timings.front();
  result.median_ns = timings[timings.size() / 2];
  result.weight_gbps = static_cast<double>(size) / result.min_ns;
  result.gops = 2.0 * m * n * k / result.min_ns;
  return result;
}

}  // namespace hat::edge
