#include <algorithm>
#include <cmath>
#include <map>

#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "latency/checks_internal.h"

namespace hat::latency {
namespace {

// Latencies of one space lie within a decade or so: a gap this wide (in decades) parts two groups,
// and groups whose middles are near three or six decades apart are in different units.
constexpr double kGap = 0.9;
constexpr double kTolerance = 0.7;

/// Groups the values (logarithms) at wide gaps; for each the decades to the largest group, rounded
/// to a change of unit (-6, -3, 0, 3, 6).
std::vector<int> unit_offsets(const std::vector<double>& logs) {
  std::vector<size_t> order(logs.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logs[a] < logs[b]; });
  std::vector<int> group(logs.size(), 0);
  std::vector<std::vector<double>> members(1);
  for (size_t k = 0; k < order.size(); ++k) {
    if (k > 0 && logs[order[k]] - logs[order[k - 1]] > kGap) members.emplace_back();
    group[order[k]] = static_cast<int>(members.size()) - 1;
    members.back().push_back(logs[order[k]]);
  }
  const auto largest =
      std::max_element(members.begin(), members.end(),
                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
  const double usual = median(*largest);
  std::vector<int> offsets(logs.size(), 0);
  for (size_t i = 0; i < logs.size(); ++i) {
    const double distance = median(members[static_cast<size_t>(group[i])]) - usual;
    const int unit = 3 * static_cast<int>(std::lround(distance / 3));
    if (unit != 0 && std::abs(unit) <= 6 && std::abs(distance - unit) < kTolerance) {
      offsets[i] = unit;
    }
  }
  return offsets;
}

struct Column {
  const char* name;
  double LatencyRow::*value;
};

}  // namespace

std::vector<double> check_units(const LatencySet& set, std::vector<Finding>* findings) {
  const size_t n = set.rows.size();
  std::vector<double> factors(n, 1.0);
  if (n < 3) return factors;
  std::vector<LatencyRow> rows = set.rows;
  for (const Column& column :
       {Column{"encoder", &LatencyRow::encoder_ms}, Column{"decoder", &LatencyRow::decoder_ms}}) {
    std::vector<double> logs;
    std::vector<size_t> positive;
    for (size_t i = 0; i < n; ++i) {
      if (!(rows[i].*column.value > 0)) continue;
      logs.push_back(std::log10(rows[i].*column.value));
      positive.push_back(i);
    }
    if (logs.size() < 3) continue;
    const std::vector<int> offsets = unit_offsets(logs);
    std::map<int, std::vector<int>> lines;
    for (size_t k = 0; k < positive.size(); ++k) {
      if (offsets[k] == 0) continue;
      LatencyRow& row = rows[positive[k]];
      lines[offsets[k]].push_back(row.line);
      row.*column.value *= std::pow(10.0, -offsets[k]);
    }
    for (const auto& [offset, where] : lines) {
      Finding finding{FindingKind::kMixedUnits};
      finding.lines = where;
      finding.what =
          str("the ", column.name, " times of ", where.size(), " rows are about ",
              with_commas(static_cast<uint64_t>(std::lround(std::pow(10.0, std::abs(offset))))),
              " times ", offset > 0 ? "larger" : "smaller", " than the others: another unit");
      finding.advice = str("multiply them by ", offset > 0 ? "1e-" : "1e", std::abs(offset),
                           " so that all are in milliseconds");
      findings->push_back(std::move(finding));
    }
  }
  for (size_t i = 0; i < n; ++i) {
    const double total = rows[i].encoder_ms + rows[i].decoder_ms;
    if (total > 0 && set.rows[i].total_ms > 0 &&
        (rows[i].encoder_ms != set.rows[i].encoder_ms ||
         rows[i].decoder_ms != set.rows[i].decoder_ms)) {
      factors[i] = total / set.rows[i].total_ms;
    }
  }
  return factors;
}

}  // namespace hat::latency
