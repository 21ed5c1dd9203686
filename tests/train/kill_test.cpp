#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "hat/base/process.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "tiny_run.h"

// kill -9 at any moment, then the same command again: the end must be the same bytes as without.
namespace hat::train {
namespace {

constexpr const char* kFolder = "HAT_TEST_TRAIN_FOLDER";

// Not a test: the process that is killed. Started by the test below.
TEST(KillChild, DISABLED_Trains) {
  const char* folder = std::getenv(kFolder);
  if (folder == nullptr) GTEST_SKIP() << "started by Kill.* only";
  testing::TinyRun run(folder);
  run.setup.config.max_updates = 120;
  train(run.setup);
  model::save_transformer(run.network, fs::path(folder) / "final.safetensors");
}

std::vector<std::string> child_command() {
  return {"/proc/self/exe", "--gtest_also_run_disabled_tests",
          "--gtest_filter=KillChild.DISABLED_Trains"};
}

TEST(Kill, AtSeveralMomentsEndsInTheSameBytes) {
  testing::ScratchFolder straight;
  std::vector<std::string> command = child_command();
  command[0] = fs::read_symlink(command[0]).string();
  setenv(kFolder, straight.path().c_str(), 1);
  const auto whole = run_process(command);
  ASSERT_EQ(whole.exit_code, 0) << whole.output << whole.error;
  const std::string expected = read_file(straight.path() / "final.safetensors");

  testing::ScratchFolder killed;
  setenv(kFolder, killed.path().c_str(), 1);
  const fs::path state = killed.path() / "run" / "checkpoint" / "state.safetensors";
  Rng rng(11);
  int kills = 0;
  for (int attempt = 0; attempt < 6; ++attempt) {
    Subprocess child(command);
    // Wait until this attempt has saved something, then a random moment more.
    const auto old = fs::exists(state) ? fs::last_write_time(state) : fs::file_time_type::min();
    for (int i = 0; i < 2000; ++i) {
      if (fs::exists(state) && fs::last_write_time(state) != old) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(rng.below(150)));
    if (!fs::exists(killed.path() / "final.safetensors")) ++kills;
    child.kill();
    child.wait(10'000);
  }
  EXPECT_GE(kills, 1);
  const auto rest = run_process(command);
  ASSERT_EQ(rest.exit_code, 0) << rest.output << rest.error;
  EXPECT_TRUE(read_file(killed.path() / "final.safetensors") == expected);
  unsetenv(kFolder);
}

}  // namespace
}  // namespace hat::train
