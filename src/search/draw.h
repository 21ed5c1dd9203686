#pragma once

#include <vector>

#include "hat/base/rng.h"

namespace hat::search {

/// Lower triangular Cholesky factor of a covariance, row by row.
struct Factor {
  size_t n = 0;
  std::vector<double> values;
};

/// `covariance` is n x n and positive definite; one that is nearly not is taken as nearly singular.
Factor factor_of(const std::vector<double>& covariance, size_t n);

/// A normal draw of n values with covariance weight * F F'.
std::vector<double> draw_normal(const Factor& factor, double weight, Rng& rng);

/// A normal draw of a.n x b.n values, one for each pair of codes, with the product covariance
/// weight * (A A') x (B B').
std::vector<double> draw_pair(const Factor& a, const Factor& b, double weight, Rng& rng);

/// `cells` + 1 values on an even grid over [low, high] of a function drawn from a Gaussian process
/// with the kernel weight * exp(-d^2 / (2 length^2)), by random Fourier features (Rahimi and Recht
/// 2007).
std::vector<double> draw_smooth(double low, double high, int cells, double length, double weight,
                                Rng& rng);

}  // namespace hat::search
