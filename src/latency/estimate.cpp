#include "latency/estimate.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/stats.h"

namespace hat::latency {
namespace {

// Deep enough to miss what other programs spoil, not the extreme, which is the luckiest moment.
constexpr double kQuietQuantile = 0.1;
constexpr size_t kJackknifeBlocks = 8;

/// Runs [begin, end) are left out.
QuietTime quiet_without(const RunTimes& runs, bool cpu, size_t begin, size_t end) {
  const std::vector<std::vector<double>>& pieces = cpu ? runs.piece_cpu_ms : runs.piece_ms;
  HAT_DCHECK(pieces.size() > end - begin);
  QuietTime quiet;
  std::vector<double> column;
  for (size_t piece = 0; piece < pieces[0].size(); ++piece) {
    column.clear();
    for (size_t run = 0; run < pieces.size(); ++run) {
      if (run < begin || run >= end) column.push_back(pieces[run][piece]);
    }
    const double ms = quantile(column, kQuietQuantile);
    quiet.total_ms += ms;
    if (piece < runs.encoder_pieces) quiet.encoder_ms += ms;
  }
  return quiet;
}

}  // namespace

QuietTime quiet_time(const RunTimes& runs, bool cpu) {
  const size_t n = runs.size();
  QuietTime quiet = quiet_without(runs, cpu, 0, 0);
  const size_t blocks = std::min(kJackknifeBlocks, n);
  if (blocks < 2) return quiet;
  std::vector<double> without;
  for (size_t block = 0; block < blocks; ++block) {
    without.push_back(
        quiet_without(runs, cpu, block * n / blocks, (block + 1) * n / blocks).total_ms);
  }
  const double count = static_cast<double>(blocks);
  quiet.error_ms = standard_deviation(without) * (count - 1) / std::sqrt(count);
  return quiet;
}

void append(const RunTimes& more, RunTimes* all) {
  const auto add = [](const auto& from, auto* to) {
    to->insert(to->end(), from.begin(), from.end());
  };
  add(more.encoder_ms, &all->encoder_ms);
  add(more.decoder_ms, &all->decoder_ms);
  add(more.total_ms, &all->total_ms);
  add(more.encoder_cpu_ms, &all->encoder_cpu_ms);
  add(more.decoder_cpu_ms, &all->decoder_cpu_ms);
  add(more.total_cpu_ms, &all->total_cpu_ms);
  add(more.piece_ms, &all->piece_ms);
  add(more.piece_cpu_ms, &all->piece_cpu_ms);
  all->encoder_pieces = more.encoder_pieces;
}

}  // namespace hat::latency
