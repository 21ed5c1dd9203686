#include "hat/base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "hat/base/clock.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"

namespace hat {

namespace {

constexpr double kRedrawMs = 100;
constexpr double kFirstPlainLineMs = 1'000;
constexpr double kPlainLineMs = 30'000;
constexpr std::string_view kEraseLine = "\r\x1b[K";

// One terminal, one live line: whoever draws last owns it.
struct LiveLine {
  std::mutex mutex;
  const Progress* owner = nullptr;
};
LiveLine& live_line() {
  static LiveLine* const kLine = new LiveLine;  // never destroyed: threads may log until the end
  return *kLine;
}

void write_stderr(const std::string& text) {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// A live line that wraps cannot be erased. Counts code points, and cuts between them.
std::string_view cut_to_columns(std::string_view text, size_t columns) {
  size_t used = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts_character = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts_character && ++used > columns) return text.substr(0, i);
  }
  return text;
}

bool is_quiet() { return log_level() > LogLevel::kInfo; }

std::string format_rate(double per_second, const std::string& unit) {
  if (per_second >= 100) return str(with_commas(std::llround(per_second)), " ", unit, "/s");
  if (per_second >= 1) return str(fixed(per_second, 1), " ", unit, "/s");
  return str(fixed(per_second * 60, 1), " ", unit, "/min");
}

// Coarser than format_duration_ms: an estimate has no use for tenths.
std::string format_eta(double ms) {
  constexpr double kMinute = 60'000;
  if (ms < kMinute - 500) return fixed(std::ceil(ms / 1000), 0) + " s";
  if (ms < 10 * kMinute || ms >= 59.5 * kMinute) return format_duration_ms(ms);
  return fixed(ms / kMinute, 0) + " min";
}

}  // namespace

Progress::Progress(std::string label, uint64_t total, std::string unit)
    : label_(std::move(label)), total_(total), unit_(std::move(unit)), begin_ms_(wall_ms()) {}

Progress::~Progress() {
  LiveLine& line = live_line();
  const std::lock_guard lock(line.mutex);
  if (line.owner != this) return;
  write_stderr(std::string(kEraseLine));
  line.owner = nullptr;
}

void Progress::start_at(uint64_t done) {
  start_ = done;
  done_ = done;
  begin_ms_ = wall_ms();
}

void Progress::update(uint64_t done, std::string_view note) {
  done_ = done;
  if (finished_ || is_quiet()) return;
  const double now = wall_ms();
  if (stderr_is_terminal()) {
    if (now - last_ms_ < kRedrawMs) return;
    const std::string text = render(note);
    LiveLine& line = live_line();
    const std::lock_guard lock(line.mutex);
    write_stderr(str(kEraseLine, cut_to_columns(text, terminal_columns() - 1)));
    line.owner = this;
  } else {
    const bool printed_before = last_ms_ >= begin_ms_;
    const double wait = printed_before ? kPlainLineMs : kFirstPlainLineMs;
    if (now - (printed_before ? last_ms_ : begin_ms_) < wait) return;
    write_stderr(render(note) + "\n");
  }
  last_ms_ = now;
}

void Progress::finish(std::string_view note) {
  if (std::exchange(finished_, true) || is_quiet()) return;
  const std::string text = render(note);
  LiveLine& line = live_line();
  const std::lock_guard lock(line.mutex);
  write_stderr(str(line.owner != nullptr ? kEraseLine : "", text, "\n"));
  line.owner = nullptr;
}

void Progress::clear_live_line() {
  LiveLine& line = live_line();
  const std::lock_guard lock(line.mutex);
  if (line.owner == nullptr) return;
  write_stderr(std::string(kEraseLine));
  line.owner = nullptr;
}

std::string Progress::render(std::string_view note) const {
  const double elapsed_ms = wall_ms() - begin_ms_;
  const uint64_t counted = done_ > start_ ? done_ - start_ : 0;
  const double per_ms = elapsed_ms > 0 ? static_cast<double>(counted) / elapsed_ms : 0;

  std::string text = str(label_, "  ", done_);
  if (total_ > 0) {
    const double share = static_cast<double>(done_) / static_cast<double>(total_);
    // Rounded down: 100 % is said when it is true.
    const double percent = std::floor(std::clamp(100 * share, 0.0, 100.0));
    text += str("/", total_, "  ", fixed(percent, 0), " %");
  } else {
    text += str(" ", unit_);
  }
  if (!note.empty()) text += str("  ", note);
  if (per_ms > 0) text += str("  ", format_rate(per_ms * 1000, unit_));
  if (finished_) return text + str("  in ", format_duration_ms(elapsed_ms));
  if (per_ms > 0 && total_ > done_) {
    text += str("  ETA ", format_eta(static_cast<double>(total_ - done_) / per_ms));
  }
  return text;
}

bool stderr_is_terminal() {
  if (::isatty(STDERR_FILENO) != 1) return false;
  const char* const terminal = std::getenv("TERM");
  return terminal == nullptr || std::string_view(terminal) != "dumb";
}

}  // namespace hat
