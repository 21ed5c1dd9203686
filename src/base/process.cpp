#include "hat/base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <system_error>
#include <utility>

#include "base/signal_guard.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/file.h"
#include "hat/base/strings.h"

extern char** environ;

namespace hat {

namespace {

constexpr size_t kStderrTailBytes = 64 << 10;
constexpr size_t kRunOutputBytes = 16 << 20;
constexpr size_t kUnreadOutputBytes = 1 << 20;  // what is kept of lines that nobody has read yet
constexpr double kReapIntervalMs = 10;

std::string reason(int error) { return std::generic_category().message(error); }

void close_descriptor(int& fd) {
  if (fd >= 0) ::close(std::exchange(fd, -1));
}

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    std::array<int, 2> ends{};
    HAT_CHECK(::pipe2(ends.data(), O_CLOEXEC) == 0, ErrorKind::kIo,
              str("cannot make a pipe: ", reason(errno)), "Raise the limit of open files.");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close_descriptor(read_end);
    close_descriptor(write_end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
};

// Our end must never block: every wait is a poll() with a deadline. The child's end stays blocking.
int our_end(int& fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return std::exchange(fd, -1);
}

struct Child {
  int pid = -1;
  int in = -1;
  int out = -1;
  int err = -1;
};

class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    // The child starts with the usual signals, whatever this program blocks or ignores.
    sigset_t usual;
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGXFSZ);
    posix_spawnattr_setsigdefault(&attributes_, &usual);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  void redirect(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// posix_spawn and not fork: it does not copy the page tables of a process that holds a large model,
// and it reports a program that cannot be executed.
Child spawn(const std::vector<std::string>& argv, bool capture_stderr) {
  HAT_DCHECK(!argv.empty());
  Pipe in;
  Pipe out;
  Pipe err;
  SpawnSettings settings;
  settings.redirect(in.read_end, STDIN_FILENO);
  settings.redirect(out.write_end, STDOUT_FILENO);
  if (capture_stderr) settings.redirect(err.write_end, STDERR_FILENO);

  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  // execvp's signature is older than const; it changes nothing.
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  Child child;
  const int error = ::posix_spawnp(&child.pid, arguments[0], settings.actions(),
                                   settings.attributes(), arguments.data(), environ);
  HAT_CHECK(error == 0, ErrorKind::kIo, str("cannot start '", argv[0], "': ", reason(error)),
            error == ENOENT ? "Check that it is installed and in PATH." : "");
  child.in = our_end(in.write_end);
  child.out = our_end(out.read_end);
  if (capture_stderr) child.err = our_end(err.read_end);
  return child;
}

// The exit code once the child has ended; does not wait.
std::optional<int> reap(int pid) {
  int status = 0;
  const pid_t got = ::waitpid(pid, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return std::nullopt;
  // Somebody else reaped it: it has ended, and how is not known.
  if (got < 0) return 127;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int reap_killed(int pid) {
  ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return 127;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Sleeps until one of the descriptors (-1: left out) is ready or `until_ms` (of wall_ms) has come.
struct Ready {
  bool in = false;
  bool out = false;
  bool err = false;
};
Ready wait_ready(int in, int out, int err, double until_ms) {
  std::array<pollfd, 3> polled = {pollfd{in, POLLOUT, 0}, pollfd{out, POLLIN, 0},
                                  pollfd{err, POLLIN, 0}};
  // Rounded up, or the last millisecond would be spent polling without sleep.
  const double left_ms = std::clamp(std::ceil(until_ms - wall_ms()), 0.0, 1e9);
  if (::poll(polled.data(), polled.size(), static_cast<int>(left_ms)) <= 0) return {};
  return {polled[0].revents != 0, polled[1].revents != 0, polled[2].revents != 0};
}

enum class Received { kData, kNothing, kEnd };

// One read of at most 64 KiB, appended to `buffer`.
Received receive(int fd, std::string& buffer) {
  std::array<char, 1 << 16> chunk;
  const ssize_t got = ::read(fd, chunk.data(), chunk.size());
  if (got > 0) {
    buffer.append(chunk.data(), static_cast<size_t>(got));
    return Received::kData;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Received::kNothing;
  return Received::kEnd;
}

// One write of as much as the pipe takes now; the bytes written, or -1 when nobody reads any more.
ssize_t send(int fd, std::string_view text) {
  const SignalGuard no_pipe_signal(SIGPIPE);
  const ssize_t written = ::write(fd, text.data(), text.size());
  if (written < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  return written;
}

void keep_tail(std::string& text, size_t bytes) {
  if (text.size() > bytes) text.erase(0, text.size() - bytes);
}

}  // namespace

Subprocess::Subprocess(const std::vector<std::string>& argv) : Subprocess(argv, Options{}) {}

Subprocess::Subprocess(const std::vector<std::string>& argv, Options options) {
  const Child child = spawn(argv, options.capture_stderr);
  pid_ = child.pid;
  stdin_ = child.in;
  stdout_ = child.out;
  stderr_ = child.err;
}

Subprocess::~Subprocess() {
  kill();
  close_descriptor(stdin_);
  close_descriptor(stdout_);
  close_descriptor(stderr_);
}

void Subprocess::drain_stderr() {
  if (stderr_ < 0) return;
  // Bounded: a child that never stops complaining must not keep us here.
  for (int turn = 0; turn < 64; ++turn) {
    const Received received = receive(stderr_, stderr_tail_);
    keep_tail(stderr_tail_, kStderrTailBytes);
    if (received == Received::kEnd) close_descriptor(stderr_);
    if (received != Received::kData) return;
  }
}

void Subprocess::write_line(std::string_view line, double timeout_ms) {
  HAT_CHECK(stdin_ >= 0, ErrorKind::kIo, "cannot write to a process whose input was closed");
  const std::string text = str(line, "\n");
  const double until_ms = wall_ms() + timeout_ms;
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t written = send(stdin_, std::string_view(text).substr(sent));
    if (written < 0) {
      drain_stderr();
      fail(ErrorKind::kIo, str("process ", pid_, " reads no more: ", reason(errno)),
           "It has probably ended; see what it printed.");
    }
    sent += static_cast<size_t>(written);
    if (sent == text.size()) return;
    HAT_CHECK(
        wall_ms() < until_ms, ErrorKind::kIo,
        str("process ", pid_, " did not read its input within ", format_duration_ms(timeout_ms)),
        "It may hang; stop it and try again.");
    // A child that waits until we read its answers does not read our line.
    const bool room = buffer_.size() < kUnreadOutputBytes;
    const Ready ready = wait_ready(stdin_, room ? stdout_ : -1, stderr_, until_ms);
    if (ready.err) drain_stderr();
    if (ready.out && receive(stdout_, buffer_) == Received::kEnd) close_descriptor(stdout_);
  }
}

Subprocess::ReadStatus Subprocess::read_line(std::string* line, double timeout_ms,
                                             size_t max_bytes) {
  const double until_ms = wall_ms() + timeout_ms;
  size_t searched = 0;
  bool time_is_over = false;
  while (true) {
    const size_t newline = buffer_.find('\n', searched);
    const bool complete = newline != std::string::npos;
    if (skipping_ && complete) {
      buffer_.erase(0, newline + 1);
      skipping_ = false;
      searched = 0;
      continue;
    }
    if (skipping_) buffer_.clear();
    if ((complete ? newline : buffer_.size()) > max_bytes) {
      // What follows is the rest of this line and not a line of its own.
      buffer_.erase(0, complete ? newline + 1 : buffer_.size());
      skipping_ = !complete;
      return ReadStatus::kTooLong;
    }
    if (complete) {
      line->assign(buffer_, 0, newline);
      buffer_.erase(0, newline + 1);
      return ReadStatus::kLine;
    }
    searched = buffer_.size();
    // A last line without its newline was cut short by the end of the child: it is not a line.
    if (stdout_ < 0) return ReadStatus::kClosed;
    if (time_is_over) return ReadStatus::kTimeout;
    // Also a child that drips bytes for ever gets one last look and no more.
    time_is_over = wall_ms() >= until_ms;
    const Ready ready = wait_ready(-1, stdout_, stderr_, until_ms);
    if (ready.err) drain_stderr();
    if (ready.out && receive(stdout_, buffer_) == Received::kEnd) close_descriptor(stdout_);
  }
}

void Subprocess::close_stdin() { close_descriptor(stdin_); }

void Subprocess::kill() {
  if (!exit_code_) exit_code_ = reap(pid_);
  if (!exit_code_) exit_code_ = reap_killed(pid_);
}

int Subprocess::wait(double timeout_ms) {
  close_stdin();
  const double until_ms = wall_ms() + timeout_ms;
  while (!exit_code_) {
    exit_code_ = reap(pid_);
    if (exit_code_) break;
    const double now = wall_ms();
    if (now >= until_ms) {
      kill();
      break;
    }
    // A child that cannot get rid of its output would never end.
    const Ready ready = wait_ready(-1, stdout_, stderr_, std::min(until_ms, now + kReapIntervalMs));
    if (ready.err) drain_stderr();
    if (!ready.out) continue;
    const size_t kept = buffer_.size();
    if (receive(stdout_, buffer_) == Received::kEnd) close_descriptor(stdout_);
    if (buffer_.size() > kUnreadOutputBytes) buffer_.resize(std::max(kept, kUnreadOutputBytes));
  }
  drain_stderr();
  return *exit_code_;
}

std::string Subprocess::captured_stderr() {
  drain_stderr();
  return stderr_tail_;
}

namespace {

// A child that is run to its end: everything is closed, killed and reaped on every way out.
struct RunningChild : Child {
  explicit RunningChild(Child child) : Child(child) {}
  ~RunningChild() {
    if (!exit_code) reap_killed(pid);
    close_descriptor(in);
    close_descriptor(out);
    close_descriptor(err);
  }
  RunningChild(const RunningChild&) = delete;
  RunningChild& operator=(const RunningChild&) = delete;
  std::optional<int> exit_code;
};

// Reads what is there now into `text`, which stops growing at its bound.
void collect(int& fd, std::string& text) {
  std::string piece;
  if (receive(fd, piece) == Received::kEnd) close_descriptor(fd);
  text.append(piece, 0, kRunOutputBytes - text.size());
}

}  // namespace

RunResult run_process(const std::vector<std::string>& argv, std::string_view input,
                      double timeout_ms) {
  // A grandchild that works on may keep the pipes open after the child has ended; what the child
  // itself left in them comes at once.
  constexpr double kAfterlifeMs = 200;
  RunningChild child(spawn(argv, /*capture_stderr=*/true));
  RunResult result;
  double until_ms = wall_ms() + timeout_ms;
  if (input.empty()) close_descriptor(child.in);
  while (true) {
    if (!child.exit_code) {
      child.exit_code = reap(child.pid);
      if (child.exit_code) until_ms = std::min(until_ms, wall_ms() + kAfterlifeMs);
    }
    const bool closed = child.out < 0 && child.err < 0;
    if (child.exit_code && (closed || wall_ms() >= until_ms)) break;
    HAT_CHECK(wall_ms() < until_ms, ErrorKind::kIo,
              str("'", argv[0], "' did not end within ", format_duration_ms(timeout_ms)),
              "It was stopped; try again, or check why it hangs.");
    const double pause_ms = std::min(until_ms, wall_ms() + kReapIntervalMs);
    const Ready ready = wait_ready(child.in, child.out, child.err, pause_ms);
    if (ready.out) collect(child.out, result.output);
    if (ready.err) collect(child.err, result.error);
    if (ready.in) {
      const ssize_t written = send(child.in, input);
      // A child may end without reading everything: its exit code tells whether that is wrong.
      input.remove_prefix(written < 0 ? input.size() : static_cast<size_t>(written));
      if (input.empty()) close_descriptor(child.in);
    }
  }
  result.exit_code = *child.exit_code;
  return result;
}

std::string program_directory() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  HAT_CHECK(!error, ErrorKind::kIo, str("cannot find this program's folder: ", error.message()));
  return program.parent_path().string();
}

}  // namespace hat
