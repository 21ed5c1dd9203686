#pragma once

#include <string>
#include <vector>

#include "hat/search/problem.h"

namespace hat::search {

/// The smallest and largest value of one cost over a whole space.
struct Reach {
  double smallest = 0;
  double largest = 0;
  Genotype at_smallest;
  Genotype at_largest;
  /// True when the cost is a sum of one term a block (layer) for every fixing of the global slots
  /// (checked by probing), so that the values are exact; else they are the ends of local searches.
  bool exact = false;
};

/// For every fixing of the global slots (embedding widths, depths) each layer is set to its best
/// joint choice: with costs additive over layers one turn is the exact answer. Other costs are
/// searched slot by slot until nothing changes.
Reach reach_of(const Space& space, const Cost& cost);

/// A network that keeps all limits of the goal, the one with most room. When there is none, throws
/// kInfeasible with the nearest possible budget and `describe` of the network that reaches it.
/// `reaches` holds one entry a cost.
Genotype feasible_anchor(CostTable& table, const Goal& goal, const std::vector<Reach>& reaches,
                         const std::function<std::string(const Genotype&)>& describe,
                         const std::function<std::string(const Cost&, double)>& format);

}  // namespace hat::search
