#pragma once

#include <string>

#include "hat/arch/architecture.h"

namespace hat::cli {

/// What the workspace's predictor of a device says of an architecture: its latency and bound, which
/// cost makes how much of it, and which gene costs how many milliseconds. `device` empty: the
/// workspace's own. Text, or JSON when asked for.
std::string explain(const arch::Architecture& architecture, const std::string& workspace,
                    const std::string& device, bool json);

}  // namespace hat::cli
