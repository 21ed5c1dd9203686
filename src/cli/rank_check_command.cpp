#include <memory>

#include "commands.h"
#include "torch_commands.h"
#include "train_options.h"

namespace hat::cli {

Command rank_check_command() {
  auto options = std::make_shared<RankCheckCommandOptions>();
  return {
      "rank-check",
      kInspectGroup,
      "Check that scores of inherited weights rank networks rightly",
      "Trains a set of architectures, from the smallest to the largest, each alone from random\n"
      "weights, and compares their validation losses with those of the weights that they "
      "inherit:\n"
      "Kendall tau with its interval, a scatter plot, and whether to trust the search. Stopped, "
      "the\n"
      "same command goes on. Writes super/rank_check.json.\n\n"
      "Examples:\n"
      "  hat rank-check\n"
      "  hat rank-check --architectures 8 --updates 1000\n"
      "  hat rank-check --json > ranks.json\n",
      [options](CLI::App& app) {
        options->workspace.declare(app);
        app.add_option("--architectures", options->architectures,
                       "Networks trained from scratch [16]")
            ->check(CLI::Range(3, 1000));
        app.add_option("--updates", options->updates,
                       "Updates of each; 0: as many as the SuperTransformer's [0]")
            ->check(CLI::Range(0, 1'000'000'000));
        app.add_flag("--json", options->json, "Print JSON");
      },
      [options] { run_rank_check(*options); }};
}

}  // namespace hat::cli
