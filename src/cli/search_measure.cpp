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

/// Measured networks of a device, by set and network.
class MeasuredStore {
 public:
  explicit MeasuredStore(const fs::path& path) : journal_(path) {
    std::ifstream in(path);
    std::string line;
    while (std::getline(in, line)) {
      const config::Json row = config::Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!row.is_object() || !row.contains("id") || !row["id"].is_string() ||
          !row.contains("set") || !row["set"].is_string() || !row.contains("total_ms") ||
          !row["total_ms"].is_number()) {
        log_warning("search", str(path.string(), ": a damaged line is left out"));
        continue;
      }
      values_[row["set"].get<std::string>() + row["id"].get<std::string>()] = row["total_ms"];
    }
  }
  const double* find(const std::string& set, const std::string& id) const {
    const auto found = values_.find(set + id);
    return found == values_.end() ? nullptr : &found->second;
  }
  void add(const std::string& set, const std::string& id, const latency::LatencyRow& row) {
    values_[set + id] = row.total_ms;
    const config::OrderedJson line = {{"set", set},
                                      {"id", id},
                                      {"total_ms", row.total_ms},
                                      {"error_percent", row.error_percent},
                                      {"architecture", arch::to_json(*row.architecture)}};
    journal_.append(line.dump());
  }

 private:
  LineJournal journal_;
  std::map<std::string, double> values_;
};

/// One network, in the units of the set.
latency::LatencyRow measure_one(const latency::Device& device, const arch::SearchSpace& space,
                                const latency::MeasureOptions& options,
                                const latency::LatencySet& set,
                                const search::Candidate& candidate) {
  const std::vector<latency::LatencyRow> rows = latency::measure_architectures(
      device, space, options, set, {space.decode(candidate.genotype)});
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

search::Measure finalist_meter(const config::Workspace& workspace, const latency::Device& device,
                               const arch::SearchSpace& space, const std::string& occasion) {
  const fs::path folder = workspace.device_dir(device.name);
  auto store = std::make_shared<MeasuredStore>(folder / "finalists.jsonl");
  const latency::MeasureOptions options = measure_options(workspace);
  const latency::LatencySet set = latency::read_journal(folder / "latency.jsonl");
  const std::string set_id = std::to_string(hash64(
      latency::header_to_json(set).dump() +
      latency::reference_to_json(set.anchors.value_or(latency::Anchors{}), "").dump() + occasion));
  return [=, &space](const std::vector<search::Candidate>& candidates) {
    std::vector<double> values;
    for (const search::Candidate& candidate : candidates) {
      if (!store->find(set_id, candidate.key)) {
        store->add(set_id, candidate.key, measure_one(device, space, options, set, candidate));
      }
      values.push_back(*store->find(set_id, candidate.key));
    }
    return values;
  };
}

search::Measure fresh_meter(const config::Workspace& workspace, const latency::Device& device,
                            const arch::SearchSpace& space) {
  const latency::MeasureOptions options = measure_options(workspace);
  const latency::LatencySet set =
      latency::read_journal(workspace.device_dir(device.name) / "latency.jsonl");
  return [=, &space](const std::vector<search::Candidate>& candidates) {
    std::vector<double> values;
    for (const search::Candidate& candidate : candidates) {
      values.push_back(measure_one(device, space, options, set, candidate).total_ms);
    }
    return values;
  };
}

}  // namespace hat::cli
