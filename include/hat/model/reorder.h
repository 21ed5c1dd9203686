#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hat/model/transformer.h"

namespace hat::model {

/// Brings the attention heads and FFN channels that matter most to the front of their layers, where
/// the leading slices of smaller networks find them. The network that is observed computes the same
/// as before: whole heads and whole channels change places. Embedding channels stay: sinusoidal
/// positions tie them to their index.
///
/// Importance of a head or channel: the loss that leaving it out would cost, to first order, which
/// is |sum over its outgoing weights of w dL/dw|, summed over batches (Michel et al. 2019, "Are
/// sixteen heads really better than one?", section 5; Molchanov et al. 2017). Re-ordering for
/// networks that share leading slices: OFA (Cai et al. 2020, section 3.3) by the norm of channels;
/// DynaBERT (Hou et al. 2020, section 2.1, "network rewiring") by this importance.
///
///   Reordering reordering(network);
///   for (batch) { backward_loss(...); reordering.observe(); network.parameters().zero_gradients();
///   } reordering.apply(values); reordering.apply(moments); ...; store.values_changed();
class Reordering {
 public:
  /// For the network at its current architecture: heads and channels beyond it stay where they are.
  explicit Reordering(Transformer& network);
  ~Reordering();
  Reordering(const Reordering&) = delete;
  Reordering& operator=(const Reordering&) = delete;

  /// Adds what the gradient buffer says about one batch.
  void observe();
  /// Re-orders a buffer with the layout of the flat buffers: values, moments, averages.
  void apply(std::span<float> buffer) const;

 private:
  struct Unit;
  Transformer& network_;
  std::vector<Unit> units_;
};

}  // namespace hat::model
