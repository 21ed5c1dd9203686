#pragma once

#include <span>
#include <vector>

namespace hat {

/// Not empty, as for all that say so: an empty set is a bug of the caller (kInternal).
double mean(std::span<const double> values);
/// Sample standard deviation (n - 1); 0 for fewer than two values.
double standard_deviation(std::span<const double> values);
/// Linear interpolation between order statistics (the default of NumPy); q in [0, 1]. Not empty.
double quantile(std::span<const double> values, double q);
double median(std::span<const double> values);
/// Mean after dropping floor(fraction * n) values at each end. fraction in [0, 0.5). Not empty.
double trimmed_mean(std::span<const double> values, double fraction);
/// Median absolute deviation times 1.4826: the standard deviation of normal data.
double robust_deviation(std::span<const double> values);
/// Pearson correlation; 0 when either side is constant.
double correlation(std::span<const double> a, std::span<const double> b);

}  // namespace hat
