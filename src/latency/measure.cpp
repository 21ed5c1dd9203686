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
// A device is slow for seconds: what was measured then is visited again, later, twice at most.
constexpr int kMostRevisits = 2;
constexpr double kDisturbed = 0.03;        // logarithm of both anchors' slow-down
constexpr double kMemoryDisturbed = 0.06;  // and of the large one's alone
constexpr double kUncertain = 3;           // standard errors in units of the precision asked for
// Time for that: a share of what the rest took, or this if it is more.
constexpr double kRevisitShare = 0.2;
constexpr double kRevisitMs = 45'000;
constexpr double kSlowRuns = 12;

/// The set in the journal, or a new one with its header written.
LatencySet open_set(const Device& device, const arch::SearchSpace& space,
                    const MeasureOptions& options, const fs::path& path) {
  LatencySet set;
  set.origin = path.string();
  set.device = device.name;
  set.space_id = space.id();
  set.precision = device.precision;
  set.workload = options.workload;
  set.anchors = Anchors::of(space);
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
  HAT_CHECK(found.anchors && found.anchors->same_networks(*set.anchors), ErrorKind::kConfig,
            str(path.string(), " was measured beside other anchor networks"), hint);
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
    log_warning_once(
        "latency", str("rows so far are of hat-run ", version->second, ", now ", hello.version, " ",
                       hello.commit, "; 'hat doctor' tells whether it shows"));
  }
}

std::string fact(const LatencySet& set, const char* name) {
  if (set.rows.empty()) return "";
  const auto found = set.rows.back().facts.find(name);
  return found == set.rows.back().facts.end() ? "" : found->second;
}

/// The reference times of the set that this one replaces, unless they would mean something else
/// here.
std::optional<Anchors> former_reference(const MeasureOptions& options, const LatencySet& set,
                                        const Device& device, const AgentHello& hello) {
  if (options.former == nullptr || !options.former->anchors) return std::nullopt;
  const LatencySet& former = *options.former;
  const bool same = former.space_id == set.space_id && former.precision == set.precision &&
                    former.workload == set.workload &&
                    former.anchors->same_networks(*set.anchors) && former.anchors->large_ms > 0 &&
                    fact(former, "machine") == hello.machine && fact(former, "isa") == hello.isa &&
                    fact(former, "threads") == std::to_string(device.threads) &&
                    fact(former, "version") == str(hello.version, " ", hello.commit);
  if (!same) return std::nullopt;
  return former.anchors;
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
                         : options.samples + static_cast<int>(options.excluded.size())),
        drawn_(stratified_sample(space, options.workload, drawn_count_, options.seed)) {
    if (!options.active) return;
    pool_ = stratified_sample(space, options.workload, kPoolSize, mix_seed(options.seed, 1));
  }

  std::optional<arch::Architecture> next(const LatencySet& set) const {
    std::set<std::string> done = measured_ids(set);
    done.insert(options_.excluded.begin(), options_.excluded.end());
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

/// The anchors' quiet times as the whole set saw them: lower quartiles over the rows. Nothing when
/// there are too few rows to say.
std::optional<Anchors> observed_reference(const LatencySet& set) {
  if (set.rows.size() < kLeastDrawn) return std::nullopt;
  std::vector<double> small, large;
  for (const LatencyRow& row : set.rows) {
    small.push_back(row.small_anchor_ms);
    large.push_back(row.large_anchor_ms);
  }
  Anchors observed = *set.anchors;
  observed.small_ms = quantile(small, 0.25);
  observed.large_ms = quantile(large, 0.25);
  return observed;
}

/// Architectures that were measured while the device was slow, its memory was used by others, or it
/// changed in between; the worst first.
std::vector<arch::Architecture> disturbed(const LatencySet& set, double precision_percent) {
  std::vector<std::pair<double, const LatencyRow*>> found;
  for (const LatencyRow& row : set.rows) {
    const double memory = std::log(row.large_anchor_ms / set.anchors->large_ms);
    const double score =
        std::max({common_slow_down(row, *set.anchors) / kDisturbed, memory / kMemoryDisturbed,
                  row.error_percent / (kUncertain * precision_percent)});
    if (score > 1) found.emplace_back(score, &row);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<arch::Architecture> result;
  for (const auto& [score, row] : found) result.push_back(*row->architecture);
  return result;
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

/// What the end of a session has to know of its beginning.
struct Session {
  double begin_ms = 0;
  int first_row = 0;
  int number = 0;
  bool own_reference = false;  ///< not one that was taken over or belongs to earlier sessions
};

/// Settles the reference times and visits again what was disturbed.
void finish_session(const MeasureOptions& options, const Session& session, Measurer* measurer,
                    LineJournal* journal, LatencySet* set) {
  // One look at the beginning is no reference: the whole session's is.
  const auto update_reference = [&] {
    const std::optional<Anchors> observed = observed_reference(*set);
    if (!session.own_reference || !observed) return;
    set->anchors = observed;
    journal->append(reference_to_json(*observed, utc_timestamp()).dump());
  };
  update_reference();
  const double first_pass_ms = wall_ms() - session.begin_ms;
  const double allowed_ms = first_pass_ms + std::max(kRevisitShare * first_pass_ms, kRevisitMs);
  const auto time_is_up = [&] {
    const double spent_ms = wall_ms() - session.begin_ms;
    return spent_ms > allowed_ms ||
           (options.max_minutes > 0 && spent_ms > 60'000 * options.max_minutes);
  };
  const bool measured = static_cast<int>(set->rows.size()) > session.first_row;
  for (int visit = 0; measured && visit < kMostRevisits && !time_is_up(); ++visit) {
    const auto again = disturbed(*set, options.precision_percent);
    if (again.empty()) break;
    Progress progress(str("measure ", set->device, " again"), again.size(), "architectures");
    for (size_t i = 0; i < again.size() && !time_is_up(); ++i) {
      throw_if_stopped();
      LatencyRow row = measurer->measure(again[i]);
      row.session = session.number;
      journal->append(row_to_json(row).dump());
      set->rows.push_back(std::move(row));
      progress.update(i + 1);
    }
    progress.finish("those measured while the device was slow");
    set->merge_visits();
    update_reference();
  }
  set->apply_reference();
}

}  // namespace

MeasureSummary measure_latency(const Device& device, const arch::SearchSpace& space,
                               const MeasureOptions& options, const fs::path& path) {
  const double begin_ms = wall_ms();
  ensure_directory(path.parent_path());
  const FileLock lock(path.string() + ".lock");
  LatencySet set = open_set(device, space, options, path);
  const bool fresh = !fs::exists(path);
  Measurer measurer(device, space.options(), options, *set.anchors);
  // Connecting comes first: a device that cannot be reached leaves no file behind.
  const AgentHello hello = measurer.hello();
  log_info("latency", str("device ", device.name, ": ", hello.machine, ", ", hello.isa, ", ",
                          device.threads, device.threads == 1 ? " thread, " : " threads, ",
                          device.precision, ", hat-run ", hello.version));
  check_same_machine(set, device, hello);
  LineJournal journal(path);
  if (fresh) journal.append(header_to_json(set).dump());
  const Anchors now = measurer.measure_reference();
  const std::optional<Anchors> former = former_reference(options, set, device, hello);
  if (!(set.anchors->large_ms > 0)) {
    set.anchors = former ? *former : now;
    journal.append(reference_to_json(*set.anchors, utc_timestamp()).dump());
  }
  measurer.set_anchors(*set.anchors);
  log_info("latency",
           str("anchor networks: ", fixed(now.small_ms, 2), " and ", fixed(now.large_ms, 2),
               " ms now, reference ", fixed(set.anchors->small_ms, 2), " and ",
               fixed(set.anchors->large_ms, 2), " ms"));

  MeasureOptions limits = options;
  const int first_row = static_cast<int>(set.rows.size());
  const int session = set.sessions + 1;
  if (options.max_minutes > 0 && options.samples > first_row) {
    limits.sample_limit_ms = 60'000 * options.max_minutes / (options.samples - first_row);
  } else {
    limits.sample_limit_ms = std::max(options.sample_limit_ms, kSlowRuns * 2 * now.large_ms);
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
    LatencyRow row = measurer.measure(*next);
    row.session = session;
    journal.append(row_to_json(row).dump());
    set.rows.push_back(std::move(row));
    set.apply_reference();
    const LatencyRow& last = set.rows.back();
    progress.update(set.rows.size(),
                    str(fixed(last.total_ms, 2), " ms +-", fixed(last.error_percent, 1),
                        " %, wall ", fixed(last.wall_total.mean, 2), " ms"));
  }
  progress.finish(str("median error ", fixed(summarise_set(set).median_error_percent, 2), " %"));
  finish_session(options, {begin_ms, first_row, session, fresh && !former}, &measurer, &journal,
                 &set);
  MeasureSummary summary = summarise_set(set);
  summary.stopped_early = outcome.stopped_early;
  summary.out_of_time = outcome.out_of_time;
  summary.measured = summary.rows - first_row;
  summary.seconds = (wall_ms() - begin_ms) / 1000;
  return summary;
}

std::vector<LatencyRow> measure_architectures(
    const Device& device, const arch::SearchSpace& space, const MeasureOptions& options,
    const LatencySet& set, const std::vector<arch::Architecture>& architectures) {
  HAT_CHECK(set.anchors && set.anchors->large_ms > 0, ErrorKind::kConfig,
            str("device '", device.name, "' has no measurements of its own to compare with"),
            str("run 'hat measure-latency --device ", device.name, "' first"));
  MeasureOptions own = options;
  own.workload = set.workload;
  Measurer measurer(device, space.options(), own, *set.anchors);
  check_same_machine(set, device, measurer.hello());
  measurer.set_sample_limit_ms(
      std::max(options.sample_limit_ms, kSlowRuns * 2 * set.anchors->large_ms));
  LatencySet measured;
  measured.anchors = set.anchors;
  measured.workload = set.workload;
  for (const arch::Architecture& architecture : architectures) {
    throw_if_stopped();
    measured.rows.push_back(measurer.measure(architecture));
  }
  measured.apply_reference();
  return measured.rows;
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
