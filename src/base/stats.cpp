#include "hat/base/stats.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hat/base/error.h"

namespace hat {

double mean(std::span<const double> values) {
  HAT_DCHECK(!values.empty());
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double center = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - center) * (value - center);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double quantile(std::span<const double> values, double q) {
  HAT_DCHECK(!values.empty());
  HAT_DCHECK(q >= 0 && q <= 1);
  std::vector<double> sorted(values.begin(), values.end());
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(sorted.begin(), nth, sorted.end());
  const double low = *nth;
  const double share = position - static_cast<double>(below);
  if (share == 0) return low;
  const double high = *std::min_element(nth + 1, sorted.end());
  // From the nearer end, so that the result never leaves [low, high] by rounding.
  return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
}

double median(std::span<const double> values) { return quantile(values, 0.5); }

double trimmed_mean(std::span<const double> values, double fraction) {
  HAT_DCHECK(!values.empty());
  HAT_DCHECK(fraction >= 0 && fraction < 0.5);
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  // 0.29 * 100 is a hair below 29.
  const auto dropped = static_cast<size_t>(fraction * static_cast<double>(sorted.size()) + 1e-9);
  return mean(std::span(sorted).subspan(dropped, sorted.size() - 2 * dropped));
}

double robust_deviation(std::span<const double> values) {
  const double center = median(values);
  std::vector<double> deviations;
  deviations.reserve(values.size());
  for (const double value : values) deviations.push_back(std::abs(value - center));
  return 1.4826 * median(deviations);
}

double correlation(std::span<const double> a, std::span<const double> b) {
  HAT_DCHECK(a.size() == b.size());
  if (a.size() < 2) return 0;
  const double mean_a = mean(a);
  const double mean_b = mean(b);
  double aa = 0;
  double bb = 0;
  double ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
    ab += (a[i] - mean_a) * (b[i] - mean_b);
  }
  if (aa == 0 || bb == 0) return 0;
  return std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0);
}

}  // namespace hat
