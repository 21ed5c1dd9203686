#include "hat/base/memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>

#include "hat/base/process.h"
#include "hat/model/compute.h"
#include "tiny_run.h"
#include "train/stepper.h"

// A batch that does not fit in memory is trained on in parts.
namespace hat::train {
namespace {

constexpr int kTokens = 40'000;
constexpr int64_t kRoom = int64_t{120} << 20;

int64_t address_space() {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0;
  in >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

struct Outcome {
  UpdateStats stats;
  int split = 1;
  std::vector<float> weights;
};

Outcome one_update(const fs::path& folder, int64_t room) {
  testing::TinyRun run(folder);
  Adam adam({}, run.network.parameters().values().numel(), run.network.parameters().size());
  const FixedArchitecture strategy(run.space.largest());
  Stepper stepper(run.network, strategy, adam,
                  {.dropout = {},
                   .label_smoothing = 0.1,
                   .clip_norm = 1,
                   .seed = 1,
                   .whole_tensors = false,
                   .teacher = {}});
  const data::TokenDataset pairs = testing::reversed_pairs(folder / "many", 12'000, 3);
  const data::BatchPlan plan(pairs, {.batch_tokens = kTokens}, 0);
  size_t most = 0;
  for (size_t i = 0; i < plan.size(); ++i)
    if (plan.batch(i).size() > plan.batch(most).size()) most = i;
  const TensorBatch batch = to_tensors(data::make_batch(pairs, plan.batch(most)));
  run.network.parameters().gradients();
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  if (room > 0) {
    limit.rlim_cur = static_cast<rlim_t>(address_space() + room);
    setrlimit(RLIMIT_AS, &limit);
  }
  Outcome outcome;
  outcome.stats = stepper.run(0, {batch}, 1e-4);
  outcome.split = stepper.split();
  outcome.weights = run.weights();
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_AS, &limit);
  return outcome;
}

// Not a test: the process whose memory is limited.
TEST(MemoryChild, DISABLED_TrainsWithLittleMemory) {
  model::configure_process(1);
  testing::ScratchFolder folder;
  const Outcome little = one_update(folder.path(), kRoom);
  EXPECT_GE(little.split, 2);
  const Outcome enough = one_update(folder.path(), 0);
  EXPECT_EQ(enough.split, 1);
  EXPECT_EQ(little.stats.tokens, enough.stats.tokens);
  EXPECT_NEAR(little.stats.loss, enough.stats.loss, 1e-5);
  EXPECT_NEAR(little.stats.gradient_norm, enough.stats.gradient_norm,
              1e-3 * enough.stats.gradient_norm);
  double worst = 0;
  for (size_t i = 0; i < little.weights.size(); ++i)
    worst = std::max<double>(worst, std::abs(little.weights[i] - enough.weights[i]));
  EXPECT_LT(worst, 2.1e-4);  // Adam's first step is the rate in either direction
}

TEST(MemoryChild, DISABLED_HasALimit) {
  ASSERT_TRUE(available_memory());
  model::configure_process(1);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &limit), 0);
  ASSERT_NE(limit.rlim_cur, RLIM_INFINITY);
  // More than there is: an error that can be caught, not the end of the process.
  EXPECT_ANY_THROW(at::empty({2 * *available_memory()}, at::kByte));
}

RunResult run_child(const std::string& name) {
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  return run_process(
      {self, "--gtest_also_run_disabled_tests", "--gtest_filter=MemoryChild.DISABLED_" + name});
}

TEST(Memory, ABatchThatDoesNotFitIsSplitWithAMessage) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer needs more address space than the limit leaves";
#endif
  const RunResult run = run_child("TrainsWithLittleMemory");
  EXPECT_EQ(run.exit_code, 0) << run.output << run.error;
  EXPECT_NE(run.error.find("out of memory: batches are cut into"), std::string::npos) << run.error;
}

TEST(Memory, TheProcessIsLimitedToWhatTheMachineHas) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer reserves its own memory";
#endif
  const RunResult run = run_child("HasALimit");
  EXPECT_EQ(run.exit_code, 0) << run.output << run.error;
}

}  // namespace
}  // namespace hat::train
