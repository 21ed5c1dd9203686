#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "hat/search/problem.h"

namespace hat::search {

/// Networks to score when nothing better is known: `count` at most, within the limits, not taken.
/// Neighbours of `known` networks first (one slot changed), least `rank` first, then random ones.
/// Fewer than `count` only when the whole space was gone through, or, in a space of more than
/// kMaxEnumerated genotypes, when thousands of random draws found nothing new either.
std::vector<Genotype> untaken(CostTable& table, const std::vector<Limit>& limits,
                              const Genotype& anchor, const std::vector<Genotype>& known,
                              const std::set<std::string>& taken, size_t count,
                              const std::function<double(const Genotype&)>& rank, Rng& rng);
inline constexpr uint64_t kMaxEnumerated = 200'000;

/// Networks that use more of the first limit than `genotype` does and keep all limits: every single
/// slot raised, and `random` ones that are filled up slot by slot. Empty when nothing can be
/// raised.
std::vector<Genotype> grown(CostTable& table, const std::vector<Limit>& limits,
                            const Genotype& genotype, size_t random, Rng& rng);

}  // namespace hat::search
