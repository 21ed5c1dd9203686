#include "commands.h"
#include "search_check.h"
#include "search_compare.h"
#include "search_run.h"

namespace hat::cli {
namespace {

void run(const SearchFlags& flags) {
  const SearchSetup setup(flags);
  Scoring scoring(setup);
  if (flags.compare > 0) {
    const config::OrderedJson json = compare_searches(setup, scoring, flags.compare);
    flags.json ? print_json(json) : print(comparison_text(json));
    return;
  }
  if (flags.check_budgets > 0) {
    const config::OrderedJson json = check_budgets(flags, setup, scoring, flags.check_budgets);
    flags.json ? print_json(json) : print(budget_check_text(json));
    return;
  }
  SearchRun run(setup, flags, scoring);
  run.run();
  run.write_results();
  if (flags.json) {
    print_json(config::load_json(run.directory() / "result.json"));
  } else {
    print(run.text());
  }
}

}  // namespace

Command search_command() {
  auto flags = std::make_shared<SearchFlags>();
  return {
      "search",
      kSearchGroup,
      "Find the best SubTransformer within a budget",
      "Scores SubTransformers with the weights they inherit from super/, keeps every score for "
      "later\n"
      "searches, measures the finalists on the device, and names the best that keeps the budget "
      "there. An\n"
      "impossible budget is refused at once with the nearest possible one (exit code 4). Writes\n"
      "searches/<n>/result.json and architecture.json; a call that was cut off goes on where it "
      "stopped.\n"
      "After --pareto any budget is answered from its front, without another evaluation.\n\n"
      "Examples:\n"
      "  hat search --latency 200ms\n"
      "  hat search --latency 1.5s --size 20MB\n"
      "  hat search --params 3M --no-measure\n"
      "  hat search --pareto\n"
      "  hat search --device rpi4 --device xeon --latency rpi4=400ms --latency xeon=20ms\n",
      [flags](CLI::App& app) {
        app.add_option("--latency", flags->latency,
                       "Most time a sentence may take: 200ms, 1.5s, or 70% of the largest "
                       "network's; NAME=200ms for one of several "
                       "devices")
            ->type_name("TIME")
            ->expected(1)
            ->allow_extra_args(false)
            ->take_all();
        app.add_option("--params", flags->params, "Most parameters, word tables included: 20M")
            ->type_name("COUNT");
        app.add_option("--size", flags->size, "Largest model file: 30MB")->type_name("BYTES");
        app.add_option("--memory", flags->memory,
                       "Most memory for weights, caches and scores while translating: 100MB")
            ->type_name("BYTES");
        app.add_option("--flops", flags->flops, "Most operations a sentence: 2G")
            ->type_name("COUNT");
        app.add_option("--energy", flags->energy,
                       "Most energy a sentence, where the device's measurements tell it: 0.5J")
            ->type_name("ENERGY");
        app.add_flag(
            "--pareto", flags->pareto,
            "The whole front of loss against latency (parameters where no device is known)");
        app.add_option("--device", flags->devices,
                       "Device to search for [latency.device]; repeat for several")
            ->type_name("NAME")
            ->expected(1)
            ->allow_extra_args(false)
            ->take_all();
        flags->workspace.declare(app);
        flags->workspace.bind(app, "--algorithm", "search.algorithm");
        flags->workspace.bind(app, "--evaluations", "search.evaluations");
        flags->workspace.bind(app, "--finalists", "search.finalists");
        flags->workspace.bind(app, "--sentences", "search.valid_sentences");
        flags->workspace.bind(app, "--objective", "search.objective");
        app.add_flag("--fresh", flags->fresh, "Do not answer from an earlier front");
        app.add_flag("--no-measure", flags->no_measure,
                     "Measure nothing: keep the budget by the predictor's bound");
        app.add_flag(
            "--no-baselines", flags->no_baselines,
            "Do not score depth sweep, uniform scaling and random search beside the winner");
        auto* compare =
            app.add_option("--compare", flags->compare,
                           "Compare with the original's evolution (3,750 passes), random search "
                           "and the baselines over so many seeds; needs one budget")
                ->type_name("SEEDS")
                ->check(CLI::Range(1, 100));
        app.add_option("--check-budgets", flags->check_budgets,
                       "Search with so many random latency budgets and measure every winner again")
            ->type_name("N")
            ->check(CLI::Range(1, 1000))
            ->excludes(compare);
        app.add_flag("--json", flags->json, "Print result.json");
      },
      [flags] { run(*flags); }};
}

}  // namespace hat::cli
