#include "hat/latency/device.h"

#include <algorithm>
#include <cctype>

#include "hat/arch/cost.h"
#include "hat/base/error.h"
#include "hat/base/install.h"
#include "hat/base/strings.h"

namespace hat::latency {
namespace {

bool only(const std::string& text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || extra.find(c) != std::string_view::npos;
  });
}

/// user@host, a name of the ssh configuration, an address. Never an option, never shell text.
bool is_host(const std::string& host) {
  return !host.empty() && host.size() <= 255 && host[0] != '-' && only(host, "@._:%-[]");
}

/// A path that means the same to every shell, quoted or not.
bool is_plain_path(const std::string& path) {
  return !path.empty() && path.size() <= 255 && path[0] != '-' && only(path, "/._-+") &&
         path.find("..") == std::string::npos;
}

/// Empty where the shipped devices are not installed.
fs::path shipped_folder() {
  const fs::path configs = configs_directory();
  return configs.empty() ? fs::path() : configs / "devices";
}

}  // namespace

void Device::describe(config::Schema& s) {
  s.field("description", description, "What the device is, in a few words");
  s.field("connect", connect, "How it is reached").one_of({"local", "ssh", "command"});
  s.field("host", host, "ssh: a name of the ssh configuration, or user@host");
  s.field("ssh_config", ssh_config, "ssh: a configuration file other than the user's");
  s.field("port", port, "ssh: port; 0 as configured").range(0, 65535);
  s.field("remote_folder", remote_folder, "ssh: where hat-run is kept on the device");
  s.field("command", command, "command: the words that start 'hat-run agent' on the device");
  s.field("program", program,
          "hat-run for the device, empty: found by its architecture; with ssh and "
          "libtorch: hat-torch on the device");
  s.field("engine", engine, "What runs the networks").one_of({"edge", "libtorch"});
  s.field("backend", backend, "libtorch: where").one_of({"cpu", "cuda"});
  s.field("precision", precision, "Weights of the networks").one_of({"fp32", "int8", "int4"});
  s.field("threads", threads, "Threads of a translation").range(1, 256);
  s.field("cores", cores, "Cores the agent is pinned to; empty: any").range(0, 4095);
  s.field("isa", isa, "Instruction set to force; empty: the best");
  s.field("shortlist", shortlist, "Words of the output layer; 0: all").range(0, 1e6);
  s.field("connect_timeout_s", connect_timeout_s, "Longest wait for a connection").range(0.1, 600);
  s.field("reply_timeout_s", reply_timeout_s, "Longest wait for a reply beyond the measuring time")
      .range(0.1, 3600);
  s.field("facts", facts, "Lines shown to the user");
}

bool is_device_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
         only(name, "._-");
}

void check(const Device& device, const std::string& origin) {
  if (device.connect == "ssh") {
    HAT_CHECK(is_host(device.host), ErrorKind::kConfig,
              str(origin, ": host '", device.host, "' is no host name"),
              "a name of your ssh configuration, or user@host: letters, digits and @._:-");
    HAT_CHECK(is_plain_path(device.remote_folder), ErrorKind::kConfig,
              str(origin, ": remote_folder '", device.remote_folder, "' is no plain path"),
              "letters, digits and /._-+ only, no '..'");
  }
  HAT_CHECK(device.connect != "command" || !device.command.empty(), ErrorKind::kConfig,
            str(origin, ": connect is 'command' but there is no command"),
            "for example \"command\": [\"docker\", \"exec\", \"-i\", \"box\", \"hat-run\", "
            "\"agent\"]");
  const bool torch = device.engine == "libtorch";
  HAT_CHECK(device.backend == "cpu" || (torch && device.backend == "cuda"), ErrorKind::kConfig,
            str(origin, ": backend '", device.backend, "' is none of engine ", device.engine),
            "cpu, or cuda with \"engine\": \"libtorch\"");
  HAT_CHECK(!torch || (device.precision == "fp32" && device.shortlist == 0 && device.isa.empty()),
            ErrorKind::kConfig,
            str(origin, ": engine libtorch runs whole networks in fp32 (precision ",
                device.precision, ", shortlist ", device.shortlist, ", isa '", device.isa, "')"),
            "set \"precision\": \"fp32\" and leave shortlist and isa out");
  HAT_CHECK(
      !torch || device.connect != "ssh" || device.program.empty() || is_plain_path(device.program),
      ErrorKind::kConfig, str(origin, ": program '", device.program, "' is no plain path"),
      "the path of hat-torch on the device: letters, digits and /._-+ only, no '..'");
  HAT_CHECK(only(device.isa, "_-.+"), ErrorKind::kConfig,
            str(origin, ": isa '", device.isa, "' is no instruction set's name"));
}

Device load_device(const fs::path& path) {
  Device device;
  config::read_json(config::schema_of(device), config::load_json(path), path.string());
  device.name = path.filename() == "device.json" ? path.parent_path().filename().string()
                                                 : path.stem().string();
  HAT_CHECK(is_device_name(device.name), ErrorKind::kConfig,
            str(path.string(), ": '", device.name, "' is no name for a device"),
            "letters, digits and ._- only");
  check(device, path.string());
  return device;
}

config::OrderedJson to_json(const Device& device) {
  Device copy = device;
  Device defaults;
  return config::to_json_changed(config::schema_of(copy), config::schema_of(defaults));
}

fs::path device_path(const std::string& name, const fs::path& workspace) {
  if (!is_device_name(name)) return {};
  std::error_code error;
  if (!workspace.empty()) {
    const fs::path own = workspace / "devices" / name / "device.json";
    if (fs::is_regular_file(own, error)) return own;
  }
  const fs::path folder = shipped_folder();
  if (folder.empty()) return {};
  const fs::path shipped = folder / (name + ".json");
  return fs::is_regular_file(shipped, error) ? shipped : fs::path();
}

std::vector<std::string> device_names(const fs::path& workspace) {
  std::vector<std::string> own;
  std::vector<std::string> shipped;
  std::error_code error;
  if (!workspace.empty()) {
    for (const auto& entry : fs::directory_iterator(workspace / "devices", error)) {
      if (fs::is_regular_file(entry.path() / "device.json", error)) {
        own.push_back(entry.path().filename().string());
      }
    }
  }
  const fs::path folder = shipped_folder();
  if (!folder.empty()) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".json") shipped.push_back(entry.path().stem().string());
    }
  }
  std::sort(own.begin(), own.end());
  std::sort(shipped.begin(), shipped.end());
  for (const std::string& name : shipped) {
    if (std::find(own.begin(), own.end(), name) == own.end()) own.push_back(name);
  }
  return own;
}

Device find_device(const std::string& name, const fs::path& workspace) {
  const fs::path path = device_path(name, workspace);
  if (path.empty()) {
    const std::vector<std::string> names = device_names(workspace);
    fail(ErrorKind::kUsage, str("unknown device '", name, "'.", did_you_mean(name, names)),
         str(names.empty() ? "the shipped devices are not installed beside the program"
                           : str("known: ", join(names, ", ")),
             "; 'hat devices --add ", name, " --host HOST' adds one reached by ssh"));
  }
  return load_device(path);
}

}  // namespace hat::latency
