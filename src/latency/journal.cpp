#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "hat/latency/latency_set.h"
#include "latency/model.h"

namespace hat::latency {
namespace {

using config::Json;
using config::OrderedJson;

// 2: two anchors, quiet times.
constexpr int kVersion = 2;
constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr double kMaxMs = 1e9;

OrderedJson timing_to_json(const Timing& t) {
  return {
      {"mean", t.mean}, {"deviation", t.deviation}, {"p50", t.p50}, {"p90", t.p90}, {"p99", t.p99}};
}

/// A number that a time, ratio or fact may be: finite, not negative, not absurd.
double get_amount(const Json& object, const std::string& key, const std::string& origin) {
  const double value = config::get_double(object, key, origin);
  HAT_CHECK(std::isfinite(value) && value >= 0 && value <= kMaxMs, ErrorKind::kData,
            str(origin, ": '", key, "' is ", value));
  return value;
}

double get_positive(const Json& object, const std::string& key, const std::string& origin) {
  const double value = get_amount(object, key, origin);
  HAT_CHECK(value > 0, ErrorKind::kData, str(origin, ": '", key, "' is zero"));
  return value;
}

double optional_amount(const Json& object, const std::string& key, const std::string& origin) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return 0;
  return get_amount(object, key, origin);
}

Timing timing_from_json(const Json& object, const std::string& key, const std::string& origin) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  Timing t;
  t.mean = get_amount(*found, "mean", origin);
  t.deviation = get_amount(*found, "deviation", origin);
  t.p50 = get_amount(*found, "p50", origin);
  t.p90 = get_amount(*found, "p90", origin);
  t.p99 = get_amount(*found, "p99", origin);
  return t;
}

LatencyRow row_from_json(const Json& json, const std::string& origin) {
  LatencyRow row;
  if (json.contains("architecture")) {
    row.architecture = arch::architecture_from_json(json["architecture"], origin);
    row.totals = arch::layer_totals(*row.architecture);
    row.quiet_ms = get_positive(json, "quiet_ms", origin);
    row.quiet_encoder_ms = get_amount(json, "quiet_encoder_ms", origin);
    row.small_anchor_ms = get_positive(json, "small_anchor_ms", origin);
    row.large_anchor_ms = get_positive(json, "large_anchor_ms", origin);
  } else {
    row.averages = numbers_from_json(json, "averages", 10, 10, origin);
    row.totals = arch::layer_totals_from_original(row.averages);
    row.encoder_ms = get_amount(json, "encoder_ms", origin);
    row.decoder_ms = get_amount(json, "decoder_ms", origin);
    row.total_ms = row.encoder_ms + row.decoder_ms;
    HAT_CHECK(row.total_ms > 0, ErrorKind::kData, str(origin, ": the latency is zero"));
  }
  row.error_percent = optional_amount(json, "error_percent", origin);
  row.wall_total = timing_from_json(json, "wall_total", origin);
  row.wall_encoder = timing_from_json(json, "wall_encoder", origin);
  row.wall_decoder = timing_from_json(json, "wall_decoder", origin);
  row.cpu_total = timing_from_json(json, "cpu_total", origin);
  row.anchor_wall_ms = optional_amount(json, "anchor_wall_ms", origin);
  row.anchor_cpu_ms = optional_amount(json, "anchor_cpu_ms", origin);
  row.repetitions = static_cast<int>(optional_amount(json, "repetitions", origin));
  row.memory_mb = optional_amount(json, "memory_mb", origin);
  row.model_mb = optional_amount(json, "model_mb", origin);
  row.energy_j = optional_amount(json, "energy_j", origin);
  row.temperature_c = optional_amount(json, "temperature_c", origin);
  row.clock_mhz = optional_amount(json, "clock_mhz", origin);
  row.session = static_cast<int>(optional_amount(json, "session", origin));
  if (json.contains("time")) row.time = config::get_string(json, "time", origin);
  if (json.contains("facts")) {
    for (const auto& [name, value] : json["facts"].items()) {
      row.facts[name] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
  return row;
}

void read_header(const Json& json, const std::string& origin, LatencySet* set) {
  const int64_t version = config::get_int(json, "version", origin);
  HAT_CHECK(version == kVersion, ErrorKind::kData,
            str(origin, ": latency set version ", version, ", this hat reads ", kVersion),
            "measure anew with --restart, which keeps the old file under another name");
  set->device = config::get_string(json, "device", origin);
  const Json& imported = config::get_member(json, "imported", origin);
  HAT_CHECK(imported.is_boolean(), ErrorKind::kData, str(origin, ": 'imported' is not a boolean"));
  set->imported = imported.get<bool>();
  set->imported_from = config::get_string(json, "imported_from", origin);
  set->space_id = config::get_string(json, "space_id", origin);
  set->precision = config::get_string(json, "precision", origin);
  set->workload = arch::workload_from_json(config::get_member(json, "workload", origin), origin);
  if (set->imported) return;
  set->anchors.emplace();
  const auto anchor = [&](const char* key) {
    return arch::architecture_from_json(config::get_member(json, key, origin), origin);
  };
  set->anchors->small = anchor("small_anchor");
  set->anchors->large = anchor("large_anchor");
}

}  // namespace

Timing summarise(const std::vector<double>& times_ms, double trim) {
  return {trimmed_mean(times_ms, trim), standard_deviation(times_ms), quantile(times_ms, 0.5),
          quantile(times_ms, 0.9), quantile(times_ms, 0.99)};
}

std::vector<double> LatencySet::totals_ms() const {
  std::vector<double> values;
  values.reserve(rows.size());
  for (const LatencyRow& row : rows) values.push_back(row.total_ms);
  return values;
}

Anchors Anchors::of(const arch::SearchSpace& space) { return {space.smallest(), space.middle()}; }

OrderedJson header_to_json(const LatencySet& set) {
  OrderedJson json = {{"type", "latency set"},
                      {"version", kVersion},
                      {"device", set.device},
                      {"imported", set.imported},
                      {"imported_from", set.imported_from},
                      {"space_id", set.space_id},
                      {"precision", set.precision},
                      {"workload", arch::to_json(set.workload)}};
  if (set.anchors) {
    json["small_anchor"] = arch::to_json(set.anchors->small);
    json["large_anchor"] = arch::to_json(set.anchors->large);
  }
  return json;
}

OrderedJson reference_to_json(const Anchors& anchors, const std::string& time) {
  return {{"type", "reference"},
          {"small_anchor_ms", anchors.small_ms},
          {"large_anchor_ms", anchors.large_ms},
          {"time", time}};
}

OrderedJson row_to_json(const LatencyRow& row) {
  OrderedJson json = {{"type", "row"}};
  if (!row.architecture) {
    json["averages"] = row.averages;
    json["encoder_ms"] = row.encoder_ms;
    json["decoder_ms"] = row.decoder_ms;
    if (!row.facts.empty()) json["facts"] = row.facts;
    return json;
  }
  json["id"] = arch::architecture_id(*row.architecture);
  json["architecture"] = arch::to_json(*row.architecture);
  json["quiet_ms"] = row.quiet_ms;
  json["quiet_encoder_ms"] = row.quiet_encoder_ms;
  json["small_anchor_ms"] = row.small_anchor_ms;
  json["large_anchor_ms"] = row.large_anchor_ms;
  json["error_percent"] = row.error_percent;
  json["repetitions"] = row.repetitions;
  json["wall_total"] = timing_to_json(row.wall_total);
  json["wall_encoder"] = timing_to_json(row.wall_encoder);
  json["wall_decoder"] = timing_to_json(row.wall_decoder);
  json["cpu_total"] = timing_to_json(row.cpu_total);
  json["anchor_wall_ms"] = row.anchor_wall_ms;
  json["anchor_cpu_ms"] = row.anchor_cpu_ms;
  json["memory_mb"] = row.memory_mb;
  json["model_mb"] = row.model_mb;
  if (row.energy_j > 0) json["energy_j"] = row.energy_j;
  if (row.temperature_c > 0) json["temperature_c"] = row.temperature_c;
  if (row.clock_mhz > 0) json["clock_mhz"] = row.clock_mhz;
  json["session"] = row.session;
  json["time"] = row.time;
  json["facts"] = row.facts;
  return json;
}

LatencySet read_journal(const fs::path& path) {
  LatencySet set;
  set.origin = path.string();
  const std::string text = read_file(path, kMaxFileBytes);
  int line_number = 0;
  bool have_header = false;
  for (const std::string& line : split(text, '\n')) {
    ++line_number;
    if (trim(line).empty()) continue;
    const std::string origin = str(set.origin, " line ", line_number);
    try {
      const Json json = config::parse_json(line, origin);
      const std::string type = config::get_string(json, "type", origin);
      if (type == "latency set") {
        read_header(json, origin, &set);
        have_header = true;
      } else if (type == "reference") {
        HAT_CHECK(set.anchors, ErrorKind::kData, str(origin, ": a reference without anchors"));
        set.anchors->small_ms = get_positive(json, "small_anchor_ms", origin);
        set.anchors->large_ms = get_positive(json, "large_anchor_ms", origin);
      } else if (type == "row") {
        set.rows.push_back(row_from_json(json, origin));
        set.rows.back().line = line_number;
        set.sessions = std::max(set.sessions, set.rows.back().session);
      }
    } catch (const Error& error) {
      if (!have_header) throw;
      set.rejected.push_back({line_number, error.message()});
    }
    HAT_CHECK(have_header, ErrorKind::kData, str(set.origin, ": is not a latency set"),
              "give devices/<name>/latency.jsonl, or a CSV file of the original with the extension "
              ".csv");
  }
  HAT_CHECK(have_header, ErrorKind::kData, str(set.origin, ": is empty"),
            "run 'hat measure-latency' to fill it");
  const bool measured = std::any_of(set.rows.begin(), set.rows.end(),
                                    [](const LatencyRow& row) { return row.architecture; });
  HAT_CHECK(!measured || (set.anchors && set.anchors->large_ms > 0), ErrorKind::kData,
            str(set.origin, ": has rows but no reference times of the anchors"),
            "delete the file and measure again");
  if (measured) {
    set.merge_visits();
    set.apply_reference();
  }
  return set;
}

LatencySet read_latency_set(const fs::path& path) {
  return to_lower_ascii(path.extension().string()) == ".csv" ? read_csv(path) : read_journal(path);
}

}  // namespace hat::latency
