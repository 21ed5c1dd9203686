#include <map>

#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "hat/train/stages.h"

namespace hat::train {
namespace {

// Smallest, middle and largest; in a space of few choices the middle is one of the others.
std::vector<Watched> watched_networks(const arch::SearchSpace& space) {
  std::vector<Watched> watched = {{"smallest", space.smallest()}};
  const arch::Architecture middle = space.middle();
  if (middle != space.smallest() && middle != space.largest())
    watched.push_back({"middle", middle});
  watched.push_back({"largest", space.largest()});
  return watched;
}

void write_result(const fs::path& path, const TrainResult& result,
                  const std::vector<Watched>& watched) {
  config::OrderedJson losses;
  for (size_t i = 0; i < watched.size(); ++i) losses[watched[i].name] = result.losses[i];
  config::save_json(path, {{"updates", result.updates},
                           {"minutes", result.minutes},
                           {"target_tokens", result.target_tokens},
                           {"valid_loss", result.valid_loss},
                           {"valid_losses", losses},
                           {"kept", result.kept},
                           {"stopped_early", result.stopped_early}});
}

}  // namespace

data::TokenDataset open_pairs(const config::Workspace& workspace, const std::string& name) {
  const fs::path prefix = workspace.data_dir() / name;
  HAT_CHECK(fs::exists(fs::path(prefix) += ".idx"), ErrorKind::kUsage,
            str("no prepared data: ", prefix.string(), ".idx is missing"),
            "Run hat prepare first.");
  data::TokenDataset dataset = data::TokenDataset::open(prefix);
  HAT_CHECK(dataset.kind() == data::DatasetKind::kPairs, ErrorKind::kData,
            str(prefix.string(), " holds labelled texts, not sentence pairs"),
            "This command trains translation; check task.kind in hat.json.");
  HAT_CHECK(dataset.size() > 0, ErrorKind::kData, str(prefix.string(), " is empty"),
            "Check the files named in hat.json and run hat prepare again.");
  return dataset;
}

arch::Vocabulary vocabulary_of(const data::TokenDataset& dataset) {
  return {dataset.source_vocabulary(), dataset.target_vocabulary()};
}

TrainResult train_super(const config::Workspace& workspace, const StageOptions& options) {
  const config::WorkspaceConfig& config = workspace.config();
  const arch::SearchSpace space = arch::SearchSpace::named(config.space, workspace.root());
  HAT_CHECK(space.family() == arch::Family::kSeq2Seq, ErrorKind::kConfig,
            str("space '", space.name(), "' is for classification"),
            "Choose a translation space in hat.json; hat describe --spaces lists them.");
  const data::TokenDataset train_set = open_pairs(workspace, "train");
  const data::TokenDataset valid_set = open_pairs(workspace, "valid");
  const ValidationSet valid(valid_set, config.train.valid_sentences, config.train.batch_tokens);

  const fs::path directory = workspace.super_dir();
  ensure_directory(directory);
  const FileLock lock(directory / "lock");
  model::Transformer network(model::super_spec(space, vocabulary_of(train_set)));
  const uint64_t seed = static_cast<uint64_t>(config.seed);
  network.initialize(seed);
  log_info("train", str("SuperTransformer of space '", space.name(),
                        "': ", format_count(static_cast<double>(network.parameters().count())),
                        " parameters, ", space.count(), " SubTransformers"));
  const auto strategy =
      make_strategy(config.train.strategy, space, seed, config.train.distillation);
  const std::vector<Watched> watched = watched_networks(space);
  config::save_json(directory / "space.json", space.to_json());
  config::write_run_records(directory, workspace, options.command);
  TrainerSetup setup{.network = network,
                     .strategy = *strategy,
                     .train = train_set,
                     .valid = valid,
                     .config = config.train,
                     .seed = seed,
                     .directory = directory,
                     .label = "train-super",
                     .watched = watched,
                     .teacher = {},
                     .largest = space.largest(),
                     .whole_tensors = space.options().compat,
                     .identity = {{"space", space.id()},
                                  {"train_data", str(train_set.fingerprint())},
                                  {"valid_data", str(valid_set.fingerprint())}},
                     .restart = options.restart};
  const TrainResult result = train(setup);
  network.set_architecture(space.super());
  model::save_transformer(network, directory / "super.safetensors", {{"space", space.id()}});
  write_result(directory / "result.json", result, watched);
  return result;
}

TrainedSuper load_super(const config::Workspace& workspace) {
  const fs::path directory = workspace.super_dir();
  const fs::path weights = directory / "super.safetensors";
  HAT_CHECK(fs::exists(weights), ErrorKind::kUsage,
            str("no trained SuperTransformer: ", weights.string(), " is missing"),
            "Run hat train-super first.");
  TrainedSuper super{arch::SearchSpace::load(directory / "space.json"),
                     model::load_transformer(weights)};
  HAT_CHECK(super.network->spec().capacities == super.space.super(), ErrorKind::kData,
            str(weights.string(), " does not belong to ", (directory / "space.json").string()),
            "Run hat train-super --restart.");
  return super;
}

}  // namespace hat::train
