#include "latency/estimate.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/stats.h"

namespace hat::latency {

Estimate trimmed_estimate(std::vector<double> values, double trim) {
  HAT_DCHECK(!values.empty());
  Estimate estimate;
  estimate.mean = trimmed_mean(values, trim);
  const size_t n = values.size();
  if (n < 2) return estimate;
  std::sort(values.begin(), values.end());
  const size_t cut = static_cast<size_t>(trim * static_cast<double>(n));
  for (size_t i = 0; i < cut; ++i) {
    values[i] = values[cut];
    values[n - 1 - i] = values[n - 1 - cut];
  }
  const double kept = 1 - 2 * static_cast<double>(cut) / static_cast<double>(n);
  estimate.standard_error = standard_deviation(values) / (kept * std::sqrt(static_cast<double>(n)));
  return estimate;
}

Ratios anchor_ratios(const MeasureReply& reply, bool cpu) {
  const RunTimes& runs = reply.runs;
  const std::vector<double>& anchor = cpu ? reply.anchor.total_cpu_ms : reply.anchor.total_ms;
  const std::vector<double>& total = cpu ? runs.total_cpu_ms : runs.total_ms;
  const std::vector<double>& encoder = cpu ? runs.encoder_cpu_ms : runs.encoder_ms;
  const std::vector<double>& decoder = cpu ? runs.decoder_cpu_ms : runs.decoder_ms;
  Ratios ratios;
  size_t next = 0;  // first anchor run after run i
  for (size_t i = 0; i < runs.size(); ++i) {
    while (next < anchor.size() && reply.anchor_after[next] <= static_cast<int>(i)) ++next;
    double sum = 0;
    int count = 0;
    if (next > 0) {
      sum += anchor[next - 1];
      ++count;
    }
    if (next < anchor.size()) {
      sum += anchor[next];
      ++count;
    }
    if (count == 0 || !(sum > 0)) continue;
    const double around = sum / count;
    ratios.total.push_back(total[i] / around);
    ratios.encoder.push_back(encoder[i] / around);
    ratios.decoder.push_back(decoder[i] / around);
  }
  return ratios;
}

void append(const RunTimes& more, RunTimes* all) {
  const auto add = [](const std::vector<double>& from, std::vector<double>* to) {
    to->insert(to->end(), from.begin(), from.end());
  };
  add(more.encoder_ms, &all->encoder_ms);
  add(more.decoder_ms, &all->decoder_ms);
  add(more.total_ms, &all->total_ms);
  add(more.encoder_cpu_ms, &all->encoder_cpu_ms);
  add(more.decoder_cpu_ms, &all->decoder_cpu_ms);
  add(more.total_cpu_ms, &all->total_cpu_ms);
}

}  // namespace hat::latency
