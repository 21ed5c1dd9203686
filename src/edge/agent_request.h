#pragma once

#include <vector>

#include "hat/config/json.h"
#include "hat/edge/agent.h"

namespace hat::edge {

/// A request to measure, checked.
struct MeasureCommand {
  AgentSubject subject;
  std::vector<AgentSubject> anchors;
  int anchor_every = 1;
  int64_t warmup = 3;
  int64_t repetitions = 30;
  double time_limit_ms = 10'000;
};

/// Throws kConfig or kData naming the key; refuses what is out of bounds, more than half of the
/// machine's memory, or more work in one run than can be waited for.
MeasureCommand read_measure(const config::Json& request);

}  // namespace hat::edge
