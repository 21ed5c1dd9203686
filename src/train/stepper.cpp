#include "stepper.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "out_of_memory.h"

namespace hat::train {
namespace {

std::span<float> flat(const at::Tensor& tensor) {
  HAT_CHECK(tensor.device().is_cpu(), ErrorKind::kUsage,
            "training on this device is not supported yet", "Train on the CPU.");
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

}  // namespace

std::vector<Region> regions_of(const model::ParameterStore& store, bool whole_tensors) {
  std::vector<Region> regions;
  for (const model::Region& touched : store.touched()) {
    const model::Parameter& parameter = store[touched.parameter];
    if (!whole_tensors) {
      regions.push_back({touched.parameter, parameter.offset + touched.row * parameter.cols,
                         touched.rows, touched.cols, parameter.cols});
    } else if (regions.empty() || regions.back().tensor != touched.parameter) {
      // Groups of one tensor follow each other.
      regions.push_back(
          {touched.parameter, parameter.offset, parameter.rows, parameter.cols, parameter.cols});
    }
  }
  return regions;
}

Stepper::Stepper(model::Transformer& network, const Strategy& strategy, Adam& adam, Options options)
    : network_(network), strategy_(strategy), adam_(adam), options_(options) {}

UpdateStats Stepper::run(int64_t update, const std::vector<TensorBatch>& batches, double rate) {
  return run(update, strategy_.paths(update), batches, rate);
}

UpdateStats Stepper::run(int64_t update, const std::vector<Path>& paths,
                         const std::vector<TensorBatch>& batches, double rate) {
  HAT_DCHECK(!paths.empty() && !batches.empty());
  int64_t most_rows = 0;
  for (const TensorBatch& batch : batches) most_rows = std::max(most_rows, batch.rows());

  model::ParameterStore& store = network_.parameters();
  UpdateStats stats;
  bool released = false;
  for (;;) {  // ends: every turn but one doubles the split, which rows bound
    stats = UpdateStats{};
    try {
      accumulate(update, paths, batches, stats);
      break;
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) throw;
    }
    store.zero_gradients();
    // What waits for the next tensor may have been what was missing.
    if (!std::exchange(released, true) && model::release_idle_memory()) continue;
    HAT_CHECK(split_ < most_rows, ErrorKind::kUsage,
              "out of memory even for a single sentence of this batch",
              "Use a smaller space, shorter sentences (prepare.max_tokens_per_sentence), or a "
              "machine with more memory.");
    split_ *= 2;
    log_warning("train", str("out of memory: batches are cut into ", split_,
                             " parts from now on (same updates, less speed); a smaller "
                             "train.batch_tokens avoids it"));
  }

  const double begin = wall_ms();
  const std::vector<Region> regions = regions_of(store, options_.whole_tensors);
  const double mean_scale = 1.0 / static_cast<double>(stats.trained_tokens);
  const std::span<float> gradients = flat(store.gradients());
  stats.gradient_norm = gradient_norm(gradients, regions) * mean_scale;
  if (!std::isfinite(stats.gradient_norm)) {
    store.zero_gradients();
    stats.skipped = true;
    return stats;
  }
  double scale = mean_scale;
  if (options_.clip_norm > 0) {
    scale *= std::min(1.0, options_.clip_norm / (stats.gradient_norm + 1e-6));
  }
  adam_.step(flat(store.values()), gradients, regions, rate, scale);
  store.forget_touched();  // the step has set those gradients to zero
  store.values_changed();
  stats.optimizer_ms = wall_ms() - begin;
  return stats;
}

void Stepper::accumulate(int64_t update, const std::vector<Path>& paths,
                         const std::vector<TensorBatch>& batches, UpdateStats& stats) {
  uint64_t micro_batch = 0;
  for (const TensorBatch& batch : batches) {
    const int64_t parts = std::min<int64_t>(split_, batch.rows());
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = batch.rows() * part / parts;
      const int64_t end = batch.rows() * (part + 1) / parts;
      const model::DropoutKey key{options_.seed, static_cast<uint64_t>(update), micro_batch};
      train_part(parts == 1 ? batch : batch.slice(begin, end), paths, key, stats);
      micro_batch += paths.size();
    }
    stats.tokens += batch.tokens;
  }
  const double count = static_cast<double>(stats.trained_tokens);
  stats.loss /= count;
  stats.nll /= count;
}

model::Teacher Stepper::predict(model::Transformer& network, const TensorBatch& part) const {
  c10::NoGradGuard no_grad;
  const model::EncoderOutput encoded = network.encode(part.source);
  return {&network, network.decode(part.prev_output, encoded), options_.teacher.weight, 1.0};
}

void Stepper::train_part(const TensorBatch& part, const std::vector<Path>& paths,
                         model::DropoutKey key, UpdateStats& stats) {
  const bool external = options_.teacher.network != nullptr;
  std::optional<model::Teacher> teacher;
  double begin = wall_ms();
  if (external) teacher = predict(*options_.teacher.network, part);
  stats.forward_ms += wall_ms() - begin;
  double dealt = 0;
  int64_t taught_from = 0;  // the first row that the teacher has predicted
  for (const Path& path : paths) {
    // Rows [first, last) are this path's; all, unless the paths divide the batch.
    const bool divides = path.share < 1;
    const int64_t first = divides ? std::llround(dealt * part.rows()) : 0;
    dealt += path.share;
    const int64_t last = divides ? std::llround(dealt * part.rows()) : part.rows();
    at::Tensor hidden;
    if (first < last) {
      const TensorBatch rows = divides ? part.slice(first, last) : part;
      std::optional<model::Teacher> guide;
      if (teacher && (external || path.distillation > 0)) {
        guide = teacher;
        if (!external) guide->weight = path.distillation;
        guide->hidden = guide->hidden.slice(0, first - taught_from, last - taught_from)
                            .slice(1, 0, rows.target.size(1));
      }
      train_path(rows, path, key, guide ? &*guide : nullptr, &hidden, stats);
    }
    ++key.micro_batch;
    if (!path.teaches || external) continue;
    if (!divides) {
      teacher = model::Teacher{&network_, hidden, 1.0, 1.0};
    } else if (last < part.rows()) {
      begin = wall_ms();
      network_.set_architecture(path.architecture);
      teacher = predict(network_, part.slice(last, part.rows()));
      taught_from = last;
      stats.forward_ms += wall_ms() - begin;
    }
  }
}

void Stepper::train_path(const TensorBatch& part, const Path& path, model::DropoutKey key,
                         const model::Teacher* teacher, at::Tensor* hidden, UpdateStats& stats) {
  const double begin = wall_ms();
  network_.set_architecture(path.architecture);
  const model::Pass pass{true, path.dropout ? options_.dropout : model::DropoutRates{}, key};
  const model::EncoderOutput encoded = network_.encode(part.source, pass);
  const at::Tensor states = network_.decode(part.prev_output, encoded, pass);
  const double forward_end = wall_ms();
  const model::LossSums sums =
      model::backward_loss(network_, states, part.target,
                           {.label_smoothing = options_.label_smoothing, .teacher = teacher});
  *hidden = states.detach();
  stats.loss += sums.loss;
  stats.nll += sums.nll;
  stats.trained_tokens += part.tokens;
  stats.forward_ms += forward_end - begin;
  stats.backward_ms += wall_ms() - forward_end;
}

}  // namespace hat::train
