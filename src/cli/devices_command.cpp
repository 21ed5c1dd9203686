#include "commands.h"
#include "hat/arch/cost.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/latency/device.h"
#include "hat/latency/measure.h"

namespace hat::cli {
namespace {

struct Options {
  std::string directory = ".";
  std::string add;
  std::string remove;
  std::string check;
  std::string host;
  std::string command;
  std::string precision;
  std::string description;
  int threads = 0;
  int port = 0;
  bool json = false;
};

/// The workspace's folder, or an empty path: shipped devices are listed without one.
fs::path workspace_root(const Options& options) {
  try {
    return config::Workspace::find(options.directory).root();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUsage) throw;
    return {};
  }
}

fs::path needed_root(const Options& options) {
  return config::Workspace::find(options.directory).root();
}

std::string reached_by(const latency::Device& device) {
  if (device.connect == "ssh") return "ssh " + device.host;
  if (device.connect == "command") return join(device.command, " ");
  return "this machine";
}

void list(const Options& options) {
  const fs::path root = workspace_root(options);
  config::OrderedJson json = config::OrderedJson::array();
  for (const std::string& name : latency::device_names(root)) {
    const latency::Device device = latency::find_device(name, root);
    const fs::path folder = root / "devices" / name;
    const bool measured = !root.empty() && fs::exists(folder / "latency.jsonl");
    if (options.json) {
      config::OrderedJson entry = {{"name", name}, {"measured", measured}};
      entry["definition"] = latency::to_json(device);
      json.push_back(entry);
      continue;
    }
    print_line(str(name, std::string(name.size() < 12 ? 12 - name.size() : 1, ' '),
                   device.description, measured ? "  [measured]" : ""));
    print_line(str("            ", reached_by(device), "; ", device.engine, " ", device.precision,
                   ", ", device.threads, device.threads == 1 ? " thread" : " threads"));
    for (const std::string& fact : device.facts) print_line("            " + fact);
  }
  if (options.json) print_json(json);
}

void add(const Options& options) {
  const fs::path root = needed_root(options);
  HAT_CHECK(latency::is_device_name(options.add), ErrorKind::kUsage,
            str("'", options.add, "' is no name for a device"),
            "letters, digits and ._- only, at most 64");
  const fs::path path = root / "devices" / options.add / "device.json";
  HAT_CHECK(!fs::exists(path), ErrorKind::kUsage,
            str("device '", options.add, "' exists already (", path.string(), ")"),
            str("edit that file, or 'hat devices --remove ", options.add, "' first"));
  latency::Device device;
  if (!latency::device_path(options.add, {}).empty()) {
    device = latency::find_device(options.add, {});  // a shipped one as the start
  }
  device.name = options.add;
  HAT_CHECK(options.host.empty() || options.command.empty(), ErrorKind::kUsage,
            "--host and --command exclude each other");
  if (!options.host.empty()) {
    device.connect = "ssh";
    device.host = options.host;
    device.port = options.port;
  } else if (!options.command.empty()) {
    device.connect = "command";
    device.command = split_words(options.command);
  }
  if (!options.precision.empty()) {
    device.precision = arch::precision_name(arch::parse_precision(options.precision));
  }
  if (options.threads > 0) device.threads = options.threads;
  if (!options.description.empty()) device.description = options.description;
  latency::check(device, "--add " + options.add);
  ensure_directory(path.parent_path());
  config::save_json(path, latency::to_json(device));
  print_line(str("wrote ", path.string(), "; try it: hat devices --check ", options.add));
}

void remove(const Options& options) {
  const fs::path root = needed_root(options);
  const fs::path path = latency::device_path(options.remove, root);
  const fs::path own = root / "devices" / options.remove / "device.json";
  HAT_CHECK(latency::is_device_name(options.remove) && path == own, ErrorKind::kUsage,
            str("the workspace defines no device '", options.remove, "'"),
            path.empty() ? "'hat devices' lists what there is" : "shipped devices stay");
  fs::remove(own);
  print_line(str("removed ", own.string(), "; measurements beside it are kept"));
}

/// Connects, starts the agent, and times one small network end to end.
void check(const Options& options) {
  const fs::path root = workspace_root(options);
  const latency::Device device = latency::find_device(options.check, root);
  const double begin_ms = wall_ms();
  const std::unique_ptr<latency::AgentClient> agent = latency::connect(device);
  const double connected_ms = wall_ms();
  const latency::AgentHello& hello = agent->hello();
  latency::MeasureRequest request;
  request.architecture.encoder_embed_dim = request.architecture.decoder_embed_dim = 128;
  request.architecture.encoder = {{256, 4, 128}, {256, 4, 128}};
  request.architecture.decoder = {{256, 4, 128, 4, 128, 1}};
  request.precision = device.precision;
  request.workload = {1, 5, 10, 10, {1000, 1000}};
  request.threads = device.threads;
  request.repetitions = 10;
  request.time_limit_ms = 5000;
  const latency::MeasureReply reply = agent->measure(request);
  double best = reply.runs.total_ms[0];
  for (const double ms : reply.runs.total_ms) best = std::min(best, ms);
  if (options.json) {
    print_json({{"device", device.name},
                {"ok", true},
                {"machine", hello.machine},
                {"cpu", hello.cpu_arch},
                {"cores", hello.logical_cores},
                {"memory_bytes", hello.memory_bytes},
                {"isa", reply.isa},
                {"runtime", hello.runtime},
                {"version", hello.version},
                {"commit", hello.commit},
                {"governor", reply.governor},
                {"temperature_c", reply.temperature_c},
                {"energy", hello.energy},
                {"connect_ms", connected_ms - begin_ms},
                {"small_network_ms", best}});
    return;
  }
  std::string out =
      str("device ", device.name, " answers (", reached_by(device), ")\n  ", hello.machine, ", ",
          hello.cpu_arch, ", ", hello.logical_cores, " cores, ", format_bytes(hello.memory_bytes),
          " of memory\n  ", hello.program, " ", hello.version, " (", hello.commit, "), kernels ",
          reply.isa, hello.runtime.empty() ? "" : ", " + hello.runtime, "\n  connected in ",
          format_duration_ms(connected_ms - begin_ms), "; a small network takes ", fixed(best, 3),
          " ms\n");
  if (!reply.governor.empty() && reply.governor != "performance") {
    out += str("  clock governor '", reply.governor, "': 'performance' gives steadier numbers\n");
  }
  if (reply.temperature_c > 75) {
    out += str("  ", fixed(reply.temperature_c, 0), " C: it may throttle; let it cool\n");
  }
  print(out);
}

void run(const Options& options) {
  const int actions = !options.add.empty() + !options.remove.empty() + !options.check.empty();
  HAT_CHECK(actions <= 1, ErrorKind::kUsage, "--add, --remove and --check exclude each other");
  if (!options.add.empty()) return add(options);
  if (!options.remove.empty()) return remove(options);
  if (!options.check.empty()) return check(options);
  list(options);
}

}  // namespace

Command devices_command() {
  auto options = std::make_shared<Options>();
  return {
      "devices",
      kDeviceGroup,
      "List, add, remove and check devices",
      "A device is reached locally, by the system's ssh, or by any command that gives stdin and "
      "stdout of\n"
      "'hat-run agent' (adb shell, docker exec, qemu-aarch64). Definitions: "
      "devices/<name>/device.json of\n"
      "the workspace, then the shipped ones; docs/latency.md explains every key.\n\n"
      "Examples:\n"
      "  hat devices\n"
      "  hat devices --check rpi4\n"
      "  hat devices --add rpi4 --host pi@192.168.1.20\n"
      "  hat devices --add box --command \"docker exec -i box hat-run agent\"\n",
      [options](CLI::App& app) {
        app.add_option("-C,--workspace", options->directory,
                       "Work in this folder, not the current one")
            ->type_name("DIR");
        app.add_option("--add", options->add, "Define a device in the workspace")
            ->type_name("NAME");
        app.add_option("--remove", options->remove, "Remove the workspace's definition")
            ->type_name("NAME");
        app.add_option("--check", options->check,
                       "Connect, start the agent and time a small network")
            ->type_name("NAME");
        app.add_option("--host", options->host, "With --add: reached by ssh at this host");
        app.add_option("--port", options->port, "With --add: ssh port")
            ->check(CLI::Range(1, 65535));
        app.add_option("--command", options->command,
                       "With --add: words that start 'hat-run agent' (no shell)");
        app.add_option("--precision", options->precision, "With --add: fp32, int8 or int4");
        app.add_option("--device-threads", options->threads, "With --add: threads")
            ->check(CLI::Range(1, 256));
        app.add_option("--description", options->description, "With --add");
        app.add_flag("--json", options->json, "Print JSON");
      },
      [options] { run(*options); }};
}

}  // namespace hat::cli
