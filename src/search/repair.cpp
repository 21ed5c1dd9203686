#include "hat/search/repair.h"

#include <numeric>

namespace hat::search {
namespace {

std::vector<size_t> random_order(size_t n, Rng& rng) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  rng.shuffle(order);
  return order;
}

}  // namespace

Genotype repair(CostTable& table, Genotype genotype, const std::vector<Limit>& limits,
                const Genotype& anchor, Rng& rng) {
  double over = violation(table.costs(genotype), limits);
  if (over <= 0) return genotype;
  for (size_t slot : random_order(genotype.size(), rng)) {
    if (genotype[slot] == anchor[slot]) continue;
    Genotype changed = genotype;
    changed[slot] = anchor[slot];
    const double now = violation(table.costs(changed), limits);
    // A step that helps nothing is left for the second pass.
    if (now >= over) continue;
    genotype = std::move(changed);
    over = now;
    if (over <= 0) return genotype;
  }
  for (size_t slot : random_order(genotype.size(), rng)) {
    genotype[slot] = anchor[slot];
    if (keeps(table.costs(genotype), limits)) return genotype;
  }
  return anchor;
}

Genotype fill(CostTable& table, Genotype genotype, const std::vector<Limit>& limits, Rng& rng) {
  if (limits.empty()) return genotype;
  const Space& space = *table.problem().space;
  const int cost = limits[0].cost;
  for (size_t slot : random_order(genotype.size(), rng)) {
    if (!space.is_alive(genotype, slot)) continue;
    const double before = table.costs(genotype)[cost];
    std::vector<uint8_t> larger;
    Genotype changed = genotype;
    for (int choice = 0; choice < space.choices_at(slot); ++choice) {
      changed[slot] = static_cast<uint8_t>(choice);
      const std::vector<double>& costs = table.costs(changed);
      if (costs[cost] > before && keeps(costs, limits)) larger.push_back(changed[slot]);
    }
    if (!larger.empty()) genotype[slot] = rng.choose(larger);
  }
  return genotype;
}

Genotype sample_within(CostTable& table, const std::vector<Limit>& limits, const Genotype& anchor,
                       Rng& rng) {
  Genotype genotype = sample(*table.problem().space, rng);
  return fill(table, repair(table, std::move(genotype), limits, anchor, rng), limits, rng);
}

}  // namespace hat::search
