#include "hat/search/problem.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::search {
namespace {

// Remembered costs are dropped when there are this many, so that memory stays bounded.
constexpr size_t kMaxRemembered = 500'000;

}  // namespace

double violation(const std::vector<double>& costs, const std::vector<Limit>& limits) {
  double total = 0;
  for (const Limit& limit : limits) {
    const double over = costs[limit.cost] - limit.at_most;
    if (over > 0) total += over / std::max(std::abs(limit.at_most), 1e-300);
  }
  return total;
}

const std::vector<double>& CostTable::costs(const Genotype& genotype) {
  std::string text(genotype.begin(), genotype.end());
  if (const auto found = by_genotype_.find(text); found != by_genotype_.end()) {
    return found->second;
  }
  std::vector<double> costs(problem_.costs.size());
  for (size_t i = 0; i < costs.size(); ++i) {
    costs[i] = problem_.costs[i].value(genotype);
    HAT_CHECK(std::isfinite(costs[i]), ErrorKind::kData,
              str("The predictor of ", problem_.costs[i].name, " gives ", costs[i],
                  " for an architecture"),
              "Run 'hat train-predictor' again.");
  }
  if (by_genotype_.size() >= kMaxRemembered) by_genotype_.clear();
  return by_genotype_.emplace(std::move(text), std::move(costs)).first->second;
}

Candidate CostTable::candidate(const Genotype& genotype) {
  Candidate candidate;
  candidate.genotype = genotype;
  candidate.key = problem_.space->key(genotype);
  candidate.costs = costs(genotype);
  return candidate;
}

}  // namespace hat::search
