#pragma once

#include "hat/config/workspace.h"
#include "hat/latency/agreement.h"
#include "hat/latency/measure.h"

namespace hat::cli {

/// hat measure-latency --repeat-check N: measures the same N architectures twice, each time with a
/// fresh agent, and prints how the two agree. devices/<name>/repeat-{1,2}.jsonl keep both.
void run_repeat_check(const config::Workspace& workspace, const latency::Device& device,
                      latency::MeasureOptions options, int architectures, bool json);

/// hat measure-latency --against FILE: how the device's latency set and another one of the same
/// device agree, on the architectures that both hold.
void run_against(const config::Workspace& workspace, const latency::Device& device,
                 const std::string& file, bool json);

/// hat measure-latency --held-out N: measures N architectures that the device's latency set does
/// not hold (devices/<name>/held-out.jsonl) and prints how well its predictor does on them.
void run_held_out(const config::Workspace& workspace, const latency::Device& device,
                  latency::MeasureOptions options, int architectures, bool json);

/// What both --held-out options print.
void print_held_out(const latency::HeldOutReport& report, const std::string& predictor,
                    const std::string& file, bool json);

}  // namespace hat::cli
