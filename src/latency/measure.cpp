#include "hat/latency/measure.h"

#include <algorithm>
#include <set>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/progress.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/latency/predictor.h"

namespace hat::latency {
namespace {

// The share of the samples drawn by cost; the rest is chosen by what is known least.
constexpr double kDrawnShare = 0.6;
constexpr size_t kLeastDrawn = 12;
constexpr int kPoolSize = 400;
// Stopping early: not before the set is large enough for every check.
constexpr int kLeastRows = 40;
constexpr double kSlowRuns = 12;
constexpr double kQuieter = 0.995;

/// The set in the journal, or a new one with its header written.
LatencySet open_set(const Device& device, const arch::SearchSpace& space,
                    const MeasureOptions& options, const fs::path& path) {
  LatencySet set;
  set.origin = path.string();
  set.device = device.name;
  set.space_id = space.id();
  set.precision = device.precision;
  set.workload = options.workload;
  set.anchor = space.middle();
  if (!fs::exists(path)) return set;
  const LatencySet found = read_journal(path);
  const std::string hint = str("keep it under another name, or measure anew with --restart");
  HAT_CHECK(!found.imported, ErrorKind::kConfig,
            str(path.string(), " holds imported numbers (", found.imported_from, ")"), hint);
  HAT_CHECK(found.space_id == set.space_id, ErrorKind::kConfig,
            str(path.string(), " was measured for another search space"), hint);
  HAT_CHECK(found.precision == set.precision, ErrorKind::kConfig,
            str(path.string(), " was measured in ", found.precision, ", the device is set to ",
                set.precision),
            hint);
  HAT_CHECK(found.workload == set.workload, ErrorKind::kConfig,
            str(path.string(),
                " was measured with another workload (batch, beam, lengths or "
                "vocabulary)"),
            hint);
  return found;
}

/// Refuses to mix machines, threads and kernels in one set.
void check_same_machine(const LatencySet& set, const Device& device, const AgentHello& hello) {
  if (set.rows.empty()) return;
  const std::map<std::string, std::string>& facts = set.rows.back().facts;
  const auto same = [&](const char* name, const std::string& now) {
    const auto found = facts.find(name);
    HAT_CHECK(found == facts.end() || found->second == now, ErrorKind::kConfig,
              str(set.origin, " was measured with ", name, " '", found->second, "', now it is '",
                  now, "'"),
              "go on where it was measured, or measure anew with --restart");
  };
  same("machine", hello.machine);
  same("isa", hello.isa);
  same("threads", std::to_string(device.threads));
  const auto version = facts.find("version");
  if (version != facts.end() && version->second != str(hello.version, " ", hello.commit)) {
    log_warning("latency",
                str("rows so far are of hat-run ", version->second, ", now ", hello.version, " ",
                    hello.commit, "; 'hat doctor' tells whether it shows"));
  }
}

std::string fact(const LatencySet& set, const char* name) {
  if (set.rows.empty()) return "";
  const auto found = set.rows.back().facts.find(name);
  return found == set.rows.back().facts.end() ? "" : found->second;
}

/// The reference of the set that this one replaces, or 0 when it would mean something else here.
double former_reference_ms(const MeasureOptions& options, const LatencySet& set,
                           const Device& device, const AgentHello& hello) {
  if (options.former == nullptr) return 0;
  const LatencySet& former = *options.former;
  const bool same = former.space_id == set.space_id && former.precision == set.precision &&
                    former.workload == set.workload && former.anchor == set.anchor &&
                    fact(former, "machine") == hello.machine && fact(former, "isa") == hello.isa &&
                    fact(former, "threads") == std::to_string(device.threads) &&
                    fact(former, "version") == str(hello.version, " ", hello.commit);
  return same ? former.reference_anchor_ms : 0;
}

std::set<std::string> measured_ids(const LatencySet& set) {
  std::set<std::string> ids;
  for (const LatencyRow& row : set.rows) {
    if (row.architecture) ids.insert(arch::architecture_id(*row.architecture));
  }
  return ids;
}

/// The next architecture of the design; empty when the space has no more.
class Design {
 public:
  Design(const arch::SearchSpace& space, const MeasureOptions& options)
      : options_(options),
        drawn_count_(options.active
                         ? std::min(options.samples,
                                    std::max(static_cast<int>(kLeastDrawn),
                                             static_cast<int>(kDrawnShare * options.samples)))
                         : options.samples),
        drawn_(stratified_sample(space, options.workload, drawn_count_, options.seed)) {
    if (!options.active) return;
    pool_ = stratified_sample(space, options.workload, kPoolSize, mix_seed(options.seed, 1));
  }

  std::optional<arch::Architecture> next(const LatencySet& set) const {
    const std::set<std::string> done = measured_ids(set);
    for (const arch::Architecture& architecture : drawn_) {
      if (done.count(arch::architecture_id(architecture)) == 0) return architecture;
    }
    std::vector<arch::Architecture> open;
    for (const arch::Architecture& architecture : pool_) {
      if (done.count(arch::architecture_id(architecture)) == 0) open.push_back(architecture);
    }
    if (open.empty()) return std::nullopt;
    return open[least_known(open, set)];
  }

 private:
  MeasureOptions options_;
  int drawn_count_;
  std::vector<arch::Architecture> drawn_;
  std::vector<arch::Architecture> pool_;
};

bool good_enough(const LatencySet& set, const MeasureOptions& options) {
  const int rows = static_cast<int>(set.rows.size());
  if (!options.active || rows < kLeastRows || rows % 5 != 0) return false;
  const Predictor predictor = train_predictor(set, {}, TrainOptions{});
  return predictor.cross_validation().mape_percent <= options.precision_percent;
}

/// The anchor's quiet time as the whole set saw it: the first decile over the rows, each already a
/// trimmed mean. 0 when there are too few rows to say.
double observed_reference_ms(const LatencySet& set) {
  std::vector<double> anchors;
  for (const LatencyRow& row : set.rows) {
    const auto basis = row.facts.find("basis");
    const bool cpu = basis != row.facts.end() && basis->second.rfind("cpu", 0) == 0;
    anchors.push_back(cpu ? row.anchor_cpu_ms : row.anchor_wall_ms);
  }
  return anchors.size() < kLeastDrawn ? 0 : quantile(anchors, 0.1);
}

MeasureSummary summarise_set(const LatencySet& set) {
  MeasureSummary summary;
  summary.rows = static_cast<int>(set.rows.size());
  std::vector<double> errors;
  std::vector<double> anchors;
  for (const LatencyRow& row : set.rows) {
    errors.push_back(row.error_percent);
    if (row.anchor_wall_ms > 0) anchors.push_back(row.anchor_wall_ms);
  }
  if (!errors.empty()) summary.median_error_percent = median(errors);
  if (anchors.size() > 1) {
    summary.anchor_spread_percent =
        100 * (quantile(anchors, 0.95) - quantile(anchors, 0.05)) / median(anchors);
  }
  return summary;
}

}  // namespace

MeasureSummary measure_latency(const Device& device, const arch::SearchSpace& space,
                               const MeasureOptions& options, const fs::path& path) {
  const double begin_ms = wall_ms();
  ensure_directory(path.parent_path());
  const FileLock lock(path.string() + ".lock");
  LatencySet set = open_set(device, space, options, path);
  const bool fresh = !fs::exists(path);
  Measurer measurer(device, space.options(), options, *set.anchor);
  // Connecting comes first: a device that cannot be reached leaves no file behind.
  const AgentHello hello = measurer.hello();
  log_info("latency", str("device ", device.name, ": ", hello.machine, ", ", hello.isa, ", ",
                          device.threads, device.threads == 1 ? " thread, " : " threads, ",
                          device.precision, ", hat-run ", hello.version));
  check_same_machine(set, device, hello);
  LineJournal journal(path);
  if (fresh) journal.append(header_to_json(set).dump());
  const double anchor_now_ms = measurer.measure_reference_ms();
  const double former_ms = former_reference_ms(options, set, device, hello);
  if (!(set.reference_anchor_ms > 0)) {
    set.reference_anchor_ms = former_ms > 0 ? former_ms : anchor_now_ms;
    journal.append(reference_to_json(set.reference_anchor_ms, utc_timestamp()).dump());
  }
  log_info("latency",
           str("anchor network: ", fixed(anchor_now_ms, 2), " ms now, reference ",
               fixed(set.reference_anchor_ms, 2), " ms; every measurement is its ratio to it"));

  MeasureOptions limits = options;
  const int first_row = static_cast<int>(set.rows.size());
  const int session = set.sessions + 1;
  if (options.max_minutes > 0 && options.samples > first_row) {
    limits.sample_limit_ms = 60'000 * options.max_minutes / (options.samples - first_row);
  } else {
    limits.sample_limit_ms = std::max(options.sample_limit_ms, kSlowRuns * 2 * anchor_now_ms);
  }
  measurer.set_sample_limit_ms(limits.sample_limit_ms);
  const Design design(space, options);
  MeasureSummary outcome;
  Progress progress(str("measure ", device.name), static_cast<uint64_t>(options.samples),
                    "architectures");
  progress.start_at(static_cast<uint64_t>(first_row));
  while (static_cast<int>(set.rows.size()) < options.samples) {
    throw_if_stopped();
    outcome.out_of_time =
        options.max_minutes > 0 && wall_ms() - begin_ms > 60'000 * options.max_minutes;
    if (outcome.out_of_time) break;
    outcome.stopped_early = good_enough(set, options);
    if (outcome.stopped_early) break;
    const std::optional<arch::Architecture> next = design.next(set);
    if (!next) break;
    LatencyRow row = measurer.measure(*next, set.reference_anchor_ms);
    row.session = session;
    journal.append(row_to_json(row).dump());
    progress.update(set.rows.size() + 1,
                    str(fixed(row.total_ms, 2), " ms +-", fixed(row.error_percent, 1), " %, wall ",
                        fixed(row.wall_total.mean, 2), " ms"));
    set.rows.push_back(std::move(row));
  }
  // A set begun while the machine was busy: its reference comes down when quieter times are seen;
  // not one that was taken over, which would no longer be in the former set's milliseconds.
  const double observed_ms = observed_reference_ms(set);
  if (former_ms == 0 && observed_ms > 0 && observed_ms < kQuieter * set.reference_anchor_ms) {
    journal.append(reference_to_json(observed_ms, utc_timestamp()).dump());
    log_info("latency", str("the anchor's reference time is now ", fixed(observed_ms, 2),
                            " ms, the quietest seen"));
  }
  MeasureSummary summary = summarise_set(set);
  summary.stopped_early = outcome.stopped_early;
  summary.out_of_time = outcome.out_of_time;
  summary.measured = summary.rows - first_row;
  summary.seconds = (wall_ms() - begin_ms) / 1000;
  progress.finish(str("median error ", fixed(summary.median_error_percent, 2), " %"));
  return summary;
}

std::vector<LatencyRow> measure_architectures(
    const Device& device, const arch::SearchSpace& space, const MeasureOptions& options,
    const LatencySet& set, const std::vector<arch::Architecture>& architectures) {
  HAT_CHECK(set.anchor && set.reference_anchor_ms > 0, ErrorKind::kConfig,
            str("device '", device.name, "' has no measurements of its own to compare with"),
            str("run 'hat measure-latency --device ", device.name, "' first"));
  MeasureOptions own = options;
  own.workload = set.workload;
  Measurer measurer(device, space.options(), own, *set.anchor);
  check_same_machine(set, device, measurer.hello());
  measurer.set_sample_limit_ms(
      std::max(options.sample_limit_ms, kSlowRuns * 2 * set.reference_anchor_ms));
  std::vector<LatencyRow> rows;
  for (const arch::Architecture& architecture : architectures) {
    throw_if_stopped();
    rows.push_back(measurer.measure(architecture, set.reference_anchor_ms));
  }
  return rows;
}

LatencySet import_latency_set(const fs::path& csv, const Device& device, const fs::path& path) {
  HAT_CHECK(!fs::exists(path), ErrorKind::kUsage,
            str("device '", device.name, "' has measurements already (", path.string(), ")"),
            "import under another device name, or give --restart");
  LatencySet set = read_csv(csv);
  HAT_CHECK(!set.rows.empty(), ErrorKind::kData, str(csv.string(), ": no usable rows"));
  set.device = device.name;
  set.precision = device.precision;
  std::string text = header_to_json(set).dump() + "\n";
  for (const LatencyRow& row : set.rows) text += row_to_json(row).dump() + "\n";
  ensure_directory(path.parent_path());
  write_file_atomic(path, text);
  return set;
}

}  // namespace hat::latency
