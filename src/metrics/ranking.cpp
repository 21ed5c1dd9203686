#include "hat/metrics/ranking.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"

namespace hat::metrics {
namespace {

// Sorts values[begin, end) and returns how many pairs stood in descending order.
uint64_t count_swaps(std::vector<double>& values, std::vector<double>& scratch, size_t begin,
                     size_t end) {
  if (end - begin < 2) return 0;
  const size_t middle = begin + (end - begin) / 2;
  uint64_t swaps =
      count_swaps(values, scratch, begin, middle) + count_swaps(values, scratch, middle, end);
  size_t left = begin;
  size_t right = middle;
  for (size_t k = begin; k < end; ++k) {
    if (right == end || (left < middle && values[left] <= values[right])) {
      scratch[k] = values[left++];
    } else {
      scratch[k] = values[right++];
      swaps += middle - left;
    }
  }
  std::copy(scratch.begin() + static_cast<std::ptrdiff_t>(begin),
            scratch.begin() + static_cast<std::ptrdiff_t>(end),
            values.begin() + static_cast<std::ptrdiff_t>(begin));
  return swaps;
}

// Sum over runs of equal neighbours of n (n - 1) / 2.
template <class Equal>
uint64_t tied_pairs(size_t n, Equal equal) {
  uint64_t pairs = 0;
  uint64_t run = 0;  // neighbours before this one that equal it
  for (size_t i = 1; i < n; ++i) {
    run = equal(i - 1, i) ? run + 1 : 0;
    pairs += run;
  }
  return pairs;
}

}  // namespace

double kendall_tau(std::span<const double> a, std::span<const double> b) {
  HAT_DCHECK(a.size() == b.size());
  const size_t n = a.size();
  if (n < 2) return 0.0;
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t i, size_t j) { return a[i] != a[j] ? a[i] < a[j] : b[i] < b[j]; });
  const auto same_a = [&](size_t i, size_t j) { return a[order[i]] == a[order[j]]; };
  const uint64_t ties_a = tied_pairs(n, same_a);
  const uint64_t ties_both =
      tied_pairs(n, [&](size_t i, size_t j) { return same_a(i, j) && b[order[i]] == b[order[j]]; });
  std::vector<double> sorted_b(n);
  for (size_t i = 0; i < n; ++i) sorted_b[i] = b[order[i]];
  std::vector<double> scratch(n);
  const uint64_t swaps = count_swaps(sorted_b, scratch, 0, n);
  const uint64_t ties_b =
      tied_pairs(n, [&](size_t i, size_t j) { return sorted_b[i] == sorted_b[j]; });
  const uint64_t pairs = static_cast<uint64_t>(n) * (n - 1) / 2;
  if (ties_a == pairs || ties_b == pairs) return 0.0;
  const double difference = static_cast<double>(pairs) - static_cast<double>(ties_a) -
                            static_cast<double>(ties_b) + static_cast<double>(ties_both) -
                            2.0 * static_cast<double>(swaps);
  const double tau = difference / std::sqrt(static_cast<double>(pairs - ties_a)) /
                     std::sqrt(static_cast<double>(pairs - ties_b));
  return std::clamp(tau, -1.0, 1.0);
}

Interval bootstrap_interval(size_t n,
                            const std::function<double(std::span<const size_t>)>& statistic,
                            int resamples, double confidence, uint64_t seed) {
  HAT_DCHECK(n > 0 && resamples > 0 && confidence > 0 && confidence < 1);
  Rng rng(seed, "bootstrap");
  std::vector<size_t> sample(n);
  std::vector<double> values;
  values.reserve(static_cast<size_t>(resamples));
  for (int r = 0; r < resamples; ++r) {
    for (size_t& index : sample) index = rng.below(n);
    values.push_back(statistic(sample));
  }
  const double tail = (1 - confidence) / 2;
  return {quantile(values, tail), quantile(values, 1 - tail)};
}

Interval kendall_tau_interval(std::span<const double> a, std::span<const double> b, int resamples,
                              double confidence, uint64_t seed) {
  HAT_DCHECK(a.size() == b.size());
  const auto tau_of = [&](std::span<const size_t> sample) {
    std::vector<double> x;
    std::vector<double> y;
    for (size_t i : sample) {
      x.push_back(a[i]);
      y.push_back(b[i]);
    }
    return kendall_tau(x, y);
  };
  return bootstrap_interval(a.size(), tau_of, resamples, confidence, seed);
}

}  // namespace hat::metrics
