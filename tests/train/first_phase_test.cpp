#include "train/first_phase.h"

#include <gtest/gtest.h>

#include "tiny_run.h"

namespace hat::train {
namespace {

using testing::ScratchFolder;
using testing::TinyRun;

TEST(FirstPhase, CountsWhatIsAhead) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  EXPECT_FALSE(FirstPhase(run.setup).enabled()) << "not asked for";
  EXPECT_EQ(FirstPhase(run.setup).cost_ahead(0, 100), 1);
  run.setup.config.largest_first = 0.3;
  EXPECT_FALSE(FirstPhase(run.setup).enabled()) << "no largest network named";
  run.setup.largest = run.space.largest();
  const FirstPhase phase(run.setup);
  EXPECT_EQ(phase.end(100), 30);
  EXPECT_EQ(phase.paths().size(), 1u);
  EXPECT_EQ(phase.cost(true), 1);
  EXPECT_GT(phase.cost(false), 1.1);  // the largest and one more
  EXPECT_LT(phase.cost(false), 2);
  EXPECT_NEAR(phase.cost_ahead(0, 100), 0.3 + 0.7 * phase.cost(false), 1e-9);
  EXPECT_NEAR(phase.cost_ahead(50, 100), phase.cost(false), 1e-9);
}

double loss_of(TinyRun& run, const arch::Architecture& architecture) {
  run.network.set_architecture(architecture);
  return run.valid.evaluate(run.network, 0.1).loss / static_cast<double>(run.valid.tokens());
}

TEST(FirstPhase, OrderMakesLeadingSlicesBetter) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  run.setup.largest = run.space.largest();
  run.setup.config.largest_first = 0.5;
  run.setup.config.max_updates = 200;
  run.setup.config.validate_every = 200;
  const FixedArchitecture largest(run.space.largest());
  TrainerSetup alone = run.setup;
  alone.config.largest_first = 0;
  TrainerSetup setup{.network = run.network,
                     .strategy = largest,
                     .train = run.train_set,
                     .valid = run.valid,
                     .config = alone.config,
                     .seed = 5,
                     .directory = folder.path() / "largest",
                     .label = "test",
                     .watched = run.setup.watched,
                     .teacher = {},
                     .largest = {},
                     .whole_tensors = false,
                     .identity = {},
                     .restart = false};
  train(setup);
  // Half of the heads and half of the channels of the trained network.
  arch::Architecture thin = run.space.largest();
  for (arch::EncoderLayer& layer : thin.encoder) layer = {32, 2, 16};
  for (arch::DecoderLayer& layer : thin.decoder) {
    layer.ffn_dim = 32;
    layer.self_heads = layer.cross_heads = 2;
    layer.self_qkv_dim = layer.cross_qkv_dim = 16;
  }
  const double largest_before = loss_of(run, run.space.largest());
  const double thin_before = loss_of(run, thin);
  const double smallest_before = loss_of(run, run.space.smallest());
  const at::Tensor values = run.network.parameters().values();
  const std::span<float> buffer(values.data_ptr<float>(), static_cast<size_t>(values.numel()));
  FirstPhase(run.setup).reorder({&buffer, 1}, 1);
  EXPECT_NEAR(loss_of(run, run.space.largest()), largest_before, 1e-5);
  EXPECT_LT(loss_of(run, thin), thin_before - 0.1);
  EXPECT_LT(loss_of(run, run.space.smallest()), smallest_before);
}

TEST(FirstPhase, TrainsTheLargestAloneThenAll) {
  ScratchFolder folder;
  TinyRun run(folder.path());
  run.setup.largest = run.space.largest();
  run.setup.config.largest_first = 0.4;
  const TrainResult result = train(run.setup);
  EXPECT_EQ(result.updates, 30);
  // A run that resumes, before or after the change, ends in the same bytes.
  const std::vector<float> expected = run.weights();
  for (const int64_t stop : {10, 12, 13, 14, 20}) {
    SCOPED_TRACE(stop);
    ScratchFolder other;
    for (const int64_t updates : {stop, int64_t{30}}) {
      TinyRun part(other.path());
      part.setup.largest = part.space.largest();
      part.setup.config.largest_first = 0.4;
      if (updates == stop) {
        testing::train_until(part.setup, stop);
      } else {
        train(part.setup);
        EXPECT_EQ(part.weights(), expected);
      }
    }
  }
}

}  // namespace
}  // namespace hat::train
