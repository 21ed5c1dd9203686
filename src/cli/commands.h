#pragma once

#include "command.h"

/// One factory a subcommand, each in its own file.
namespace hat::cli {

Command bench_command();
Command config_command();
Command evaluate_command();
Command init_command();
Command prepare_command();
Command report_command();
Command describe_command();
Command devices_command();
Command doctor_command();
Command export_command();
Command finetune_command();
Command import_command();
Command measure_latency_command();
Command rank_check_command();
Command agent_command();
Command score_worker_command();
Command search_command();
Command train_predictor_command();
Command train_super_command();
Command translate_command();

}  // namespace hat::cli
