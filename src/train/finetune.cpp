#include <algorithm>

#include "hat/arch/cost.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "hat/train/schedule.h"
#include "hat/train/stages.h"

namespace hat::train {
namespace {

// Inherited weights are near their optimum: a smaller peak keeps what they know.
constexpr double kInheritedRateFactor = 0.5;

arch::Architecture chosen_architecture(const config::Workspace& workspace,
                                       const FinetuneOptions& options) {
  if (!options.architecture.empty()) return arch::load_architecture(options.architecture);
  const fs::path search = workspace.latest_search();
  HAT_CHECK(!search.empty(), ErrorKind::kUsage, "no finished search in this workspace",
            "Run hat search --latency BUDGET first, or name an architecture with --arch FILE.");
  log_info("finetune", str("the winner of ", search.string()));
  return arch::load_architecture(search / "architecture.json");
}

// The other networks of a sandwich train without dropout, and the little time that finetuning takes
// is not enough to fit the data too well: docs/results.md has what dropout costs there.
config::Workspace settle_dropout(config::Workspace workspace) {
  const auto settle = [&](const std::string& key, double from_train) {
    const std::string path = str("finetune.train.", key);
    if (workspace.provenance().count(path) != 0) return;
    if (workspace.config().finetune.from_scratch) {
      workspace.set(path, config::OrderedJson(from_train).dump(), str("train.", key));
    } else {
      workspace.set(path, "0", "inherited weights");
    }
  };
  const config::TrainConfig& train = workspace.config().train;
  settle("dropout", train.dropout);
  settle("attention_dropout", train.attention_dropout);
  settle("activation_dropout", train.activation_dropout);
  return workspace;
}

int64_t super_updates(const config::Workspace& workspace) {
  const fs::path path = workspace.super_dir() / "result.json";
  if (!fs::exists(path)) return 0;
  return config::get_int(config::load_json(path), "updates", path.string());
}

// 0 and auto follow the SuperTransformer's run.
config::TrainConfig training_config(const config::Workspace& workspace, int width) {
  const config::FinetuneConfig& finetune = workspace.config().finetune;
  config::TrainConfig config = finetune.train;
  if (config.max_updates == 0 && config.max_minutes == 0 && !finetune.from_scratch) {
    const double share = finetune.update_fraction * static_cast<double>(super_updates(workspace));
    config.max_updates = std::max(1, static_cast<int>(share));
  }
  if (config.max_updates == 0 && config.max_minutes == 0) {
    config.max_updates = static_cast<int>(super_updates(workspace));
  }
  if (config.learning_rate == 0) {
    const double factor = finetune.from_scratch ? 1.0 : kInheritedRateFactor;
    config.learning_rate = factor * default_learning_rate({0, 0, width});
  }
  return config;
}

std::string model_name(const config::Workspace& workspace, const arch::Architecture& architecture) {
  const std::string& name = workspace.config().finetune.name;
  const std::string result = name.empty() ? arch::architecture_id(architecture) : name;
  HAT_CHECK(result.find('/') == std::string::npos && result != "." && result != "..",
            ErrorKind::kConfig, str("'", result, "' is no name for a model"),
            "A model's name becomes a folder under models/: no slash, not . or ...");
  return result;
}

}  // namespace

FinetuneResult finetune(const config::Workspace& given, const FinetuneOptions& options) {
  const config::Workspace workspace = settle_dropout(given);
  const config::WorkspaceConfig& config = workspace.config();
  const arch::Architecture architecture = chosen_architecture(workspace, options);
  const data::TokenDataset train_set = open_pairs(workspace, "train");
  const data::TokenDataset valid_set = open_pairs(workspace, "valid");
  TrainedSuper super = load_super(workspace);
  const uint64_t seed = static_cast<uint64_t>(config.seed);

  FinetuneResult result;
  result.name = model_name(workspace, architecture);
  result.directory = workspace.models_dir() / result.name;
  ensure_directory(result.directory);
  const FileLock lock(result.directory / "lock");

  std::unique_ptr<model::Transformer> network;
  if (config.finetune.from_scratch) {
    network =
        std::make_unique<model::Transformer>(model::sub_spec(super.network->spec(), architecture));
    network->initialize(seed);
  } else {
    network = super.network->extract(architecture);
  }
  // The teacher is the largest network alone; the SuperTransformer itself can go.
  ExternalTeacher teacher;
  std::unique_ptr<model::Transformer> teacher_network;
  if (config.finetune.distillation > 0 && !config.finetune.from_scratch) {
    teacher_network = super.network->extract(super.space.largest());
    teacher = {teacher_network.get(), config.finetune.distillation};
  }
  super.network.reset();
  const model::WeightRounding rounding = model::parse_rounding(config.finetune.quantise);
  network->set_weight_rounding(rounding);

  const config::TrainConfig training = training_config(
      workspace, std::max(architecture.encoder_embed_dim, architecture.decoder_embed_dim));
  const ValidationSet valid(valid_set, training.valid_sentences, training.batch_tokens);
  const FixedArchitecture strategy(architecture);
  result.parameters = network->parameters().count();
  log_info("finetune",
           str("SubTransformer ", arch::architecture_id(architecture), ": ",
               format_count(static_cast<double>(result.parameters)), " parameters, ",
               config.finetune.from_scratch ? "from random weights" : "from inherited weights",
               rounding == model::WeightRounding::kNone
                   ? ""
                   : str(", for weights rounded to ", config.finetune.quantise)));
  config::write_run_records(result.directory, workspace, options.command);
  config::save_json(result.directory / "architecture.json", arch::to_json(architecture));

  TrainerSetup setup{.network = *network,
                     .strategy = strategy,
                     .train = train_set,
                     .valid = valid,
                     .config = training,
                     .seed = seed,
                     .directory = result.directory,
                     .label = "finetune",
                     .watched = {{"model", architecture}},
                     .teacher = teacher,
                     .inherited = !config.finetune.from_scratch,
                     .largest = {},
                     .whole_tensors = false,
                     .identity = {{"space", super.space.id()},
                                  {"architecture", arch::architecture_id(architecture)},
                                  {"from_scratch", config.finetune.from_scratch},
                                  {"distillation", teacher.network ? teacher.weight : 0.0},
                                  {"quantise", config.finetune.quantise},
                                  {"train_data", str(train_set.fingerprint())}},
                     .restart = options.restart};
  result.training = train(setup);
  model::save_transformer(*network, result.directory / "model.safetensors",
                          {{"space", super.space.id()}});
  config::save_json(result.directory / "result.json",
                    {{"architecture", arch::architecture_id(architecture)},
                     {"parameters", result.parameters},
                     {"updates", result.training.updates},
                     {"minutes", result.training.minutes},
                     {"valid_loss", result.training.valid_loss},
                     {"kept", result.training.kept}});
  workspace.set_latest_model(result.name);
  return result;
}

}  // namespace hat::train
