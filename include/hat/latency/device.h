#pragma once

#include <string>
#include <vector>

#include "hat/base/file.h"
#include "hat/config/json.h"
#include "hat/config/schema.h"

namespace hat::latency {

/// How a device is reached, what runs on it, and what users should know of it. Files:
/// configs/devices/<name>.json (shipped), devices/<name>/device.json (of a workspace; wins).
struct Device {
  std::string name;
  std::string description;
  std::string connect = "local";  ///< "local", "ssh" or "command"
  std::string host;               ///< ssh: name in the user's ssh configuration, or user@host
  std::string ssh_config;         ///< ssh: another configuration file
  int port = 0;                   ///< ssh: 0 as configured
  std::string remote_folder = ".cache/hat";  ///< ssh: where hat-run is kept
  std::vector<std::string> command;          ///< command: words that start `hat-run agent`
  std::string program;          ///< the hat-run for this device; empty: found by its architecture
  std::string engine = "edge";  ///< "edge" or "libtorch"
  std::string backend = "cpu";  ///< libtorch: "cpu" or "cuda"
  std::string precision = "int8";
  int threads = 1;
  std::vector<int> cores;  ///< pin the agent to these (taskset)
  std::string isa;         ///< HAT_ISA of the agent
  int shortlist = 0;
  double connect_timeout_s = 15;
  double reply_timeout_s = 60;
  std::vector<std::string> facts;  ///< shown to the user, one line each

  void describe(config::Schema& s);
};

/// Reads and checks a definition; throws kConfig naming file and key. Host, paths and words are
/// restricted so that no shell, here or on the device, can be made to run them.
Device load_device(const fs::path& path);
/// As load_device would check a device built by flags.
void check(const Device& device, const std::string& origin);
config::OrderedJson to_json(const Device& device);

/// The workspace's definition of that name, or the shipped one. Throws kUsage listing what there
/// is. `workspace` may be empty.
Device find_device(const std::string& name, const fs::path& workspace);
/// Where find_device would read it from; empty when there is none.
fs::path device_path(const std::string& name, const fs::path& workspace);
/// All names, those of the workspace first.
std::vector<std::string> device_names(const fs::path& workspace);
/// Letters, digits, '-', '_' and '.', not starting with '.' or '-', at most 64.
bool is_device_name(const std::string& name);

}  // namespace hat::latency
