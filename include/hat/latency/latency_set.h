#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hat/arch/cost_features.h"
#include "hat/arch/search_space.h"
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

  /// What predictors are trained on, milliseconds. hat's own rows: the architecture's quiet time,
  /// without what slowed the anchors around it (LatencySet::apply_reference).
  double encoder_ms = 0;
  double decoder_ms = 0;
  double total_ms = 0;
  double error_percent = 0;  ///< standard error of total_ms; 0 when unknown
  /// What hat's own times are made of, and what the journal keeps: quiet times of the network, and
  /// of both anchors beside it.
  double quiet_ms = 0, quiet_encoder_ms = 0, small_anchor_ms = 0, large_anchor_ms = 0;

  /// As measured, nothing divided out; empty for imported rows.
  Timing wall_total, wall_encoder, wall_decoder, cpu_total;
  double anchor_wall_ms = 0;  ///< of the large anchor, trimmed means like the above
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

/// The two networks that run between all others, one that lives in the caches and one that does
/// not: what slows both is the device's (throttling, clocks), what slows the large one alone is
/// the memory's.
struct Anchors {
  arch::Architecture small;
  arch::Architecture large;
  /// Their times on the quiet device, set when the set is begun; 0: not known yet.
  double small_ms = 0;
  double large_ms = 0;

  /// The smallest and the middle of the space.
  static Anchors of(const arch::SearchSpace& space);
  bool same_networks(const Anchors& other) const {
    return small == other.small && large == other.large;
  }
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
  std::optional<Anchors> anchors;
  int sessions = 0;
  std::vector<LatencyRow> rows;

  struct Rejected {
    int line;
    std::string reason;
  };
  /// Rows that cannot be used (a time that is negative, NaN, not a number, ...).
  std::vector<Rejected> rejected;

  std::vector<double> totals_ms() const;
  /// Fills the milliseconds of hat's own rows: quiet times over what slowed the anchors against
  /// their reference times. What slowed both counts for every network, what slowed the large one
  /// beyond that in proportion to the weights that a network's decoder streams. Either is the
  /// median over the neighbouring rows of a session, where it is more than noise, plus what the
  /// row differs from it by, where that is much.
  void apply_reference();
  /// An architecture may have been visited more than once: the visit with the smallest quiet time
  /// stays, in the place where it was made.
  void merge_visits();
};

/// Reads the original's CSV (hat-spec section 4): ten averaged features and times in ms, columns in
/// any order. Other columns are facts (threads, device, session, ...). Throws kData when it is no
/// such CSV; rows with impossible values go to `rejected`.
LatencySet read_csv(const fs::path& path);
/// Reads hat's own journal (docs/latency.md).
LatencySet read_journal(const fs::path& path);
/// By extension: .csv, or hat's journal.
LatencySet read_latency_set(const fs::path& path);

/// The logarithm of what slowed both anchors of a row against their reference times.
double common_slow_down(const LatencyRow& row, const Anchors& reference);

/// What single visits tell of a network's time, without the neighbouring rows of a set. Anchors
/// that run a few times within a second may be slowed when the network is not: its time lies
/// between LatencyRow::total_ms, where all that slowed the anchors is divided out, and
/// LatencyRow::quiet_ms, where nothing is. Several visits narrow this range; where nothing slowed
/// the anchors it is a point.
class TimeRange {
 public:
  void add(double total_ms, double quiet_ms);
  double least_ms() const { return std::min(corrected_ms_, most_ms_); }
  double most_ms() const { return most_ms_; }
  /// The value within the range that is nearest to the predicted one.
  double likely_ms(double predicted_ms) const {
    return std::clamp(predicted_ms, least_ms(), most_ms());
  }

 private:
  double corrected_ms_ = 0;
  double most_ms_ = std::numeric_limits<double>::infinity();
};

/// The workload that the original measured: 23 tokens for IWSLT, 30 otherwise, by the file's name.
arch::Workload original_workload(const std::string& file_name);

/// The journal's lines. The first describes the set, one sets the anchor's reference time, the
/// others are rows.
config::OrderedJson header_to_json(const LatencySet& set);
config::OrderedJson reference_to_json(const Anchors& anchors, const std::string& time);
config::OrderedJson row_to_json(const LatencyRow& row);

}  // namespace hat::latency
