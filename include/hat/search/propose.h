#pragma once

#include <set>
#include <string>
#include <vector>

#include "hat/search/problem.h"
#include "hat/search/surrogate.h"

namespace hat::search {

/// Finds networks that a function of the surrogate expects to be good, within limits. Asks costs
/// and the surrogate only, some thousands of times a call; every loop is bounded.
class Proposer {
 public:
  Proposer(CostTable& table, const Surrogate& surrogate) : table_(table), surrogate_(surrogate) {}

  /// Networks spread over cost and quality: constrained NSGA-II on (function, first limited cost or
  /// `front` costs), started from `seeds`.
  std::vector<Genotype> evolve(const Surrogate::Function& function,
                               const std::vector<Limit>& limits, const std::vector<int>& front,
                               const Genotype& anchor, const std::vector<Genotype>& seeds,
                               Rng& rng);

  /// The best network not in `taken` that local searches from `starts` come across: single changes,
  /// pairs of changes, and a step that re-chooses all layers at once for the budget (a knapsack
  /// where there is one limit, Lagrangian prices where there are several).
  /// Empty when everything come across is taken.
  Genotype best_untaken(const Surrogate::Function& function, const std::vector<Limit>& limits,
                        const std::vector<Genotype>& starts, const Genotype& anchor,
                        const std::set<std::string>& taken, Rng& rng);

  /// The same with all widths and depths fixed at random: what the function expects of a corner of
  /// the space may be wrong, and only its best network shows that. Empty when no fixing that keeps
  /// the limits was met.
  Genotype best_of_random_corner(const Surrogate::Function& function,
                                 const std::vector<Limit>& limits, const Genotype& anchor,
                                 const std::set<std::string>& taken, Rng& rng);

 private:
  struct Change {
    size_t slot = 0;
    uint8_t choice = 0;
    double gain = 0;  ///< change of the function
    std::vector<double> cost_change;
  };
  struct Search;
  void make_cheapest(Genotype& genotype, int cost);
  double value_of(Search& search, const Genotype& genotype);
  std::vector<std::vector<Genotype>> layer_choices(const Genotype& genotype) const;
  void rechoose_exactly(Search& search, Genotype& genotype, double& value);
  void descend(Search& search, Genotype genotype);
  std::vector<Change> single_changes(Search& search, const Genotype& genotype);
  bool improve_by_one(Search& search, const std::vector<Change>& changes, Genotype& genotype,
                      double& value);
  bool improve_by_two(Search& search, const std::vector<Change>& changes, Genotype& genotype,
                      double& value);
  Genotype rechoose(Search& search, const std::vector<Change>& changes, const Genotype& genotype);

  CostTable& table_;
  const Surrogate& surrogate_;
};

}  // namespace hat::search
