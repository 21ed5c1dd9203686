#pragma once

#include <cstddef>
#include <vector>

namespace hat::search {

/// One of the choices of a group.
struct KnapsackItem {
  double value = 0;  ///< to be minimised in sum
  double cost = 0;   ///< may be negative
};

/// One item of every group, of least sum of values among those whose costs sum to `room` at most;
/// empty when no choice keeps it. Dynamic programming over the groups with the best state of each
/// of a thousand bins of cost (Kellerer et al. 2004, "Knapsack Problems", section 11.5): a state
/// keeps its true cost, so the room is always kept, and with fewer than a thousand different sums
/// of costs the answer is exact.
std::vector<size_t> choose_within(const std::vector<std::vector<KnapsackItem>>& groups,
                                  double room);

}  // namespace hat::search
