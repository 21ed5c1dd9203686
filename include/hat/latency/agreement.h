#pragma once

#include <vector>

#include "hat/latency/latency_set.h"
#include "hat/latency/predictor.h"

namespace hat::latency {

/// How two measurements of the same networks agree.
struct Agreement {
  double median_difference_percent = 0;  ///< of |a - b| over the mean of both
  double worst_difference_percent = 0;
  double kendall_tau = 0;
};
Agreement agreement(const std::vector<double>& a, const std::vector<double>& b);

/// Two sets over the architectures that both hold: hat's latencies and, beside them, the plain
/// trimmed means of wall times. Throws kData when fewer than two are in both.
struct SetAgreement {
  int architectures = 0;
  Agreement latency;
  Agreement wall;
};
SetAgreement compare_sets(const LatencySet& a, const LatencySet& b);

/// Gives hat's own set the milliseconds of another one with the same anchors.
void take_reference(const LatencySet& from, LatencySet* set);

/// A predictor against measurements that it was not trained on.
struct HeldOutReport {
  Accuracy accuracy;
  double confidence = 0;
  double bound_exceeded_percent = 0;  ///< rows slower than their upper bound
  /// As a search uses the bound: for each of `budgets` random budgets, the slowest network whose
  /// bound is within it is taken; the share of those whose measured latency is not.
  int budgets = 0;
  double budget_exceeded_percent = 0;
};
HeldOutReport evaluate_held_out(const Predictor& predictor, const LatencySet& held_out,
                                double confidence, uint64_t seed, int budgets = 200);

}  // namespace hat::latency
