#include "search_compare.h"

#include "hat/base/clock.h"
#include "hat/base/progress.h"
#include "hat/base/strings.h"
#include "hat/search/comparison.h"
#include "table.h"

namespace hat::cli {

using config::OrderedJson;

OrderedJson compare_searches(const SearchSetup& setup, Scoring& scoring, int seeds) {
  const search::Options search = search_options(setup.workspace);
  search::ComparisonOptions options;
  options.seeds = seeds;
  options.first_seed = search.seed;
  options.evaluations = search.evaluations;
  options.population = search.population;
  options.sentences = search.sentences;
  search::Comparison comparison(setup.problem, scoring.evaluator, options, setup.anchors[0]);
  Progress progress("compare", 0, "scores");
  const double begin_ms = wall_ms();
  comparison.on_step = [&](const std::string& method, uint64_t seed, int evaluations) {
    progress.update(static_cast<uint64_t>(scoring.evaluator.computed()),
                    str("seed ", seed, "  ", method, "  ", evaluations, " networks"));
  };
  comparison.run();
  progress.finish();

  const search::Limit& limit = setup.problem.goals[0].limits[0];
  const search::Cost& cost = setup.problem.costs[limit.cost];
  OrderedJson json = {
      {"format", "hat-comparison"},
      {"version", 1},
      {"space", setup.space.name()},
      {"scores", setup.score_id},
      {"budget", {{"cost", cost.name}, {"unit", cost.unit}, {"at_most", limit.at_most}}},
      {"evaluations", options.evaluations},
      {"sentences", options.sentences},
      {"computed_scores", scoring.evaluator.computed()},
      {"seconds", (wall_ms() - begin_ms) / 1000}};
  for (const search::ComparedMethod& method : comparison.methods()) {
    json["methods"].push_back({{"name", method.method},
                               {"passes", method.passes},
                               {"evaluations", method.evaluations},
                               {"loss", method.loss},
                               {"excess_percent", method.excess_percent},
                               {"worst_excess_percent", method.worst_excess_percent},
                               {"hypervolume", method.hypervolume},
                               {"seeds_with_smaller_hypervolume_than_front", method.seeds_above}});
  }
  for (const search::ComparedSeed& seed : comparison.seeds()) {
    OrderedJson one = {{"seed", seed.seed}};
    for (const search::ComparedRun& run : seed.runs) {
      one["runs"].push_back({{"name", run.method},
                             {"passes", run.passes},
                             {"evaluations", run.evaluations},
                             {"loss", run.loss},
                             {"hypervolume", run.hypervolume}});
    }
    json["seeds"].push_back(one);
  }
  return json;
}

std::string comparison_text(const OrderedJson& json) {
  std::vector<std::vector<std::string>> rows{{"mean over the seeds", "passes", "networks", "loss",
                                              "over original's", "worst", "hypervolume",
                                              "front above it"}};
  const size_t seeds = json["seeds"].size();
  for (const OrderedJson& method : json["methods"]) {
    const bool front = method["name"] == search::Comparison::kFront;
    rows.push_back(
        {method["name"].get<std::string>(), fixed(method["passes"].get<double>(), 0),
         fixed(method["evaluations"].get<double>(), 0), fixed(method["loss"].get<double>(), 4),
         fixed(method["excess_percent"].get<double>(), 3) + " %",
         fixed(method["worst_excess_percent"].get<double>(), 3) + " %",
         fixed(method["hypervolume"].get<double>(), 4),
         front ? ""
               : str(method["seeds_with_smaller_hypervolume_than_front"].get<int>(), "/", seeds)});
  }
  return str("space ", json["space"].get<std::string>(), ", ", seeds, " seeds, ",
             json["budget"]["cost"].get<std::string>(), " within ",
             json["budget"]["at_most"].get<double>(), " ",
             json["budget"]["unit"].get<std::string>(), ", scored on ",
             json["sentences"].get<int>(), " validation sentences\n\n", table(rows), "\n  ",
             json["computed_scores"].get<int>(), " scores computed now, ",
             format_duration_ms(1000 * json["seconds"].get<double>()), "\n");
}

}  // namespace hat::cli
