#include "hat/search/comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "hat/base/error.h"
#include "hat/base/stop.h"
#include "hat/metrics/hypervolume.h"
#include "hat/search/original.h"

namespace hat::search {

Comparison::Comparison(const Problem& problem, Evaluator& evaluator, ComparisonOptions options,
                       Genotype anchor)
    : problem_(problem), evaluator_(evaluator), options_(options), anchor_(std::move(anchor)) {
  HAT_CHECK(problem.goals.size() == 1 && !problem.goals[0].limits.empty(), ErrorKind::kUsage,
            "a comparison needs one goal with a budget",
            "Give one device and one budget: --compare 10 --latency 70%.");
}

Comparison::Pool Comparison::searched(const std::string& method, const std::string& algorithm,
                                      bool front, uint64_t seed) {
  Problem problem = problem_;
  if (front) problem.goals[0].front = {problem.goals[0].limits[0].cost};
  Options options;
  options.algorithm = algorithm;
  options.evaluations = options_.evaluations;
  options.population = options_.population;
  options.sentences = options_.sentences;
  options.seed = seed;
  Searcher searcher(problem, evaluator_, options, {anchor_});
  searcher.on_step = [&](const Step& step) {
    if (on_step) on_step(method, seed, step.evaluations);
  };
  searcher.run(options_.evaluations);
  return {method, static_cast<int>(searcher.pool().size()), searcher.pool()};
}

/// The original's evolution to its end, and what it had after as many different networks as the
/// others may score.
std::vector<Comparison::Pool> Comparison::original(uint64_t seed) {
  CostTable table(problem_);
  OriginalEvolution evolution(table, problem_.goals[0].limits, seed);
  Pool all{kOriginal, 0, {}};
  Pool equal{kOriginalEqual, 0, {}};
  const auto limit = static_cast<size_t>(options_.evaluations);
  std::set<std::string> seen;
  while (!evolution.finished()) {
    throw_if_stopped();
    std::vector<Candidate> batch;
    for (const Genotype& genotype : evolution.population()) {
      batch.push_back(table.candidate(genotype));
    }
    evaluator_.score(batch, options_.sentences);
    std::vector<double> losses;
    for (Candidate& candidate : batch) {
      losses.push_back(candidate.loss);
      ++all.passes;
      if (equal.networks.size() < limit) ++equal.passes;
      if (!seen.insert(candidate.key).second) continue;
      if (equal.networks.size() < limit) equal.networks.push_back(candidate);
      all.networks.push_back(std::move(candidate));
    }
    evolution.advance(losses);
    if (on_step) on_step(all.method, seed, static_cast<int>(all.networks.size()));
  }
  return {std::move(all), std::move(equal)};
}

double Comparison::hypervolume(const std::vector<Candidate>& networks, double best_loss) const {
  const Limit& limit = problem_.goals[0].limits[0];
  const double loss_range = cheapest_.loss - best_loss;
  const double cost_range = limit.at_most - cheapest_.costs[limit.cost];
  if (loss_range <= 0 || cost_range <= 0) return 0;
  std::vector<std::vector<double>> points;
  for (const Candidate& network : networks) {
    points.push_back({(network.loss - best_loss) / loss_range,
                      (network.costs[limit.cost] - cheapest_.costs[limit.cost]) / cost_range});
  }
  // Networks that use the whole budget count too.
  return metrics::hypervolume(points, {1.0, 1.01}) / 1.01;
}

void Comparison::run() {
  CostTable table(problem_);
  std::vector<Candidate> first{table.candidate(anchor_)};
  evaluator_.score(first, options_.sentences);
  cheapest_ = first[0];
  std::vector<std::vector<Pool>> pools;
  double best_loss = std::numeric_limits<double>::infinity();
  for (int i = 0; i < options_.seeds; ++i) {
    const uint64_t seed = options_.first_seed + static_cast<uint64_t>(i);
    std::vector<Pool> runs;
    runs.push_back(searched(kOurs, "nsga2", false, seed));
    runs.push_back(searched(kFront, "nsga2", true, seed));
    for (Pool& pool : original(seed)) runs.push_back(std::move(pool));
    runs.push_back(searched("random search", "random", false, seed));
    runs.push_back(searched("depth sweep", "depth_sweep", false, seed));
    runs.push_back(searched("uniform scaling", "uniform", false, seed));
    for (const Pool& pool : runs) {
      for (const Candidate& one : pool.networks) best_loss = std::min(best_loss, one.loss);
    }
    pools.push_back(std::move(runs));
  }
  seeds_.clear();
  for (size_t i = 0; i < pools.size(); ++i) {
    ComparedSeed result;
    result.seed = options_.first_seed + i;
    for (const Pool& pool : pools[i]) {
      const Candidate* best = best_of(pool.networks, problem_.goals[0].limits);
      result.runs.push_back({pool.method, pool.passes, static_cast<int>(pool.networks.size()),
                             best ? best->loss : std::numeric_limits<double>::quiet_NaN(),
                             hypervolume(pool.networks, best_loss)});
    }
    seeds_.push_back(std::move(result));
  }
}

std::vector<ComparedMethod> Comparison::methods() const {
  std::vector<ComparedMethod> methods;
  if (seeds_.empty()) return methods;
  const auto run_of = [](const ComparedSeed& seed, const std::string& method) {
    return *std::find_if(seed.runs.begin(), seed.runs.end(),
                         [&](const ComparedRun& run) { return run.method == method; });
  };
  const double count = static_cast<double>(seeds_.size());
  for (const ComparedRun& named : seeds_[0].runs) {
    ComparedMethod method;
    method.method = named.method;
    method.worst_excess_percent = -std::numeric_limits<double>::infinity();
    for (const ComparedSeed& seed : seeds_) {
      const ComparedRun run = run_of(seed, named.method);
      const double excess = 100 * (run.loss / run_of(seed, kOriginal).loss - 1);
      method.passes += run.passes / count;
      method.evaluations += run.evaluations / count;
      method.loss += run.loss / count;
      method.excess_percent += excess / count;
      method.worst_excess_percent = std::max(method.worst_excess_percent, excess);
      method.hypervolume += run.hypervolume / count;
      method.seeds_above += run_of(seed, kFront).hypervolume > run.hypervolume;
    }
    methods.push_back(std::move(method));
  }
  return methods;
}

}  // namespace hat::search
