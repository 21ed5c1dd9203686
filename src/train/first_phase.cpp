#include "first_phase.h"

#include <algorithm>
#include <cmath>

#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/data/batch.h"
#include "hat/model/loss.h"
#include "hat/model/reorder.h"

namespace hat::train {
namespace {

// Importance is summed over this many batches, and the strategy's cost over this many updates.
constexpr int kBatches = 24;
constexpr int kCostedUpdates = 66;
// Draws that no run comes to.
constexpr int64_t kFarUpdate = int64_t{3} << 40;

}  // namespace

FirstPhase::FirstPhase(const TrainerSetup& setup) : setup_(setup) {
  if (setup.largest.decoder.empty()) return;
  share_ = setup.config.largest_first;
  if (!enabled()) return;
  const auto cost = [&](const arch::Architecture& a) {
    return cost_per_token(a) +
           static_cast<double>(a.decoder_embed_dim) * setup.network.spec().vocabulary.target;
  };
  double total = 0;
  for (int64_t i = 0; i < kCostedUpdates; ++i) {
    for (const Path& path : setup.strategy.paths(kFarUpdate + i))
      total += path.share * cost(path.architecture);
  }
  strategy_cost_ = total / kCostedUpdates / cost(setup.largest);
}

int64_t FirstPhase::end(int64_t total_updates) const {
  return std::llround(share_ * static_cast<double>(total_updates));
}

double FirstPhase::cost_ahead(int64_t done, int64_t total_updates) const {
  const double left = static_cast<double>(total_updates - done);
  if (!enabled() || left <= 0) return strategy_cost_;
  const double first = static_cast<double>(std::max<int64_t>(0, end(total_updates) - done)) / left;
  return first + (1 - first) * strategy_cost_;
}

void FirstPhase::reorder(std::span<const std::span<float>> buffers, int split) const {
  model::Transformer& network = setup_.network;
  network.set_architecture(setup_.largest);
  model::Reordering reordering(network);
  data::BatchIterator batches(setup_.train, {.batch_tokens = setup_.config.batch_tokens,
                                             .max_rows = 0,
                                             .seed = setup_.seed,
                                             .shuffle = true});
  for (int i = 0; i < kBatches; ++i) {
    const TensorBatch batch = to_tensors(data::make_batch(setup_.train, batches.next()));
    const int64_t parts = std::min<int64_t>(split, batch.rows());
    for (int64_t part = 0; part < parts; ++part) {
      const TensorBatch rows =
          batch.slice(batch.rows() * part / parts, batch.rows() * (part + 1) / parts);
      const at::Tensor hidden = network.decode(rows.prev_output, network.encode(rows.source));
      model::backward_loss(network, hidden, rows.target,
                           {.label_smoothing = setup_.config.label_smoothing});
    }
    reordering.observe();
    network.parameters().zero_gradients();
  }
  for (const std::span<float> buffer : buffers) {
    if (!buffer.empty()) reordering.apply(buffer);
  }
  network.parameters().values_changed();
  log_info("train",
           "heads and FFN channels are in order of importance; from now on all networks "
           "of the strategy train");
}

}  // namespace hat::train
