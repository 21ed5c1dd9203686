#include "hat/base/process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "hat/base/clock.h"
#include "hat/base/strings.h"
#include "testing/expect_error.h"

namespace hat {
namespace {

using testing::expect_error;
using Status = Subprocess::ReadStatus;

constexpr double kLongMs = 30'000;

std::vector<std::string> shell(const std::string& script) { return {"sh", "-c", script}; }

int open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

TEST(Subprocess, AnswersLineByLine) {
  Subprocess cat({"cat"});
  std::string line;
  for (const char* text : {"one", "", "zwei mit Ü"}) {
    cat.write_line(text);
    ASSERT_EQ(cat.read_line(&line, kLongMs), Status::kLine);
    EXPECT_EQ(line, text);
  }
  EXPECT_EQ(cat.read_line(&line, 20), Status::kTimeout);
  cat.close_stdin();
  EXPECT_EQ(cat.read_line(&line, kLongMs), Status::kClosed);
  EXPECT_EQ(cat.wait(kLongMs), 0);
}

TEST(Subprocess, ArgumentsReachTheProgramUntouched) {
  Subprocess echo({"printf", "%s\\n", "$(touch x); 'a\" *", ""});
  std::string line;
  ASSERT_EQ(echo.read_line(&line, kLongMs), Status::kLine);
  EXPECT_EQ(line, "$(touch x); 'a\" *");
}

TEST(Subprocess, AMissingProgramIsAnError) {
  expect_error(ErrorKind::kIo, "hat-no-such-program",
               [] { Subprocess missing({"hat-no-such-program"}); });
  expect_error(ErrorKind::kIo, "Permission denied", [] { Subprocess folder({"/tmp"}); });
}

TEST(Subprocess, SeveralLinesOfOneReadComeOneByOne) {
  Subprocess child(shell("printf 'a\\nb\\n\\nc\\n'"));
  std::string line;
  for (const char* expected : {"a", "b", "", "c"}) {
    ASSERT_EQ(child.read_line(&line, kLongMs), Status::kLine);
    EXPECT_EQ(line, expected);
  }
  EXPECT_EQ(child.read_line(&line, kLongMs), Status::kClosed);
}

TEST(Subprocess, AnEndlessLineIsRefusedWithoutTakingMemory) {
  Subprocess child(shell("cat /dev/zero"));
  std::string line = "untouched";
  EXPECT_EQ(child.read_line(&line, kLongMs, 100'000), Status::kTooLong);
  EXPECT_EQ(line, "untouched");
  // Its rest is not a line either, and does not hold us longer than we said.
  const double begin = wall_ms();
  EXPECT_EQ(child.read_line(&line, 100, 100'000), Status::kTimeout);
  EXPECT_LT(wall_ms() - begin, 10'000);
}

TEST(Subprocess, AfterALongLineTheNextOneIsRead) {
  Subprocess child(shell("head -c 300000 /dev/zero | tr '\\0' x; echo; echo next; exec sleep 30"));
  std::string line;
  EXPECT_EQ(child.read_line(&line, kLongMs, 1000), Status::kTooLong);
  ASSERT_EQ(child.read_line(&line, kLongMs, 1000), Status::kLine);
  EXPECT_EQ(line, "next");
  // Also when the whole line had come already.
  Subprocess quick(shell("echo 12345; echo 1234; exec sleep 30"));
  EXPECT_EQ(quick.read_line(&line, kLongMs, 4), Status::kTooLong);
  ASSERT_EQ(quick.read_line(&line, kLongMs, 4), Status::kLine);
  EXPECT_EQ(line, "1234");
}

TEST(Subprocess, GarbageIsJustBytes) {
  Subprocess child(shell("printf 'a\\000\\377\\n'"));
  std::string line;
  ASSERT_EQ(child.read_line(&line, kLongMs), Status::kLine);
  EXPECT_EQ(line, std::string("a\0\xFF", 3));
}

TEST(Subprocess, ALineCutShortByDeathIsNotDelivered) {
  Subprocess child(shell("echo whole; printf '{\"ms\": 12'; kill -9 $$"));
  std::string line;
  ASSERT_EQ(child.read_line(&line, kLongMs), Status::kLine);
  EXPECT_EQ(line, "whole");
  EXPECT_EQ(child.read_line(&line, kLongMs), Status::kClosed);
  EXPECT_EQ(child.wait(kLongMs), 128 + SIGKILL);
}

TEST(Subprocess, ADrippingChildDoesNotOutlastTheTimeOut) {
  Subprocess child(shell("while :; do printf x; sleep 0.02; done"));
  std::string line;
  const double begin = wall_ms();
  EXPECT_EQ(child.read_line(&line, 200), Status::kTimeout);
  EXPECT_LT(wall_ms() - begin, 5000);
}

TEST(Subprocess, WritingToTheDeadIsAnErrorAndNoSignal) {
  Subprocess child(shell("exit 3"));
  EXPECT_EQ(child.wait(kLongMs), 3);
  expect_error(ErrorKind::kIo, "closed", [&] { child.write_line("x"); });

  Subprocess closed(shell("exec <&-; echo ready; exec sleep 30"));
  std::string line;
  ASSERT_EQ(closed.read_line(&line, kLongMs), Status::kLine);
  expect_error(ErrorKind::kIo, "reads no more", [&] { closed.write_line("x"); });
  // Nothing is left pending that would strike later.
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(Subprocess, AChildThatDoesNotReadIsATimeOut) {
  Subprocess child(shell("exec sleep 30"));
  const double begin = wall_ms();
  expect_error(ErrorKind::kIo, "did not read",
               [&] { child.write_line(std::string(1 << 20, 'x'), 200); });
  EXPECT_LT(wall_ms() - begin, 10'000);
}

TEST(Subprocess, WritesWhileTheChildWaitsForItsAnswersToBeRead) {
  Subprocess cat({"cat"});
  // More than the pipes of both directions hold, less than what is kept unread.
  const std::string text(400'000, 'x');
  cat.write_line(text, kLongMs);
  std::string line;
  ASSERT_EQ(cat.read_line(&line, kLongMs), Status::kLine);
  EXPECT_EQ(line, text);
}

TEST(Subprocess, WaitKillsWhatDoesNotEnd) {
  Subprocess child(shell("exec sleep 30"));
  const double begin = wall_ms();
  EXPECT_EQ(child.wait(100), 128 + SIGKILL);
  EXPECT_LT(wall_ms() - begin, 10'000);
  EXPECT_EQ(child.wait(100), 128 + SIGKILL);  // asked again
}

TEST(Subprocess, WaitLetsAChildFinishItsOutput) {
  Subprocess child(shell("head -c 5000000 /dev/zero; exit 4"));
  EXPECT_EQ(child.wait(kLongMs), 4);
}

TEST(Subprocess, TheDestructorKillsReapsAndCloses) {
  const int before = open_descriptors();
  int pid = 0;
  {
    Subprocess child(shell("exec sleep 30"), {.capture_stderr = true});
    pid = child.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_THROW(Subprocess({"hat-no-such-program"}), Error);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(Subprocess, KeepsTheEndOfStderr) {
  Subprocess child(shell("head -c 300000 /dev/zero | tr '\\0' e >&2; echo last >&2; echo done"),
                   {.capture_stderr = true});
  std::string line;
  ASSERT_EQ(child.read_line(&line, kLongMs), Status::kLine);
  EXPECT_EQ(child.wait(kLongMs), 0);
  const std::string tail = child.captured_stderr();
  EXPECT_EQ(tail.size(), size_t{64} << 10);
  EXPECT_TRUE(tail.ends_with("elast\n"));
}

TEST(Subprocess, TheChildHasTheUsualSignals) {
  // If the child ignored SIGPIPE as we do, yes would complain instead of ending.
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  const RunResult piped = run_process(shell("yes | head -n 1"));
  ::signal(SIGPIPE, before);
  EXPECT_EQ(piped.output, "y\n");
  EXPECT_EQ(piped.error, "");
}

TEST(Subprocess, ALaterChildDoesNotHoldThePipesOfAnEarlierOne) {
  Subprocess cat({"cat"});
  Subprocess other(shell("exec sleep 30"));
  cat.close_stdin();
  std::string line;
  EXPECT_EQ(cat.read_line(&line, kLongMs), Status::kClosed);
}

TEST(RunProcess, ReturnsEverything) {
  const RunResult result = run_process(shell("cat; echo err >&2; exit 5"), "input\n");
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_EQ(result.output, "input\n");
  EXPECT_EQ(result.error, "err\n");
}

TEST(RunProcess, MovesMuchDataBothWays) {
  const std::string input(3 << 20, 'x');
  EXPECT_EQ(run_process({"cat"}, input).output, input);
}

TEST(RunProcess, DropsWhatIsAboveTheBound) {
  EXPECT_EQ(run_process(shell("head -c 20000000 /dev/zero")).output.size(), size_t{16} << 20);
}

TEST(RunProcess, AProgramThatIgnoresItsInputIsNoError) {
  EXPECT_EQ(run_process({"true"}, std::string(1 << 20, 'x')).exit_code, 0);
}

TEST(RunProcess, StopsAtItsTime) {
  const double begin = wall_ms();
  expect_error(ErrorKind::kIo, "did not end within 100 ms",
               [] { run_process(shell("exec sleep 30"), {}, 100); });
  EXPECT_LT(wall_ms() - begin, 10'000);
  expect_error(ErrorKind::kIo, "did not end", [] { run_process(shell("yes"), {}, 100); });
}

TEST(RunProcess, DoesNotWaitForGrandchildrenThatKeepThePipes) {
  const double begin = wall_ms();
  const RunResult result = run_process(shell("sleep 5 & echo started"));
  EXPECT_EQ(result.output, "started\n");
  EXPECT_LT(wall_ms() - begin, 4000);
}

TEST(ProgramDirectory, HoldsThisProgram) {
  EXPECT_TRUE(
      std::filesystem::exists(std::filesystem::path(program_directory()) / "hat_base_tests"));
}

}  // namespace
}  // namespace hat
