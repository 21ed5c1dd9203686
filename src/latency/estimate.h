#pragma once

#include "hat/latency/agent_client.h"

namespace hat::latency {

/// The time of a network as an undisturbed machine shows it: the sum over the pieces of a run of a
/// low quantile over the runs. A time slice given to another program, or the cold caches after it,
/// spoil a run of many milliseconds almost always but one short piece of it seldom.
struct QuietTime {
  double total_ms = 0;
  double encoder_ms = 0;
  double error_ms = 0;  ///< standard error of total_ms: a jackknife over blocks of neighbouring
                        ///< runs (Efron and Stein 1981); 0 for a single run
};
/// `cpu`: CPU times, which a neighbour's time slices do not enter; else wall times.
QuietTime quiet_time(const RunTimes& runs, bool cpu);

void append(const RunTimes& more, RunTimes* all);

}  // namespace hat::latency
