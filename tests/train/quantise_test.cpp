#include <gtest/gtest.h>

#include "tiny_run.h"

// Finishing a network for rounded weights.
namespace hat::train {
namespace {

using testing::ScratchFolder;
using testing::TinyRun;

double loss_of(const TinyRun& run, model::Transformer& network) {
  return run.valid.evaluate(network, 0.1).loss / static_cast<double>(run.valid.tokens());
}

void finish(const TinyRun& run, model::Transformer& network, const fs::path& directory,
            int updates) {
  const FixedArchitecture strategy(network.architecture());
  TrainerSetup setup{.network = network,
                     .strategy = strategy,
                     .train = run.train_set,
                     .valid = run.valid,
                     .config = run.setup.config,
                     .seed = 9,
                     .directory = directory,
                     .label = "test",
                     .watched = {{"model", network.architecture()}},
                     .teacher = {},
                     .largest = {},
                     .whole_tensors = false,
                     .identity = {},
                     .restart = false};
  setup.config.max_updates = updates;
  train(setup);
}

TEST(Quantise, TrainingWithRoundedWeightsMakesRoundingCheaper) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  const auto trained = run.network.extract(run.space.largest());
  finish(run, *trained, folder.path() / "fp32", 200);
  const double exact = loss_of(run, *trained);
  trained->set_weight_rounding(model::WeightRounding::kInt8);
  EXPECT_NEAR(loss_of(run, *trained), exact, 0.02);
  trained->set_weight_rounding(model::WeightRounding::kInt4);
  const double rounded = loss_of(run, *trained);
  EXPECT_GT(rounded, exact + 0.02) << "nothing to gain";

  const auto aware = trained->extract(run.space.largest());
  EXPECT_EQ(loss_of(run, *aware), exact) << "a copy starts without rounding";
  trained->set_weight_rounding(model::WeightRounding::kNone);
  EXPECT_EQ(loss_of(run, *trained), exact) << "the exact weights are untouched";
  finish(run, *trained, folder.path() / "more", 60);
  trained->set_weight_rounding(model::WeightRounding::kInt4);
  aware->set_weight_rounding(model::WeightRounding::kInt4);
  finish(run, *aware, folder.path() / "aware", 60);
  const double after_more = loss_of(run, *trained);
  const double after_aware = loss_of(run, *aware);
  EXPECT_LT(after_aware, rounded);
  EXPECT_LT(after_aware, after_more);
}

TEST(Quantise, TheSameInBothPrecisionsOfProducts) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  run.network.set_architecture(run.space.super());
  run.network.set_weight_rounding(model::WeightRounding::kInt8);
  const double fp32 = loss_of(run, run.network);
  run.network.set_compute(model::Compute::kBf16);
  EXPECT_NEAR(loss_of(run, run.network), fp32, 0.02);
  EXPECT_THROW(model::parse_rounding("int3"), Error);
}

}  // namespace
}  // namespace hat::train
