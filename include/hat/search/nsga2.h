#pragma once

#include <functional>
#include <vector>

#include "hat/search/space.h"

namespace hat::search {

/// A genotype in a population. All objectives are minimised.
struct Member {
  Genotype genotype;
  std::vector<double> objectives;
  double violation = 0;  ///< 0: all limits are kept
  int rank = 0;          ///< 0: no other member dominates it
  double crowding = 0;   ///< distance to its neighbours within the rank
};

/// Constraint domination (Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm:
/// NSGA-II", section VI): less violation first, then no objective worse and one better.
bool dominates(const Member& a, const Member& b);
/// Fills in rank and crowding (same paper, sections III A and B).
void rank_members(std::vector<Member>& members);
/// The `count` best by rank, then crowding, ranked anew.
std::vector<Member> survivors(std::vector<Member> members, size_t count);
/// One child: two parents by binary tournament, uniform crossover, mutation.
Genotype offspring(const Space& space, const std::vector<Member>& parents, double mutation,
                   Rng& rng);

}  // namespace hat::search
