#pragma once

#include <vector>

#include "hat/latency/checks.h"
#include "latency/model.h"

namespace hat::latency {

/// Rows as the checks see them: times in one unit, in the order of collection.
struct CheckedRows {
  std::vector<Sample> samples;
  std::vector<int> lines;
};

/// Looks for rows whose encoder or decoder times are thousands of times off, adds findings, and
/// returns the factor that each row's total has to be multiplied with (1 for sound rows).
std::vector<double> check_units(const LatencySet& set, std::vector<Finding>* findings);

/// Signal, drift, steps and outliers, which need a model of the latency.
void check_residuals(const CheckedRows& rows, std::vector<Finding>* findings);

}  // namespace hat::latency
