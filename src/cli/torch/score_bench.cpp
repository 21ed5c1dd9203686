#include <cmath>

#include "../torch_commands.h"
#include "../train_options.h"
#include "hat/arch/cost.h"
#include "hat/base/rng.h"
#include "hat/model/compute.h"
#include "hat/search/reach.h"
#include "hat/search/score_client.h"
#include "hat/search/searcher.h"
#include "hat/train/score_benchmark.h"
#include "print_result.h"

namespace hat::cli {
namespace {

/// Records the networks of a search in the order in which they are scored. Where there is no data
/// the loss is imagined: every slot helps in proportion to the logarithm of its value, one more
/// than another, as layers do; only the order that a search makes of it matters here.
class Recorder : public search::Objective {
 public:
  Recorder(const arch::SearchSpace& space, const search::Space& genotypes)
      : space_(space), genotypes_(genotypes) {
    Rng rng(1, "imagined loss");
    for (size_t slot = 0; slot < genotypes.slots(); ++slot) effects_.push_back(0.1 * rng.uniform());
  }

  void score(std::span<const search::Candidate> batch, int /*sentences*/,
             const search::ScoreSink& sink) override {
    std::vector<arch::Architecture> round;
    for (const search::Candidate& one : batch) round.push_back(space_.decode(one.genotype));
    for (const size_t index : search::order_by_layers(round)) {
      networks.push_back(round[index]);
      double loss = 10;
      const search::Genotype& genotype = batch[index].genotype;
      for (size_t slot = 0; slot < genotype.size(); ++slot) {
        if (!genotypes_.is_alive(genotype, slot)) continue;
        loss -= effects_[slot] * std::log(genotypes_.value(slot, genotype[slot]) + 1);
      }
      sink(index, loss);
    }
  }

  std::vector<arch::Architecture> networks;

 private:
  const arch::SearchSpace& space_;
  const search::Space& genotypes_;
  std::vector<double> effects_;
};

/// The default search for a network of at most 70 % of the largest one's parameters.
std::vector<arch::Architecture> searched(const arch::SearchSpace& space,
                                         const arch::Vocabulary& vocabulary) {
  const auto parameters = [&](const search::Genotype& genotype) {
    return static_cast<double>(
        arch::parameters(space.decode(genotype), space.options(), vocabulary));
  };
  const search::ArchitectureSpace genotypes(space);
  search::Problem problem;
  problem.space = &genotypes;
  problem.costs = {{"params", "parameters", parameters}};
  const search::Reach reach = search::reach_of(genotypes, problem.costs[0]);
  problem.goals = {{"", {{0, 0.7 * reach.largest}}, {}}};
  Recorder recorder(space, genotypes);
  search::ScoreStore store;
  search::Evaluator evaluator(recorder, store);
  const search::Options options;
  search::Searcher(problem, evaluator, options, {reach.at_smallest}).run(options.evaluations);
  return recorder.networks;
}

}  // namespace

void run_score_bench(const ScoreBenchFlags& flags) {
  model::configure_process(flags.threads);
  const auto space = arch::SearchSpace::named(flags.space);
  train::ScoreBenchmarkOptions options;
  options.vocabulary = {flags.vocabulary, flags.vocabulary};
  options.precision = flags.precision;
  print_result(train::benchmark_scoring(space, searched(space, options.vocabulary), options),
               flags.json);
}

}  // namespace hat::cli
