#include "hat/base/log.h"

#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "hat/base/progress.h"
#include "hat/base/strings.h"

namespace hat {

namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};

// One line at a time, also when threads log together. Never destroyed: threads may log until the
// very end of the program.
struct SinkState {
  std::mutex mutex;
  LogSink sink;
};
SinkState& sink_state() {
  static SinkState* const kState = new SinkState;
  return *kState;
}

std::string_view level_prefix(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug: ";
    case LogLevel::kInfo:
      return "";
    case LogLevel::kWarning:
      return "warning: ";
    case LogLevel::kError:
      return "error: ";
  }
  return "";
}

void write_plain_line(LogLevel level, std::string_view subsystem, std::string_view message) {
  const std::string line = str("[", subsystem, "] ", level_prefix(level), message, "\n");
  // One write a line, so that lines of several processes on one stderr do not mix. A log that
  // cannot be written has nowhere to complain.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void log_warning_once(std::string_view subsystem, std::string_view message) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> seen;
  {
    const std::lock_guard lock(mutex);
    if (!seen.emplace(str(subsystem, ": ", message)).second) return;
  }
  log_warning(subsystem, message);
}

void log(LogLevel level, std::string_view subsystem, std::string_view message) {
  if (level < log_level()) return;
  SinkState& state = sink_state();
  const std::lock_guard lock(state.mutex);
  Progress::clear_live_line();
  if (state.sink) {
    state.sink(level, subsystem, message);
  } else {
    write_plain_line(level, subsystem, message);
  }
}

void set_log_sink(LogSink sink) {
  SinkState& state = sink_state();
  const std::lock_guard lock(state.mutex);
  state.sink = std::move(sink);
}

void set_log_level(LogLevel level) { g_level = level; }

LogLevel log_level() { return g_level; }

}  // namespace hat
