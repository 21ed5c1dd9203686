#include "commands.h"
#include "search_run.h"

namespace hat::cli {
namespace {

void run(const SearchFlags& flags) {
  const SearchSetup setup(flags);
  SearchRun run(setup, flags);
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
        app.add_flag("--fresh", flags->fresh, "Do not answer from an earlier front");
        app.add_flag("--no-measure", flags->no_measure,
                     "Measure nothing: keep the budget by the predictor's bound");
        app.add_flag(
            "--no-baselines", flags->no_baselines,
            "Do not score depth sweep, uniform scaling and random search beside the winner");
        app.add_flag("--json", flags->json, "Print result.json");
      },
      [flags] { run(*flags); }};
}

}  // namespace hat::cli
