#pragma once

#include <memory>
#include <vector>

#include "latency/model.h"

namespace hat::latency {

struct GpFitOptions {
  LinearFitOptions linear;
  double length_scale = 1.0;  ///< of standardised features, per square root of their number
  double noise_share = 0.3;   ///< variance of the noise over that of the function
  int max_rows = 600;  ///< more rows than this: evenly spaced ones are used for the kernel part
};

/// The linear model times (1 + a Gaussian process of its relative residual), squared-exponential
/// kernel (Rasmussen and Williams 2006, section 2.2). It catches what prices cannot: caches that
/// overflow, tiles that round up.
std::unique_ptr<Model> fit_gp(const std::vector<Sample>& samples, const GpFitOptions& options);
std::unique_ptr<Model> gp_from_json(const config::Json& json, const std::string& origin);

}  // namespace hat::latency
