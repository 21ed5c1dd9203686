#pragma once

#include <cstdint>
#include <vector>

namespace hat::train {

/// Fits the number of updates to a time limit from the updates measured so far.
class TimePlan {
 public:
  /// `limit_ms` of training time, over all sessions.
  explicit TimePlan(double limit_ms);

  void add_update(double ms);
  void set_validation_ms(double ms) { validation_ms_ = ms; }
  /// Updates ahead cost so many times what add_update() was told (see FirstPhase).
  void set_cost_ahead(double factor) { cost_ahead_ = factor; }
  /// Enough measured for a first decision: 10 updates (the first three, which warm caches up, not
  /// counted), and 2 % of the limit; or 10 % of the limit and one update.
  bool ready(double elapsed_ms) const;
  /// Updates in all that fit, when `done` are done after `elapsed_ms`; validations, checkpoints and
  /// a small reserve taken off. At least done + 1.
  int64_t fit(int64_t done, double elapsed_ms, int validations_left) const;
  /// What an update ahead takes: mean of the recent ones, times their cost.
  double update_ms() const;

 private:
  double limit_ms_;
  double validation_ms_ = 0;
  double cost_ahead_ = 1;
  std::vector<double> recent_ms_;  // ring
  size_t next_ = 0;
  int64_t seen_ = 0;
};

}  // namespace hat::train
