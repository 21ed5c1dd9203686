#include "hat/latency/agreement.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"

namespace hat::latency {

Agreement agreement(const std::vector<double>& a, const std::vector<double>& b) {
  HAT_DCHECK(a.size() == b.size() && !a.empty());
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i) {
    differences.push_back(200 * std::abs(a[i] - b[i]) / (a[i] + b[i]));
  }
  return {median(differences), *std::max_element(differences.begin(), differences.end()),
          kendall_tau(a, b)};
}

SetAgreement compare_sets(const LatencySet& a, const LatencySet& b) {
  std::map<std::string, const LatencyRow*> rows;
  for (const LatencyRow& row : b.rows) {
    if (row.architecture) rows[arch::architecture_id(*row.architecture)] = &row;
  }
  std::vector<double> latency_a, latency_b, wall_a, wall_b;
  for (const LatencyRow& row : a.rows) {
    if (!row.architecture) continue;
    const auto other = rows.find(arch::architecture_id(*row.architecture));
    if (other == rows.end()) continue;
    latency_a.push_back(row.total_ms);
    latency_b.push_back(other->second->total_ms);
    wall_a.push_back(row.wall_total.mean);
    wall_b.push_back(other->second->wall_total.mean);
  }
  HAT_CHECK(latency_a.size() >= 2, ErrorKind::kData,
            str(a.origin, " and ", b.origin, " have fewer than two architectures in common"),
            "compare measurements of the same space");
  return {static_cast<int>(latency_a.size()), agreement(latency_a, latency_b),
          agreement(wall_a, wall_b)};
}

void take_reference(const LatencySet& from, LatencySet* set) {
  HAT_DCHECK(from.anchors && set->anchors && from.anchors->same_networks(*set->anchors));
  *set->anchors = *from.anchors;
  set->apply_reference();
}

HeldOutReport evaluate_held_out(const Predictor& predictor, const LatencySet& held_out,
                                double confidence, uint64_t seed, int budgets) {
  HAT_CHECK(!held_out.rows.empty(), ErrorKind::kData, str(held_out.origin, ": no usable rows"));
  std::vector<double> predicted, measured, bounds;
  const double factor = predictor.bound_factor(confidence);
  HeldOutReport report;
  report.confidence = confidence;
  for (const LatencyRow& row : held_out.rows) {
    predicted.push_back(predictor.predict_ms(row));
    measured.push_back(row.total_ms);
    bounds.push_back(predicted.back() * factor);
    if (measured.back() > bounds.back()) report.bound_exceeded_percent += 100;
  }
  const size_t n = measured.size();
  report.bound_exceeded_percent /= static_cast<double>(n);
  report.accuracy = accuracy(predicted, measured);
  // Every budget that some network keeps, up to where the slowest of all would do.
  const double least = *std::min_element(bounds.begin(), bounds.end());
  const double most = *std::max_element(bounds.begin(), bounds.end());
  Rng rng(seed, "latency.budgets");
  int exceeded = 0;
  for (report.budgets = 0; report.budgets < budgets; ++report.budgets) {
    const double budget_ms = least + rng.uniform() * (most - least);
    size_t taken = n;
    for (size_t i = 0; i < n; ++i) {
      if (bounds[i] <= budget_ms && (taken == n || bounds[i] > bounds[taken])) taken = i;
    }
    if (taken < n && measured[taken] > budget_ms) ++exceeded;
  }
  report.budget_exceeded_percent = 100.0 * exceeded / std::max(1, budgets);
  return report;
}

}  // namespace hat::latency
