#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hat {

/// A child process with its stdin and stdout as pipes (stderr is inherited, or captured). Started
/// with execvp on an argument list: no shell ever sees the arguments.
class Subprocess {
 public:
  struct Options {
    bool capture_stderr = false;  ///< keep the last 64 KiB of stderr for error messages
  };
  explicit Subprocess(const std::vector<std::string>& argv);
  Subprocess(const std::vector<std::string>& argv, Options options);
  /// Kills the child if it still runs, and reaps it.
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  /// Writes one line (a newline is added). Throws kIo when the child has gone, or does not read
  /// within the time.
  void write_line(std::string_view line, double timeout_ms = 60'000);
  enum class ReadStatus { kLine, kTimeout, kClosed, kTooLong };
  /// Reads one line without its newline; never takes more than `max_bytes` of memory (and one 64
  /// KiB read). kTooLong: that line is left out, the next call goes on behind it. A last line
  /// without a newline was cut short and is not delivered. A time of 0 takes what is there already.
  ReadStatus read_line(std::string* line, double timeout_ms, size_t max_bytes = 1 << 20);
  void close_stdin();
  void kill();
  /// Exit code, or 128 + signal. Closes the child's stdin, waits at most `timeout_ms`, then kills.
  int wait(double timeout_ms);
  std::string captured_stderr();
  int pid() const { return pid_; }

 private:
  void drain_stderr();
  int pid_ = -1;
  int stdin_ = -1;
  int stdout_ = -1;
  int stderr_ = -1;
  std::string buffer_;
  bool skipping_ = false;  ///< buffer_ begins inside a line that was too long
  std::string stderr_tail_;
  std::optional<int> exit_code_;
};

struct RunResult {
  int exit_code = 0;
  std::string output;
  std::string error;
};
/// Runs to the end and returns what it printed (at most 16 MiB of each, the rest is dropped).
/// Throws kIo when it cannot be started, or has to be killed because the time is over.
RunResult run_process(const std::vector<std::string>& argv, std::string_view input = {},
                      double timeout_ms = 600'000);

/// The folder of the running program.
std::string program_directory();

}  // namespace hat
