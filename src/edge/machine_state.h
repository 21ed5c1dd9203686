#pragma once

#include <optional>
#include <string>

#include "hat/config/json.h"

namespace hat::edge {

/// What can change while one measures, where the system tells.
struct MachineState {
  std::optional<double> clock_mhz;
  std::optional<double> temperature_c;
  std::string governor;  ///< empty: unknown
};
MachineState machine_state();
/// Adds clock_mhz, governor and temperature_c (null where unknown).
void add_machine_state(config::OrderedJson& object);

/// Bytes of memory of this machine.
double machine_memory_bytes();
/// Energy that the processor package has used since some start, in joules (RAPL).
std::optional<double> package_energy_j();
/// The difference of two readings; the counter wraps around.
double energy_between_j(double before, double after);

}  // namespace hat::edge
