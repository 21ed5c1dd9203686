#include <algorithm>
#include <fstream>

#include "commands.h"
#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/process.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"
#include "hat/latency/checks.h"
#include "hat/latency/measure.h"
#include "latency_text.h"

namespace hat::cli {
namespace {

constexpr size_t kMostSiblings = 64;
constexpr uintmax_t kMostSiblingBytes = 16u << 20;

struct Options {
  std::string directory = ".";
  std::vector<std::string> latency_files;
  bool json = false;
};

/// What doctor says of one thing that is not a latency set.
struct Check {
  std::string name;
  std::string state;  ///< "ok", "note" or "problem"
  std::string text;
};

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return std::string(trim(line));
}

/// Starts the program and asks it what it is and what it computes with.
Check check_program(const std::string& program, const std::string& engine, const char* needed_for) {
  const fs::path here = fs::path(program_directory()) / program;
  const fs::path installed = fs::path(program_directory()) / ".." / "libexec" / "hat" / program;
  if (!fs::exists(here) && !fs::exists(installed)) {
    return {program, "note", str("not beside hat: no ", needed_for, " on this machine")};
  }
  latency::Device device;
  device.name = program;
  device.engine = engine;
  try {
    const std::unique_ptr<latency::AgentClient> agent = latency::connect(device);
    const latency::AgentHello& hello = agent->hello();
    const bool same = hello.version == version() && hello.commit == build_commit();
    std::string text = str(hello.version, " (", hello.commit, "), kernels ", hello.isa);
    if (!hello.runtime.empty()) text += ", " + hello.runtime;
    if (!same) text += str("; hat is ", version(), " (", build_commit(), "): build both together");
    return {program, same ? "ok" : "note", text};
  } catch (const Error& error) {
    return {program, "problem",
            str("it does not start: ", error.message(),
                error.hint().empty() ? "" : ". Do: " + error.hint())};
  }
}

std::vector<Check> check_machine() {
  std::vector<Check> checks;
  const CpuInfo& cpu = cpu_info();
  checks.push_back({"processor", "ok",
                    str(cpu.model, ", ", cpu.logical_cores, " cores, ",
                        cpu.features().empty() ? "no vector kernels" : cpu.features())});
  double load = 0;
  const std::vector<std::string> loads = split_words(first_line("/proc/loadavg"));
  if (!loads.empty() && parse_double(loads[0], &load)) {
    const bool busy = load > 0.5 * cpu.logical_cores;
    checks.push_back(
        {"load", busy ? "note" : "ok",
         str("load average ", fixed(load, 2),
             busy ? ": other programs are running; measurements take longer to settle" : "")});
  }
  const std::string governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (!governor.empty()) {
    const bool steady = governor == "performance";
    checks.push_back({"clock governor", steady ? "ok" : "note",
                      str(governor, steady ? "" : ": 'performance' gives steadier measurements")});
  }
  checks.push_back(check_program("hat-run", "edge", "measuring"));
  checks.push_back(check_program("hat-torch", "libtorch", "training"));
  return checks;
}

/// Latency files beside the given one, to see whether one is a copy of another.
std::vector<latency::LatencySet> read_siblings(const fs::path& file) {
  std::vector<latency::LatencySet> sets;
  std::error_code error;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() != file.extension() || !entry.is_regular_file(error)) continue;
    if (fs::equivalent(entry.path(), file, error)) continue;
    if (entry.file_size(error) <= kMostSiblingBytes) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.size() > kMostSiblings) paths.resize(kMostSiblings);
  for (const fs::path& path : paths) {
    try {
      sets.push_back(latency::read_latency_set(path));
    } catch (const Error&) {
      // A neighbour that is no latency set is not what was asked about.
    }
  }
  return sets;
}

struct SetReport {
  latency::LatencySet set;
  std::vector<latency::Finding> findings;
};

std::vector<SetReport> check_sets(const std::vector<std::string>& files) {
  std::vector<SetReport> reports;
  for (const std::string& file : files) {
    SetReport report{latency::read_latency_set(file), {}};
    report.findings = latency::check_latency_set(report.set);
    reports.push_back(std::move(report));
  }
  for (size_t i = 0; i < reports.size(); ++i) {
    std::vector<latency::LatencySet> others;
    for (size_t j = 0; j < i; ++j) others.push_back(reports[j].set);
    std::vector<latency::Finding> copies = latency::check_copies(reports[i].set, others, 0.5);
    if (files.size() == 1) {
      copies = latency::check_copies(reports[i].set, read_siblings(files[0]), 1.0);
    }
    reports[i].findings.insert(reports[i].findings.begin(), copies.begin(), copies.end());
  }
  return reports;
}

size_t count_problems(const std::vector<SetReport>& reports) {
  size_t problems = 0;
  for (const SetReport& report : reports) {
    for (const latency::Finding& finding : report.findings) problems += finding.problem ? 1 : 0;
  }
  return problems;
}

void print_report(const std::vector<Check>& checks, const std::vector<SetReport>& reports,
                  bool json) {
  if (json) {
    config::OrderedJson result = config::OrderedJson::object();
    for (const Check& check : checks) {
      result["checks"].push_back(
          {{"name", check.name}, {"state", check.state}, {"text", check.text}});
    }
    result["latency_sets"] = config::OrderedJson::array();
    for (const SetReport& report : reports) {
      result["latency_sets"].push_back({{"file", report.set.origin},
                                        {"rows", report.set.rows.size()},
                                        {"ok", !latency::has_problem(report.findings)},
                                        {"findings", latency::to_json(report.findings)}});
    }
    result["problems"] = count_problems(reports);
    print_json(result);
    return;
  }
  for (const Check& check : checks) {
    print_line(str("  ", check.state, std::string(9 - check.state.size(), ' '), check.name, ": ",
                   check.text));
  }
  for (const SetReport& report : reports) {
    print_line(str(report.set.origin, ": ", report.set.rows.size(), " rows, ",
                   latency::has_problem(report.findings) ? "not sound" : "sound"));
    print(findings_text(report.findings));
  }
}

/// Latency sets of the workspace, if there is one here.
std::vector<std::string> workspace_sets(const std::string& directory, std::vector<Check>* checks) {
  std::vector<std::string> files;
  try {
    const config::Workspace workspace = config::Workspace::find(directory);
    checks->push_back({"workspace", "ok", workspace.root().string()});
    const bool prepared = fs::exists(workspace.data_dir() / "data.json");
    checks->push_back(
        {"data", prepared ? "ok" : "note", prepared ? "prepared" : "not prepared: hat prepare"});
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(workspace.root() / "devices", error)) {
      const fs::path journal = entry.path() / "latency.jsonl";
      if (fs::exists(journal)) files.push_back(journal.string());
    }
  } catch (const Error& problem) {
    const bool none = problem.kind() == ErrorKind::kUsage;
    checks->push_back({"workspace", none ? "note" : "problem", problem.message()});
  }
  std::sort(files.begin(), files.end());
  return files;
}

void run(const Options& options) {
  std::vector<Check> checks;
  std::vector<std::string> files = options.latency_files;
  if (files.empty()) {
    checks = check_machine();
    files = workspace_sets(options.directory, &checks);
  }
  const std::vector<SetReport> reports = check_sets(files);
  print_report(checks, reports, options.json);
  size_t problems = count_problems(reports);
  for (const Check& check : checks) problems += check.state == "problem" ? 1 : 0;
  HAT_CHECK(problems == 0, ErrorKind::kData,
            str(problems, problems == 1 ? " problem" : " problems", " found"),
            "each is named above with what to do");
}

}  // namespace

Command doctor_command() {
  auto options = std::make_shared<Options>();
  return {"doctor",
          kInspectGroup,
          "Check the machine, the workspace and its latency sets",
          "With --latency only the given sets are checked: no signal, drift in the order of "
          "collection, the\n"
          "same numbers under another name, mixed units, threads or device that change, outliers, "
          "too few\n"
          "rows. Each problem is named with its lines and what to do. Exit code 0 when all is "
          "sound, 3 when\n"
          "problems were found.\n\n"
          "Examples:\n"
          "  hat doctor\n"
          "  hat doctor --latency devices/rpi4/latency.jsonl\n"
          "  hat doctor --latency wmt14ende_gpu_titanxp_all.csv --json\n",
          [options](CLI::App& app) {
            app.add_option("-C,--workspace", options->directory,
                           "Work in this folder, not the current one")
                ->type_name("DIR");
            app.add_option("--latency", options->latency_files,
                           "A latency set: the original's CSV or hat's journal; may be repeated")
                ->type_name("FILE");
            app.add_flag("--json", options->json, "Print JSON");
          },
          [options] { run(*options); }};
}

}  // namespace hat::cli
