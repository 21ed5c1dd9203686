#include <memory>

#include "commands.h"
#include "torch_commands.h"
#include "train_options.h"

namespace hat::cli {

Command finetune_command() {
  auto options = std::make_shared<FinetuneCommandOptions>();
  return {"finetune",
          kSearchGroup,
          "Finish the weights of the SubTransformer that a search found",
          "Takes the winner of the latest search (or --arch FILE) with the weights it inherits, "
          "trains\n"
          "it alone, learning from the SuperTransformer's largest network too, and writes\n"
          "models/NAME/. Only the extracted network and its teacher are in memory.\n\n"
          "Stopped or killed, the same command goes on where it was.\n\n"
          "Examples:\n"
          "  hat finetune\n"
          "  hat finetune --max-minutes 20 --name quick\n"
          "  hat finetune --arch architecture.json --from-scratch\n"
          "  hat finetune --set finetune.train.dropout=0.2 --set finetune.distillation=0.7\n",
          [options](CLI::App& app) {
            WorkspaceFlags& flags = options->workspace;
            flags.declare(app);
            app.add_option("--arch", options->architecture,
                           "An architecture (hat's JSON or the original's YAML), not the search's")
                ->type_name("FILE");
            flags.bind(app, "--name", "finetune.name");
            flags.bind(app, "--from-scratch", "finetune.from_scratch");
            flags.bind(app, "--quantise", "finetune.quantise");
            flags.bind(app, "--max-minutes", "finetune.train.max_minutes");
            flags.bind(app, "--max-updates", "finetune.train.max_updates");
            flags.bind(app, "--learning-rate", "finetune.train.learning_rate");
            app.add_flag("--restart", options->restart, "Forget an earlier run and begin anew");
            app.add_flag("--json", options->json, "Print the result as JSON");
          },
          [options] { run_finetune(*options); }};
}

}  // namespace hat::cli
