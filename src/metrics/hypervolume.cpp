#include "hat/metrics/hypervolume.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"

namespace hat::metrics {
namespace {

using Points = std::vector<std::vector<double>>;

// Only the first `dimensions` objectives count, and every point is below the reference in them.
double volume(Points points, const std::vector<double>& reference, size_t dimensions) {
  if (points.empty()) return 0.0;
  if (dimensions == 1) {
    double best = reference[0];
    for (const auto& p : points) best = std::min(best, p[0]);
    return reference[0] - best;
  }
  const size_t last = dimensions - 1;
  std::sort(points.begin(), points.end(),
            [&](const auto& a, const auto& b) { return a[last] < b[last]; });
  if (dimensions == 2) {
    double area = 0;
    double reach = reference[0];
    for (const auto& p : points) {
      if (p[0] >= reach) continue;
      area += (reach - p[0]) * (reference[1] - p[1]);
      reach = p[0];
    }
    return area;
  }
  double total = 0;
  Points below;
  for (size_t i = 0; i < points.size(); ++i) {
    below.push_back(points[i]);
    const double top = i + 1 < points.size() ? points[i + 1][last] : reference[last];
    const double thickness = top - points[i][last];
    if (thickness > 0) total += thickness * volume(below, reference, last);
  }
  return total;
}

}  // namespace

double hypervolume(const std::vector<std::vector<double>>& points,
                   const std::vector<double>& reference) {
  HAT_DCHECK(!reference.empty());
  Points inside;
  for (const std::vector<double>& p : points) {
    HAT_DCHECK(p.size() == reference.size());
    bool better = true;
    for (size_t d = 0; d < p.size(); ++d) {
      HAT_DCHECK(std::isfinite(p[d]) && std::isfinite(reference[d]));
      better = better && p[d] < reference[d];
    }
    if (better) inside.push_back(p);
  }
  return volume(std::move(inside), reference, reference.size());
}

}  // namespace hat::metrics
