#include "hat/search/explore.h"

#include <algorithm>

#include "hat/search/repair.h"

namespace hat::search {
namespace {

constexpr int kDraws = 5000;

/// Collects different networks that are within the limits and not taken.
class Collector {
 public:
  Collector(CostTable& table, const std::vector<Limit>& limits, const std::set<std::string>& taken)
      : table_(table), space_(*table.problem().space), limits_(limits), taken_(taken) {}

  bool add(const Genotype& genotype) {
    if (!keeps(table_.costs(genotype), limits_)) return false;
    std::string key = space_.key(genotype);
    if (taken_.count(key) || !seen_.insert(std::move(key)).second) return false;
    found_.push_back(without_dead(space_, genotype));
    return true;
  }
  std::vector<Genotype>& found() { return found_; }

 private:
  CostTable& table_;
  const Space& space_;
  const std::vector<Limit>& limits_;
  const std::set<std::string>& taken_;
  std::set<std::string> seen_;
  std::vector<Genotype> found_;
};

/// All genotypes, the first slot fastest; stops when `visit` says so.
void enumerate(const Space& space, const std::function<bool(const Genotype&)>& visit) {
  Genotype genotype(space.slots(), 0);
  while (visit(genotype)) {
    size_t slot = 0;
    while (slot < genotype.size() && genotype[slot] + 1 >= space.choices_at(slot)) {
      genotype[slot++] = 0;
    }
    if (slot == genotype.size()) return;
    ++genotype[slot];
  }
}

}  // namespace

std::vector<Genotype> untaken(CostTable& table, const std::vector<Limit>& limits,
                              const Genotype& anchor, const std::vector<Genotype>& known,
                              const std::set<std::string>& taken, size_t count,
                              const std::function<double(const Genotype&)>& rank, Rng& rng) {
  const Space& space = *table.problem().space;
  Collector collector(table, limits, taken);
  for (const Genotype& genotype : known) {
    Genotype changed = genotype;
    for (size_t slot = 0; slot < changed.size(); ++slot) {
      if (!space.is_alive(genotype, slot)) continue;
      for (int choice = 0; choice < space.choices_at(slot); ++choice) {
        if (choice == genotype[slot]) continue;
        changed[slot] = static_cast<uint8_t>(choice);
        collector.add(changed);
      }
      changed[slot] = genotype[slot];
    }
  }
  std::vector<Genotype>& found = collector.found();
  if (found.size() > count) {
    std::vector<std::pair<double, size_t>> order;
    for (size_t i = 0; i < found.size(); ++i) order.emplace_back(rank(found[i]), i);
    std::stable_sort(order.begin(), order.end());
    std::vector<Genotype> best;
    for (size_t i = 0; i < count; ++i) best.push_back(std::move(found[order[i].second]));
    return best;
  }
  for (int draw = 0; draw < kDraws && found.size() < count; ++draw) {
    collector.add(repair(table, sample(space, rng), limits, anchor, rng));
  }
  uint64_t genotypes = 1;
  for (size_t slot = 0; slot < space.slots(); ++slot) {
    genotypes = std::min(genotypes * space.choices_at(slot), kMaxEnumerated + 1);
  }
  if (found.size() < count && genotypes <= kMaxEnumerated) {
    enumerate(space, [&](const Genotype& genotype) {
      collector.add(genotype);
      return found.size() < count;
    });
  }
  return std::move(found);
}

std::vector<Genotype> grown(CostTable& table, const std::vector<Limit>& limits,
                            const Genotype& genotype, size_t random, Rng& rng) {
  std::vector<Genotype> larger;
  if (limits.empty()) return larger;
  const Space& space = *table.problem().space;
  const int cost = limits[0].cost;
  const double before = table.costs(genotype)[cost];
  Genotype changed = genotype;
  for (size_t slot = 0; slot < genotype.size(); ++slot) {
    if (!space.is_alive(genotype, slot)) continue;
    for (int choice = 0; choice < space.choices_at(slot); ++choice) {
      changed[slot] = static_cast<uint8_t>(choice);
      const std::vector<double>& costs = table.costs(changed);
      if (costs[cost] > before && keeps(costs, limits)) larger.push_back(changed);
    }
    changed[slot] = genotype[slot];
  }
  if (larger.empty()) return larger;
  for (size_t i = 0; i < random; ++i) larger.push_back(fill(table, genotype, limits, rng));
  return larger;
}

}  // namespace hat::search
