#include "hat/latency/predictor.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "latency/model.h"

namespace hat::latency {
namespace {

constexpr int kVersion = 1;
constexpr double kAssurance = 0.9;
constexpr size_t kMaxCalibrationRows = 1'000'000;
// No network runs in less: a linear model that extrapolates below zero must not make one free.
constexpr double kSmallestMs = 1e-3;

/// P(X <= k) for X binomial(n, p), summed from the logarithms of its terms.
double binomial_cdf(int k, int n, double p) {
  double sum = 0;
  for (int i = 0; i <= k; ++i) {
    const double log_term = std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0) +
                            i * std::log(p) + (n - i) * std::log1p(-p);
    sum += std::exp(log_term);
  }
  return std::min(sum, 1.0);
}

/// The quantile of the standard normal distribution (bisection on erfc: exact enough and short).
double normal_quantile(double p) {
  double low = -10;
  double high = 10;
  for (int i = 0; i < 80; ++i) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

config::OrderedJson accuracy_to_json(const Accuracy& a) {
  return {{"mape_percent", a.mape_percent},
          {"within_5_percent", a.within_5_percent},
          {"within_10_percent", a.within_10_percent},
          {"rmse_ms", a.rmse_ms},
          {"kendall_tau", a.kendall_tau},
          {"rows", a.rows}};
}

Accuracy accuracy_from_json(const config::Json& json, const std::string& origin) {
  Accuracy a;
  a.mape_percent = config::get_double(json, "mape_percent", origin);
  a.within_5_percent = config::get_double(json, "within_5_percent", origin);
  a.within_10_percent = config::get_double(json, "within_10_percent", origin);
  a.rmse_ms = config::get_double(json, "rmse_ms", origin);
  a.kendall_tau = config::get_double(json, "kendall_tau", origin);
  a.rows = static_cast<int>(config::get_int(json, "rows", origin));
  return a;
}

std::string workload_text(const arch::Workload& w) {
  return str("batch ", w.batch, ", beam ", w.beam, ", ", w.source_length, " source and ",
             w.target_length, " target tokens",
             w.lengths.empty() ? "" : str(" (mean of ", w.lengths.size(), " lengths)"),
             ", vocabulary ", w.vocabulary.source, "/", w.vocabulary.target);
}

}  // namespace

Predictor::Predictor() = default;
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

std::string Predictor::kind() const { return model_->kind(); }

double Predictor::predict_ms(const arch::LayerTotals& totals) const {
  Sample sample;
  sample.costs = arch::cost_features(totals, scope_.workload);
  HAT_DCHECK(!model_->needs_averages());
  return std::max(model_->predict(sample), kSmallestMs);
}

double Predictor::predict_ms(const arch::Architecture& architecture) const {
  Sample sample;
  sample.costs = arch::cost_features(architecture, scope_.workload);
  if (model_->needs_averages()) sample.averages = arch::original_features(architecture);
  return std::max(model_->predict(sample), kSmallestMs);
}

double Predictor::predict_ms(const LatencyRow& row) const {
  if (row.architecture) return predict_ms(*row.architecture);
  Sample sample;
  sample.costs = arch::cost_features(row.totals, scope_.workload);
  sample.averages = row.averages;
  return std::max(model_->predict(sample), kSmallestMs);
}

double Predictor::bound_factor(double confidence) const {
  HAT_CHECK(confidence >= 0.5 && confidence <= 0.999, ErrorKind::kUsage,
            str("confidence must be 0.5 to 0.999 (got ", confidence, ")"));
  const int n = static_cast<int>(calibration_.size());
  HAT_DCHECK(n > 0);
  // The k-th smallest of n ratios covers at least `confidence` of the population with probability
  // P(Binomial(n, confidence) <= k - 1).
  double below = 0;
  if (n <= 100'000) {
    for (int k = static_cast<int>(confidence * n); k <= n; ++k) {
      below = binomial_cdf(k - 1, n, confidence);
      if (k >= 1 && below >= kAssurance) return calibration_[static_cast<size_t>(k - 1)];
    }
  }
  // Too few rows for this confidence: beyond the largest ratio seen, as far as a normal tail with
  // their spread would go.
  const double spread = std::max(robust_deviation(calibration_), standard_deviation(calibration_));
  const double tail = median(calibration_) + 1.2 * normal_quantile(confidence) * spread;
  return std::max(calibration_.back() + 0.25 * spread, tail);
}

double Predictor::upper_bound_ms(const arch::Architecture& architecture, double confidence) const {
  return predict_ms(architecture) * bound_factor(confidence);
}

void Predictor::require(const std::string& space_id, const arch::Workload& workload,
                        const std::string& precision) const {
  if (scope_.imported) return;
  const std::string hint = str("run 'hat measure-latency --device ", scope_.device,
                               "' again for what is configured now");
  HAT_CHECK(scope_.space_id == space_id, ErrorKind::kConfig,
            str("the predictor of device '", scope_.device, "' was made for another search space (",
                scope_.space_id, ", not ", space_id, ")"),
            hint);
  HAT_CHECK(scope_.workload == workload, ErrorKind::kConfig,
            str("the predictor of device '", scope_.device, "' was made for ",
                workload_text(scope_.workload), ", not ", workload_text(workload)),
            hint);
  HAT_CHECK(precision.empty() || scope_.precision == precision, ErrorKind::kConfig,
            str("the predictor of device '", scope_.device, "' was made for precision ",
                scope_.precision, ", not ", precision),
            hint);
}

config::OrderedJson Predictor::to_json() const {
  return {{"type", "hat latency predictor"},
          {"version", kVersion},
          {"device", scope_.device},
          {"imported", scope_.imported},
          {"imported_from", scope_.imported_from},
          {"space_id", scope_.space_id},
          {"precision", scope_.precision},
          {"workload", arch::to_json(scope_.workload)},
          {"training_rows", training_rows_},
          {"cross_validation", accuracy_to_json(cross_validation_)},
          {"calibration", calibration_},
          {"model", model_->to_json()}};
}

Predictor Predictor::from_json(const config::Json& json, const std::string& origin) {
  HAT_CHECK(json.is_object() && json.value("type", config::Json()) == "hat latency predictor",
            ErrorKind::kData, str(origin, ": is not a latency predictor"),
            "make one with 'hat train-predictor'");
  const int64_t version = config::get_int(json, "version", origin);
  HAT_CHECK(version == kVersion, ErrorKind::kData,
            str(origin, ": predictor version ", version, ", this hat reads ", kVersion),
            "make it again with 'hat train-predictor'");
  Predictor predictor;
  predictor.scope_.device = config::get_string(json, "device", origin);
  const config::Json& imported = config::get_member(json, "imported", origin);
  HAT_CHECK(imported.is_boolean(), ErrorKind::kData, str(origin, ": 'imported' is not a boolean"));
  predictor.scope_.imported = imported.get<bool>();
  predictor.scope_.imported_from = config::get_string(json, "imported_from", origin);
  predictor.scope_.space_id = config::get_string(json, "space_id", origin);
  predictor.scope_.precision = config::get_string(json, "precision", origin);
  predictor.scope_.workload =
      arch::workload_from_json(config::get_member(json, "workload", origin), origin);
  predictor.training_rows_ = static_cast<int>(config::get_int(json, "training_rows", origin));
  predictor.cross_validation_ =
      accuracy_from_json(config::get_member(json, "cross_validation", origin), origin);
  predictor.calibration_ = numbers_from_json(json, "calibration", 0, kMaxCalibrationRows, origin);
  HAT_CHECK(!predictor.calibration_.empty() &&
                std::is_sorted(predictor.calibration_.begin(), predictor.calibration_.end()),
            ErrorKind::kData, str(origin, ": 'calibration' is empty or not ascending"));
  predictor.model_ = model_from_json(config::get_member(json, "model", origin), origin);
  return predictor;
}

Predictor Predictor::load(const fs::path& path) {
  return from_json(config::load_json(path), path.string());
}

void Predictor::save(const fs::path& path) const { config::save_json(path, to_json()); }

}  // namespace hat::latency
