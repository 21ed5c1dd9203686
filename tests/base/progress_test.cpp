#include "hat/base/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "hat/base/log.h"
#include "hat/base/strings.h"

namespace hat {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Makes stderr a terminal with so many columns for the life of the object.
class FakeTerminal {
 public:
  explicit FakeTerminal(unsigned short columns) {
    const winsize size = {24, columns, 0, 0};
    int inner = -1;
    opened_ = openpty(&outer_, &inner, nullptr, nullptr, &size) == 0;
    saved_ = dup(STDERR_FILENO);
    if (opened_) dup2(inner, STDERR_FILENO);
    if (inner >= 0) close(inner);
    setenv("TERM", "xterm", 1);
  }
  ~FakeTerminal() {
    restore();
    if (outer_ >= 0) close(outer_);
  }
  bool opened() const { return opened_; }
  // What was written since the last call.
  std::string shown() const {
    std::string text;
    pollfd polled = {outer_, POLLIN, 0};
    char chunk[4096];
    while (poll(&polled, 1, 50) > 0) {
      const ssize_t got = read(outer_, chunk, sizeof(chunk));
      if (got <= 0) break;
      text.append(chunk, static_cast<size_t>(got));
    }
    return text;
  }

 private:
  void restore() {
    if (saved_ < 0) return;
    dup2(saved_, STDERR_FILENO);
    close(saved_);
    saved_ = -1;
  }
  int outer_ = -1;
  int saved_ = -1;
  bool opened_ = false;
};

class Captured {
 public:
  Captured() { ::testing::internal::CaptureStderr(); }
  std::string text() { return ::testing::internal::GetCapturedStderr(); }
};

TEST(ProgressPlain, IsSilentForTheFirstSecondAndSaysTheEnd) {
  Captured captured;
  Progress progress("prepare", 10, "pairs");
  progress.update(5);
  progress.update(10);
  progress.finish("done well");
  progress.finish("twice");
  EXPECT_THAT(captured.text(),
              MatchesRegex("prepare  10/10  100 %  done well  .*pairs/s  in .*\n"));
}

TEST(ProgressPlain, PrintsAfterASecondAndThenNotAgainAtOnce) {
  Captured captured;
  {
    Progress progress("train-super", 4000, "tokens");
    sleep_ms(1020);
    progress.update(420, "loss 5.31");
    progress.update(421, "loss 5.30");
  }
  EXPECT_THAT(
      captured.text(),
      MatchesRegex("train-super  420/4000  10 %  loss 5.31  [0-9.]+ tokens/s  ETA [0-9]+ s\n"));
}

TEST(ProgressPlain, LeavesOutWhatAnEarlierRunDid) {
  Captured captured;
  {
    Progress progress("train", 1'000'000, "steps");
    progress.start_at(900'000);
    sleep_ms(1020);
    progress.update(900'003);
  }
  // Three in about a second, and not 900,003.
  EXPECT_THAT(captured.text(), MatchesRegex(".*  [0-9.]+ steps/(s|min)  ETA .*\n"));
}

TEST(ProgressPlain, WithoutATotalThereIsNoShareAndNoEta) {
  Captured captured;
  {
    Progress progress("count", 0, "lines");
    sleep_ms(1020);
    progress.update(7);
  }
  const std::string text = captured.text();
  EXPECT_THAT(text, HasSubstr("count  7 lines"));
  EXPECT_THAT(text, Not(HasSubstr("%")));
  EXPECT_THAT(text, Not(HasSubstr("ETA")));
}

TEST(ProgressPlain, NeverSaysHundredPercentTooEarlyNorMore) {
  Captured captured;
  Progress almost("a", 100'000, "x");
  almost.update(99'999);
  almost.finish();
  Progress over("b", 10, "x");
  over.update(25);
  over.finish();
  const std::string text = captured.text();
  EXPECT_THAT(text, HasSubstr("99999/100000  99 %"));
  EXPECT_THAT(text, HasSubstr("25/10  100 %"));
}

TEST(ProgressPlain, IsQuietWhenOnlyErrorsAreWanted) {
  Captured captured;
  set_log_level(LogLevel::kError);
  Progress progress("a", 1, "x");
  progress.update(1);
  progress.finish();
  set_log_level(LogLevel::kInfo);
  EXPECT_EQ(captured.text(), "");
}

TEST(ProgressTerminal, RewritesOneLineAndClearsItForLogs) {
  FakeTerminal terminal(80);
  if (!terminal.opened()) GTEST_SKIP() << "no pseudo terminal here";
  ASSERT_TRUE(stderr_is_terminal());
  {
    Progress progress("search", 100, "evaluations");
    progress.update(1, "loss 5");
    progress.update(2);  // sooner than a tenth of a second
    EXPECT_THAT(terminal.shown(),
                AllOf(HasSubstr("\r\x1b[Ksearch  1/100  1 %  loss 5"), Not(HasSubstr("2/100"))));
    log_info("search", "a message");
    EXPECT_THAT(terminal.shown(), HasSubstr("\r\x1b[K[search] a message\r\n"));
    log_info("search", "another");
    EXPECT_THAT(terminal.shown(), Not(HasSubstr("\x1b[K")));  // nothing to clear any more
    sleep_ms(110);
    progress.update(3);
    EXPECT_THAT(terminal.shown(), HasSubstr("3/100"));
  }
  EXPECT_EQ(terminal.shown(), "\r\x1b[K");  // gone with its object
}

TEST(ProgressTerminal, FinishKeepsTheLastLine) {
  FakeTerminal terminal(80);
  if (!terminal.opened()) GTEST_SKIP() << "no pseudo terminal here";
  {
    Progress progress("search", 2, "evaluations");
    progress.update(1);
    progress.update(2);
    progress.finish();
  }
  const std::string text = terminal.shown();
  EXPECT_THAT(text, HasSubstr("\r\x1b[Ksearch  2/2  100 %"));
  EXPECT_TRUE(text.ends_with("\r\n")) << text;
}

TEST(ProgressTerminal, CutsToTheWidthBetweenCharacters) {
  FakeTerminal terminal(13);
  if (!terminal.opened()) GTEST_SKIP() << "no pseudo terminal here";
  Progress progress("Übersetzung-üüü", 100, "x");
  progress.update(1);
  EXPECT_EQ(terminal.shown(), "\r\x1b[KÜbersetzung-");
}

TEST(ProgressTerminal, ADumbOneIsNotRewritten) {
  FakeTerminal terminal(80);
  if (!terminal.opened()) GTEST_SKIP() << "no pseudo terminal here";
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(stderr_is_terminal());
  setenv("TERM", "xterm", 1);
}

}  // namespace
}  // namespace hat
