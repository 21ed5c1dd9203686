#include "commands.h"

#include "command.h"

namespace hat::cli {

std::vector<Command> all_commands() {
  return {
      init_command(),     prepare_command(),  train_super_command(),  train_predictor_command(),
      finetune_command(), evaluate_command(), score_worker_command(), describe_command(),
      doctor_command(),   import_command(),   config_command(),
  };
}

}  // namespace hat::cli
