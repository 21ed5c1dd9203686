#include "commands.h"

#include "command.h"

namespace hat::cli {

std::vector<Command> all_commands() {
  // clang-format off: one a line, so that two changes seldom meet
  return {
      init_command(),       prepare_command(),         train_super_command(),
      devices_command(),    measure_latency_command(), train_predictor_command(),
      search_command(),     finetune_command(),        evaluate_command(),
      export_command(),     translate_command(),       bench_command(),
      rank_check_command(), score_worker_command(),    report_command(),
      describe_command(),   doctor_command(),          import_command(),
      config_command(),     agent_command(),
  };
  // clang-format on
}

}  // namespace hat::cli
