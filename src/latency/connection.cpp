#include "latency/connection.h"

#include <algorithm>

#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/process.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"

namespace hat::latency {
namespace {

constexpr double kCopyTimeoutMs = 300'000;

/// What ssh prints, and what helps.
struct Advice {
  const char* text;
  const char* means;
  const char* advice;
};

constexpr Advice kAdvice[] = {
    {"Could not resolve hostname", "no machine of that name is known",
     "check the name, or add an entry to ~/.ssh/config: 'Host %h', 'HostName ADDRESS', 'User "
     "NAME'"},
    {"Permission denied", "it refuses your key",
     "put your public key on it once: ssh-copy-id %h (hat never asks for passwords)"},
    {"Host key verification failed", "its host key is unknown or has changed",
     "connect once by hand and compare the fingerprint: ssh %h"},
    {"Connection refused", "nothing listens for ssh there",
     "start its ssh server (sudo systemctl enable --now ssh), or correct host and port"},
    {"timed out", "it does not answer",
     "check that it is switched on and in the same network: ping %h"},
    {"No route to host", "there is no way to it in the network",
     "check that it is switched on and in the same network: ping %h"},
    {"Network is unreachable", "this machine has no network",
     "connect this machine to the network"},
};

std::string with_host(std::string text, const Device& device) {
  for (size_t at = text.find("%h"); at != std::string::npos; at = text.find("%h", at)) {
    text.replace(at, 2, device.host);
  }
  return text;
}

std::string last_line(const std::string& text) {
  std::string result;
  for (const std::string& line : split(text, '\n')) {
    if (!trim(line).empty()) result = std::string(trim(line));
  }
  for (char& c : result) {
    if (c < 32 || c > 126) c = '?';
  }
  return result.substr(0, 200);
}

bool is_executable(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::is_regular_file(status) &&
         (status.permissions() & fs::perms::owner_exec) != fs::perms::none;
}

/// hat-run for a machine as `uname -m` names it; empty when there is none here.
fs::path find_program(const Device& device, const std::string& machine) {
  if (!device.program.empty()) {
    HAT_CHECK(
        is_executable(device.program), ErrorKind::kIo,
        str("device '", device.name, "': program ", device.program, " is no executable file"));
    return device.program;
  }
  const fs::path here = program_directory();
  std::vector<fs::path> candidates;
  const bool same = machine.empty() ||
                    (machine == "x86_64" && cpu_info().architecture == "x86-64") ||
                    machine == cpu_info().architecture;
  if (same) {
    candidates = {here / "hat-run", here / ".." / "libexec" / "hat" / "hat-run",
                  here / ".." / "bin" / "hat-run"};
  } else {
    const std::string name = "hat-run-" + machine;
    candidates = {here / name, here / ".." / "libexec" / "hat" / name,
                  here / ".." / ".." / ("build-" + machine) / "bin" / "hat-run",
                  here / ".." / ".." / "build" / machine / "bin" / "hat-run"};
  }
  for (const fs::path& candidate : candidates) {
    if (is_executable(candidate)) return candidate;
  }
  return {};
}

/// What hat's own programs print before they end; empty when it was something else.
std::string own_message(const std::string& error_text, std::string_view kind) {
  std::string found;
  for (const std::string& line : split(error_text, '\n')) {
    const size_t at = line.find(kind);  // "hat-run: error: ...", "hint: ..."
    if (at == 0 || (at < 12 && line.rfind("hat", 0) == 0)) {
      found = last_line(line.substr(at + kind.size()));
    }
  }
  return found;
}

std::string pinned(const Device& device) {
  std::vector<std::string> cores;
  for (const int core : device.cores) cores.push_back(std::to_string(core));
  return join(cores, ",");
}

RunResult run_ssh(const Device& device, const std::string& remote, std::string_view input,
                  double timeout_ms) {
  std::vector<std::string> command = ssh_command(device);
  command.push_back(remote);
  return run_process(command, input, timeout_ms);
}

}  // namespace

std::vector<std::string> ssh_command(const Device& device) {
  std::vector<std::string> words = {"ssh", "-T"};
  if (!device.ssh_config.empty()) {
    words.push_back("-F");
    words.push_back(device.ssh_config);
  }
  const int seconds = std::max(1, static_cast<int>(device.connect_timeout_s));
  for (const std::string& option :
       {std::string("BatchMode=yes"), str("ConnectTimeout=", seconds),
        std::string("ServerAliveInterval=5"), std::string("ServerAliveCountMax=3"),
        std::string("ForwardX11=no"), std::string("ForwardAgent=no"),
        std::string("ClearAllForwardings=yes"), std::string("LogLevel=ERROR")}) {
    words.push_back("-o");
    words.push_back(option);
  }
  if (device.port > 0) {
    words.push_back("-p");
    words.push_back(std::to_string(device.port));
  }
  words.push_back("--");
  words.push_back(device.host);
  return words;
}

void fail_connection(const Device& device, int exit_code, const std::string& error_text,
                     const std::string& what) {
  if (device.connect == "ssh") {
    for (const Advice& advice : kAdvice) {
      if (error_text.find(advice.text) == std::string::npos) continue;
      fail(ErrorKind::kIo,
           str("device '", device.name, "' cannot be reached by ssh as '", device.host,
               "': ", advice.means),
           with_host(advice.advice, device));
    }
  }
  const std::string own = own_message(error_text, "error: ");
  if (!own.empty()) {
    const std::string hint = own_message(error_text, "hint: ");
    fail(ErrorKind::kIo, str("device '", device.name, "': ", own),
         hint.empty() ? "run the same command again" : hint);
  }
  const std::string said = last_line(error_text);
  fail(ErrorKind::kIo,
       str("device '", device.name, "': ", what, said.empty() ? "" : str(": ", said),
           " (exit code ", exit_code, ")"),
       device.connect == "ssh"
           ? str("try by hand: ssh ", device.host,
                 " uname -m; then run the same command again, it "
                 "goes on where it stopped")
           : "run the same command again, it goes on where it stopped; 'hat devices --check NAME' "
             "tries the device by itself");
}

std::vector<std::string> agent_command(const Device& device) {
  if (device.connect == "command") return device.command;
  std::vector<std::string> words;
  if (!device.isa.empty()) words = {"env", "HAT_ISA=" + device.isa};
  if (!device.cores.empty()) {
    words.insert(words.end(), {"taskset", "-c", pinned(device)});
  }
  if (device.engine == "libtorch") {
    const fs::path here = program_directory();
    for (const fs::path& path :
         {here / "hat-torch", here / ".." / "libexec" / "hat" / "hat-torch"}) {
      if (!is_executable(path)) continue;
      // Threads of LibTorch that wait without end ruin each other where a core is shared.
      words.insert(words.end(), {"env", "GOMP_SPINCOUNT=10000", path.string(), "agent", "--backend",
                                 device.backend});
      return words;
    }
    fail(ErrorKind::kIo, str("device '", device.name, "' needs hat-torch, which is not beside hat"),
         "build with HAT_WITH_TORCH=ON");
  }
  const fs::path program = find_program(device, "");
  HAT_CHECK(!program.empty(), ErrorKind::kIo, "hat-run is not beside hat",
            "build it (ninja hat-run) or install hat with it");
  words.insert(words.end(), {program.string(), "agent"});
  return words;
}

namespace {

/// hat-torch cannot be copied: it needs the LibTorch that it was built with.
std::vector<std::string> torch_over_ssh(const Device& device) {
  std::string start = str(device.program.empty() ? "hat-torch" : device.program,
                          " agent --backend ", device.backend);
  if (!device.cores.empty()) start = str("taskset -c ", pinned(device), " ", start);
  std::vector<std::string> command = ssh_command(device);
  command.push_back(start);
  return command;
}

}  // namespace

// The remote side sees one line of shell made of constants, a folder that is_plain_path() allowed
// (device.cpp), and our own version: nothing that a file could have put there.
std::vector<std::string> prepare_ssh(const Device& device) {
  if (device.engine == "libtorch") return torch_over_ssh(device);
  const double timeout_ms = 1000 * (device.connect_timeout_s + 5);
  // One connection asks for both: the processor, and what is in the folder.
  const RunResult probe =
      run_ssh(device, str("uname -m && (ls -- ", device.remote_folder, " 2>/dev/null || true)"), {},
              timeout_ms);
  if (probe.exit_code != 0) {
    fail_connection(device, probe.exit_code, probe.error, "ssh does not get through");
  }
  std::vector<std::string> lines = split(probe.output, '\n');
  const std::string name{trim(lines.empty() ? "" : lines[0])};
  const bool known = name == "x86_64" || name == "aarch64";
  HAT_CHECK(known, ErrorKind::kData,
            str("device '", device.name, "': 'uname -m' there prints '", last_line(name), "'"),
            "hat-run exists for x86_64 and aarch64 (a Raspberry Pi needs a 64-bit system); if this "
            "is text of a login script, make it print only in interactive shells");
  const fs::path program = find_program(device, name);
  HAT_CHECK(!program.empty(), ErrorKind::kIo,
            str("there is no hat-run for ", name, " on this machine"),
            str("build it: cmake --preset ", name, " && cmake --build --preset ", name,
                "; or name one with \"program\" in the device's definition"));
  const std::string content = read_file(program, size_t{256} << 20);
  std::ostringstream digits;
  digits << std::hex << hash64(content);
  const std::string file = str("hat-run-", version(), "-", digits.str());
  const std::string path = str(device.remote_folder, "/", file);
  if (std::find(lines.begin() + 1, lines.end(), file) == lines.end()) {
    log_info("latency", str("copying hat-run (", format_bytes(static_cast<double>(content.size())),
                            ") to ", device.host, ":", path));
    const std::string copy = str("mkdir -p ", device.remote_folder, " && cat > ", path,
                                 ".part && chmod 755 ", path, ".part && mv ", path, ".part ", path);
    const RunResult copied = run_ssh(device, copy, content, kCopyTimeoutMs);
    if (copied.exit_code != 0) {
      fail_connection(device, copied.exit_code, copied.error,
                      str("hat-run cannot be copied to ", path));
    }
  }
  std::string start = path + " agent";
  if (!device.cores.empty()) start = str("taskset -c ", pinned(device), " ", start);
  if (!device.isa.empty()) start = str("env HAT_ISA=", device.isa, " ", start);
  std::vector<std::string> command = ssh_command(device);
  command.push_back(start);
  return command;
}

}  // namespace hat::latency
