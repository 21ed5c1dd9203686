#include "hat/base/clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace hat {
namespace {

TEST(Clock, SleepingTakesWallTimeAndNoThreadTime) {
  const double wall = wall_ms();
  const double cpu = thread_cpu_ms();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GE(wall_ms() - wall, 49);
  EXPECT_LT(thread_cpu_ms() - cpu, 40);
}

TEST(Clock, WorkOfAnotherThreadIsTheProcessesAndNotOurs) {
  const double own = thread_cpu_ms();
  const double all = process_cpu_ms();
  std::thread worker([] {
    const double begin = thread_cpu_ms();
    while (thread_cpu_ms() - begin < 60) {
    }
  });
  worker.join();
  EXPECT_GE(process_cpu_ms() - all, 60);
  EXPECT_LT(thread_cpu_ms() - own, 50);
}

TEST(Clock, TimestampsAreIsoInUtc) {
  EXPECT_THAT(utc_timestamp(), ::testing::MatchesRegex("20..-[01].-[0-3].T[0-2].:[0-5].:[0-6].Z"));
}

TEST(Clock, PeakMemoryGrowsWithWhatIsTouched) {
  const double before = peak_memory_bytes();
  EXPECT_GT(before, 1e5);
  constexpr size_t kBytes = 300 << 20;
  {
    std::vector<char> block(kBytes, 1);
    EXPECT_EQ(block[kBytes / 2], 1);
  }
  EXPECT_GE(peak_memory_bytes(), 0.95 * kBytes);
}

}  // namespace
}  // namespace hat
