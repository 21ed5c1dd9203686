#include <memory>

#include "commands.h"
#include "torch_commands.h"
#include "train_options.h"

namespace hat::cli {

Command train_super_command() {
  auto options = std::make_shared<TrainSuperOptions>();
  return {
      "train-super",
      kTrainGroup,
      "Train the SuperTransformer: one network that holds all others",
      "Trains on data/ and writes super/: super.safetensors (weights), metrics.jsonl (curves),\n"
      "result.json, and checkpoint/. After its first updates it says how long it will take.\n"
      "Stop it with Ctrl-C, or kill it: the same command goes on where it stopped, and ends in\n"
      "the same weights.\n\n"
      "Without flags, updates follow the size of the data and the learning rate the width of "
      "the\n"
      "network. Every key under train. of hat.json can be set with --set.\n\n"
      "Examples:\n"
      "  hat train-super\n"
      "  hat train-super --max-minutes 30\n"
      "  hat train-super --max-updates 20000 --set train.dropout=0.3\n"
      "  hat train-super --restart --strategy sandwich\n",
      [options](CLI::App& app) {
        WorkspaceFlags& flags = options->workspace;
        flags.declare(app);
        flags.bind(app, "--max-minutes", "train.max_minutes");
        flags.bind(app, "--max-updates", "train.max_updates");
        flags.bind(app, "--batch-tokens", "train.batch_tokens");
        flags.bind(app, "--learning-rate", "train.learning_rate");
        flags.bind(app, "--strategy", "train.strategy");
        flags.bind(app, "--precision", "train.precision");
        app.add_flag("--restart", options->restart, "Forget an earlier run and begin anew");
        app.add_flag("--json", options->json, "Print the result as JSON");
      },
      [options] { run_train_super(*options); }};
}

}  // namespace hat::cli
