#include "precision_choice.h"

#include <algorithm>
#include <limits>

#include "hat/base/clock.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/data/batch.h"
#include "hat/model/loss.h"
#include "out_of_memory.h"

namespace hat::train {
namespace {

constexpr int kRepetitions = 3;
constexpr double kLongMs = 3000;  // steps this long are measured once
constexpr double kClearlyFaster = 1.15;

double best_step_ms_of(const TrainerSetup& setup, const TensorBatch& batch) {
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < kRepetitions + 1; ++i) {  // the first warms up
    const double begin = wall_ms();
    const model::Pass pass{.training = true, .dropout = {}, .key = {}};
    const model::EncoderOutput encoded = setup.network.encode(batch.source, pass);
    const at::Tensor hidden = setup.network.decode(batch.prev_output, encoded, pass);
    model::backward_loss(setup.network, hidden, batch.target);
    if (i > 0) best = std::min(best, wall_ms() - begin);
    setup.network.parameters().zero_gradients();
    if (i > 0 && best > kLongMs) break;
  }
  return best;
}

// A batch that does not fit is halved: the run's updates will do the same.
double best_step_ms(const TrainerSetup& setup, const TensorBatch& batch) {
  try {
    return best_step_ms_of(setup, batch);
  } catch (const std::exception& error) {
    setup.network.parameters().zero_gradients();
    if (!is_out_of_memory(error) || batch.rows() < 2) throw;
    model::release_idle_memory();
  }
  return 2 * best_step_ms(setup, batch.slice(0, batch.rows() / 2));
}

}  // namespace

std::string choose_precision(const TrainerSetup& setup) {
  const model::Compute resolved = model::resolve_compute(setup.config.precision);
  if (setup.config.precision != "auto" || resolved == model::Compute::kFp32) {
    return model::compute_name(resolved);
  }
  data::BatchIterator batches(setup.train, {.batch_tokens = setup.config.batch_tokens,
                                            .max_rows = 0,
                                            .seed = setup.seed,
                                            .shuffle = true});
  const TensorBatch batch = to_tensors(data::make_batch(setup.train, batches.next()));
  setup.network.set_architecture(setup.watched.back().architecture);
  setup.network.set_compute(model::Compute::kFp32);
  const double fp32_ms = best_step_ms(setup, batch);
  setup.network.set_compute(model::Compute::kBf16);
  const double bf16_ms = best_step_ms(setup, batch);
  const bool bf16 = fp32_ms > kClearlyFaster * bf16_ms;
  log_info("train", str("gradient of the first batch: fp32 ", fixed(fp32_ms, 0), " ms, bf16 ",
                        fixed(bf16_ms, 0), " ms; training in ", bf16 ? "bf16" : "fp32"));
  return bf16 ? "bf16" : "fp32";
}

}  // namespace hat::train
