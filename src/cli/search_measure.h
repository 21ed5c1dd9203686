#pragma once

#include <functional>
#include <string>

#include "hat/arch/search_space.h"
#include "hat/config/workspace.h"
#include "hat/latency/device.h"
#include "hat/latency/latency_set.h"
#include "hat/search/finalists.h"

namespace hat::cli {

/// Whether finalists can be measured on the device now; if not, `why` says what is missing.
bool can_measure(const config::Workspace& workspace, const latency::Device& device,
                 std::string* why);

/// Measure networks on a device in the units of its latency set. What was measured is kept in
/// devices/<name>/finalists.jsonl, so that a search that is resumed or repeated decides by the same
/// numbers.
struct FinalistMeters {
  search::Measure measure;
  search::Measure confirm;  ///< visits for a second time, and tells what all visits together say
};
/// `cost` is the index of the device's predicted latency, which decides where visits leave the
/// measured one open (latency::TimeRange).
FinalistMeters finalist_meters(const config::Workspace& workspace, const latency::Device& device,
                               const arch::SearchSpace& space, int cost);
/// Measures one network anew at every call; nothing is remembered or predicted.
using FreshMeter = std::function<latency::LatencyRow(const arch::Architecture&)>;
FreshMeter fresh_meter(const config::Workspace& workspace, const latency::Device& device,
                       const arch::SearchSpace& space);

}  // namespace hat::cli
