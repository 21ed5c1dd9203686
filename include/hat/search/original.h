#pragma once

#include <vector>

#include "hat/search/problem.h"

namespace hat::search {

/// The evolution of the original HAT (hat-spec section 6), for comparison: population 125 = parents
/// 25 + mutants 50 + crossed 50, mutation probability 0.3 a gene, 30 iterations, hard rejection of
/// what exceeds the limit. Two differences, neither in what it finds: it is seeded, and retries are
/// bounded (throws kInfeasible when the space holds too few networks within the limit to go on).
class OriginalEvolution {
 public:
  struct Settings {
    int population = 125;
    int parents = 25;
    int mutants = 50;
    int iterations = 30;
    double mutation = 0.3;
  };
  OriginalEvolution(CostTable& table, std::vector<Limit> limits, uint64_t seed);
  OriginalEvolution(CostTable& table, std::vector<Limit> limits, uint64_t seed, Settings settings);

  /// The networks to score now; duplicates included, as the original scores them.
  const std::vector<Genotype>& population() const { return population_; }
  /// Takes their losses and makes the next population; after the last iteration keeps the parents.
  void advance(const std::vector<double>& losses);
  bool finished() const { return iteration_ >= settings_.iterations; }
  int iteration() const { return iteration_; }
  /// Validation passes that the original would have made so far.
  int passes() const { return iteration_ * settings_.population; }

 private:
  template <class Make>
  Genotype accepted(Make make);

  CostTable& table_;
  std::vector<Limit> limits_;
  Settings settings_;
  Rng rng_;
  std::vector<Genotype> population_;
  int iteration_ = 0;
};

}  // namespace hat::search
