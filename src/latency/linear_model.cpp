#include <algorithm>
#include <cmath>
#include <string_view>

#include "hat/base/error.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "latency/model.h"

namespace hat::latency {
namespace {

using arch::kCostFeatureCount;

constexpr int kReweightings = 15;
constexpr int kSweeps = 300;
constexpr double kSweepTolerance = 1e-8;
constexpr int kPriorColumn = -1;
constexpr int kUncachedColumn = -2;
constexpr double kKnee = 0.5;  // in robust standard deviations of the relative error

/// The samples with centred, scaled columns; column 0 is the intercept. Constant columns are left
/// out: their price is part of the fixed milliseconds.
struct Design {
  std::vector<int> features;  // cost feature of column j + 1, or kPriorColumn
  std::vector<double> centre;
  std::vector<double> scale;
  std::vector<std::vector<double>> rows;
  std::vector<double> target;
  double unit_ms = 1;  // targets are in units of the mean latency

  size_t width() const { return features.size() + 1; }
};

double column_value(const Sample& sample, int feature, const LinearFitOptions& options) {
  if (feature == kPriorColumn) return options.prior->predict(sample.costs);
  if (feature == kUncachedColumn) {
    return std::max(0.0, decoder_products(sample.costs) - options.cached);
  }
  return sample.costs[static_cast<size_t>(feature)];
}

/// Adds the column with its centre and scale; leaves it out when it does not vary.
void add_column(const std::vector<Sample>& samples, int feature, const LinearFitOptions& options,
                Design* design) {
  std::vector<double> values;
  values.reserve(samples.size());
  for (const Sample& sample : samples) values.push_back(column_value(sample, feature, options));
  const double centre = mean(values);
  const double deviation = standard_deviation(values);
  if (!(deviation > 1e-9 * std::max(std::abs(centre), 1e-300))) return;
  design->features.push_back(feature);
  design->centre.push_back(centre);
  design->scale.push_back(deviation);
}

Design make_design(const std::vector<Sample>& samples, const LinearFitOptions& options) {
  Design design;
  if (options.prior != nullptr) add_column(samples, kPriorColumn, options, &design);
  if (options.cached > 0) add_column(samples, kUncachedColumn, options, &design);
  for (int f = 0; f < kCostFeatureCount; ++f) {
    if (options.allowed[static_cast<size_t>(f)]) add_column(samples, f, options, &design);
  }
  double total = 0;
  for (const Sample& sample : samples) total += sample.ms;
  design.unit_ms = total / static_cast<double>(samples.size());
  for (const Sample& sample : samples) {
    std::vector<double> row = {1.0};
    for (size_t j = 0; j < design.features.size(); ++j) {
      const double value = column_value(sample, design.features[j], options);
      row.push_back((value - design.centre[j]) / design.scale[j]);
    }
    design.rows.push_back(std::move(row));
    design.target.push_back(sample.ms / design.unit_ms);
  }
  return design;
}

/// Weighted normal equations plus the ridge.
struct Normal {
  std::vector<double> gram;
  std::vector<double> moment;
};

Normal normal_equations(const Design& design, const std::vector<double>& weights, double ridge) {
  const size_t p = design.width();
  Normal normal{std::vector<double>(p * p, 0.0), std::vector<double>(p, 0.0)};
  for (size_t i = 0; i < design.rows.size(); ++i) {
    const std::vector<double>& row = design.rows[i];
    for (size_t a = 0; a < p; ++a) {
      const double weighted = weights[i] * row[a];
      normal.moment[a] += weighted * design.target[i];
      for (size_t b = 0; b <= a; ++b) normal.gram[a * p + b] += weighted * row[b];
    }
  }
  for (size_t a = 0; a < p; ++a) {
    for (size_t b = a + 1; b < p; ++b) normal.gram[a * p + b] = normal.gram[b * p + a];
  }
  const double strength = ridge * static_cast<double>(design.rows.size());
  for (size_t a = 1; a < p; ++a) {
    if (design.features[a - 1] != kPriorColumn) normal.gram[a * p + a] += strength;
  }
  return normal;
}

/// Coordinate descent; every coefficient but the intercept stays at zero or above.
void solve_nonnegative(const Normal& normal, std::vector<double>* coefficients) {
  const size_t p = coefficients->size();
  std::vector<double>& b = *coefficients;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double largest_step = 0;
    for (size_t j = 0; j < p; ++j) {
      const double* gram_row = &normal.gram[j * p];
      if (!(gram_row[j] > 0)) continue;
      double residual = normal.moment[j];
      for (size_t k = 0; k < p; ++k) residual -= gram_row[k] * b[k];
      double value = b[j] + residual / gram_row[j];
      if (j > 0) value = std::max(value, 0.0);
      largest_step = std::max(largest_step, std::abs(value - b[j]));
      b[j] = value;
    }
    if (largest_step < kSweepTolerance) return;
  }
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(const LinearModel& part, double factor, LinearModel* sum) {
  sum->fixed_ms += factor * part.fixed_ms;
  for (size_t f = 0; f < part.price_ms.size(); ++f) {
    sum->price_ms[f] += factor * part.price_ms[f];
  }
  sum->cached = part.cached;
  sum->uncached_price_ms += factor * part.uncached_price_ms;
}

class PlainLinearModel : public Model {
 public:
  explicit PlainLinearModel(const LinearModel& linear) : linear_(linear) {}
  std::string kind() const override { return "linear"; }
  double predict(const Sample& sample) const override { return linear_.predict(sample.costs); }
  config::OrderedJson to_json() const override {
    return {{"kind", "linear"}, {"linear", linear_to_json(linear_)}};
  }
  const LinearModel* linear() const override { return &linear_; }
  bool additive() const override { return true; }

 private:
  LinearModel linear_;
};

}  // namespace

double decoder_products(const arch::CostFeatures& costs) {
  static const std::array<size_t, 3> features = [] {
    std::array<size_t, 3> found{};
    const std::array<std::string_view, 3> names = {"decoder.projections", "decoder.ffn", "output"};
    for (size_t i = 0; i < names.size(); ++i) {
      while (arch::cost_feature_list()[found[i]].name != names[i]) ++found[i];
    }
    return found;
  }();
  return costs[features[0]] + costs[features[1]] + costs[features[2]];
}

double LinearModel::uncached_ms(const arch::CostFeatures& costs) const {
  if (uncached_price_ms == 0) return 0;
  return uncached_price_ms * std::max(0.0, decoder_products(costs) - cached);
}

double LinearModel::predict(const arch::CostFeatures& costs) const {
  double ms = fixed_ms;
  for (size_t f = 0; f < costs.size(); ++f) ms += price_ms[f] * costs[f];
  return ms + uncached_ms(costs);
}

LinearModel fit_linear(const std::vector<Sample>& samples, const LinearFitOptions& options) {
  HAT_DCHECK(!samples.empty());
  const Design design = make_design(samples, options);
  const size_t n = samples.size();
  std::vector<double> relative(n);  // squared weight of the relative error
  for (size_t i = 0; i < n; ++i) relative[i] = 1.0 / (design.target[i] * design.target[i]);
  std::vector<double> weights = relative;
  std::vector<double> errors(n);
  std::vector<double> coefficients(design.width(), 0.0);
  coefficients[0] = 1.0;
  for (int round = 0; round < kReweightings; ++round) {
    solve_nonnegative(normal_equations(design, weights, options.ridge), &coefficients);
    for (size_t i = 0; i < n; ++i) {
      const double predicted = dot(design.rows[i], coefficients);
      errors[i] = std::abs(predicted - design.target[i]) / design.target[i];
    }
    const double knee = std::max(kKnee * 1.4826 * median(errors), 1e-9);
    for (size_t i = 0; i < n; ++i) {
      weights[i] = relative[i] * std::min(1.0, knee / std::max(errors[i], 1e-300));
    }
  }
  LinearModel model;
  model.fixed_ms = coefficients[0] * design.unit_ms;
  for (size_t j = 0; j < design.features.size(); ++j) {
    const double price = coefficients[j + 1] / design.scale[j] * design.unit_ms;
    model.fixed_ms -= price * design.centre[j];
    if (design.features[j] == kPriorColumn) {
      add_scaled(*options.prior, price, &model);
    } else if (design.features[j] == kUncachedColumn) {
      model.cached = options.cached;
      model.uncached_price_ms = price;
    } else {
      model.price_ms[static_cast<size_t>(design.features[j])] += price;
    }
  }
  return model;
}

std::unique_ptr<Model> make_linear_model(const LinearModel& linear) {
  return std::make_unique<PlainLinearModel>(linear);
}

config::OrderedJson linear_to_json(const LinearModel& linear) {
  config::OrderedJson prices = config::OrderedJson::object();
  for (size_t f = 0; f < linear.price_ms.size(); ++f) {
    prices[arch::cost_feature_list()[f].name] = linear.price_ms[f];
  }
  return {{"fixed_ms", linear.fixed_ms},
          {"price_ms", prices},
          {"cached", linear.cached},
          {"uncached_price_ms", linear.uncached_price_ms}};
}

LinearModel linear_from_json(const config::Json& json, const std::string& origin) {
  LinearModel linear;
  linear.fixed_ms = config::get_double(json, "fixed_ms", origin);
  const config::Json& prices = config::get_member(json, "price_ms", origin);
  for (size_t f = 0; f < linear.price_ms.size(); ++f) {
    linear.price_ms[f] = config::get_double(prices, arch::cost_feature_list()[f].name, origin);
  }
  if (json.contains("cached")) {
    linear.cached = config::get_double(json, "cached", origin);
    linear.uncached_price_ms = config::get_double(json, "uncached_price_ms", origin);
    HAT_CHECK(linear.uncached_price_ms >= 0, ErrorKind::kData,
              str(origin, ": 'uncached_price_ms' is negative"));
  }
  return linear;
}

std::vector<double> numbers_from_json(const config::Json& json, const std::string& key,
                                      size_t length, size_t max_length, const std::string& origin) {
  const config::Json& list = config::get_member(json, key, origin);
  HAT_CHECK(list.is_array() && list.size() <= max_length && (length == 0 || list.size() == length),
            ErrorKind::kData, str(origin, ": '", key, "' is not a list of the right length"));
  std::vector<double> numbers;
  numbers.reserve(list.size());
  for (const config::Json& item : list) {
    HAT_CHECK(item.is_number() && std::isfinite(item.get<double>()), ErrorKind::kData,
              str(origin, ": '", key, "' holds something that is not a finite number"));
    numbers.push_back(item.get<double>());
  }
  return numbers;
}

}  // namespace hat::latency
