#pragma once

#include <string_view>

namespace hat {

/// "200ms", "1.5s", "800us", "2min": milliseconds. A number without unit is an error that says so.
double parse_duration_ms(std::string_view text);
/// "20MB", "512KB", "1.5GB", "100B" (powers of ten), also KiB, MiB, GiB: bytes.
double parse_bytes(std::string_view text);
/// "0.5J", "120mJ": joules.
double parse_energy_j(std::string_view text);
/// "30M", "2.5G", "1500000", "10k": a plain count.
double parse_count(std::string_view text);

}  // namespace hat
