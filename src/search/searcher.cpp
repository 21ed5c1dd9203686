#include "hat/search/searcher.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hat/base/error.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/search/baselines.h"
#include "hat/search/explore.h"
#include "hat/search/nsga2.h"
#include "hat/search/original.h"
#include "hat/search/propose.h"
#include "hat/search/repair.h"

namespace hat::search {
namespace {

constexpr int kBatch = 12;         // networks scored between two fits of the surrogate
constexpr int kExpected = 4;       // of them by the expected loss; the others by drawn functions
constexpr int kCorners = 2;        // and of those, how many with random widths and depths
constexpr size_t kSweepSeeds = 8;  // networks of each baseline in the first round
constexpr size_t kElite = 6;       // scored networks that local searches start from
constexpr size_t kGrown = 5;       // best networks whose larger variants are tried
constexpr int kTriesFactor = 50;   // random draws for each different network wanted

}  // namespace

std::vector<std::string> algorithm_names() {
  return {"nsga2", "evolution", "random", "depth_sweep", "uniform"};
}

const Candidate* best_of(const std::vector<Candidate>& pool, const std::vector<Limit>& limits) {
  const Candidate* best = nullptr;
  for (const Candidate& candidate : pool) {
    if (!keeps(candidate.costs, limits)) continue;
    if (!best || candidate.loss < best->loss) best = &candidate;
  }
  return best;
}

std::vector<size_t> front_of(const std::vector<Candidate>& pool, const Goal& goal) {
  std::vector<Member> members(pool.size());
  std::vector<size_t> front;
  for (size_t i = 0; i < pool.size(); ++i) {
    members[i].violation = violation(pool[i].costs, goal.limits);
    members[i].objectives.push_back(pool[i].loss);
    for (int cost : goal.front) members[i].objectives.push_back(pool[i].costs[cost]);
  }
  for (size_t i = 0; i < pool.size(); ++i) {
    bool beaten = members[i].violation > 0;
    for (size_t j = 0; j < pool.size() && !beaten; ++j) beaten = dominates(members[j], members[i]);
    if (!beaten) front.push_back(i);
  }
  std::stable_sort(front.begin(), front.end(), [&](size_t a, size_t b) {
    return members[a].objectives.back() < members[b].objectives.back();
  });
  if (!goal.front.empty()) {
    std::stable_sort(front.begin(), front.end(), [&](size_t a, size_t b) {
      return pool[a].costs[goal.front[0]] < pool[b].costs[goal.front[0]];
    });
  }
  return front;
}

Searcher::Searcher(const Problem& problem, Evaluator& evaluator, Options options,
                   std::vector<Genotype> anchors)
    : problem_(problem),
      evaluator_(evaluator),
      options_(std::move(options)),
      goals_(problem.goals),
      anchors_(std::move(anchors)),
      table_(problem),
      surrogate_(*problem.space,
                 [this](const Genotype& genotype) { return table_.costs(genotype); }),
      rng_(options_.seed, "search") {
  HAT_DCHECK(!goals_.empty() && anchors_.size() == goals_.size());
  const std::vector<std::string> names = algorithm_names();
  HAT_CHECK(std::find(names.begin(), names.end(), options_.algorithm) != names.end(),
            ErrorKind::kUsage,
            str("Unknown search algorithm '", options_.algorithm, "'.",
                did_you_mean(options_.algorithm, names)),
            str("Choose one of ", join(names, ", "), "."));
}

void Searcher::set_limits(size_t goal, std::vector<Limit> limits, Genotype anchor) {
  goals_[goal].limits = std::move(limits);
  anchors_[goal] = std::move(anchor);
}

void Searcher::adopt(std::vector<Candidate> scored) {
  for (Candidate& candidate : scored) {
    if (taken_.insert(candidate.key).second) pool_.push_back(std::move(candidate));
  }
}

void Searcher::report(int extra) {
  if (!on_step) return;
  Step step;
  step.generation = generation_;
  step.evaluations = static_cast<int>(pool_.size()) + extra;
  const Candidate* best = best_of(pool_, goals_[0].limits);
  step.best_loss = best ? best->loss : std::numeric_limits<double>::quiet_NaN();
  if (best && !goals_[0].limits.empty()) {
    const Limit& limit = goals_[0].limits[0];
    step.slack = 1 - best->costs[limit.cost] / limit.at_most;
  }
  on_step(step);
}

/// Scores those not scored before, `most` at most; returns how many there were.
size_t Searcher::score(const std::vector<Genotype>& genotypes, int most) {
  std::vector<Candidate> batch;
  for (const Genotype& genotype : genotypes) {
    if (static_cast<int>(batch.size()) >= most) break;
    Candidate candidate = table_.candidate(without_dead(*problem_.space, genotype));
    if (taken_.insert(candidate.key).second) batch.push_back(std::move(candidate));
  }
  throw_if_stopped();
  int done = 0;
  evaluator_.on_score = [&] { report(++done); };
  evaluator_.score(batch, options_.sentences);
  evaluator_.on_score = {};
  pool_.insert(pool_.end(), batch.begin(), batch.end());
  report(0);
  return batch.size();
}

void Searcher::first_round(int evaluations) {
  std::vector<Genotype> genotypes;
  for (const Goal& goal : goals_) {
    for (auto& genotype : depth_sweep(table_, goal.limits, kSweepSeeds)) {
      genotypes.push_back(std::move(genotype));
    }
    for (auto& genotype : uniform_scaling(table_, goal.limits, kSweepSeeds / 2)) {
      genotypes.push_back(std::move(genotype));
    }
  }
  genotypes.insert(genotypes.end(), anchors_.begin(), anchors_.end());
  const size_t wanted = std::max<size_t>(genotypes.size() + 10, options_.population);
  // Half of the random ones use the budget, half lie anywhere within: the slope has to be learnt
  // too.
  for (size_t i = 0; genotypes.size() < wanted; ++i) {
    const size_t goal = i % goals_.size();
    const std::vector<Limit> limits = limits_for_pick(goal);
    Genotype genotype = sample(*problem_.space, rng_);
    genotype = repair(table_, std::move(genotype), limits, anchors_[goal], rng_);
    if ((i / goals_.size()) % 2 == 0) genotype = fill(table_, std::move(genotype), limits, rng_);
    genotypes.push_back(std::move(genotype));
  }
  score(genotypes, std::min<int>(evaluations, static_cast<int>(wanted)));
}

/// For a goal with a front every pick gets a budget of its own, spread over what is reachable.
std::vector<Limit> Searcher::limits_for_pick(size_t goal) {
  std::vector<Limit> limits = goals_[goal].limits;
  const Genotype largest = largest_genotype(*problem_.space);
  for (int cost : goals_[goal].front) {
    const double low = table_.costs(anchors_[goal])[cost];
    double high = table_.costs(largest)[cost];
    for (const Limit& limit : goals_[goal].limits) {
      if (limit.cost == cost) high = std::min(high, limit.at_most);
    }
    if (high <= low) continue;
    // The first cost of a list of limits is the one that fill() uses up.
    limits.insert(limits.begin(), Limit{cost, low + (high - low) * rng_.uniform()});
  }
  return limits;
}

/// Scored networks within the limits of least loss, and the best of them with one global slot
/// changed.
std::vector<Genotype> Searcher::starts_for(size_t goal, const std::vector<Limit>& limits) {
  std::vector<const Candidate*> kept;
  for (const Candidate& candidate : pool_) {
    if (keeps(candidate.costs, limits)) kept.push_back(&candidate);
  }
  std::stable_sort(kept.begin(), kept.end(),
                   [](const Candidate* a, const Candidate* b) { return a->loss < b->loss; });
  if (kept.size() > kElite) kept.resize(kElite);
  std::vector<Genotype> starts;
  if (kept.empty()) {
    starts.push_back(anchors_[goal]);
    return starts;
  }
  starts.push_back(kept[0]->genotype);
  if (kept.size() > 1) starts.push_back(kept[1 + rng_.below(kept.size() - 1)]->genotype);
  std::vector<size_t> global;
  for (size_t slot = 0; slot < problem_.space->slots(); ++slot) {
    if (problem_.space->block(slot) == Space::kGlobal && problem_.space->choices_at(slot) > 1) {
      global.push_back(slot);
    }
  }
  if (!global.empty()) {
    Genotype moved = kept[0]->genotype;
    const size_t slot = rng_.choose(global);
    moved[slot] = static_cast<uint8_t>(rng_.below(problem_.space->choices_at(slot)));
    starts.push_back(std::move(moved));
  }
  return starts;
}

std::vector<Genotype> Searcher::surrogate_round(int evaluations) {
  std::vector<Genotype> genotypes;
  std::vector<double> losses;
  for (const Candidate& candidate : pool_) {
    genotypes.push_back(candidate.genotype);
    losses.push_back(candidate.loss);
  }
  surrogate_.fit(genotypes, losses);
  fitted_ = true;
  Proposer proposer(table_, surrogate_);
  std::vector<std::vector<Genotype>> evolved;
  for (size_t goal = 0; goal < goals_.size(); ++goal) {
    evolved.push_back(proposer.evolve(surrogate_.expected(), goals_[goal].limits,
                                      goals_[goal].front, anchors_[goal],
                                      starts_for(goal, goals_[goal].limits), rng_));
  }
  std::set<std::string> taken = taken_;
  std::vector<Genotype> picks;
  const int wanted = std::min(kBatch, evaluations - static_cast<int>(pool_.size()));
  for (int pick = 0; pick < wanted; ++pick) {
    const size_t goal = (static_cast<size_t>(generation_) + pick) % goals_.size();
    const std::vector<Limit> limits = limits_for_pick(goal);
    const Surrogate::Function function =
        pick < kExpected ? surrogate_.expected() : surrogate_.draw(rng_);
    Genotype best;
    if (pick >= kBatch - kCorners) {
      best = proposer.best_of_random_corner(function, limits, anchors_[goal], taken, rng_);
    } else {
      std::vector<Genotype> starts = starts_for(goal, limits);
      for (const Genotype& genotype : evolved[goal]) {
        if (!keeps(table_.costs(genotype), limits)) continue;
        starts.push_back(genotype);
        break;
      }
      best = proposer.best_untaken(function, limits, starts, anchors_[goal], taken, rng_);
    }
    if (best.empty()) continue;
    taken.insert(problem_.space->key(best));
    picks.push_back(std::move(best));
  }
  return picks;
}

/// One generation of NSGA-II without a model: the whole pool competes, children are scored.
std::vector<Genotype> Searcher::generation_round() {
  std::vector<Genotype> children;
  for (size_t goal = 0; goal < goals_.size(); ++goal) {
    std::vector<Member> members;
    for (const Candidate& candidate : pool_) {
      Member member;
      member.genotype = candidate.genotype;
      member.violation = violation(candidate.costs, goals_[goal].limits);
      member.objectives.push_back(candidate.loss);
      for (int cost : goals_[goal].front) member.objectives.push_back(candidate.costs[cost]);
      members.push_back(std::move(member));
    }
    members = survivors(std::move(members), options_.population);
    const double mutation = 2.0 / static_cast<double>(std::max<size_t>(problem_.space->slots(), 2));
    const size_t share = options_.population / goals_.size() + 1;
    std::set<std::string> fresh;
    for (size_t tries = 0; fresh.size() < share && tries < kTriesFactor * share; ++tries) {
      Genotype child = repair(table_, offspring(*problem_.space, members, mutation, rng_),
                              goals_[goal].limits, anchors_[goal], rng_);
      const std::string key = problem_.space->key(child);
      if (taken_.count(key) || !fresh.insert(key).second) continue;
      children.push_back(std::move(child));
    }
  }
  if (static_cast<int>(children.size()) > options_.population) {
    children.resize(options_.population);
  }
  return children;
}

double Searcher::expected_loss(const Genotype& genotype) const {
  return fitted_ ? surrogate_.value(surrogate_.expected(), genotype) : 0;
}

/// Proposals run out when local searches meet only scored networks: the rest of the round goes to
/// unscored neighbours of scored ones, so that small spaces are searched to the last network.
void Searcher::add_untaken(int wanted, std::vector<Genotype>& picks) {
  std::set<std::string> taken = taken_;
  for (const Genotype& genotype : picks) taken.insert(problem_.space->key(genotype));
  std::vector<Genotype> known;
  for (const Candidate& candidate : pool_) known.push_back(candidate.genotype);
  for (size_t goal = 0; goal < goals_.size(); ++goal) {
    if (static_cast<int>(picks.size()) >= wanted) return;
    const size_t missing = wanted - picks.size();
    for (Genotype& genotype : untaken(
             table_, goals_[goal].limits, anchors_[goal], known, taken, missing,
             [&](const Genotype& g) { return expected_loss(g); }, rng_)) {
      taken.insert(problem_.space->key(genotype));
      picks.push_back(std::move(genotype));
    }
  }
}

int Searcher::grow(size_t goal, int most) {
  const std::vector<Limit>& limits = goals_[goal].limits;
  const int begin = static_cast<int>(pool_.size());
  const int end = begin + most;
  while (static_cast<int>(pool_.size()) < end) {
    std::vector<Candidate> best;
    for (const Candidate& candidate : pool_) {
      if (keeps(candidate.costs, limits)) best.push_back(candidate);
    }
    std::stable_sort(best.begin(), best.end(),
                     [](const Candidate& a, const Candidate& b) { return a.loss < b.loss; });
    if (best.size() > kGrown) best.resize(kGrown);
    std::vector<Genotype> larger;
    for (const Candidate& candidate : best) {
      std::vector<std::pair<double, Genotype>> found;
      for (Genotype& genotype : grown(table_, limits, candidate.genotype, kGrown, rng_)) {
        if (taken_.count(problem_.space->key(genotype))) continue;
        const double expected = expected_loss(genotype);
        found.emplace_back(expected, std::move(genotype));
      }
      std::stable_sort(found.begin(), found.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      if (found.size() > kGrown) found.resize(kGrown);
      for (auto& one : found) larger.push_back(std::move(one.second));
    }
    ++generation_;
    const int left = end - static_cast<int>(pool_.size());
    if (score(larger, std::min(left, kBatch)) == 0) break;
  }
  return static_cast<int>(pool_.size()) - begin;
}

void Searcher::random_run(int evaluations) {
  int misses = 0;
  while (static_cast<int>(pool_.size()) < evaluations && misses < kTriesFactor) {
    std::vector<Genotype> genotypes;
    for (int i = 0; i < kBatch; ++i) {
      const size_t goal = i % goals_.size();
      Genotype genotype = sample(*problem_.space, rng_);
      for (int tries = 0; tries < kTriesFactor * 20; ++tries) {
        if (keeps(table_.costs(genotype), goals_[goal].limits)) break;
        genotype = sample(*problem_.space, rng_);
      }
      genotypes.push_back(
          repair(table_, std::move(genotype), goals_[goal].limits, anchors_[goal], rng_));
    }
    ++generation_;
    const int most = evaluations - static_cast<int>(pool_.size());
    misses = score(genotypes, most) > 0 ? 0 : misses + 1;
  }
}

void Searcher::original_run(int evaluations) {
  OriginalEvolution evolution(table_, goals_[0].limits, options_.seed);
  while (static_cast<int>(pool_.size()) < evaluations && !evolution.finished()) {
    ++generation_;
    score(evolution.population(), evaluations - static_cast<int>(pool_.size()));
    std::vector<double> losses;
    for (const Genotype& genotype : evolution.population()) {
      const std::string key = problem_.space->key(genotype);
      const auto found = std::find_if(pool_.begin(), pool_.end(),
                                      [&](const Candidate& c) { return c.key == key; });
      losses.push_back(found == pool_.end() ? INFINITY : found->loss);
    }
    evolution.advance(losses);
  }
}

void Searcher::run(int evaluations) {
  exhausted_ = false;
  if (options_.algorithm == "nsga2") {
    guided_run(evaluations);
  } else if (options_.algorithm == "random") {
    random_run(evaluations);
  } else if (options_.algorithm == "evolution") {
    original_run(evaluations);
  } else {
    for (const Goal& goal : goals_) {
      const size_t most = static_cast<size_t>(std::max(evaluations, 0));
      score(options_.algorithm == "uniform" ? uniform_scaling(table_, goal.limits, most)
                                            : depth_sweep(table_, goal.limits, most),
            evaluations - static_cast<int>(pool_.size()));
    }
  }
  exhausted_ = static_cast<int>(pool_.size()) < evaluations;
}

void Searcher::guided_run(int evaluations) {
  if (pool_.empty()) first_round(evaluations);
  while (static_cast<int>(pool_.size()) < evaluations) {
    ++generation_;
    const int left = evaluations - static_cast<int>(pool_.size());
    std::vector<Genotype> picks =
        options_.surrogate ? surrogate_round(evaluations) : generation_round();
    add_untaken(std::min(kBatch, left), picks);
    if (score(picks, left) == 0) return;
  }
}

}  // namespace hat::search
