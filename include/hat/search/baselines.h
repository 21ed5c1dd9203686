#pragma once

#include <vector>

#include "hat/search/problem.h"

namespace hat::search {

/// The network with every slot at its largest value: the SuperTransformer itself.
Genotype largest_genotype(const Space& space);
/// What a person would try first: everything at its largest, only the depths (the global slots that
/// decide which others live) varied. For every depth the widest global widths that keep the limits;
/// at most `count`, of largest cost.
std::vector<Genotype> depth_sweep(CostTable& table, const std::vector<Limit>& limits, size_t count);
/// Every slot at the same share of its range; at most `count`, of largest cost.
std::vector<Genotype> uniform_scaling(CostTable& table, const std::vector<Limit>& limits,
                                      size_t count);

}  // namespace hat::search
