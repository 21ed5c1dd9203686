#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "hat/base/stats.h"
#include "hat/latency/latency_set.h"
#include "latency/model.h"

namespace hat::latency {
namespace {

// Rows on either side that tell how slow the device was around a row.
constexpr size_t kHalfWindow = 4;
// What single quiet times of anchors vary by on a machine that does not change (logarithm), at
// most and at least.
constexpr double kAnchorNoise = 0.03;
constexpr double kLeastNoise = 0.01;
constexpr size_t kFewestForNoise = 5;
/// What both slow-downs hold: the smaller of them where they agree in direction.
double common(double small, double large) {
  if (small * large <= 0) return 0;
  return small > 0 ? std::min(small, large) : std::max(small, large);
}

/// What is not more than noise counts for nothing: correcting it would add it.
double beyond(double value, double noise) {
  return value == 0 ? 0 : value * std::max(0.0, 1 - std::pow(noise / value, 2));
}

/// The slow-down of one anchor over the rows of a session.
struct Level {
  std::vector<double> smooth;     ///< medians over windows, drawn to 0 where they are within noise
  std::vector<double> deviation;  ///< of each row from its window's median
};

Level level_of(const std::vector<double>& logs) {
  const size_t n = logs.size();
  double noise = kAnchorNoise;
  if (n >= kFewestForNoise) {
    std::vector<double> steps;
    for (size_t i = 1; i < n; ++i) steps.push_back(std::abs(logs[i] - logs[i - 1]));
    // A machine that jumps is not one whose anchors are noisy.
    noise = std::clamp(1.4826 * median(steps) / std::sqrt(2.0), kLeastNoise, kAnchorNoise);
  }
  Level level;
  for (size_t i = 0; i < n; ++i) {
    const size_t begin = i < kHalfWindow ? 0 : i - kHalfWindow;
    const size_t end = std::min(n, i + kHalfWindow + 1);
    const std::vector<double> window(logs.begin() + static_cast<ptrdiff_t>(begin),
                                     logs.begin() + static_cast<ptrdiff_t>(end));
    const double middle = median(window);
    const double error = 1.25 * noise / std::sqrt(static_cast<double>(window.size()));
    level.deviation.push_back(logs[i] - middle);
    level.smooth.push_back(beyond(middle, 2 * error));
  }
  return level;
}

/// How far a network lies from the small anchor (0) to the large one (1) in the weights that its
/// decoder streams step after step. Beyond the large anchor it stays 1: when the others in a cache
/// take more of it, networks around its size lose most; what is far larger came from memory before.
class MemoryShare {
 public:
  explicit MemoryShare(const LatencySet& set)
      : workload_(set.workload),
        small_(streamed(set.anchors->small)),
        large_(streamed(set.anchors->large)) {}
  double of(const arch::Architecture& network) const {
    if (!(large_ > small_)) return 0;
    return std::clamp((streamed(network) - small_) / (large_ - small_), 0.0, 1.0);
  }

 private:
  double streamed(const arch::Architecture& network) const {
    return decoder_products(arch::cost_features(network, workload_));
  }

  const arch::Workload& workload_;
  double small_;
  double large_;
};

/// Rows [begin, end) are of one session.
void correct(LatencySet* set, size_t begin, size_t end) {
  std::vector<double> small, large;
  for (size_t i = begin; i < end; ++i) {
    small.push_back(std::log(set->rows[i].small_anchor_ms / set->anchors->small_ms));
    large.push_back(std::log(set->rows[i].large_anchor_ms / set->anchors->large_ms));
  }
  const Level small_level = level_of(small);
  const Level large_level = level_of(large);
  const MemoryShare memory(*set);
  for (size_t i = begin; i < end; ++i) {
    LatencyRow& row = set->rows[i];
    const size_t at = i - begin;
    const double lasting = common(small_level.smooth[at], large_level.smooth[at]);
    const double moment = common(small_level.deviation[at], large_level.deviation[at]);
    // The large anchor's alone: the caches and the memory that others use too.
    const double lasting_memory = large_level.smooth[at] - lasting;
    const double moment_memory = large_level.deviation[at] - moment;
    const double slow_down = std::exp(lasting + beyond(moment, kAnchorNoise) +
                                      memory.of(*row.architecture) *
                                          (lasting_memory + beyond(moment_memory, kAnchorNoise)));
    row.total_ms = row.quiet_ms / slow_down;
    row.encoder_ms = row.quiet_encoder_ms / slow_down;
    row.decoder_ms = row.total_ms - row.encoder_ms;
  }
}

}  // namespace

double common_slow_down(const LatencyRow& row, const Anchors& reference) {
  return common(std::log(row.small_anchor_ms / reference.small_ms),
                std::log(row.large_anchor_ms / reference.large_ms));
}

void TimeRange::add(double total_ms, double quiet_ms) {
  corrected_ms_ = std::max(corrected_ms_, total_ms);
  // A device that is faster than at its reference has the larger total_ms.
  most_ms_ = std::min(most_ms_, std::max(total_ms, quiet_ms));
}

void LatencySet::merge_visits() {
  std::map<std::string, size_t> best;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].architecture) return;  // imported rows have no visits
    const auto [found, fresh] = best.emplace(arch::architecture_id(*rows[i].architecture), i);
    if (!fresh && rows[i].quiet_ms < rows[found->second].quiet_ms) found->second = i;
  }
  if (best.size() == rows.size()) return;
  std::vector<size_t> kept;
  for (const auto& [id, index] : best) kept.push_back(index);
  std::sort(kept.begin(), kept.end());
  std::vector<LatencyRow> merged;
  for (const size_t index : kept) merged.push_back(std::move(rows[index]));
  rows = std::move(merged);
}

void LatencySet::apply_reference() {
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin + 1;
    while (end < rows.size() && rows[end].session == rows[begin].session) ++end;
    if (rows[begin].architecture) correct(this, begin, end);
    begin = end;
  }
}

}  // namespace hat::latency
