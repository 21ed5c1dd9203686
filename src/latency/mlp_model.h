#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "latency/model.h"

namespace hat::latency {

/// The original's predictor (hat-spec section 5): ten averaged features over fixed norms, 400
/// hidden units in each of four ReLU layers, Adam at 1e-5, squared error of the normalised latency,
/// 5,000 steps of 128 rows. For comparison.
struct MlpFitOptions {
  int hidden = 400;
  int steps = 5000;
  int batch = 128;
  double learning_rate = 1e-5;
  uint64_t seed = 1;
};
std::unique_ptr<Model> fit_mlp(const std::vector<Sample>& samples, const MlpFitOptions& options);
std::unique_ptr<Model> mlp_from_json(const config::Json& json, const std::string& origin);

}  // namespace hat::latency
