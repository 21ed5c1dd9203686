#include "hat/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "hat/base/strings.h"

namespace hat {
namespace {

class Log : public ::testing::Test {
 protected:
  ~Log() override {
    set_log_sink({});
    set_log_level(LogLevel::kInfo);
  }
};

TEST_F(Log, PlainLinesGoToStderr) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  log_info("train", "started");
  log_warning("data", "3 pairs dropped");
  log_debug("data", "not shown");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "[train] started\n[data] warning: 3 pairs dropped\n");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST_F(Log, TheLevelDecidesWhatReachesTheSink) {
  std::vector<std::string> seen;
  set_log_sink([&](LogLevel, std::string_view subsystem, std::string_view message) {
    seen.push_back(str(subsystem, ":", message));
  });
  set_log_level(LogLevel::kError);
  log_warning("a", "1");
  log_error("a", "2");
  set_log_level(LogLevel::kDebug);
  log_debug("b", "3");
  EXPECT_THAT(seen, ::testing::ElementsAre("a:2", "b:3"));
}

TEST_F(Log, ThreadsDoNotMixInTheSink) {
  int count = 0;  // unguarded on purpose: the sink is called by one thread at a time
  set_log_sink([&](LogLevel, std::string_view, std::string_view) { ++count; });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) log_info("x", "y");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 4000);
}

}  // namespace
}  // namespace hat
