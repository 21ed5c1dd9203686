#include "edge/machine_state.h"

#include <unistd.h>

#include <fstream>

#include "hat/base/strings.h"

namespace hat::edge {
namespace {

constexpr const char* kEnergy = "/sys/class/powercap/intel-rapl:0/energy_uj";
constexpr const char* kEnergyRange = "/sys/class/powercap/intel-rapl:0/max_energy_range_uj";
constexpr const char* kFrequency = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq";
constexpr const char* kGovernor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
constexpr const char* kTemperature = "/sys/class/thermal/thermal_zone0/temp";

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return is_valid_utf8(line) ? line.substr(0, 256) : "";
}

std::optional<double> number_in(const char* path) {
  double value = 0;
  if (!parse_double(first_line(path), &value)) return std::nullopt;
  return value;
}

std::optional<double> clock_from_cpuinfo() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("cpu MHz", 0) != 0) continue;
    double value = 0;
    const size_t colon = line.find(':');
    if (colon != std::string::npos && parse_double(trim(line.substr(colon + 1)), &value))
      return value;
  }
  return std::nullopt;
}

}  // namespace

MachineState machine_state() {
  MachineState state;
  if (const auto khz = number_in(kFrequency)) {
    state.clock_mhz = *khz / 1e3;
  } else {
    state.clock_mhz = clock_from_cpuinfo();
  }
  if (const auto millidegrees = number_in(kTemperature)) state.temperature_c = *millidegrees / 1e3;
  state.governor = first_line(kGovernor);
  return state;
}

void add_machine_state(config::OrderedJson& object) {
  const MachineState state = machine_state();
  const auto or_null = [](const std::optional<double>& value) {
    return value ? config::OrderedJson(*value) : config::OrderedJson(nullptr);
  };
  object["clock_mhz"] = or_null(state.clock_mhz);
  object["governor"] =
      state.governor.empty() ? config::OrderedJson(nullptr) : config::OrderedJson(state.governor);
  object["temperature_c"] = or_null(state.temperature_c);
}

double machine_memory_bytes() {
  return static_cast<double>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<double>(::sysconf(_SC_PAGESIZE));
}

std::optional<double> package_energy_j() {
  const auto microjoules = number_in(kEnergy);
  if (!microjoules) return std::nullopt;
  return *microjoules / 1e6;
}

double energy_between_j(double before, double after) {
  if (after >= before) return after - before;
  return after - before + number_in(kEnergyRange).value_or(0) / 1e6;
}

}  // namespace hat::edge
