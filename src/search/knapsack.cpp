#include "knapsack.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace hat::search {
namespace {

constexpr size_t kBins = 1000;

struct State {
  double value = INFINITY;
  double cost = 0;
};

struct Step {
  uint32_t from = 0;  ///< bin before this group
  uint32_t item = 0;
};

}  // namespace

std::vector<size_t> choose_within(const std::vector<std::vector<KnapsackItem>>& groups,
                                  double room) {
  // Costs are counted from each group's cheapest item, so that none is negative.
  std::vector<double> cheapest;
  double least = 0;
  double most = 0;
  for (const auto& group : groups) {
    const auto [low, high] = std::minmax_element(
        group.begin(), group.end(),
        [](const KnapsackItem& a, const KnapsackItem& b) { return a.cost < b.cost; });
    cheapest.push_back(low->cost);
    least += low->cost;
    most += high->cost - low->cost;
  }
  // Sums of the same costs in another order may differ in the last digits.
  const double left = room - least + 1e-9 * std::max(std::abs(room), std::abs(least));
  if (left < 0) return {};
  const double width = std::max(std::min(left, most), 1e-300) / kBins;

  std::vector<State> states(kBins + 1);
  states[0] = {0, 0};
  std::vector<std::vector<Step>> steps;
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<State> next(kBins + 1);
    std::vector<Step> step(kBins + 1);
    for (size_t bin = 0; bin <= kBins; ++bin) {
      if (states[bin].value == INFINITY) continue;
      for (size_t item = 0; item < groups[g].size(); ++item) {
        const State to{states[bin].value + groups[g][item].value,
                       states[bin].cost + groups[g][item].cost - cheapest[g]};
        if (to.cost > left) continue;
        const size_t at = std::min(static_cast<size_t>(to.cost / width), kBins);
        State& best = next[at];
        if (to.value > best.value || (to.value == best.value && to.cost >= best.cost)) continue;
        best = to;
        step[at] = {static_cast<uint32_t>(bin), static_cast<uint32_t>(item)};
      }
    }
    states = std::move(next);
    steps.push_back(std::move(step));
  }
  size_t bin = 0;
  for (size_t i = 1; i <= kBins; ++i) {
    if (states[i].value < states[bin].value) bin = i;
  }
  if (states[bin].value == INFINITY) return {};
  std::vector<size_t> chosen(groups.size());
  for (size_t g = groups.size(); g-- > 0;) {
    chosen[g] = steps[g][bin].item;
    bin = steps[g][bin].from;
  }
  return chosen;
}

}  // namespace hat::search
