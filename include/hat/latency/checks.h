#pragma once

#include <string>
#include <vector>

#include "hat/config/json.h"
#include "hat/latency/latency_set.h"

namespace hat::latency {

enum class FindingKind {
  kNoSignal,       ///< the architecture explains nothing of the latency
  kDrift,          ///< the level moves in the order of collection
  kSessionChange,  ///< a sharp step, or facts such as threads or device that differ between rows
  kDuplicates,     ///< the same numbers under another name
  kMixedUnits,     ///< some rows are in seconds or microseconds
  kOutliers,
  kTooFewRows,
  kInvalidRows,      ///< rows that could not be read
  kCorrelatedNoise,  ///< neighbouring rows err alike, less than drift: a note
  kAveragesOnly,     ///< the original's format: a note on what cannot be done with it
};
/// "no_signal", "drift", ...: for --json.
std::string finding_name(FindingKind kind);

/// Something that is wrong with a latency set (or worth knowing: `problem` false).
struct Finding {
  FindingKind kind;
  bool problem = true;
  std::string what = {};  ///< one sentence with the numbers
  std::vector<int> lines =
      {};  ///< of the file, ascending; empty when it is about the set as a whole
  std::string advice = {};
};

/// "2-480, 512, 900-2001": lines of a file as ranges, at most `max_ranges` of them.
std::string format_lines(const std::vector<int>& lines, size_t max_ranges = 8);

/// Every check that a set can be given by itself, in the order of severity. Deterministic.
std::vector<Finding> check_latency_set(const LatencySet& set);

/// Sets whose measurements are those of another one: at least the share `least_share` of the rows
/// of the smaller has its exact times in the larger.
std::vector<Finding> check_copies(const LatencySet& set, const std::vector<LatencySet>& others,
                                  double least_share);

config::OrderedJson to_json(const std::vector<Finding>& findings);
bool has_problem(const std::vector<Finding>& findings);

}  // namespace hat::latency
