#include "hat/search/propose.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "hat/search/nsga2.h"
#include "hat/search/repair.h"
#include "knapsack.h"

namespace hat::search {
namespace {

constexpr size_t kPopulation = 60;
constexpr int kGenerations = 12;
constexpr int kMaxSteps = 60;       // of one local search
constexpr size_t kPairsTried = 60;  // most promising pairs that are checked exactly
constexpr double kLeastGain = 1e-9;
constexpr uint64_t kMaxJoint = 64;  // choices of one layer that are tried together
constexpr int kCornersTried = 20;
constexpr int kKnapsackTurns = 4;  // each starts where the last ended

}  // namespace

/// State of one call of best_untaken.
struct Proposer::Search {
  const Surrogate::Function& function;
  const std::vector<Limit>& limits;
  const Genotype& anchor;
  const std::set<std::string>& taken;
  bool fixed_globals = false;                      ///< widths and depths stay as they are
  std::unordered_map<std::string, double> values;  ///< by genotype
  double best_value = INFINITY;
  Genotype best;
};

std::vector<Genotype> Proposer::evolve(const Surrogate::Function& function,
                                       const std::vector<Limit>& limits,
                                       const std::vector<int>& front, const Genotype& anchor,
                                       const std::vector<Genotype>& seeds, Rng& rng) {
  const Space& space = *table_.problem().space;
  std::vector<int> costs = front;
  if (costs.empty() && !limits.empty()) costs.push_back(limits[0].cost);
  const auto member = [&](Genotype genotype) {
    Member result;
    const std::vector<double>& all = table_.costs(genotype);
    result.violation = violation(all, limits);
    result.objectives.push_back(surrogate_.value(function, genotype));
    for (int cost : costs) result.objectives.push_back(all[cost]);
    result.genotype = std::move(genotype);
    return result;
  };
  std::vector<Member> population;
  for (const Genotype& seed : seeds) {
    if (population.size() < kPopulation / 2) population.push_back(member(seed));
  }
  while (population.size() < kPopulation) {
    population.push_back(member(sample_within(table_, limits, anchor, rng)));
  }
  population = survivors(std::move(population), kPopulation);
  const double mutation = 2.0 / static_cast<double>(std::max<size_t>(space.slots(), 2));
  for (int generation = 0; generation < kGenerations; ++generation) {
    const std::vector<Member> parents = population;
    for (size_t i = 0; i < kPopulation; ++i) {
      Genotype child = offspring(space, parents, mutation, rng);
      population.push_back(member(repair(table_, std::move(child), limits, anchor, rng)));
    }
    population = survivors(std::move(population), kPopulation);
  }
  std::stable_sort(population.begin(), population.end(), [](const Member& a, const Member& b) {
    return a.objectives[0] < b.objectives[0];
  });
  std::vector<Genotype> genotypes;
  for (Member& one : population) genotypes.push_back(std::move(one.genotype));
  return genotypes;
}

/// The function's value, remembered; the best untaken network within the limits is noted.
double Proposer::value_of(Search& search, const Genotype& genotype) {
  std::string text(genotype.begin(), genotype.end());
  const auto found = search.values.find(text);
  if (found != search.values.end()) return found->second;
  const double value = surrogate_.value(search.function, genotype);
  if (value < search.best_value && keeps(table_.costs(genotype), search.limits) &&
      !search.taken.count(table_.problem().space->key(genotype))) {
    search.best_value = value;
    search.best = genotype;
  }
  search.values.emplace(std::move(text), value);
  return value;
}

std::vector<Proposer::Change> Proposer::single_changes(Search& search, const Genotype& genotype) {
  const Space& space = *table_.problem().space;
  const double base = value_of(search, genotype);
  const std::vector<double> base_costs = table_.costs(genotype);
  std::vector<Change> changes;
  Genotype changed = genotype;
  for (size_t slot = 0; slot < genotype.size(); ++slot) {
    if (!space.is_alive(genotype, slot)) continue;
    if (search.fixed_globals && space.block(slot) == Space::kGlobal) continue;
    for (int choice = 0; choice < space.choices_at(slot); ++choice) {
      if (choice == genotype[slot]) continue;
      changed[slot] = static_cast<uint8_t>(choice);
      Change change;
      change.slot = slot;
      change.choice = changed[slot];
      change.gain = value_of(search, changed) - base;
      change.cost_change = table_.costs(changed);
      for (size_t i = 0; i < base_costs.size(); ++i) change.cost_change[i] -= base_costs[i];
      changes.push_back(std::move(change));
    }
    changed[slot] = genotype[slot];
  }
  return changes;
}

bool Proposer::improve_by_one(Search& search, const std::vector<Change>& changes,
                              Genotype& genotype, double& value) {
  const Change* best = nullptr;
  for (const Change& change : changes) {
    if (change.gain >= -kLeastGain || (best && change.gain >= best->gain)) continue;
    Genotype changed = genotype;
    changed[change.slot] = change.choice;
    if (keeps(table_.costs(changed), search.limits)) best = &change;
  }
  if (!best) return false;
  genotype[best->slot] = best->choice;
  value += best->gain;
  return true;
}

bool Proposer::improve_by_two(Search& search, const std::vector<Change>& changes,
                              Genotype& genotype, double& value) {
  const std::vector<double> costs = table_.costs(genotype);
  struct Pair {
    double gain;
    size_t a, b;
  };
  std::vector<Pair> pairs;
  for (size_t a = 0; a < changes.size(); ++a) {
    for (size_t b = a + 1; b < changes.size(); ++b) {
      const double gain = changes[a].gain + changes[b].gain;
      if (changes[a].slot == changes[b].slot || gain >= -kLeastGain) continue;
      bool kept = true;
      for (const Limit& limit : search.limits) {
        const double estimate = costs[limit.cost] + changes[a].cost_change[limit.cost] +
                                changes[b].cost_change[limit.cost];
        kept = kept && estimate <= limit.at_most + 1e-3 * std::abs(limit.at_most);
      }
      if (kept) pairs.push_back({gain, a, b});
    }
  }
  const size_t tried = std::min(kPairsTried, pairs.size());
  std::partial_sort(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(tried), pairs.end(),
                    [](const Pair& x, const Pair& y) {
                      if (x.gain != y.gain) return x.gain < y.gain;
                      return std::pair(x.a, x.b) < std::pair(y.a, y.b);
                    });
  for (size_t i = 0; i < tried; ++i) {
    Genotype changed = genotype;
    changed[changes[pairs[i].a].slot] = changes[pairs[i].a].choice;
    changed[changes[pairs[i].b].slot] = changes[pairs[i].b].choice;
    if (!keeps(table_.costs(changed), search.limits)) continue;
    const double now = value_of(search, changed);
    if (now >= value - kLeastGain) continue;
    genotype = std::move(changed);
    value = now;
    return true;
  }
  return false;
}

Genotype Proposer::rechoose(Search& search, const std::vector<Change>& changes,
                            const Genotype& genotype) {
  // With effects that add up, the best network of a budget is the one that minimises
  // function + price * cost slot by slot, for the lowest price that keeps the budget.
  const Space& space = *table_.problem().space;
  const auto at_price = [&](double price) {
    std::vector<double> least(genotype.size(), 0.0);
    Genotype chosen = genotype;
    for (const Change& change : changes) {
      if (space.block(change.slot) == Space::kGlobal) continue;
      double paid = change.gain;
      for (const Limit& limit : search.limits) {
        paid += price * change.cost_change[limit.cost] / std::max(std::abs(limit.at_most), 1e-300);
      }
      if (paid >= least[change.slot]) continue;
      least[change.slot] = paid;
      chosen[change.slot] = change.choice;
    }
    return chosen;
  };
  Genotype best = at_price(0);
  if (keeps(table_.costs(best), search.limits)) return best;
  double low = 1e-4;
  double high = 1e5;
  best = genotype;
  for (int step = 0; step < 30; ++step) {
    const double price = std::sqrt(low * high);
    Genotype chosen = at_price(price);
    if (keeps(table_.costs(chosen), search.limits)) {
      high = price;
      best = std::move(chosen);
    } else {
      low = price;
    }
  }
  return best;
}

/// Every live layer's joint choices, the one that stands first; those of layers with too many are
/// left at single changes.
std::vector<std::vector<Genotype>> Proposer::layer_choices(const Genotype& genotype) const {
  const Space& space = *table_.problem().space;
  std::map<int, std::vector<size_t>> blocks;
  for (size_t slot = 0; slot < genotype.size(); ++slot) {
    if (space.block(slot) == Space::kGlobal || !space.is_alive(genotype, slot)) continue;
    blocks[space.block(slot)].push_back(slot);
  }
  std::vector<std::vector<Genotype>> layers;
  for (const auto& [block, slots] : blocks) {
    std::vector<Genotype> choices{genotype};
    uint64_t joint = 1;
    for (size_t slot : slots) joint = std::min(joint * space.choices_at(slot), kMaxJoint + 1);
    for (size_t slot : slots) {
      const size_t before = joint <= kMaxJoint ? choices.size() : 1;
      for (size_t i = 0; i < before; ++i) {
        for (int choice = 0; choice < space.choices_at(slot); ++choice) {
          if (choice == genotype[slot]) continue;
          choices.push_back(choices[i]);
          choices.back()[slot] = static_cast<uint8_t>(choice);
        }
      }
    }
    layers.push_back(std::move(choices));
  }
  return layers;
}

/// With effects and costs that add up over layers the best network of a budget is a multiple-choice
/// knapsack, one item a layer. Real ones nearly add up near a network, so it is solved anew from
/// each answer until that is no better.
void Proposer::rechoose_exactly(Search& search, Genotype& genotype, double& value) {
  if (search.limits.size() != 1) return;
  const Limit& limit = search.limits[0];
  double room = limit.at_most;
  for (int turn = 0; turn < kKnapsackTurns; ++turn) {
    const double cost = table_.costs(genotype)[limit.cost];
    const std::vector<std::vector<Genotype>> layers = layer_choices(genotype);
    std::vector<std::vector<KnapsackItem>> groups;
    for (const auto& choices : layers) {
      groups.emplace_back();
      for (const Genotype& choice : choices) {
        groups.back().push_back(
            {value_of(search, choice) - value, table_.costs(choice)[limit.cost] - cost});
      }
    }
    const std::vector<size_t> chosen = choose_within(groups, room - cost);
    if (chosen.empty()) return;
    Genotype changed = genotype;
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      const Genotype& choice = layers[layer][chosen[layer]];
      for (size_t slot = 0; slot < choice.size(); ++slot) {
        if (choice[slot] != genotype[slot]) changed[slot] = choice[slot];
      }
    }
    const double changed_cost = table_.costs(changed)[limit.cost];
    if (changed_cost > limit.at_most) {
      // The costs did not quite add up: less room, by as much as they differ.
      room -= changed_cost - limit.at_most;
      continue;
    }
    const double now = value_of(search, changed);
    if (now >= value - kLeastGain) return;
    genotype = std::move(changed);
    value = now;
  }
}

void Proposer::descend(Search& search, Genotype genotype) {
  double value = value_of(search, genotype);
  rechoose_exactly(search, genotype, value);
  for (int step = 0; step < kMaxSteps; ++step) {
    const std::vector<Change> changes = single_changes(search, genotype);
    if (step == 0 && search.limits.size() != 1) {
      Genotype chosen = rechoose(search, changes, genotype);
      const double now = value_of(search, chosen);
      if (chosen != genotype && now < value && keeps(table_.costs(chosen), search.limits)) {
        genotype = std::move(chosen);
        value = now;
        continue;
      }
    }
    if (improve_by_one(search, changes, genotype, value)) continue;
    if (!improve_by_two(search, changes, genotype, value)) break;
  }
}

Genotype Proposer::best_untaken(const Surrogate::Function& function,
                                const std::vector<Limit>& limits,
                                const std::vector<Genotype>& starts, const Genotype& anchor,
                                const std::set<std::string>& taken, Rng& rng) {
  Search search{function, limits, anchor, taken, false, {}, INFINITY, {}};
  for (const Genotype& start : starts) {
    descend(search, fill(table_, repair(table_, start, limits, anchor, rng), limits, rng));
  }
  return search.best;
}

/// Every live slot of a layer at the choice of least cost.
void Proposer::make_cheapest(Genotype& genotype, int cost) {
  const Space& space = *table_.problem().space;
  for (size_t slot = 0; slot < genotype.size(); ++slot) {
    if (space.block(slot) == Space::kGlobal || !space.is_alive(genotype, slot)) continue;
    Genotype changed = genotype;
    for (int choice = 0; choice < space.choices_at(slot); ++choice) {
      changed[slot] = static_cast<uint8_t>(choice);
      if (table_.costs(changed)[cost] < table_.costs(genotype)[cost]) genotype = changed;
    }
  }
}

Genotype Proposer::best_of_random_corner(const Surrogate::Function& function,
                                         const std::vector<Limit>& limits, const Genotype& anchor,
                                         const std::set<std::string>& taken, Rng& rng) {
  Search search{function, limits, anchor, taken, true, {}, INFINITY, {}};
  for (int tries = 0; tries < kCornersTried; ++tries) {
    Genotype genotype = sample(*table_.problem().space, rng);
    if (!limits.empty()) make_cheapest(genotype, limits[0].cost);
    if (!keeps(table_.costs(genotype), limits)) continue;
    descend(search, std::move(genotype));
    if (!search.best.empty()) break;
  }
  return search.best;
}

}  // namespace hat::search
