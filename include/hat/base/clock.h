#pragma once

#include <string>

namespace hat {

/// Monotonic wall time in milliseconds since an arbitrary start.
double wall_ms();
/// CPU time of the calling thread, and of the whole process, in milliseconds.
double thread_cpu_ms();
double process_cpu_ms();
/// Coordinated universal time as "2026-01-31T12:00:00Z".
std::string utc_timestamp();
/// Largest resident memory of this process so far, in bytes.
double peak_memory_bytes();

}  // namespace hat
