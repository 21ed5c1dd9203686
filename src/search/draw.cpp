#include "draw.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace hat::search {

Factor factor_of(const std::vector<double>& covariance, size_t n) {
  Factor factor{n, std::vector<double>(n * n, 0.0)};
  std::vector<double>& values = factor.values;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = covariance[i * n + j] + (i == j ? 1e-9 : 0.0);
      for (size_t k = 0; k < j; ++k) sum -= values[i * n + k] * values[j * n + k];
      values[i * n + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / values[j * n + j];
    }
  }
  return factor;
}

std::vector<double> draw_normal(const Factor& factor, double weight, Rng& rng) {
  const size_t n = factor.n;
  std::vector<double> normal(n);
  for (double& value : normal) value = rng.normal();
  std::vector<double> draw(n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k <= i; ++k) draw[i] += factor.values[i * n + k] * normal[k];
    draw[i] *= std::sqrt(weight);
  }
  return draw;
}

std::vector<double> draw_pair(const Factor& a, const Factor& b, double weight, Rng& rng) {
  // A Z B' with Z of independent normals: first the rows, then the columns.
  std::vector<double> rows;
  for (size_t i = 0; i < a.n; ++i) {
    const std::vector<double> row = draw_normal(b, weight, rng);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  std::vector<double> draw(rows.size(), 0.0);
  for (size_t i = 0; i < a.n; ++i) {
    for (size_t k = 0; k <= i; ++k) {
      const double factor = a.values[i * a.n + k];
      for (size_t j = 0; j < b.n; ++j) draw[i * b.n + j] += factor * rows[k * b.n + j];
    }
  }
  return draw;
}

std::vector<double> draw_smooth(double low, double high, int cells, double length, double weight,
                                Rng& rng) {
  constexpr int kWaves = 32;
  std::vector<double> draw(cells + 1, 0.0);
  for (int wave = 0; wave < kWaves; ++wave) {
    const double frequency = rng.normal() / length;
    const double start = frequency * low + rng.uniform() * 2 * std::numbers::pi;
    const double turn = frequency * (high - low) / cells;
    const double amplitude = rng.normal() * std::sqrt(2.0 * weight / kWaves);
    // cos of equally spaced angles by rotation.
    double c = std::cos(start);
    double s = std::sin(start);
    const double turn_c = std::cos(turn);
    const double turn_s = std::sin(turn);
    for (int g = 0; g <= cells; ++g) {
      draw[g] += amplitude * c;
      const double next = c * turn_c - s * turn_s;
      s = s * turn_c + c * turn_s;
      c = next;
    }
  }
  return draw;
}

}  // namespace hat::search
