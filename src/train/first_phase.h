#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hat/train/trainer.h"

namespace hat::train {

/// The share of a run (train.largest_first) in which the largest network trains alone, before its
/// heads and FFN channels are put in order of importance and the strategy takes over: what small
/// networks then find in their leading slices is trained already, and is what matters. Largest
/// first, then sorted: OFA (Cai et al. 2020), section 3.3.
class FirstPhase {
 public:
  explicit FirstPhase(const TrainerSetup& setup);

  bool enabled() const { return share_ > 0; }
  /// The first update that is the strategy's.
  int64_t end(int64_t total_updates) const;
  std::vector<Path> paths() const { return {{setup_.largest}}; }
  /// Cost of an update in units of one that trains the largest network alone, which is what this
  /// phase does; counted, not measured. Always 1 without the phase: one kind of update needs no
  /// comparison.
  double cost(bool in_phase) const { return in_phase ? 1 : strategy_cost_; }
  /// Mean of the updates that are left.
  double cost_ahead(int64_t done, int64_t total_updates) const;
  /// Puts the network's weights, and whatever else has their layout, in order; batches are cut in
  /// `split` parts.
  void reorder(std::span<const std::span<float>> buffers, int split) const;

 private:
  const TrainerSetup& setup_;
  double share_ = 0;
  double strategy_cost_ = 1;
};

}  // namespace hat::train
