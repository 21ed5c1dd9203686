#pragma once

#include "hat/arch/cost.h"
#include "hat/config/workspace.h"

namespace hat::latency {

/// The workload that a workspace's latencies are for: batch, beam and lengths of its config,
/// lengths of 0 replaced by the mean of the training corpus or, with latency.lengths "corpus", its
/// distribution; vocabulary from data/data.json. With
/// `vocabulary` > 0 no prepared data is needed when the lengths are given too. Throws kData saying
/// that `hat prepare` has to run first.
arch::Workload workspace_workload(const config::Workspace& workspace, int vocabulary = 0);

}  // namespace hat::latency
