#include "time_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hat::train {
namespace {

constexpr int64_t kWarmUp = 3;
constexpr size_t kRecent = 200;
constexpr double kReserve = 0.01;

}  // namespace

TimePlan::TimePlan(double limit_ms) : limit_ms_(limit_ms) {}

void TimePlan::add_update(double ms) {
  if (++seen_ == kWarmUp + 1) {  // forget the slow first ones
    recent_ms_.clear();
    next_ = 0;
  }
  if (recent_ms_.size() < kRecent) {
    recent_ms_.push_back(ms);
  } else {
    recent_ms_[next_] = ms;
    next_ = (next_ + 1) % kRecent;
  }
}

bool TimePlan::ready(double elapsed_ms) const {
  if (recent_ms_.empty()) return false;
  if (elapsed_ms > 0.1 * limit_ms_) return true;
  return seen_ >= kWarmUp + 10 && elapsed_ms > 0.02 * limit_ms_;
}

double TimePlan::update_ms() const {
  if (recent_ms_.empty()) return 0;
  return cost_ahead_ * std::accumulate(recent_ms_.begin(), recent_ms_.end(), 0.0) /
         static_cast<double>(recent_ms_.size());
}

int64_t TimePlan::fit(int64_t done, double elapsed_ms, int validations_left) const {
  const double left_ms =
      limit_ms_ * (1 - kReserve) - elapsed_ms - validations_left * validation_ms_;
  const double updates = left_ms / std::max(1e-3, update_ms());
  return done + std::max<int64_t>(1, static_cast<int64_t>(std::floor(updates)));
}

}  // namespace hat::train
