#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hat {

/// One live line on stderr with rate and time left: "train-super  420/4000  10 %  loss 5.31
/// 1,850 tokens/s  ETA 12 min". On a terminal the line is rewritten at most ten times a second,
/// elsewhere a plain line is printed every 30 seconds, the first after one second.
class Progress {
 public:
  /// `total` 0: unknown, so no share and no ETA. `unit` names what is counted.
  Progress(std::string label, uint64_t total, std::string unit);
  /// Clears the live line. finish() prints the last state instead.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `note` is the one number that matters here ("loss 5.31").
  void update(uint64_t done, std::string_view note = {});
  /// Where counting began, for a resumed run: the rate leaves it out.
  void start_at(uint64_t done);
  void set_total(uint64_t total) { total_ = total; }
  void finish(std::string_view note = {});
  /// Removes the live line so that a log line can be printed; the next update draws it again.
  static void clear_live_line();

 private:
  std::string render(std::string_view note) const;
  std::string label_;
  uint64_t total_;
  std::string unit_;
  uint64_t done_ = 0;
  uint64_t start_ = 0;
  double begin_ms_;
  double last_ms_ = -1e18;
  bool finished_ = false;
};

/// True when stderr is a terminal that can rewrite a line.
bool stderr_is_terminal();

}  // namespace hat
