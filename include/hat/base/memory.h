#pragma once

#include <cstdint>
#include <optional>

namespace hat {

/// Bytes of memory that this process could still get: the machine's and the container's (cgroup)
/// limits; empty where the system does not say.
std::optional<int64_t> available_memory();

/// Bytes that this process has asked for, used or not; what RLIMIT_DATA bounds.
std::optional<int64_t> data_memory();

}  // namespace hat
