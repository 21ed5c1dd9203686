#include "latency/gp_model.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"

namespace hat::latency {
namespace {

constexpr size_t kMaxCentres = 2000;
constexpr double kResidualClip = 4.0;  // robust deviations

/// Solves A x = b for a symmetric positive definite A (overwritten by its Cholesky factor).
std::vector<double> solve_cholesky(std::vector<double>* matrix, std::vector<double> b) {
  const size_t n = b.size();
  std::vector<double>& a = *matrix;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (i == j) {
        HAT_DCHECK(sum > 0);
        a[i * n + i] = std::sqrt(sum);
      } else {
        a[i * n + j] = sum / a[j * n + j];
      }
    }
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return b;
}

class GpModel : public Model {
 public:
  LinearModel linear_part;
  std::vector<int> columns;
  std::vector<double> centre;
  std::vector<double> inverse_scale;  // of the column, length scale included
  std::vector<double> points;         // row-major, one row a training sample
  std::vector<double> weights;

  std::string kind() const override { return "gp"; }
  const LinearModel* linear() const override { return &linear_part; }

  double predict(const Sample& sample) const override {
    std::array<double, arch::kCostFeatureCount> x{};
    const size_t width = columns.size();
    for (size_t j = 0; j < width; ++j) {
      x[j] = (sample.costs[static_cast<size_t>(columns[j])] - centre[j]) * inverse_scale[j];
    }
    double relative = 0;
    const double* point = points.data();
    for (const double weight : weights) {
      double distance = 0;
      for (size_t j = 0; j < width; ++j) distance += (x[j] - point[j]) * (x[j] - point[j]);
      relative += weight * std::exp(-0.5 * distance);
      point += width;
    }
    return linear_part.predict(sample.costs) * (1.0 + relative);
  }

  config::OrderedJson to_json() const override {
    return {{"kind", "gp"},      {"linear", linear_to_json(linear_part)}, {"columns", columns},
            {"centre", centre},  {"inverse_scale", inverse_scale},        {"points", points},
            {"weights", weights}};
  }
};

/// Picks the columns that vary and their scale, and fills the (scaled) points.
void place_points(const std::vector<Sample>& samples, double length_scale, GpModel* model) {
  const double n = static_cast<double>(samples.size());
  for (int f = 0; f < arch::kCostFeatureCount; ++f) {
    const size_t column = static_cast<size_t>(f);
    double mean_value = 0;
    for (const Sample& s : samples) mean_value += s.costs[column] / n;
    double variance = 0;
    for (const Sample& s : samples) {
      variance += (s.costs[column] - mean_value) * (s.costs[column] - mean_value) / n;
    }
    const double deviation = std::sqrt(variance);
    if (!(deviation > 1e-9 * std::max(std::abs(mean_value), 1e-300))) continue;
    model->columns.push_back(f);
    model->centre.push_back(mean_value);
    model->inverse_scale.push_back(1.0 / deviation);
  }
  const double root_width =
      std::sqrt(static_cast<double>(std::max<size_t>(model->columns.size(), 1)));
  for (double& scale : model->inverse_scale) scale /= length_scale * root_width;
  for (const Sample& s : samples) {
    for (size_t j = 0; j < model->columns.size(); ++j) {
      const double value = s.costs[static_cast<size_t>(model->columns[j])];
      model->points.push_back((value - model->centre[j]) * model->inverse_scale[j]);
    }
  }
}

std::vector<Sample> evenly_spaced(const std::vector<Sample>& samples, size_t count) {
  if (samples.size() <= count) return samples;
  std::vector<Sample> kept;
  for (size_t i = 0; i < count; ++i) kept.push_back(samples[i * samples.size() / count]);
  return kept;
}

}  // namespace

std::unique_ptr<Model> fit_gp(const std::vector<Sample>& samples, const GpFitOptions& options) {
  auto model = std::make_unique<GpModel>();
  model->linear_part = fit_linear(samples, options.linear);
  const std::vector<Sample> kept = evenly_spaced(samples, static_cast<size_t>(options.max_rows));
  place_points(kept, options.length_scale, model.get());
  const size_t n = kept.size();
  const size_t width = model->columns.size();
  std::vector<double> residual(n);
  for (size_t i = 0; i < n; ++i) {
    residual[i] = kept[i].ms / std::max(model->linear_part.predict(kept[i].costs), 1e-12) - 1.0;
  }
  const double clip = kResidualClip * std::max(robust_deviation(residual), 1e-9);
  for (double& value : residual) value = std::clamp(value, -clip, clip);
  std::vector<double> kernel(n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double distance = 0;
      for (size_t k = 0; k < width; ++k) {
        const double offset = model->points[i * width + k] - model->points[j * width + k];
        distance += offset * offset;
      }
      kernel[i * n + j] = kernel[j * n + i] = std::exp(-0.5 * distance);
    }
    kernel[i * n + i] += options.noise_share;
  }
  model->weights = solve_cholesky(&kernel, std::move(residual));
  return model;
}

std::unique_ptr<Model> gp_from_json(const config::Json& json, const std::string& origin) {
  auto model = std::make_unique<GpModel>();
  model->linear_part = linear_from_json(config::get_member(json, "linear", origin), origin);
  const size_t max_width = arch::kCostFeatureCount;
  for (const double column : numbers_from_json(json, "columns", 0, max_width, origin)) {
    HAT_CHECK(column >= 0 && column < arch::kCostFeatureCount && column == std::floor(column),
              ErrorKind::kData, str(origin, ": 'columns' names no cost feature: ", column));
    model->columns.push_back(static_cast<int>(column));
  }
  const size_t width = model->columns.size();
  model->weights = numbers_from_json(json, "weights", 0, kMaxCentres, origin);
  model->points = numbers_from_json(json, "points", width * model->weights.size(),
                                    kMaxCentres * max_width, origin);
  HAT_CHECK(model->points.size() == width * model->weights.size(), ErrorKind::kData,
            str(origin, ": 'points' and 'weights' do not fit together"));
  if (width > 0) {
    model->centre = numbers_from_json(json, "centre", width, max_width, origin);
    model->inverse_scale = numbers_from_json(json, "inverse_scale", width, max_width, origin);
  }
  return model;
}

}  // namespace hat::latency
