#pragma once

#include "hat/search/problem.h"

namespace hat::search {

/// Copies slots of `anchor` (which keeps the limits) into the genotype, in random order, until it
/// keeps them too: always succeeds, and changes no more than that takes.
Genotype repair(CostTable& table, Genotype genotype, const std::vector<Limit>& limits,
                const Genotype& anchor, Rng& rng);
/// Raises the first limited cost slot by slot, in random order, as long as the limits are kept: a
/// random network that uses its budget.
Genotype fill(CostTable& table, Genotype genotype, const std::vector<Limit>& limits, Rng& rng);
/// A random network within the limits: sampled, repaired, filled.
Genotype sample_within(CostTable& table, const std::vector<Limit>& limits, const Genotype& anchor,
                       Rng& rng);

}  // namespace hat::search
