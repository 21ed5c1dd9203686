#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace hat::metrics {

/// Kendall's tau-b of two equally long lists (ties corrected), in O(n log n) (Knight, 1966). 0 when
/// either list is constant or shorter than two.
double kendall_tau(std::span<const double> a, std::span<const double> b);

struct Interval {
  double low = 0;
  double high = 0;
};

/// Percentile bootstrap (Efron, 1979): `statistic` is called with `resamples` lists of n indexes
/// drawn with replacement from [0, n); the interval leaves (1 - confidence) / 2 out at each end.
Interval bootstrap_interval(size_t n,
                            const std::function<double(std::span<const size_t>)>& statistic,
                            int resamples, double confidence, uint64_t seed);

/// The same for tau over pairs (a[i], b[i]).
Interval kendall_tau_interval(std::span<const double> a, std::span<const double> b, int resamples,
                              double confidence, uint64_t seed);

}  // namespace hat::metrics
