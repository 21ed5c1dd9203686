#include <algorithm>
#include <cmath>
#include <numeric>

#include "hat/base/error.h"
#include "hat/latency/predictor.h"

namespace hat::latency {
namespace {

/// Pairs (i < j) with values[i] > values[j], counted while merging.
int64_t count_inversions(std::vector<double>* values, std::vector<double>* scratch, size_t begin,
                         size_t end) {
  if (end - begin < 2) return 0;
  const size_t middle = begin + (end - begin) / 2;
  int64_t inversions = count_inversions(values, scratch, begin, middle) +
                       count_inversions(values, scratch, middle, end);
  size_t left = begin;
  size_t right = middle;
  for (size_t out = begin; out < end; ++out) {
    if (right == end || (left < middle && (*values)[left] <= (*values)[right])) {
      (*scratch)[out] = (*values)[left++];
    } else {
      inversions += static_cast<int64_t>(middle - left);
      (*scratch)[out] = (*values)[right++];
    }
  }
  std::copy(scratch->begin() + static_cast<std::ptrdiff_t>(begin),
            scratch->begin() + static_cast<std::ptrdiff_t>(end),
            values->begin() + static_cast<std::ptrdiff_t>(begin));
  return inversions;
}

/// Pairs of equal neighbours in a sorted sequence, by the given equality.
template <class Equal>
int64_t tied_pairs(size_t n, const Equal& equal) {
  int64_t pairs = 0;
  int64_t run = 1;
  for (size_t i = 1; i < n; ++i) {
    run = equal(i - 1, i) ? run + 1 : 1;
    pairs += run - 1;
  }
  return pairs;
}

}  // namespace

// Knight 1966, "A computer method for calculating Kendall's tau with ungrouped data".
double kendall_tau(const std::vector<double>& a, const std::vector<double>& b) {
  HAT_DCHECK(a.size() == b.size());
  const size_t n = a.size();
  if (n < 2) return 0;
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t i, size_t j) { return a[i] != a[j] ? a[i] < a[j] : b[i] < b[j]; });
  const int64_t pairs = static_cast<int64_t>(n) * static_cast<int64_t>(n - 1) / 2;
  const int64_t ties_a =
      tied_pairs(n, [&](size_t i, size_t j) { return a[order[i]] == a[order[j]]; });
  const int64_t ties_both = tied_pairs(n, [&](size_t i, size_t j) {
    return a[order[i]] == a[order[j]] && b[order[i]] == b[order[j]];
  });
  std::vector<double> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = b[order[i]];
  std::vector<double> scratch(n);
  const int64_t discordant = count_inversions(&values, &scratch, 0, n);
  const int64_t ties_b = tied_pairs(n, [&](size_t i, size_t j) { return values[i] == values[j]; });
  const double concordant_minus_discordant =
      static_cast<double>(pairs - ties_a - ties_b + ties_both - 2 * discordant);
  const double scale = std::sqrt(static_cast<double>(pairs - ties_a)) *
                       std::sqrt(static_cast<double>(pairs - ties_b));
  return scale > 0 ? concordant_minus_discordant / scale : 0;
}

Accuracy accuracy(const std::vector<double>& predicted_ms, const std::vector<double>& measured_ms) {
  HAT_DCHECK(predicted_ms.size() == measured_ms.size());
  Accuracy result;
  const size_t n = measured_ms.size();
  result.rows = static_cast<int>(n);
  if (n == 0) return result;
  double squares = 0;
  for (size_t i = 0; i < n; ++i) {
    const double difference = std::abs(predicted_ms[i] - measured_ms[i]);
    const double relative = difference / measured_ms[i];
    result.mape_percent += 100 * relative;
    result.within_5_percent += relative <= 0.05 ? 100 : 0;
    result.within_10_percent += relative <= 0.10 ? 100 : 0;
    squares += difference * difference;
  }
  const double count = static_cast<double>(n);
  result.mape_percent /= count;
  result.within_5_percent /= count;
  result.within_10_percent /= count;
  result.rmse_ms = std::sqrt(squares / count);
  result.kendall_tau = kendall_tau(predicted_ms, measured_ms);
  return result;
}

}  // namespace hat::latency
