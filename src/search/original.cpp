#include "hat/search/original.h"

#include <algorithm>
#include <numeric>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::search {
namespace {

constexpr int kMaxTries = 100'000;

}  // namespace

template <class Make>
Genotype OriginalEvolution::accepted(Make make) {
  for (int tries = 0; tries < kMaxTries; ++tries) {
    Genotype genotype = make();
    if (keeps(table_.costs(genotype), limits_)) return genotype;
  }
  fail(ErrorKind::kInfeasible,
       str("The original's evolution found no network within the budget in ", kMaxTries, " draws"),
       "It only draws and rejects; use --algorithm nsga2 for a budget this tight.");
}

OriginalEvolution::OriginalEvolution(CostTable& table, std::vector<Limit> limits, uint64_t seed)
    : OriginalEvolution(table, std::move(limits), seed, Settings()) {}

OriginalEvolution::OriginalEvolution(CostTable& table, std::vector<Limit> limits, uint64_t seed,
                                     Settings settings)
    : table_(table), limits_(std::move(limits)), settings_(settings), rng_(seed, "original") {
  const Space& space = *table_.problem().space;
  for (int i = 0; i < settings_.population; ++i) {
    population_.push_back(accepted([&] { return sample(space, rng_); }));
  }
}

void OriginalEvolution::advance(const std::vector<double>& losses) {
  HAT_DCHECK(losses.size() == population_.size());
  std::vector<size_t> order(losses.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return losses[a] < losses[b]; });
  std::vector<Genotype> parents;
  for (int i = 0; i < settings_.parents; ++i) parents.push_back(population_[order[i]]);
  population_ = parents;
  ++iteration_;
  // The original breeds once more after the last scoring and throws the children away.
  if (finished()) return;
  const Space& space = *table_.problem().space;
  for (int i = 0; i < settings_.mutants; ++i) {
    population_.push_back(
        accepted([&] { return mutate(space, rng_.choose(parents), settings_.mutation, rng_); }));
  }
  while (static_cast<int>(population_.size()) < settings_.population) {
    population_.push_back(accepted([&] {
      const size_t a = rng_.below(parents.size());
      size_t b = rng_.below(parents.size() - 1);
      if (b >= a) ++b;
      return crossover(parents[a], parents[b], rng_);
    }));
  }
}

}  // namespace hat::search
