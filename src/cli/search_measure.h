#pragma once

#include "hat/arch/search_space.h"
#include "hat/config/workspace.h"
#include "hat/latency/device.h"
#include "hat/search/finalists.h"

namespace hat::cli {

/// Whether finalists can be measured on the device now; if not, `why` says what is missing.
bool can_measure(const config::Workspace& workspace, const latency::Device& device,
                 std::string* why);

/// Measures networks on the device in the units of its latency set. What was measured is kept in
/// devices/<name>/finalists.jsonl, so that a search that is resumed or repeated decides by the same
/// numbers. Each occasion ("" or a word) measures for itself.
search::Measure finalist_meter(const config::Workspace& workspace, const latency::Device& device,
                               const arch::SearchSpace& space, const std::string& occasion);
/// The same without anything remembered: every call measures.
search::Measure fresh_meter(const config::Workspace& workspace, const latency::Device& device,
                            const arch::SearchSpace& space);

}  // namespace hat::cli
