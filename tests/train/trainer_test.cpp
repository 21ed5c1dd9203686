#include "hat/train/trainer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "tiny_run.h"
#include "train/stepper.h"

namespace hat::train {
namespace {

using testing::ScratchFolder;
using testing::TinyRun;

void run_and_stop(const fs::path& folder, int64_t updates) {
  TinyRun run(folder);
  testing::train_until(run.setup, updates);
}

std::vector<config::Json> metrics(const fs::path& folder) {
  std::vector<config::Json> rows;
  for (const std::string& line : split(read_file(folder / "run" / "metrics.jsonl"), '\n')) {
    if (!line.empty()) rows.push_back(config::Json::parse(line));
  }
  return rows;
}

Stepper::Options stepper_options(double clip_norm, double dropout = 0) {
  return {.dropout = {.residual = dropout},
          .label_smoothing = 0.1,
          .clip_norm = clip_norm,
          .seed = 1,
          .whole_tensors = false,
          .teacher = {}};
}

TEST(Trainer, LearnsAndSaysWhatItKept) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  run.setup.config.max_updates = 150;
  const double before = run.valid.evaluate(run.network, 0.1).loss / run.valid.tokens();
  const TrainResult result = train(run.setup);
  EXPECT_EQ(result.updates, 150);
  EXPECT_LT(result.valid_loss, 0.8 * before);
  ASSERT_EQ(result.losses.size(), 2u);
  EXPECT_FALSE(result.kept.empty());
  // The network holds the weights whose loss was reported.
  run.network.set_architecture(run.space.largest());
  EXPECT_NEAR(run.valid.evaluate(run.network, 0.1).loss / run.valid.tokens(), result.losses[1],
              1e-9);
}

TEST(Trainer, StoppedAnywhereEndsInTheSameBytes) {
  ScratchFolder straight_folder;
  TinyRun straight(straight_folder.path());
  train(straight.setup);
  for (const int64_t stop : {1, 6, 7, 8, 24, 29}) {
    SCOPED_TRACE(stop);
    ScratchFolder folder;
    run_and_stop(folder.path(), stop);
    TinyRun resumed(folder.path());
    const TrainResult result = train(resumed.setup);
    EXPECT_EQ(result.updates, 30);
    EXPECT_EQ(resumed.weights(), straight.weights());
    // No row of metrics twice.
    int64_t last = 0;
    for (const config::Json& row : metrics(folder.path())) {
      EXPECT_GE(row["update"].get<int64_t>(), last);
      last = row["update"];
    }
  }
}

TEST(Trainer, AFinishedRunIsNotRepeated) {
  ScratchFolder folder;
  TinyRun first(folder.path());
  const TrainResult once = train(first.setup);
  const auto rows = metrics(folder.path());
  TinyRun again(folder.path());
  const TrainResult result = train(again.setup);
  EXPECT_EQ(result.updates, 30);
  EXPECT_EQ(result.minutes, once.minutes);
  EXPECT_EQ(result.kept, once.kept);
  EXPECT_EQ(again.weights(), first.weights());
  EXPECT_EQ(metrics(folder.path()), rows);
  // One row for each of the weights that were compared at the end, and each only once.
  std::set<std::string> candidates;
  for (const config::Json& row : rows) {
    if (row["kind"] == "final") {
      EXPECT_TRUE(candidates.insert(row["weights"]).second) << row;
    }
  }
  EXPECT_TRUE(candidates.contains("last"));
  EXPECT_TRUE(candidates.contains("average of 4"));
}

TEST(Trainer, DamagedCheckpointFallsBackToThePrevious) {
  ScratchFolder folder, straight_folder;
  TinyRun straight(straight_folder.path());
  train(straight.setup);
  run_and_stop(folder.path(), 18);
  const fs::path latest = folder.path() / "run" / "checkpoint" / "state.safetensors";
  std::string bytes = read_file(latest);
  bytes[bytes.size() / 2] ^= 1;  // one bit
  std::ofstream(latest, std::ios::binary) << bytes;
  TinyRun resumed(folder.path());
  train(resumed.setup);
  EXPECT_EQ(resumed.weights(), straight.weights());
}

TEST(Trainer, TwoDamagedCheckpointsAreAnError) {
  ScratchFolder folder;
  run_and_stop(folder.path(), 18);
  for (const char* name : {"state.safetensors", "previous.safetensors"}) {
    fs::resize_file(folder.path() / "run" / "checkpoint" / name, 100);
  }
  TinyRun resumed(folder.path());
  try {
    train(resumed.setup);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(error.hint().find("--restart"), std::string::npos);
  }
  resumed.setup.restart = true;
  EXPECT_EQ(train(resumed.setup).updates, 30);
}

TEST(Trainer, OtherSettingsDoNotMixIntoARun) {
  ScratchFolder folder;
  run_and_stop(folder.path(), 9);
  TinyRun resumed(folder.path());
  resumed.setup.config.dropout = 0.3;
  try {
    train(resumed.setup);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
    EXPECT_NE(error.message().find("dropout is 0.3"), std::string::npos) << error.message();
  }
}

TEST(Trainer, MovingAverageIsACandidateAndResumes) {
  ScratchFolder folder, stopped;
  std::vector<std::vector<float>> ends;
  for (const ScratchFolder* where : {&folder, &stopped}) {
    if (where == &stopped) {
      TinyRun part(where->path());
      part.setup.config.ema = 0.9;
      testing::train_until(part.setup, 11);
    }
    TinyRun run(where->path());
    run.setup.config.ema = 0.9;
    train(run.setup);
    ends.push_back(run.weights());
    bool compared = false;
    for (const config::Json& row : metrics(where->path()))
      compared |= row["kind"] == "final" && row["weights"] == "moving average";
    EXPECT_TRUE(compared);
  }
  EXPECT_EQ(ends[0], ends[1]);
}

TEST(Trainer, TimeLimitFitsTheSchedule) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  run.setup.config.max_updates = 0;
  run.setup.config.max_minutes = 0.03;
  run.setup.config.validate_every = 0;
  run.setup.config.warmup_updates = 0;
  const TrainResult result = train(run.setup);
  EXPECT_GT(result.updates, 5);
  EXPECT_LT(result.minutes, 1);  // generous: the machine may be busy
}

TEST(Trainer, EarlyStopKeepsTheBest) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  run.setup.config.max_updates = 2000;
  run.setup.config.learning_rate = 0.9;  // never gets better for long
  run.setup.config.patience = 2;
  const TrainResult result = train(run.setup);
  EXPECT_TRUE(result.stopped_early);
  EXPECT_LT(result.updates, 2000);
}

TEST(Trainer, InheritedWeightsAreACandidate) {
  ScratchFolder first, spoiled, stopped;
  TinyRun trained(first.path());
  trained.setup.config.max_updates = 60;
  const double inherited = train(trained.setup).valid_loss;
  const std::vector<float> weights = trained.weights();

  std::vector<std::vector<float>> ends;
  for (const ScratchFolder* where : {&spoiled, &stopped}) {
    const auto inherit = [&](TinyRun& run) {
      std::copy(weights.begin(), weights.end(),
                run.network.parameters().values().data_ptr<float>());
      run.network.parameters().values_changed();
      run.setup.inherited = true;
      run.setup.config.learning_rate = 0.9;  // makes them worse
    };
    if (where == &stopped) {
      TinyRun part(where->path());
      inherit(part);
      testing::train_until(part.setup, 11);
    }
    TinyRun run(where->path());
    inherit(run);
    const TrainResult result = train(run.setup);
    EXPECT_EQ(result.kept, "inherited");
    EXPECT_NEAR(result.valid_loss, inherited, 1e-6);
    ends.push_back(run.weights());
  }
  EXPECT_EQ(ends[0], weights);
  EXPECT_EQ(ends[1], weights);
}

TEST(Stepper, SplitBatchesGiveTheSameUpdate) {
  ScratchFolder folder;
  std::vector<std::vector<float>> results;
  for (const int parts : {1, 3}) {
    TinyRun run(folder.path());
    Adam adam({}, run.network.parameters().values().numel(), run.network.parameters().size());
    const FixedArchitecture strategy(run.space.largest());
    Stepper stepper(run.network, strategy, adam, stepper_options(1));
    stepper.set_split(parts);
    data::BatchIterator batches(run.train_set, {.batch_tokens = 300});
    std::vector<TensorBatch> batch = {to_tensors(data::make_batch(run.train_set, batches.next()))};
    const UpdateStats stats = stepper.run(0, batch, 1e-4);
    EXPECT_GT(stats.gradient_norm, 0);
    EXPECT_EQ(stats.tokens, batch[0].tokens);
    results.push_back(run.weights());
  }
  double worst = 0;
  for (size_t i = 0; i < results[0].size(); ++i) {
    worst = std::max<double>(worst, std::abs(results[0][i] - results[1][i]));
  }
  EXPECT_LT(worst, 2.1e-4);  // Adam's first step is the rate in either direction
}

// With shares, every row trains exactly one path; the sum is that of each path on its rows alone.
TEST(Stepper, PathsDivideTheBatch) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  Adam adam({}, run.network.parameters().values().numel(), run.network.parameters().size());
  const FixedArchitecture unused(run.space.largest());
  Stepper stepper(run.network, unused, adam, stepper_options(0));
  data::BatchIterator batches(run.train_set, {.batch_tokens = 300});
  const TensorBatch batch = to_tensors(data::make_batch(run.train_set, batches.next()));
  const int64_t half = std::llround(0.5 * static_cast<double>(batch.rows()));
  ASSERT_GT(half, 0);
  const TensorBatch first = batch.slice(0, half);
  const TensorBatch second = batch.slice(half, batch.rows());
  const auto loss_of = [&](const arch::Architecture& architecture, const TensorBatch& rows) {
    const at::NoGradGuard no_grad;
    run.network.set_architecture(architecture);
    return model::compute_loss(
               run.network, run.network.decode(rows.prev_output, run.network.encode(rows.source)),
               rows.target)
        .loss;
  };
  const double expected =
      loss_of(run.space.largest(), first) + loss_of(run.space.smallest(), second);
  const std::vector<Path> paths = {{run.space.largest(), true, 0, 0.5},
                                   {run.space.smallest(), false, 0, 0.5}};
  const UpdateStats stats = stepper.run(0, paths, {batch}, 0);
  EXPECT_EQ(stats.tokens, batch.tokens);
  EXPECT_EQ(stats.trained_tokens, batch.tokens);
  EXPECT_NEAR(stats.loss * static_cast<double>(batch.tokens), expected, 1e-4 * expected);

  // Distillation on rows that the teacher has only predicted: with its own weights as teacher and
  // nothing but distillation, a network's loss is its entropy, and its gradient vanishes.
  const std::vector<Path> same = {{run.space.largest(), true, 0, 0.5},
                                  {run.space.largest(), false, 1, 0.5}};
  const std::vector<Path> alone = {{run.space.largest(), true, 0, 0.5}};
  const double both =
      stepper.run(1, same, {batch}, 0).gradient_norm * static_cast<double>(batch.tokens);
  const double one =
      stepper.run(2, alone, {batch}, 0).gradient_norm * static_cast<double>(first.tokens);
  EXPECT_NEAR(both, one, 1e-3 * one);
}

TEST(Stepper, DropoutDisturbsThePathsThatHaveIt) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  Adam adam({}, run.network.parameters().values().numel(), run.network.parameters().size());
  const FixedArchitecture unused(run.space.largest());
  Stepper stepper(run.network, unused, adam, stepper_options(0, 0.3));
  data::BatchIterator batches(run.train_set, {.batch_tokens = 300});
  const TensorBatch batch = to_tensors(data::make_batch(run.train_set, batches.next()));
  // The rate is 0: the weights stay, and masks alone make updates differ.
  const auto losses = [&](bool dropout) {
    const std::vector<Path> paths = {{.architecture = run.space.largest(), .dropout = dropout}};
    return std::pair(stepper.run(0, paths, {batch}, 0).loss,
                     stepper.run(1, paths, {batch}, 0).loss);
  };
  const auto [disturbed, otherwise] = losses(true);
  const auto [still, again] = losses(false);
  EXPECT_NE(disturbed, otherwise);
  EXPECT_EQ(still, again);
}

TEST(Stepper, SmallNetworksLeaveTheRestAlone) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  const std::vector<float> before = run.weights();
  Adam adam({}, run.network.parameters().values().numel(), run.network.parameters().size());
  const FixedArchitecture strategy(run.space.smallest());
  Stepper stepper(run.network, strategy, adam, stepper_options(1));
  data::BatchIterator batches(run.train_set, {.batch_tokens = 300});
  stepper.run(0, {to_tensors(data::make_batch(run.train_set, batches.next()))}, 1e-3);
  const std::vector<float> after = run.weights();
  const model::ParameterStore& store = run.network.parameters();
  const int fc1 = store.find("encoder.layers.0.fc1.weight");
  const int skipped = store.find("encoder.layers.1.fc1.weight");
  ASSERT_GE(fc1, 0);
  ASSERT_GE(skipped, 0);
  const model::Parameter& p = store[fc1];
  const arch::Architecture small = run.space.smallest();
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t column = 0; column < p.cols; ++column) {
      const bool inside = row < small.encoder[0].ffn_dim && column < small.encoder_embed_dim;
      const int64_t at = p.offset + row * p.cols + column;
      if (!inside) {
        ASSERT_EQ(before[at], after[at]) << row << ", " << column;
      }
    }
  }
  EXPECT_EQ(adam.steps()[fc1], 1);
  EXPECT_EQ(adam.steps()[skipped], 0);
  // Nothing is left over for the next update.
  EXPECT_EQ(run.network.parameters().gradients().abs().max().item<float>(), 0.0f);
  EXPECT_TRUE(store.touched().empty());
}

}  // namespace
}  // namespace hat::train
