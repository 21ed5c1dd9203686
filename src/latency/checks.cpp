#include "hat/latency/checks.h"

#include <algorithm>
#include <map>
#include <set>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "latency/checks_internal.h"

namespace hat::latency {
namespace {

constexpr size_t kFewestRows = 40;
constexpr size_t kFewestForResiduals = 16;
constexpr size_t kFewestForCopies = 10;
// A fact with more different values than this is a reading (a temperature), not a setting.
constexpr size_t kMostFactValues = 8;

using Times = std::pair<double, double>;

Times times_of(const LatencyRow& row) {
  // A journal's corrected times move when its reference does; what was measured does not.
  if (row.architecture) return {row.wall_total.mean, row.wall_total.p50};
  return {row.encoder_ms, row.decoder_ms};
}

void check_rejected(const LatencySet& set, std::vector<Finding>* findings) {
  if (set.rejected.empty()) return;
  Finding finding{FindingKind::kInvalidRows};
  for (const LatencySet::Rejected& row : set.rejected) finding.lines.push_back(row.line);
  finding.what =
      str(set.rejected.size(), " rows cannot be used; the first: ", set.rejected.front().reason);
  finding.advice = "remove these rows or measure them again; they are left out everywhere";
  findings->push_back(std::move(finding));
}

/// Features that take more than one value among the rows.
size_t varying_features(const LatencySet& set) {
  size_t varying = 0;
  if (set.rows.empty()) return 0;
  const arch::CostFeatures first = arch::cost_features(set.rows[0].totals, set.workload);
  for (size_t f = 0; f < first.size(); ++f) {
    varying += std::any_of(set.rows.begin(), set.rows.end(), [&](const LatencyRow& row) {
      return arch::cost_features(row.totals, set.workload)[f] != first[f];
    });
  }
  return varying;
}

void check_row_count(const LatencySet& set, std::vector<Finding>* findings) {
  const size_t needed = std::max(kFewestRows, 2 * varying_features(set));
  if (set.rows.size() >= needed) return;
  Finding finding{FindingKind::kTooFewRows};
  finding.what = str(set.rows.size(), " usable rows are too few for what varies in them; ", needed,
                     " are the least to trust a predictor with");
  finding.advice = str("measure at least ", needed - set.rows.size(),
                       " more architectures (hat measure-latency goes on where it stopped)");
  findings->push_back(std::move(finding));
}

bool is_setting(const std::string& name) {
  static const std::vector<std::string> words = {
      "thread", "device",   "host",    "machine", "cpu_model", "gpu",      "isa",     "precision",
      "engine", "governor", "version", "cores",   "model",     "hardware", "platform"};
  const std::string lower = to_lower_ascii(name);
  return lower == "cpu" || std::any_of(words.begin(), words.end(), [&](const std::string& word) {
           return lower.find(word) != std::string::npos;
         });
}

void check_facts(const LatencySet& set, std::vector<Finding>* findings) {
  std::map<std::string, std::map<std::string, std::vector<int>>> values;
  for (const LatencyRow& row : set.rows) {
    for (const auto& [name, value] : row.facts) values[name][value].push_back(row.line);
  }
  for (const auto& [name, by_value] : values) {
    if (!is_setting(name) || by_value.size() < 2 || by_value.size() > kMostFactValues) continue;
    const auto usual = std::max_element(
        by_value.begin(), by_value.end(),
        [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    Finding finding{FindingKind::kSessionChange};
    std::vector<std::string> parts;
    for (const auto& [value, lines] : by_value) {
      parts.push_back(str("'", value, "' in ", lines.size(), " rows"));
      if (value == usual->first) continue;
      finding.lines.insert(finding.lines.end(), lines.begin(), lines.end());
    }
    std::sort(finding.lines.begin(), finding.lines.end());
    finding.what = str("'", name, "' changes within the set: ", join(parts, ", "));
    finding.advice =
        "split the set by it, or measure the smaller part again under the same setting";
    findings->push_back(std::move(finding));
  }
}

/// Pairs of equal values over pairs of rows.
double tie_probability(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double ties = 0;
  double run = 1;
  for (size_t i = 1; i < values.size(); ++i) {
    run = values[i] == values[i - 1] ? run + 1 : 1;
    ties += run - 1;
  }
  const double n = static_cast<double>(values.size());
  return ties / (0.5 * n * (n - 1));
}

/// Rows with exactly the times of another row, more of them than rounded times give by chance.
void check_duplicates(const LatencySet& set, std::vector<Finding>* findings) {
  if (set.rows.size() < 2) return;
  std::map<Times, std::vector<int>> by_times;
  std::vector<double> first;
  std::vector<double> second;
  for (const LatencyRow& row : set.rows) {
    const Times times = times_of(row);
    by_times[times].push_back(row.line);
    first.push_back(times.first);
    second.push_back(times.second);
  }
  Finding finding{FindingKind::kDuplicates};
  double pairs = 0;
  std::string example;
  for (const auto& [times, lines] : by_times) {
    if (lines.size() < 2) continue;
    const double count = static_cast<double>(lines.size());
    pairs += 0.5 * count * (count - 1);
    finding.lines.insert(finding.lines.end(), lines.begin() + 1, lines.end());
    if (example.empty()) example = str("line ", lines[1], " repeats line ", lines[0]);
  }
  const double n = static_cast<double>(set.rows.size());
  const double by_chance = 0.5 * n * (n - 1) * tie_probability(first) * tie_probability(second);
  if (pairs <= 3 * by_chance + 0.5) return;
  std::sort(finding.lines.begin(), finding.lines.end());
  finding.what =
      str(finding.lines.size(), " rows have to the last digit the times of an earlier row (",
          example, "): one measurement under several names");
  finding.advice = "remove these rows: a copy is not a second measurement";
  findings->push_back(std::move(finding));
}

void note_averages(const LatencySet& set, std::vector<Finding>* findings) {
  const bool averages = std::any_of(set.rows.begin(), set.rows.end(),
                                    [](const LatencyRow& row) { return !row.architecture; });
  if (!averages) return;
  Finding finding{FindingKind::kAveragesOnly};
  finding.problem = false;
  finding.what =
      "the rows keep averaged features of the original's format, not the layers: which layer costs "
      "what, other qkv widths, and measuring a row again are not possible";
  finding.advice =
      "enough for a predictor over the original's genes; measure with hat for the rest";
  findings->push_back(std::move(finding));
}

}  // namespace

std::string finding_name(FindingKind kind) {
  switch (kind) {
    case FindingKind::kNoSignal:
      return "no_signal";
    case FindingKind::kDrift:
      return "drift";
    case FindingKind::kSessionChange:
      return "session_change";
    case FindingKind::kDuplicates:
      return "duplicates";
    case FindingKind::kMixedUnits:
      return "mixed_units";
    case FindingKind::kOutliers:
      return "outliers";
    case FindingKind::kTooFewRows:
      return "too_few_rows";
    case FindingKind::kInvalidRows:
      return "invalid_rows";
    case FindingKind::kCorrelatedNoise:
      return "correlated_noise";
    case FindingKind::kAveragesOnly:
      return "averages_only";
  }
  return "unknown";
}

std::string format_lines(const std::vector<int>& lines, size_t max_ranges) {
  std::vector<std::string> ranges;
  size_t i = 0;
  while (i < lines.size()) {
    size_t end = i;
    while (end + 1 < lines.size() && lines[end + 1] == lines[end] + 1) ++end;
    if (ranges.size() == max_ranges) {
      ranges.push_back(str("and ", lines.size() - i, " more"));
      break;
    }
    ranges.push_back(end == i ? str(lines[i]) : str(lines[i], "-", lines[end]));
    i = end + 1;
  }
  return join(ranges, ", ");
}

std::vector<Finding> check_latency_set(const LatencySet& set) {
  std::vector<Finding> findings;
  check_rejected(set, &findings);
  check_row_count(set, &findings);
  check_facts(set, &findings);
  check_duplicates(set, &findings);
  const std::vector<double> factors = check_units(set, &findings);
  if (set.rows.size() >= kFewestForResiduals) {
    CheckedRows rows;
    for (size_t i = 0; i < set.rows.size(); ++i) {
      Sample sample;
      sample.costs = arch::cost_features(set.rows[i].totals, set.workload);
      sample.ms = set.rows[i].total_ms * factors[i];
      rows.samples.push_back(std::move(sample));
      rows.lines.push_back(set.rows[i].line);
    }
    check_residuals(rows, &findings);
  }
  note_averages(set, &findings);
  std::stable_partition(findings.begin(), findings.end(),
                        [](const Finding& finding) { return finding.problem; });
  return findings;
}

std::vector<Finding> check_copies(const LatencySet& set, const std::vector<LatencySet>& others,
                                  double least_share) {
  std::vector<Finding> findings;
  std::set<Times> mine;
  for (const LatencyRow& row : set.rows) mine.insert(times_of(row));
  for (const LatencySet& other : others) {
    std::set<Times> theirs;
    for (const LatencyRow& row : other.rows) theirs.insert(times_of(row));
    const size_t smaller = std::min(mine.size(), theirs.size());
    if (smaller < kFewestForCopies) continue;
    size_t common = 0;
    for (const Times& times : mine) common += theirs.count(times);
    const double share = static_cast<double>(common) / static_cast<double>(smaller);
    if (share < least_share || (least_share >= 1 && mine.size() != theirs.size())) continue;
    Finding finding{FindingKind::kDuplicates};
    finding.what = str(common, " of its rows have to the last digit the times of ", other.origin,
                       ": the same measurements under another name");
    finding.advice = "find out which device and workload they belong to and delete the other file";
    findings.push_back(std::move(finding));
  }
  return findings;
}

config::OrderedJson to_json(const std::vector<Finding>& findings) {
  config::OrderedJson list = config::OrderedJson::array();
  for (const Finding& finding : findings) {
    list.push_back({{"kind", finding_name(finding.kind)},
                    {"severity", finding.problem ? "problem" : "note"},
                    {"what", finding.what},
                    {"lines", finding.lines},
                    {"advice", finding.advice}});
  }
  return list;
}

bool has_problem(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.problem; });
}

}  // namespace hat::latency
