#include "hat/edge/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

#include "hat/base/error.h"

namespace hat::edge {
namespace {

TEST(ThreadPool, RunsEveryPartOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (const size_t parts : {0u, 1u, 2u, 7u, 100u}) {
      std::vector<int> counts(parts, 0);
      pool.parallel_for(parts, [&](size_t part) { ++counts[part]; });
      EXPECT_EQ(counts, std::vector<int>(parts, 1));
    }
  }
}

TEST(ThreadPool, ManyShortLoopsLoseNothing) {
  ThreadPool pool(4);
  std::vector<int64_t> sums(5, 0);
  for (int64_t loop = 0; loop < 20000; ++loop) {
    pool.parallel_for(sums.size(), [&](size_t part) { sums[part] += loop; });
  }
  for (const int64_t sum : sums) EXPECT_EQ(sum, int64_t{20000} * 19999 / 2);
}

TEST(ThreadPool, WakesAfterSleeping) {
  ThreadPool pool(3);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> done = 0;
    pool.parallel_for(6, [&](size_t) { ++done; });
    EXPECT_EQ(done.load(), 6);
  }
}

TEST(ThreadPool, OneThreadIsTheCaller) {
  ThreadPool pool(1);
  const auto me = std::this_thread::get_id();
  pool.parallel_for(4, [&](size_t) { EXPECT_EQ(std::this_thread::get_id(), me); });
}

TEST(ThreadPool, UsesItsThreads) {
  ThreadPool pool(2);
  std::vector<std::thread::id> who(2);
  // Each part waits for the other to have begun, for at most a second.
  std::atomic<int> begun = 0;
  pool.parallel_for(2, [&](size_t part) {
    who[part] = std::this_thread::get_id();
    ++begun;
    for (int i = 0; i < 1000 && begun.load() < 2; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_NE(who[0], who[1]);
}

TEST(ThreadPool, RefusesSillyNumbers) {
  EXPECT_THROW(ThreadPool(0), Error);
  EXPECT_THROW(ThreadPool(-1), Error);
  EXPECT_THROW(ThreadPool(257), Error);
}

}  // namespace
}  // namespace hat::edge
