#pragma once

#include <memory>
#include <string>

#include "hat/arch/search_space.h"
#include "hat/base/file.h"
#include "hat/config/workspace.h"
#include "hat/model/transformer.h"
#include "hat/train/trainer.h"

/// The workspace's training stages: what hat train-super and hat finetune do between reading
/// hat.json and printing the result.
namespace hat::train {

struct StageOptions {
  bool restart = false;  ///< forget an unfinished or finished run
  std::string command;   ///< for records: "hat train-super --max-minutes 30"
};

/// Trains the SuperTransformer of the workspace's space on data/ and writes super/:
/// super.safetensors, space.json, result.json, metrics.jsonl, config.json, env.json and
/// checkpoint/. Goes on where an interrupted run stopped.
TrainResult train_super(const config::Workspace& workspace, const StageOptions& options);

/// The trained SuperTransformer of the workspace with its space. Throws kUsage when there is none.
struct TrainedSuper {
  arch::SearchSpace space;
  std::unique_ptr<model::Transformer> network;
};
TrainedSuper load_super(const config::Workspace& workspace);

struct FinetuneOptions : StageOptions {
  fs::path architecture;  ///< a file; empty: the winner of the latest search
};
struct FinetuneResult {
  std::string name;  ///< of the folder under models/
  fs::path directory;
  int64_t parameters = 0;
  TrainResult training;
};
/// Trains one SubTransformer to its end, alone: only its own weights are in memory (and, while
/// distilling, the SuperTransformer's largest network as teacher). Starts from inherited weights
/// or, by finetune.from_scratch, from random ones. Writes models/NAME/ and models/latest.
FinetuneResult finetune(const config::Workspace& workspace, const FinetuneOptions& options);

/// The data set that hat prepare wrote under data/NAME. Throws kUsage when there is none, kData
/// when it does not hold sentence pairs.
data::TokenDataset open_pairs(const config::Workspace& workspace, const std::string& name);
arch::Vocabulary vocabulary_of(const data::TokenDataset& dataset);

}  // namespace hat::train
