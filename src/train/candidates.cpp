#include "candidates.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "hat/base/strings.h"
#include "hat/tensor/safetensors.h"

namespace hat::train {
namespace {

fs::path best_path(const TrainerSetup& setup) {
  return setup.directory / "checkpoint" / "best.safetensors";
}

std::string name_of_best(const TrainState& state) {
  if (state.best_update == 0) return "inherited";
  return str("best (update ", state.best_update, ")");
}

}  // namespace

Candidates::Candidates(const TrainerSetup& setup)
    : setup_(setup), store_(setup.network.parameters()) {}

std::vector<float> Candidates::values() const {
  const at::Tensor host = store_.values().cpu();
  const float* data = host.data_ptr<float>();
  return {data, data + host.numel()};
}

void Candidates::set_values(const std::vector<float>& values) {
  store_.values().copy_(at::from_blob(const_cast<float*>(values.data()),
                                      {static_cast<int64_t>(values.size())}, at::kFloat));
  store_.values_changed();
}

void Candidates::add_validated(int averaged) {
  const std::vector<float> now = values();
  if (averages_.validated.empty()) averages_.validated.assign(now.size(), 0.0f);
  move_towards(averages_.validated, now, 1.0 / (averaged + 1));
}

// A plain mean at first, so that the random weights of the beginning do not linger.
void Candidates::add_to_moving(int64_t updates) {
  const std::span<const float> now(store_.values().data_ptr<float>(),
                                   static_cast<size_t>(store_.values().numel()));
  if (averages_.moving.empty()) averages_.moving.assign(now.size(), 0.0f);
  const double plain = 1.0 / static_cast<double>(updates);
  move_towards(averages_.moving, now, std::max(1 - setup_.config.ema, plain));
}

void Candidates::save_best(int64_t update) const {
  const std::vector<float> now = values();
  ensure_directory(best_path(setup_).parent_path());
  const tensor::TensorSource source{
      "parameters", tensor::DType::kF32, {static_cast<int64_t>(now.size())}, now.data()};
  tensor::write_safetensors(best_path(setup_), {&source, 1}, {{"update", str(update)}});
}

bool Candidates::load_best(std::vector<float>* values) const {
  if (!fs::exists(best_path(setup_))) return false;
  const tensor::SafetensorsFile file(best_path(setup_));
  const tensor::TensorView& view = file.at("parameters");
  if (view.size() != static_cast<int64_t>(values->size())) return false;
  tensor::copy_floats(view, values->data());
  return true;
}

std::string Candidates::choose(const TrainState& state,
                               const std::function<double(const std::string&)>& validate) {
  const auto finite = [](double value) {
    return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
  };
  std::string name = "last";
  double loss = finite(validate(name));
  std::vector<float> kept = values();
  const auto consider = [&](std::vector<float> candidate, const std::string& candidate_name) {
    set_values(candidate);
    const double candidate_loss = finite(validate(candidate_name));
    if (candidate_loss >= loss) return;
    loss = candidate_loss;
    name = candidate_name;
    kept = std::move(candidate);
  };
  if (state.averaged > 1) consider(averages_.validated, str("average of ", state.averaged));
  if (!averages_.moving.empty()) consider(averages_.moving, "moving average");
  if (state.best_loss && state.best_update < state.update) {
    std::vector<float> best(kept.size());
    if (load_best(&best)) consider(std::move(best), name_of_best(state));
  }
  set_values(kept);
  return name;
}

}  // namespace hat::train
