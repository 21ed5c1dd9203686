#include "hat/base/stop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing/expect_error.h"

namespace hat {
namespace {

TEST(Stop, ARequestThrowsWhereTheLoopAsks) {
  EXPECT_FALSE(stop_requested());
  EXPECT_NO_THROW(throw_if_stopped());
  request_stop(true);
  EXPECT_TRUE(stop_requested());
  testing::expect_error(ErrorKind::kInterrupted, "interrupted", [] { throw_if_stopped(); });
  request_stop(false);
  EXPECT_NO_THROW(throw_if_stopped());
}

// In a child, because the second signal ends the process.
int status_after(int first, int second) {
  const pid_t child = fork();
  if (child == 0) {
    install_stop_handlers();
    raise(first);
    if (!stop_requested()) _exit(99);
    if (second != 0) raise(second);
    _exit(7);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST(Stop, TheFirstSignalSetsTheFlag) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const int status = status_after(signal, 0);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
  }
}

TEST(Stop, TheSecondEndsTheProcessWhicheverItIs) {
  for (const int first : {SIGINT, SIGTERM}) {
    for (const int second : {SIGINT, SIGTERM}) {
      const int status = status_after(first, second);
      ASSERT_TRUE(WIFSIGNALED(status));
      EXPECT_EQ(WTERMSIG(status), second);
    }
  }
}

}  // namespace
}  // namespace hat
