#pragma once

#include <cstdint>
#include <string>

namespace hat::train {

enum class ScheduleKind { kInverseSqrt, kCosine };
/// "inverse_sqrt" or "cosine"; throws kConfig with the nearest name.
ScheduleKind parse_schedule(const std::string& name);

/// Learning rate as a function of the number of updates done before (the first update asks for 0),
/// as fairseq computes it for HAT (hat-spec section 3):
///   warm-up        initial + update * (peak - initial) / warmup
///   inverse sqrt   peak * sqrt(warmup / update)
///   cosine         final + (peak - final) / 2 * (1 + cos(pi * (update - warmup) / (total -
///   warmup)))
struct Schedule {
  ScheduleKind kind = ScheduleKind::kInverseSqrt;
  double peak = 5e-4;
  double initial = 1e-7;
  double final_rate = 1e-7;  ///< cosine only
  int64_t warmup_updates = 0;
  int64_t total_updates = 0;  ///< cosine only; later updates keep the final rate

  double at(int64_t update) const;
};

/// What the defaults are chosen from.
struct RunSize {
  int64_t target_tokens_per_epoch = 0;
  double updates_per_epoch = 0;
  int width = 0;  ///< the wider of encoder and decoder
};
/// Enough updates to finish: about 60 passes over 400,000 tokens, fewer passes the larger the data
/// (their number falls with the square root), never below 1,000 updates nor above 200,000.
int64_t default_updates(const RunSize& size);
/// A twelfth of the updates, at most 4,000 (the original's choice for its SubTransformers). Random
/// weights need a few hundred updates before they bear the peak: there at least 400, or a third of
/// the updates if that is less (docs/results.md).
int64_t default_warmup(int64_t updates, bool inherited);
/// Narrow networks bear, and in a short run need, larger steps: 0.32 / width, at most 5e-3. That is
/// the original's 5e-4 at its width of 640.
double default_learning_rate(const RunSize& size);

}  // namespace hat::train
