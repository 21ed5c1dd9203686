#pragma once

#include <cstdint>
#include <string>

#include "hat/config/json.h"
#include "stepper.h"

namespace hat::train {

/// Updates since the last row of metrics.jsonl, summed up.
class MetricsWindow {
 public:
  /// An update that took `ms`, batches included.
  void add(const UpdateStats& stats, double ms);
  /// The part of it that its batches took.
  void add_data_ms(double ms) { data_ms_ += ms; }

  int64_t updates() const { return updates_; }
  /// Loss and speed, for the progress line.
  std::string text() const;
  /// Means: losses a target token, times an update.
  config::OrderedJson to_json() const;

 private:
  double loss() const { return loss_ / static_cast<double>(tokens_); }
  double tokens_per_second() const { return static_cast<double>(tokens_) / (ms_ / 1000); }

  double loss_ = 0, nll_ = 0, gradient_norm_ = 0;
  double ms_ = 0, data_ms_ = 0, forward_ms_ = 0, backward_ms_ = 0, optimizer_ms_ = 0;
  int64_t tokens_ = 0, updates_ = 0;
};

}  // namespace hat::train
