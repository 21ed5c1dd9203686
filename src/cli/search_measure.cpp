#include "search_measure.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>

#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/latency/measure.h"
#include "hat/latency/workload.h"

namespace hat::cli {
namespace {

// Finalists are few and decide: they are measured to half a percent or better.
constexpr double kPrecisionPercent = 0.5;
// A network that stays open after so many more visits is decided by its prediction.
constexpr int kMoreVisits = 3;
// Of a time: a range below this leaves nothing open.
constexpr double kKnownRange = 0.01;

latency::MeasureOptions measure_options(const config::Workspace& workspace) {
  const config::LatencyConfig& config = workspace.config().latency;
  latency::MeasureOptions options;
  options.repetitions = config.repetitions;
  options.precision_percent = std::min(config.precision_percent, kPrecisionPercent);
  options.trim = config.trim;
  options.workload = latency::workspace_workload(workspace);
  options.seed = static_cast<uint64_t>(workspace.config().seed);
  return options;
}

/// Visits of the networks of a device, in the order in which they were made, by set and network.
class MeasuredStore {
 public:
  struct Visit {
    double total_ms, quiet_ms;
  };

  explicit MeasuredStore(const fs::path& path) : journal_(path) {
    std::ifstream in(path);
    std::string line;
    int useless = 0;
    while (std::getline(in, line)) {
      const config::Json row = config::Json::parse(line, nullptr, /*allow_exceptions=*/false);
      const auto text = [&](const char* name) {
        return row.contains(name) && row[name].is_string();
      };
      const auto time = [&](const char* name) {
        return row.contains(name) && row[name].is_number() && row[name].get<double>() > 0;
      };
      if (!row.is_object() || !text("id") || !text("set") || !time("total_ms") ||
          !time("quiet_ms")) {
        ++useless;
        continue;
      }
      visits_[row["set"].get<std::string>() + row["id"].get<std::string>()].push_back(
          {row["total_ms"], row["quiet_ms"]});
    }
    if (useless > 0) {
      log_warning("search", str(path.string(), ": ", useless,
                                " lines that are damaged or of another version are left out"));
    }
  }
  const std::vector<Visit>& find(const std::string& set, const std::string& id) {
    return visits_[set + id];
  }
  void add(const std::string& set, const std::string& id, const latency::LatencyRow& row) {
    visits_[set + id].push_back({row.total_ms, row.quiet_ms});
    const config::OrderedJson line = {{"set", set},
                                      {"id", id},
                                      {"total_ms", row.total_ms},
                                      {"quiet_ms", row.quiet_ms},
                                      {"error_percent", row.error_percent},
                                      {"architecture", arch::to_json(*row.architecture)}};
    journal_.append(line.dump());
  }

 private:
  LineJournal journal_;
  std::map<std::string, std::vector<Visit>> visits_;
};

/// What the first visits tell, as many as `least` and more while they leave the time open; `done`:
/// none is missing. Later visits change nothing: a search that is repeated decides by what it knew.
struct Known {
  latency::TimeRange time;
  int visits = 0;
  bool done = false;
};

Known known_of(const std::vector<MeasuredStore::Visit>& visits, int least) {
  Known known;
  for (const MeasuredStore::Visit& visit : visits) {
    if (known.done) break;
    known.time.add(visit.total_ms, visit.quiet_ms);
    ++known.visits;
    const double range_ms = known.time.most_ms() - known.time.least_ms();
    known.done = known.visits >= least + kMoreVisits ||
                 (known.visits >= least && range_ms <= kKnownRange * known.time.most_ms());
  }
  return known;
}

/// One network, in the units of the set.
latency::LatencyRow measure_one(const latency::Device& device, const arch::SearchSpace& space,
                                const latency::MeasureOptions& options,
                                const latency::LatencySet& set,
                                const arch::Architecture& architecture) {
  const std::vector<latency::LatencyRow> rows =
      latency::measure_architectures(device, space, options, set, {architecture});
  HAT_CHECK(rows.size() == 1 && rows[0].architecture, ErrorKind::kIo,
            str("device '", device.name, "' did not measure a finalist"),
            "Try again, or run the search with --no-measure.");
  return rows[0];
}

}  // namespace

bool can_measure(const config::Workspace& workspace, const latency::Device& device,
                 std::string* why) {
  const fs::path journal = workspace.device_dir(device.name) / "latency.jsonl";
  if (!fs::exists(journal)) {
    *why = str(journal.string(), " is missing");
    return false;
  }
  try {
    const latency::LatencySet set = latency::read_journal(journal);
    if (set.imported) {
      *why = "its latencies are imported numbers of others";
      return false;
    }
    latency::connect(device);
    return true;
  } catch (const Error& error) {
    *why = error.message();
    return false;
  }
}

FinalistMeters finalist_meters(const config::Workspace& workspace, const latency::Device& device,
                               const arch::SearchSpace& space, int cost) {
  const fs::path folder = workspace.device_dir(device.name);
  auto store = std::make_shared<MeasuredStore>(folder / "finalists.jsonl");
  const latency::MeasureOptions options = measure_options(workspace);
  const latency::LatencySet set = latency::read_journal(folder / "latency.jsonl");
  const std::string set_id = std::to_string(
      hash64(latency::header_to_json(set).dump() +
             latency::reference_to_json(set.anchors.value_or(latency::Anchors{}), "").dump()));
  const auto first = [=](const std::string& id) { return known_of(store->find(set_id, id), 1); };
  const auto second = [=](const std::string& id) {
    return known_of(store->find(set_id, id), first(id).visits + 1);
  };
  const auto meter = [=, &space](const auto& known) {
    return [=, &space](const std::vector<search::Candidate>& candidates) {
      // Who is left open is visited again after the others: a busy moment may be over then.
      for (bool all_done = false; !all_done;) {
        all_done = true;
        for (const search::Candidate& candidate : candidates) {
          if (known(candidate.key).done) continue;
          store->add(set_id, candidate.key,
                     measure_one(device, space, options, set, space.decode(candidate.genotype)));
          all_done = false;
        }
      }
      std::vector<double> values;
      for (const search::Candidate& candidate : candidates) {
        values.push_back(known(candidate.key).time.likely_ms(candidate.costs[cost]));
      }
      return values;
    };
  };
  return {meter(first), meter(second)};
}

FreshMeter fresh_meter(const config::Workspace& workspace, const latency::Device& device,
                       const arch::SearchSpace& space) {
  const latency::MeasureOptions options = measure_options(workspace);
  const latency::LatencySet set =
      latency::read_journal(workspace.device_dir(device.name) / "latency.jsonl");
  return [=, &space](const arch::Architecture& architecture) {
    return measure_one(device, space, options, set, architecture);
  };
}

}  // namespace hat::cli
