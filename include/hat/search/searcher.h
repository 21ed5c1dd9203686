#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "hat/search/objective.h"
#include "hat/search/problem.h"
#include "hat/search/surrogate.h"

namespace hat::search {

struct Options {
  /// "nsga2", "evolution", "random", "depth_sweep", "uniform".
  std::string algorithm = "nsga2";
  /// Different networks to score.
  int evaluations = 300;
  /// Networks of the first round, and of a generation without surrogate.
  int population = 50;
  bool surrogate = true;
  uint64_t seed = 1;
  /// Validation sentences a network is scored on; 0: all.
  int sentences = 0;
};
/// The names that Options::algorithm may have.
std::vector<std::string> algorithm_names();

/// What on_step is told after every scored network and every generation.
struct Step {
  int generation = 0;
  int evaluations = 0;   ///< different networks asked for so far
  double best_loss = 0;  ///< of the first goal; NaN while none keeps its limits
  double slack = 0;      ///< share of the first limit that the best leaves unused
};

/// One search. Deterministic in the problem, the options and the losses: interrupted and started
/// again over the same ScoreStore it asks for the same networks in the same order.
class Searcher {
 public:
  /// `anchors` holds for each goal a network that keeps its limits (feasible_anchor()).
  Searcher(const Problem& problem, Evaluator& evaluator, Options options,
           std::vector<Genotype> anchors);

  /// Goes on until `evaluations` different networks are scored, or there is nothing else to score.
  /// May be called again with a larger number. Throws kInterrupted between batches when asked to
  /// stop.
  void run(int evaluations);
  /// True when the last run() ended before its number because no network within the limits is left
  /// unscored (or none of the algorithm's kind, where it is not nsga2).
  bool exhausted() const { return exhausted_; }
  /// Scores larger variants of the best networks of a goal that leave some of its first limit
  /// unused, `most` at most, until the best cannot be raised any more; returns how many.
  int grow(size_t goal, int most);
  /// Replaces the limits of a goal, after measurements showed the predictor's bias.
  void set_limits(size_t goal, std::vector<Limit> limits, Genotype anchor);

  /// Takes scored networks without asking for anything; run() then goes on from them.
  void adopt(std::vector<Candidate> scored);

  /// Everything scored, in order.
  const std::vector<Candidate>& pool() const { return pool_; }
  CostTable& costs() { return table_; }
  const std::vector<Goal>& goals() const { return goals_; }
  std::function<void(const Step&)> on_step;

 private:
  size_t score(const std::vector<Genotype>& genotypes, int most);
  void first_round(int evaluations);
  std::vector<Genotype> surrogate_round(int evaluations);
  std::vector<Genotype> generation_round();
  void add_untaken(int wanted, std::vector<Genotype>& picks);
  double expected_loss(const Genotype& genotype) const;
  void guided_run(int evaluations);
  void random_run(int evaluations);
  void original_run(int evaluations);
  std::vector<Limit> limits_for_pick(size_t goal);
  std::vector<Genotype> starts_for(size_t goal, const std::vector<Limit>& limits);
  void report(int extra);

  const Problem& problem_;
  Evaluator& evaluator_;
  Options options_;
  std::vector<Goal> goals_;
  std::vector<Genotype> anchors_;
  CostTable table_;
  Surrogate surrogate_;
  Rng rng_;
  std::vector<Candidate> pool_;
  std::set<std::string> taken_;
  int generation_ = 0;
  bool fitted_ = false;  ///< the surrogate knows the pool
  bool exhausted_ = false;
};

/// The scored network of least loss within the limits, or null.
const Candidate* best_of(const std::vector<Candidate>& pool, const std::vector<Limit>& limits);
/// Indexes of the networks within the goal's limits that no other beats in loss and the goal's
/// front costs, by rising first front cost.
std::vector<size_t> front_of(const std::vector<Candidate>& pool, const Goal& goal);

}  // namespace hat::search
