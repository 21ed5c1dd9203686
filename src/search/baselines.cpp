#include "hat/search/baselines.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace hat::search {
namespace {

constexpr uint64_t kMaxCombinations = 4096;
constexpr int kUniformSteps = 40;

/// Choices of a slot from the smallest to the largest value.
std::vector<uint8_t> by_value(const Space& space, size_t slot) {
  std::vector<uint8_t> order(space.choices_at(slot));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) {
    return space.value(slot, a) < space.value(slot, b);
  });
  return order;
}

/// Global slots that decide whether others are alive.
std::vector<size_t> depth_slots(const Space& space) {
  const Genotype largest = largest_genotype(space);
  std::vector<size_t> depths;
  for (size_t slot = 0; slot < space.slots(); ++slot) {
    if (space.block(slot) != Space::kGlobal) continue;
    Genotype least = largest;
    least[slot] = by_value(space, slot)[0];
    bool decides = false;
    for (size_t other = 0; other < space.slots(); ++other) {
      decides = decides || space.is_alive(largest, other) != space.is_alive(least, other);
    }
    if (decides) depths.push_back(slot);
  }
  return depths;
}

uint64_t combinations(const Space& space, const std::vector<size_t>& slots) {
  uint64_t count = 1;
  for (size_t slot : slots) count = std::min(count * space.choices_at(slot), kMaxCombinations);
  return count;
}

/// Combination `number`, counted from all at their largest.
void set_from_largest(const Space& space, const std::vector<size_t>& slots, uint64_t number,
                      Genotype& genotype) {
  for (size_t slot : slots) {
    const std::vector<uint8_t> order = by_value(space, slot);
    genotype[slot] = order[order.size() - 1 - number % order.size()];
    number /= order.size();
  }
}

/// The `count` different ones of largest first cost.
std::vector<Genotype> costliest(CostTable& table, const std::vector<Limit>& limits,
                                std::vector<Genotype> genotypes, size_t count) {
  const int cost = limits.empty() ? 0 : limits[0].cost;
  if (!table.problem().costs.empty()) {
    std::stable_sort(genotypes.begin(), genotypes.end(), [&](const Genotype& a, const Genotype& b) {
      const double cost_a = table.costs(a)[cost];
      return cost_a > table.costs(b)[cost];
    });
  }
  std::vector<Genotype> chosen;
  std::set<std::string> seen;
  for (Genotype& genotype : genotypes) {
    if (chosen.size() >= count) break;
    if (seen.insert(table.problem().space->key(genotype)).second) {
      chosen.push_back(std::move(genotype));
    }
  }
  return chosen;
}

}  // namespace

Genotype largest_genotype(const Space& space) {
  Genotype genotype(space.slots());
  for (size_t slot = 0; slot < genotype.size(); ++slot)
    genotype[slot] = by_value(space, slot).back();
  return genotype;
}

std::vector<Genotype> depth_sweep(CostTable& table, const std::vector<Limit>& limits,
                                  size_t count) {
  const Space& space = *table.problem().space;
  const std::vector<size_t> depths = depth_slots(space);
  std::vector<size_t> widths;
  for (size_t slot = 0; slot < space.slots(); ++slot) {
    const bool depth = std::find(depths.begin(), depths.end(), slot) != depths.end();
    if (space.block(slot) == Space::kGlobal && !depth) widths.push_back(slot);
  }
  std::vector<Genotype> kept;
  Genotype genotype = largest_genotype(space);
  for (uint64_t depth = 0; depth < combinations(space, depths); ++depth) {
    set_from_largest(space, depths, depth, genotype);
    for (uint64_t width = 0; width < combinations(space, widths); ++width) {
      set_from_largest(space, widths, width, genotype);
      if (!keeps(table.costs(genotype), limits)) continue;
      kept.push_back(genotype);
      break;
    }
  }
  return costliest(table, limits, std::move(kept), count);
}

std::vector<Genotype> uniform_scaling(CostTable& table, const std::vector<Limit>& limits,
                                      size_t count) {
  const Space& space = *table.problem().space;
  std::vector<Genotype> kept;
  for (int step = kUniformSteps; step >= 0; --step) {
    Genotype genotype(space.slots());
    for (size_t slot = 0; slot < genotype.size(); ++slot) {
      const std::vector<uint8_t> order = by_value(space, slot);
      genotype[slot] = order[std::lround(static_cast<double>(step) / kUniformSteps *
                                         static_cast<double>(order.size() - 1))];
    }
    if (keeps(table.costs(genotype), limits)) kept.push_back(std::move(genotype));
  }
  return costliest(table, limits, std::move(kept), count);
}

}  // namespace hat::search
