#include "hat/search/nsga2.h"

#include <algorithm>
#include <cmath>

namespace hat::search {
namespace {

bool tournament_better(const Member& a, const Member& b) {
  if (a.rank != b.rank) return a.rank < b.rank;
  return a.crowding > b.crowding;
}

const Member& tournament(const std::vector<Member>& members, Rng& rng) {
  const Member& a = rng.choose(members);
  const Member& b = rng.choose(members);
  return tournament_better(b, a) ? b : a;
}

void set_crowding(std::vector<Member>& members, std::vector<size_t> front) {
  for (size_t i : front) members[i].crowding = 0;
  const size_t objectives = members[front[0]].objectives.size();
  for (size_t k = 0; k < objectives; ++k) {
    std::stable_sort(front.begin(), front.end(), [&](size_t a, size_t b) {
      return members[a].objectives[k] < members[b].objectives[k];
    });
    const double low = members[front.front()].objectives[k];
    const double high = members[front.back()].objectives[k];
    members[front.front()].crowding = INFINITY;
    members[front.back()].crowding = INFINITY;
    if (high <= low) continue;
    for (size_t i = 1; i + 1 < front.size(); ++i) {
      members[front[i]].crowding +=
          (members[front[i + 1]].objectives[k] - members[front[i - 1]].objectives[k]) /
          (high - low);
    }
  }
}

}  // namespace

bool dominates(const Member& a, const Member& b) {
  if (a.violation != b.violation) return a.violation < b.violation;
  bool better = false;
  for (size_t k = 0; k < a.objectives.size(); ++k) {
    if (a.objectives[k] > b.objectives[k]) return false;
    better = better || a.objectives[k] < b.objectives[k];
  }
  return better;
}

void rank_members(std::vector<Member>& members) {
  const size_t n = members.size();
  std::vector<std::vector<size_t>> dominated(n);
  std::vector<size_t> dominators(n, 0);
  for (size_t a = 0; a < n; ++a) {
    for (size_t b = a + 1; b < n; ++b) {
      if (dominates(members[a], members[b])) {
        dominated[a].push_back(b);
        ++dominators[b];
      } else if (dominates(members[b], members[a])) {
        dominated[b].push_back(a);
        ++dominators[a];
      }
    }
  }
  std::vector<size_t> front;
  for (size_t i = 0; i < n; ++i) {
    if (dominators[i] == 0) front.push_back(i);
  }
  for (int rank = 0; !front.empty(); ++rank) {
    std::vector<size_t> next;
    for (size_t i : front) {
      members[i].rank = rank;
      for (size_t j : dominated[i]) {
        if (--dominators[j] == 0) next.push_back(j);
      }
    }
    set_crowding(members, front);
    std::sort(next.begin(), next.end());
    front = std::move(next);
  }
}

std::vector<Member> survivors(std::vector<Member> members, size_t count) {
  rank_members(members);
  std::stable_sort(members.begin(), members.end(), tournament_better);
  if (members.size() > count) members.resize(count);
  rank_members(members);
  return members;
}

Genotype offspring(const Space& space, const std::vector<Member>& parents, double mutation,
                   Rng& rng) {
  const Member& a = tournament(parents, rng);
  const Member& b = tournament(parents, rng);
  return mutate(space, crossover(a.genotype, b.genotype, rng), mutation, rng);
}

}  // namespace hat::search
