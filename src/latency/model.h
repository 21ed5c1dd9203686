#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hat/arch/cost_features.h"
#include "hat/config/json.h"

namespace hat::latency {

/// One row as models see it.
struct Sample {
  arch::CostFeatures costs{};
  std::vector<double> averages;  ///< the original's ten features, for its MLP
  double ms = 0;
};

/// Multiply-adds of all products that a decoder's steps make, in millions: for one workload
/// proportional to the weights that a step streams.
double decoder_products(const arch::CostFeatures& costs);

/// Fixed milliseconds, plus a price for every unit of each cost feature, plus one for what a step
/// streams beyond the caches: weights that fit are read from them step after step, the rest comes
/// from memory every time. It is a sum of non-decreasing parts, so it grows with every gene.
struct LinearModel {
  double fixed_ms = 0;
  arch::CostFeatures price_ms{};
  double cached = 0;             ///< decoder_products() up to which the weights stay in the caches
  double uncached_price_ms = 0;  ///< per million beyond

  double uncached_ms(const arch::CostFeatures& costs) const;
  double predict(const arch::CostFeatures& costs) const;
};

struct LinearFitOptions {
  /// Features that may carry a price.
  std::array<bool, arch::kCostFeatureCount> allowed{};
  /// Ridge strength relative to the number of rows, on standardised columns.
  double ridge = 1e-4;
  /// decoder_products() beyond which the weights are priced once more; 0: no such price.
  double cached = 0;
  /// Prices of another device: their total becomes one more column, which the ridge leaves alone.
  const LinearModel* prior = nullptr;
};

/// Prices that minimise a robust relative error: Huber's loss of (predicted - measured) / measured
/// by iteratively reweighted least squares (Holland and Welsch 1977), knee at half a robust
/// standard deviation so that it is near the absolute error, plus a ridge. Prices are not negative:
/// no operation takes negative time, and with 50 rows that constraint is worth more than any other
/// regularisation (non-negative least squares, Lawson and Hanson 1974; solved by coordinate
/// descent).
LinearModel fit_linear(const std::vector<Sample>& samples, const LinearFitOptions& options);

/// The fitted function behind a Predictor.
class Model {
 public:
  virtual ~Model() = default;
  virtual std::string kind() const = 0;
  virtual double predict(const Sample& sample) const = 0;
  virtual config::OrderedJson to_json() const = 0;
  /// The additive part; absent for models that have none.
  virtual const LinearModel* linear() const { return nullptr; }
  /// True when the additive part is all there is.
  virtual bool additive() const { return false; }
  virtual bool needs_averages() const { return false; }
};

std::unique_ptr<Model> make_linear_model(const LinearModel& linear);
std::unique_ptr<Model> model_from_json(const config::Json& json, const std::string& origin);

config::OrderedJson linear_to_json(const LinearModel& linear);
LinearModel linear_from_json(const config::Json& json, const std::string& origin);
/// An array of finite numbers of the given length (any length up to `max_length` when 0).
std::vector<double> numbers_from_json(const config::Json& json, const std::string& key,
                                      size_t length, size_t max_length, const std::string& origin);

}  // namespace hat::latency
