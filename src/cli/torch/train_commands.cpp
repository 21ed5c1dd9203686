#include "../torch_commands.h"
#include "../train_options.h"
#include "hat/base/strings.h"
#include "hat/model/compute.h"
#include "hat/train/rank_check.h"
#include "hat/train/stages.h"

namespace hat::cli {
namespace {

config::OrderedJson to_json(const train::TrainResult& result) {
  return {{"updates", result.updates},
          {"minutes", result.minutes},
          {"target_tokens", result.target_tokens},
          {"valid_loss", result.valid_loss},
          {"kept", result.kept},
          {"stopped_early", result.stopped_early}};
}

std::string summary(const train::TrainResult& result) {
  return str(with_commas(static_cast<uint64_t>(result.updates)), " updates in ",
             format_duration_ms(result.minutes * 60'000), "; validation loss ",
             fixed(result.valid_loss, 4), " (kept: ", result.kept, ")");
}

}  // namespace

void run_train_super(const TrainSuperOptions& options) {
  const config::Workspace workspace = options.workspace.open();
  model::configure_process(WorkspaceFlags::threads(workspace));
  const train::TrainResult result =
      train::train_super(workspace, {options.restart, invocation().text()});
  if (options.json) {
    print_json(to_json(result));
    return;
  }
  print_line(str("SuperTransformer: ", summary(result)));
  print_line(str("weights: ", (workspace.super_dir() / "super.safetensors").string()));
  print_line("next: hat measure-latency, then hat search --latency BUDGET");
}

void run_finetune(const FinetuneCommandOptions& options) {
  const config::Workspace workspace = options.workspace.open();
  model::configure_process(WorkspaceFlags::threads(workspace));
  train::FinetuneOptions finetune;
  finetune.restart = options.restart;
  finetune.command = invocation().text();
  finetune.architecture = options.architecture;
  const train::FinetuneResult result = train::finetune(workspace, finetune);
  if (options.json) {
    config::OrderedJson json = to_json(result.training);
    json["name"] = result.name;
    json["parameters"] = result.parameters;
    json["directory"] = result.directory.string();
    print_json(json);
    return;
  }
  print_line(str("model '", result.name, "': ", summary(result.training)));
  print_line(str("weights: ", (result.directory / "model.safetensors").string()));
  print_line("next: hat evaluate, then hat export");
}

void run_rank_check(const RankCheckCommandOptions& options) {
  const config::Workspace workspace = options.workspace.open();
  model::configure_process(WorkspaceFlags::threads(workspace));
  const train::RankCheck check =
      train::rank_check(workspace, {options.architectures, options.updates, invocation().text()});
  if (options.json) {
    print_json(check.to_json());
  } else {
    print(check.to_text());
  }
}

}  // namespace hat::cli
