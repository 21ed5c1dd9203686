#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hat/arch/cost_features.h"
#include "hat/base/file.h"
#include "hat/config/json.h"

namespace hat::latency {

/// Order statistics of one timed part, milliseconds.
struct Timing {
  double mean = 0;  ///< trimmed mean
  double deviation = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
};

/// Trimmed mean, deviation and quantiles of the given times (not empty).
Timing summarise(const std::vector<double>& times_ms, double trim);

/// One measured architecture.
struct LatencyRow {
  int line = 0;  ///< in the file, counted from 1 (a CSV's header is line 1)
  /// Layer by layer; absent in the original's CSV files, which keep averages only.
  std::optional<arch::Architecture> architecture;
  std::vector<double> averages;  ///< the original's ten features; only where architecture is absent
  arch::LayerTotals totals;

  /// What predictors are trained on, milliseconds. hat's own rows: the ratio of the architecture's
  /// time to the interleaved anchor's, times the device's reference time of the anchor.
  double encoder_ms = 0;
  double decoder_ms = 0;
  double total_ms = 0;
  double error_percent = 0;  ///< standard error of total_ms; 0 when unknown
  /// The three times over the anchor's total, which is what the journal keeps; 0 for imported rows.
  double encoder_ratio = 0, decoder_ratio = 0, total_ratio = 0;

  /// As measured, nothing divided out; empty for imported rows.
  Timing wall_total, wall_encoder, wall_decoder, cpu_total;
  double anchor_wall_ms = 0;
  double anchor_cpu_ms = 0;
  int repetitions = 0;
  double memory_mb = 0;
  double model_mb = 0;
  double energy_j = 0;  ///< one run; 0 when not readable, as for the next two
  double temperature_c = 0;
  double clock_mhz = 0;
  int session = 0;  ///< which call of measure-latency wrote the row
  std::string time;
  /// What must not change within one set: threads, device, isa, version, governor, ...
  std::map<std::string, std::string> facts;
};

/// The measurements of one device in one space, precision and workload.
struct LatencySet {
  std::string origin;     ///< the file
  bool imported = false;  ///< numbers of others, taken from a CSV file
  std::string imported_from;
  std::string device;
  std::string space_id;  ///< empty for imported sets
  std::string precision;
  arch::Workload workload;
  std::optional<arch::Architecture> anchor;
  double reference_anchor_ms = 0;  ///< the device's quiet time of the anchor, set once
  int sessions = 0;
  std::vector<LatencyRow> rows;

  struct Rejected {
    int line;
    std::string reason;
  };
  /// Rows that cannot be used (a time that is negative, NaN, not a number, ...).
  std::vector<Rejected> rejected;

  std::vector<double> totals_ms() const;
};

/// Reads the original's CSV (hat-spec section 4): ten averaged features and times in ms, columns in
/// any order. Other columns are facts (threads, device, session, ...). Throws kData when it is no
/// such CSV; rows with impossible values go to `rejected`.
LatencySet read_csv(const fs::path& path);
/// Reads hat's own journal (docs/latency.md).
LatencySet read_journal(const fs::path& path);
/// By extension: .csv, or hat's journal.
LatencySet read_latency_set(const fs::path& path);

/// The workload that the original measured: 23 tokens for IWSLT, 30 otherwise, by the file's name.
arch::Workload original_workload(const std::string& file_name);

/// The journal's lines. The first describes the set, one sets the anchor's reference time, the
/// others are rows.
config::OrderedJson header_to_json(const LatencySet& set);
config::OrderedJson reference_to_json(double anchor_ms, const std::string& time);
config::OrderedJson row_to_json(const LatencyRow& row);

}  // namespace hat::latency
