#pragma once

#include <vector>

namespace hat::metrics {

/// Volume that `points` dominate below `reference`, every objective to be minimised. Points that
/// are not better than the reference in every objective add nothing; a non-finite value is a bug of
/// the caller. Exact: a sweep in two dimensions, slicing by the last objective (While et al., 2006)
/// beyond; meant for the fronts of a search (hundreds of points, up to five objectives).
double hypervolume(const std::vector<std::vector<double>>& points,
                   const std::vector<double>& reference);

}  // namespace hat::metrics
