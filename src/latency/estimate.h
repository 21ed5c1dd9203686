#pragma once

#include <vector>

#include "hat/latency/agent_client.h"

namespace hat::latency {

/// A trimmed mean and its standard error.
struct Estimate {
  double mean = 0;
  double standard_error = 0;
};

/// The standard error is that of Tukey and McLaughlin 1963: winsorised deviation over
/// (1 - 2 trim) sqrt(n).
Estimate trimmed_estimate(std::vector<double> values, double trim);

/// One value a run: its time over the mean of the anchor runs just before and after it, so that
/// whatever slows both (throttling, a busy neighbour) cancels.
struct Ratios {
  std::vector<double> total, encoder, decoder;
};
/// `cpu`: CPU times, which a neighbour's time slices do not enter; else wall times.
Ratios anchor_ratios(const MeasureReply& reply, bool cpu);

void append(const RunTimes& more, RunTimes* all);

}  // namespace hat::latency
