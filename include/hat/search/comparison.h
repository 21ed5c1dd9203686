#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hat/search/objective.h"
#include "hat/search/searcher.h"

namespace hat::search {

/// Searches compared on one problem over several seeds: the default one, the original's evolution
/// exactly, random search, and the two baselines without chance. All score on the same sentences,
/// and every network once for all of them.
struct ComparisonOptions {
  int seeds = 10;
  uint64_t first_seed = 1;
  int evaluations = 300;  ///< different networks; the original gets its 3,750 passes besides
  int population = 50;
  int sentences = 0;
};

/// One method with one seed.
struct ComparedRun {
  std::string method;
  int passes = 0;       ///< validation passes that it asks for, repeated ones included
  int evaluations = 0;  ///< different networks among them
  double loss = 0;      ///< least within the limits
  /// Of loss and the first limited cost: the share that the run's networks dominate of the
  /// rectangle between the best loss of all runs and the cheapest network's loss, and between the
  /// cheapest network's cost and the budget.
  double hypervolume = 0;
};

struct ComparedSeed {
  uint64_t seed = 0;
  std::vector<ComparedRun> runs;  ///< the same methods in the same order for every seed
};

/// Means over the seeds of one method.
struct ComparedMethod {
  std::string method;
  double passes = 0;
  double evaluations = 0;
  double loss = 0;
  /// Its loss over that of the original's 3,750 passes with the same seed, in percent: the mean and
  /// the largest.
  double excess_percent = 0;
  double worst_excess_percent = 0;
  double hypervolume = 0;
  int seeds_above = 0;  ///< seeds in which the default search's front has the larger hypervolume
};

class Comparison {
 public:
  /// The problem has one goal with a limit; `anchor` keeps it and is its cheapest network.
  Comparison(const Problem& problem, Evaluator& evaluator, ComparisonOptions options,
             Genotype anchor);

  void run();
  const std::vector<ComparedSeed>& seeds() const { return seeds_; }
  std::vector<ComparedMethod> methods() const;
  /// Told what runs now and how many networks it has asked for.
  std::function<void(const std::string& method, uint64_t seed, int evaluations)> on_step;

  static constexpr const char* kOurs = "hat search";
  static constexpr const char* kFront = "hat search --pareto";
  static constexpr const char* kOriginal = "original's evolution";
  static constexpr const char* kOriginalEqual = "original's, equal evaluations";

 private:
  struct Pool {
    std::string method;
    int passes = 0;
    std::vector<Candidate> networks;
  };
  Pool searched(const std::string& method, const std::string& algorithm, bool front, uint64_t seed);
  std::vector<Pool> original(uint64_t seed);
  double hypervolume(const std::vector<Candidate>& networks, double best_loss) const;

  const Problem& problem_;
  Evaluator& evaluator_;
  ComparisonOptions options_;
  Genotype anchor_;
  Candidate cheapest_;
  std::vector<ComparedSeed> seeds_;
};

}  // namespace hat::search
