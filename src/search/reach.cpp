#include "hat/search/reach.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"

namespace hat::search {
namespace {

using Score = std::function<double(const Genotype&)>;

// Above this many fixings of the global slots, or choices of one block, they are searched slot by
// slot.
constexpr uint64_t kMaxFixings = 4096;
constexpr uint64_t kMaxBlockChoices = 512;
constexpr int kMaxTurns = 20;
constexpr uint64_t kStarts = 32;

/// The slots that matter to one cost.
struct Layout {
  std::vector<size_t> global;
  std::vector<std::vector<size_t>> blocks;
  std::vector<size_t> local;  ///< those of all blocks
  uint64_t fixings = 1;       ///< of the global slots; more than kMaxFixings: too many
  bool additive = false;      ///< over blocks, given the global slots
};

/// Sets each of `slots` to its best choice, in turn, until a whole turn changes nothing.
double descend(const Space& space, const std::vector<size_t>& slots, const Score& score,
               Genotype& genotype) {
  double best = score(genotype);
  for (int turn = 0; turn < kMaxTurns; ++turn) {
    bool changed = false;
    for (size_t slot : slots) {
      if (!space.is_alive(genotype, slot)) continue;
      const uint8_t before = genotype[slot];
      uint8_t chosen = before;
      for (int choice = 0; choice < space.choices_at(slot); ++choice) {
        if (choice == before) continue;
        genotype[slot] = static_cast<uint8_t>(choice);
        const double value = score(genotype);
        if (value < best) {
          best = value;
          chosen = genotype[slot];
        }
      }
      genotype[slot] = chosen;
      changed = changed || chosen != before;
    }
    if (!changed) break;
  }
  return best;
}

void set_combination(const Space& space, const std::vector<size_t>& slots, uint64_t number,
                     Genotype& genotype) {
  for (size_t slot : slots) {
    genotype[slot] = static_cast<uint8_t>(number % space.choices_at(slot));
    number /= space.choices_at(slot);
  }
}

/// The best joint choice of one block, the rest fixed.
double best_of_block(const Space& space, const std::vector<size_t>& block, const Score& score,
                     Genotype& genotype) {
  uint64_t combinations = 1;
  bool alive = false;
  for (size_t slot : block) {
    combinations *= space.choices_at(slot);
    alive = alive || space.is_alive(genotype, slot);
    if (combinations > kMaxBlockChoices) return descend(space, block, score, genotype);
  }
  double best = score(genotype);
  if (!alive) return best;
  Genotype trial = genotype;
  for (uint64_t i = 0; i < combinations; ++i) {
    set_combination(space, block, i, trial);
    const double value = score(trial);
    if (value < best) {
      best = value;
      genotype = trial;
    }
  }
  return best;
}

/// Whether changing the slot ever changes the score, by probing (head counts often do not).
bool matters(const Space& space, size_t slot, const Score& score, Rng& rng) {
  for (int probe = 0; probe < 12; ++probe) {
    Genotype genotype = sample(space, rng);
    if (!space.is_alive(genotype, slot)) continue;
    genotype[slot] = 0;
    const double first = score(genotype);
    for (int choice = 1; choice < space.choices_at(slot); ++choice) {
      genotype[slot] = static_cast<uint8_t>(choice);
      if (score(genotype) != first) return true;
    }
  }
  return false;
}

/// Probes whether the effect of changing one block depends on the other blocks.
bool is_additive(const Space& space, const Layout& layout, const Score& score) {
  if (layout.fixings > kMaxFixings) return false;
  if (layout.blocks.empty()) return true;
  Rng rng(1, "additive");
  for (int probe = 0; probe < 200; ++probe) {
    Genotype a = sample(space, rng);
    Genotype b = a;
    for (size_t slot : layout.local) {
      b[slot] = static_cast<uint8_t>(rng.below(space.choices_at(slot)));
    }
    const std::vector<size_t>& block = rng.choose(layout.blocks);
    Genotype changed = sample(space, rng);
    for (size_t slot : block) b[slot] = a[slot];
    const double before_a = score(a);
    const double before_b = score(b);
    for (size_t slot : block) a[slot] = b[slot] = changed[slot];
    const double after_a = score(a);
    const double difference = (after_a - before_a) - (score(b) - before_b);
    if (std::abs(difference) > 1e-9 * std::max(std::abs(before_a), std::abs(after_a))) return false;
  }
  return true;
}

Layout layout_of(const Space& space, const Score& score) {
  Layout layout;
  Rng rng(1, "matters");
  std::map<int, std::vector<size_t>> blocks;
  for (size_t slot = 0; slot < space.slots(); ++slot) {
    if (space.block(slot) == Space::kGlobal) {
      layout.global.push_back(slot);
      layout.fixings = std::min(layout.fixings * space.choices_at(slot), kMaxFixings + 1);
    } else if (matters(space, slot, score, rng)) {
      blocks[space.block(slot)].push_back(slot);
      layout.local.push_back(slot);
    }
  }
  for (auto& [number, slots] : blocks) layout.blocks.push_back(std::move(slots));
  layout.additive = is_additive(space, layout, score);
  return layout;
}

/// Least score over the space: exact for sums over blocks given the global slots.
double minimise(const Space& space, const Layout& layout, const Score& score, Genotype& best) {
  double least = INFINITY;
  const auto keep = [&](double value, const Genotype& genotype) {
    if (value >= least) return;
    least = value;
    best = genotype;
  };
  Genotype genotype(space.slots(), 0);
  if (layout.fixings > kMaxFixings) {
    std::vector<size_t> all = layout.global;
    all.insert(all.end(), layout.local.begin(), layout.local.end());
    for (uint64_t start = 0; start < kStarts; ++start) {
      Rng rng(start, "reach");
      genotype = sample(space, rng);
      keep(descend(space, all, score, genotype), genotype);
    }
    return least;
  }
  for (uint64_t fixing = 0; fixing < layout.fixings; ++fixing) {
    // The blocks start from the best of the fixing before: nearly always already right.
    set_combination(space, layout.global, fixing, genotype);
    if (layout.additive) {
      for (const auto& block : layout.blocks) best_of_block(space, block, score, genotype);
      keep(score(genotype), genotype);
    } else {
      keep(descend(space, layout.local, score, genotype), genotype);
    }
  }
  return least;
}

}  // namespace

Reach reach_of(const Space& space, const Cost& cost) {
  const Layout layout = layout_of(space, cost.value);
  const Score negative = [&](const Genotype& genotype) { return -cost.value(genotype); };
  Reach reach;
  reach.smallest = minimise(space, layout, cost.value, reach.at_smallest);
  reach.largest = -minimise(space, layout, negative, reach.at_largest);
  reach.exact = layout.additive;
  reach.at_smallest = without_dead(space, reach.at_smallest);
  reach.at_largest = without_dead(space, reach.at_largest);
  return reach;
}

Genotype feasible_anchor(CostTable& table, const Goal& goal, const std::vector<Reach>& reaches,
                         const std::function<std::string(const Genotype&)>& describe,
                         const std::function<std::string(const Cost&, double)>& format) {
  const Problem& problem = table.problem();
  for (const Limit& limit : goal.limits) {
    const Cost& cost = problem.costs[limit.cost];
    const Reach& reach = reaches[limit.cost];
    HAT_CHECK(
        reach.smallest <= limit.at_most, ErrorKind::kInfeasible,
        str("No architecture of the space has ", cost.name, " of ", format(cost, limit.at_most),
            " or less; the smallest ", reach.exact ? "possible" : "found", " is ",
            format(cost, reach.smallest), ", reached by\n", describe(reach.at_smallest)),
        str("Ask for ", format(cost, reach.smallest), " or more, or use a smaller space."));
  }
  if (goal.limits.empty())
    return reaches.empty() ? Genotype(problem.space->slots(), 0) : reaches[0].at_smallest;
  // Each limit can be kept alone; together they may exclude each other.
  const Score tightest = [&](const Genotype& genotype) {
    const std::vector<double>& costs = table.costs(genotype);
    double most = -INFINITY;
    for (const Limit& limit : goal.limits) {
      most = std::max(most, costs[limit.cost] / limit.at_most);
    }
    return most;
  };
  Genotype best = reaches[goal.limits[0].cost].at_smallest;
  double least = tightest(best);
  for (const Limit& limit : goal.limits) {
    if (least <= 1) break;
    const Genotype& other = reaches[limit.cost].at_smallest;
    if (tightest(other) < least) {
      least = tightest(other);
      best = other;
    }
  }
  if (least > 1) {
    Genotype found;
    const Layout layout = layout_of(*problem.space, tightest);
    const double value = minimise(*problem.space, layout, tightest, found);
    if (value < least) {
      least = value;
      best = found;
    }
  }
  if (least > 1) {
    std::string asked;
    std::string nearest;
    for (const Limit& limit : goal.limits) {
      const Cost& cost = problem.costs[limit.cost];
      const double value = table.costs(best)[limit.cost];
      asked += str(asked.empty() ? "" : " and ", cost.name, " of ", format(cost, limit.at_most));
      nearest += str(nearest.empty() ? "" : " with ", cost.name, " of ",
                     format(cost, std::max(value, limit.at_most)));
    }
    fail(ErrorKind::kInfeasible,
         str("No architecture of the space keeps ", asked,
             " together, though each alone is possible; the nearest is\n", describe(best)),
         str("Ask for ", nearest, "."));
  }
  return without_dead(*problem.space, best);
}

}  // namespace hat::search
