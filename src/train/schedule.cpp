#include "hat/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::train {

ScheduleKind parse_schedule(const std::string& name) {
  if (name == "inverse_sqrt") return ScheduleKind::kInverseSqrt;
  if (name == "cosine") return ScheduleKind::kCosine;
  fail(ErrorKind::kConfig, str("unknown learning rate schedule '", name, "'"),
       str("Use inverse_sqrt or cosine.", did_you_mean(name, {"inverse_sqrt", "cosine"})));
}

double Schedule::at(int64_t update) const {
  if (update < warmup_updates) {
    return initial + static_cast<double>(update) * (peak - initial) / warmup_updates;
  }
  if (kind == ScheduleKind::kInverseSqrt) {
    // Without warm-up the decay starts at the first update.
    const double scale = static_cast<double>(std::max<int64_t>(1, warmup_updates));
    return peak * std::sqrt(scale / std::max<double>(scale, static_cast<double>(update)));
  }
  const int64_t period = total_updates - warmup_updates;
  const int64_t done = update - warmup_updates;
  if (period <= 0 || done >= period) return final_rate;
  const double angle = std::numbers::pi * static_cast<double>(done) / period;
  return final_rate + 0.5 * (peak - final_rate) * (1 + std::cos(angle));
}

int64_t default_updates(const RunSize& size) {
  const double tokens = std::max<double>(1, size.target_tokens_per_epoch);
  const double epochs = std::min(100.0, 60 * std::sqrt(4e5 / tokens));
  return static_cast<int64_t>(std::clamp(epochs * size.updates_per_epoch, 1e3, 2e5));
}

int64_t default_warmup(int64_t updates, bool inherited) {
  const int64_t least = inherited ? 1 : std::min<int64_t>(400, updates / 3);
  return std::clamp<int64_t>(std::max(updates / 12, least), 1, 4000);
}

double default_learning_rate(const RunSize& size) {
  return std::min(5e-3, 0.32 / std::max(1, size.width));
}

}  // namespace hat::train
