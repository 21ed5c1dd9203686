#pragma once

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "hat/base/error.h"
#include "hat/base/file.h"
#include "hat/base/rng.h"
#include "hat/base/stop.h"
#include "hat/data/token_dataset.h"
#include "hat/train/trainer.h"
#include "tiny_space.h"

namespace hat::train::testing {

/// A folder that goes away with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    static int count = 0;
    path_ = fs::temp_directory_path() /
            ("hat_train_" + std::to_string(getpid()) + "_" + std::to_string(count++));
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Pairs whose target is the source read backwards, each token shifted by one: small, but something
/// to learn.
inline data::TokenDataset reversed_pairs(const fs::path& prefix, int pairs, uint64_t seed) {
  constexpr int kVocabulary = 24;
  Rng rng(seed);
  data::TokenDatasetWriter writer(prefix, data::DatasetKind::kPairs, kVocabulary, kVocabulary);
  for (int i = 0; i < pairs; ++i) {
    std::vector<int> source, target;
    const int length = 1 + static_cast<int>(rng.below(7));
    for (int t = 0; t < length; ++t) {
      source.push_back(data::kFirstPiece + static_cast<int>(rng.below(kVocabulary - 5)));
    }
    for (int t = length - 1; t >= 0; --t) target.push_back(source[t] + 1);
    source.push_back(data::kEos);
    target.push_back(data::kEos);
    writer.add(source, target);
  }
  writer.finish();
  return data::TokenDataset::open(prefix);
}

/// A whole tiny training: data, network and strategy of one folder.
struct TinyRun {
  arch::SearchSpace space = tiny_space();
  data::TokenDataset train_set;
  data::TokenDataset valid_set;
  ValidationSet valid;
  model::Transformer network;
  AlternatingSandwich strategy;
  TrainerSetup setup;

  explicit TinyRun(const fs::path& folder)
      : train_set(reversed_pairs(folder / "train", 300, 1)),
        valid_set(reversed_pairs(folder / "valid", 40, 2)),
        valid(valid_set, 0, 200),
        network(model::super_spec(space, {24, 24})),
        strategy(space, 3, 0.5),
        setup{.network = network,
              .strategy = strategy,
              .train = train_set,
              .valid = valid,
              .config = {},
              .seed = 5,
              .directory = folder / "run",
              .label = "test",
              .watched = {{"smallest", space.smallest()}, {"largest", space.largest()}},
              .teacher = {},
              .largest = {},
              .whole_tensors = false,
              .identity = {{"space", space.id()}},
              .restart = false} {
    at::set_num_threads(
        1);  // the machine may be busy, and threads that wait for each other crawl then
    network.initialize(5);
    setup.config.max_updates = 30;
    setup.config.batch_tokens = 200;
    setup.config.learning_rate = 5e-3;
    setup.config.warmup_updates = 5;
    setup.config.validate_every = 7;
    setup.config.checkpoint_every = 4;
    setup.config.average_checkpoints = 3;
    setup.config.precision = "fp32";
  }
  std::vector<float> weights() const {
    const at::Tensor values = network.parameters().values();
    const float* data = values.data_ptr<float>();
    return {data, data + values.numel()};
  }
};

/// Asks for a stop in the middle of an update.
class StopAfter : public Strategy {
 public:
  StopAfter(const Strategy& inner, int64_t updates) : inner_(inner), updates_(updates) {}
  std::vector<Path> paths(int64_t update) const override {
    if (update + 1 == updates_) request_stop(true);
    return inner_.paths(update);
  }
  int passes() const override { return inner_.passes(); }
  std::string name() const override { return inner_.name(); }

 private:
  const Strategy& inner_;
  int64_t updates_;
};

/// Trains until that many updates are done, and stops as Ctrl-C does.
inline void train_until(const TrainerSetup& setup, int64_t updates) {
  const StopAfter strategy(setup.strategy, updates);
  TrainerSetup stopping{.network = setup.network,
                        .strategy = strategy,
                        .train = setup.train,
                        .valid = setup.valid,
                        .config = setup.config,
                        .seed = setup.seed,
                        .directory = setup.directory,
                        .label = setup.label,
                        .watched = setup.watched,
                        .teacher = setup.teacher,
                        .inherited = setup.inherited,
                        .largest = setup.largest,
                        .whole_tensors = setup.whole_tensors,
                        .identity = setup.identity,
                        .restart = setup.restart};
  try {
    train::train(stopping);
    ADD_FAILURE() << "not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInterrupted);
  }
  request_stop(false);
}

}  // namespace hat::train::testing
