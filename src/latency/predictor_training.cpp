#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "hat/latency/predictor.h"
#include "latency/gp_model.h"
#include "latency/mlp_model.h"
#include "latency/model.h"

namespace hat::latency {

/// What only training may see of a Predictor.
class PredictorTrainer {
 public:
  static Predictor train(const LatencySet& set, std::vector<int> rows, const TrainOptions& options,
                         const std::string& device);
  /// The prices of another device's predictor in the units of `workload`: every feature is a
  /// product of layer totals and a factor of the workload.
  static LinearModel rescaled(const Predictor& prior, const arch::Workload& workload);
  static double predict(const Predictor& predictor, const Sample& sample) {
    return std::max(predictor.model_->predict(sample), kSmallestMs);
  }

 private:
  static constexpr double kSmallestMs = 1e-3;
};

namespace {

constexpr size_t kFewestRows = 8;
constexpr size_t kFewestRowsWithPrior = 4;
constexpr size_t kFewestRowsGp = 30;  // unless it is asked for
// Few rows are cross-validated in several shuffles (Kim 2009, repeated cross-validation), about so
// many predictions in all: with one, the luck of its folds would choose the model.
constexpr size_t kCrossPredictions = 200;
constexpr size_t kMostShuffles = 5;

using Fit = std::function<std::unique_ptr<Model>(const std::vector<Sample>&)>;

/// One model with its settings, and what cross-validation says of it.
struct Candidate {
  std::string name;
  Fit fit;
  // Of each row by a model that did not see it, for every shuffle.
  std::vector<std::vector<double>> predicted{};
  double mape = 0;  // mean over the shuffles
  double standard_error = 0;
};

std::vector<Sample> make_samples(const LatencySet& set, const std::vector<int>& rows,
                                 bool with_averages) {
  std::vector<Sample> samples;
  samples.reserve(rows.size());
  for (const int index : rows) {
    const LatencyRow& row = set.rows.at(static_cast<size_t>(index));
    Sample sample;
    sample.costs = arch::cost_features(row.totals, set.workload);
    sample.ms = row.total_ms;
    if (with_averages) {
      sample.averages =
          row.architecture ? arch::original_features(*row.architecture) : row.averages;
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::array<bool, arch::kCostFeatureCount> allowed_features(bool all) {
  std::array<bool, arch::kCostFeatureCount> allowed{};
  for (size_t f = 0; f < allowed.size(); ++f) allowed[f] = all || arch::cost_feature_list()[f].main;
  return allowed;
}

Candidate linear_candidate(bool all_features, double ridge, double cached) {
  LinearFitOptions options;
  options.allowed = allowed_features(all_features);
  options.ridge = ridge;
  options.cached = cached;
  return {str("linear ", all_features ? "all" : "main", " ridge ", ridge, " cached ", cached),
          [options](const std::vector<Sample>& samples) {
            return make_linear_model(fit_linear(samples, options));
          }};
}

Candidate gp_candidate(double length_scale, double noise_share, double cached) {
  GpFitOptions options;
  options.linear.allowed = allowed_features(true);
  options.linear.cached = cached;
  options.length_scale = length_scale;
  options.noise_share = noise_share;
  return {str("gp length ", length_scale, " noise ", noise_share, " cached ", cached),
          [options](const std::vector<Sample>& samples) { return fit_gp(samples, options); }};
}

Candidate transfer_candidate(const LinearModel& prior, double ridge) {
  LinearFitOptions options;
  options.allowed = allowed_features(true);
  options.ridge = ridge;
  return {str("transfer ridge ", ridge), [prior, options](const std::vector<Sample>& samples) {
            LinearFitOptions with_prior = options;
            with_prior.prior = &prior;
            return make_linear_model(fit_linear(samples, with_prior));
          }};
}

/// Fold of each row; the same number of rows in each, give or take one.
std::vector<int> random_folds(size_t rows, int folds, uint64_t seed) {
  std::vector<int> fold(rows);
  for (size_t i = 0; i < rows; ++i) {
    fold[i] = static_cast<int>(i % static_cast<size_t>(folds));
  }
  Rng rng(seed, "latency.folds");
  rng.shuffle(fold);
  return fold;
}

/// Predictions of all rows, each by a model that was fitted without the row's fold.
std::vector<double> cross_predict(const std::vector<Sample>& samples,
                                  const std::vector<int>& fold_of, const Fit& fit) {
  std::vector<double> predicted(samples.size(), 0);
  const int folds = 1 + *std::max_element(fold_of.begin(), fold_of.end());
  for (int fold = 0; fold < folds; ++fold) {
    std::vector<Sample> training;
    for (size_t i = 0; i < samples.size(); ++i) {
      if (fold_of[i] != fold) training.push_back(samples[i]);
    }
    const std::unique_ptr<Model> model = fit(training);
    for (size_t i = 0; i < samples.size(); ++i) {
      if (fold_of[i] == fold) predicted[i] = std::max(model->predict(samples[i]), 1e-3);
    }
  }
  return predicted;
}

/// `shuffles`: the fold of each row, several times.
void cross_validate(const std::vector<Sample>& samples,
                    const std::vector<std::vector<int>>& shuffles, Candidate* candidate) {
  std::vector<double> errors(samples.size(), 0);  // of each row, mean over the shuffles
  for (const std::vector<int>& fold_of : shuffles) {
    candidate->predicted.push_back(cross_predict(samples, fold_of, candidate->fit));
    for (size_t i = 0; i < samples.size(); ++i) {
      const double error = std::abs(candidate->predicted.back()[i] / samples[i].ms - 1);
      errors[i] += 100 * error / static_cast<double>(shuffles.size());
    }
  }
  candidate->mape = mean(errors);
  candidate->standard_error =
      standard_deviation(errors) / std::sqrt(static_cast<double>(samples.size()));
}

/// Mean over the shuffles.
Accuracy cross_accuracy(const Candidate& candidate, const std::vector<double>& measured) {
  Accuracy sum;
  const double share = 1.0 / static_cast<double>(candidate.predicted.size());
  for (const std::vector<double>& predicted : candidate.predicted) {
    const Accuracy one = accuracy(predicted, measured);
    sum.mape_percent += one.mape_percent * share;
    sum.within_5_percent += one.within_5_percent * share;
    sum.within_10_percent += one.within_10_percent * share;
    sum.rmse_ms += one.rmse_ms * share;
    sum.kendall_tau += one.kendall_tau * share;
    sum.rows = one.rows;
  }
  return sum;
}

/// What a step may stream before it leaves the caches, to be tried: between the cheapest and the
/// dearest of the rows.
std::vector<double> cache_sizes(const std::vector<Sample>& samples) {
  std::vector<double> products;
  for (const Sample& sample : samples) products.push_back(decoder_products(sample.costs));
  std::vector<double> sizes;
  for (const double q : {0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85}) {
    const double size = quantile(products, q);
    if (sizes.empty() || size > sizes.back()) sizes.push_back(size);
  }
  return sizes;
}

/// Makes candidates from the plainest to the freest, in the order in which ties are decided, and
/// cross-validates them.
class Candidates {
 public:
  Candidates(const std::vector<Sample>& samples, const TrainOptions& options)
      : samples_(samples), options_(options) {
    const size_t shuffles =
        std::clamp<size_t>(kCrossPredictions / samples.size(), 1, kMostShuffles);
    const int folds = std::min(options.folds, static_cast<int>(samples.size()));
    for (size_t i = 0; i < shuffles; ++i) {
      shuffles_.push_back(random_folds(samples.size(), folds, options.seed + i));
    }
  }

  std::vector<Candidate> take() { return std::move(list_); }

  void add_transfer(const LinearModel& prior) {
    for (const double ridge : {10.0, 1.0, 1e-1, 1e-2}) add(transfer_candidate(prior, ridge));
  }

  void add_linear() {
    for (const bool all : {false, true}) {
      for (const double ridge : {1e-3, 1e-5}) add(linear_candidate(all, ridge, 0));
    }
    for (const bool all : {false, true}) {
      for (const double size : cache_sizes(samples_)) add(linear_candidate(all, 1e-3, size));
    }
  }

  void add_gp() {
    const double size = best_cache_size();
    for (const double length : {1.0, 2.0}) {
      for (const double noise : {1.0, 0.1, 0.01}) add(gp_candidate(length, noise, size));
    }
  }

  void add_mlp() {
    const uint64_t seed = options_.seed;
    add({"mlp", [seed](const std::vector<Sample>& samples) {
           return fit_mlp(samples, MlpFitOptions{.seed = seed});
         }});
  }

 private:
  void add(Candidate candidate) {
    cross_validate(samples_, shuffles_, &candidate);
    list_.push_back(std::move(candidate));
  }

  /// The size at which linear models do best; 0 when they do best without.
  double best_cache_size() const {
    double best = 0;
    double mape = cross_validated(0);
    for (const double size : cache_sizes(samples_)) {
      const double candidate = cross_validated(size);
      if (candidate < mape) {
        mape = candidate;
        best = size;
      }
    }
    return best;
  }

  double cross_validated(double cached) const {
    Candidate candidate = linear_candidate(true, 1e-3, cached);
    cross_validate(samples_, shuffles_, &candidate);
    return candidate.mape;
  }

  const std::vector<Sample>& samples_;
  const TrainOptions& options_;
  std::vector<std::vector<int>> shuffles_;
  std::vector<Candidate> list_;
};

/// The plainest candidate within a quarter of a standard error of the best: differences below that
/// are luck, and freer models pay for luck on new rows.
const Candidate& choose(const std::vector<Candidate>& candidates) {
  const Candidate& best =
      *std::min_element(candidates.begin(), candidates.end(),
                        [](const Candidate& a, const Candidate& b) { return a.mape < b.mape; });
  for (const Candidate& candidate : candidates) {
    if (candidate.mape <= best.mape + 0.25 * best.standard_error) return candidate;
  }
  return best;
}

/// The best of each kind; the first word of a candidate's name is its kind.
std::vector<KindReport> report_kinds(const std::vector<Candidate>& candidates,
                                     const std::vector<double>& measured) {
  std::vector<const Candidate*> best;
  const auto kind_of = [](const Candidate& candidate) {
    return candidate.name.substr(0, candidate.name.find(' '));
  };
  for (const Candidate& candidate : candidates) {
    const auto same = std::find_if(best.begin(), best.end(), [&](const Candidate* other) {
      return kind_of(*other) == kind_of(candidate);
    });
    if (same == best.end()) {
      best.push_back(&candidate);
    } else if (candidate.mape < (*same)->mape) {
      *same = &candidate;
    }
  }
  std::vector<KindReport> report;
  for (const Candidate* candidate : best) {
    const std::string kind = kind_of(*candidate);
    report.push_back({kind,
                      candidate->name.substr(std::min(kind.size() + 1, candidate->name.size())),
                      cross_accuracy(*candidate, measured)});
  }
  return report;
}

}  // namespace

LinearModel PredictorTrainer::rescaled(const Predictor& prior, const arch::Workload& workload) {
  const LinearModel* linear = prior.model_->linear();
  HAT_CHECK(linear != nullptr, ErrorKind::kData,
            str("the predictor of device '", prior.scope_.device, "' is of kind ", prior.kind(),
                ", which has no prices to start from"),
            "train it with --predictor linear");
  arch::LayerTotals probe;
  probe.add(arch::EncoderLayer{1, 1, 1});
  probe.add(arch::DecoderLayer{1, 1, 1, 1, 1, 1}, 1);
  probe.encoder_dim = probe.decoder_dim = 1;
  const arch::CostFeatures there = arch::cost_features(probe, prior.scope_.workload);
  const arch::CostFeatures here = arch::cost_features(probe, workload);
  LinearModel result = *linear;
  for (size_t f = 0; f < here.size(); ++f) {
    if (here[f] > 0) result.price_ms[f] *= there[f] / here[f];
  }
  const double scale = decoder_products(there) / decoder_products(here);
  result.cached /= scale;
  result.uncached_price_ms *= scale;
  return result;
}

Predictor PredictorTrainer::train(const LatencySet& set, std::vector<int> rows,
                                  const TrainOptions& options, const std::string& device) {
  if (rows.empty()) {
    rows.resize(set.rows.size());
    std::iota(rows.begin(), rows.end(), 0);
  }
  const size_t fewest = options.prior != nullptr ? kFewestRowsWithPrior : kFewestRows;
  HAT_CHECK(rows.size() >= fewest, ErrorKind::kData,
            str(set.origin, ": ", rows.size(), " usable rows, a predictor needs at least ", fewest),
            "measure more architectures with 'hat measure-latency', or start from another "
            "device's predictor with --prior");
  const std::vector<Sample> samples = make_samples(set, rows, options.kind == "mlp");
  const auto wants = [&](const char* kind) {
    return options.kind == kind || (options.kind == "auto" && std::string(kind) != "mlp");
  };
  HAT_CHECK(wants("linear") || wants("gp") || wants("mlp"), ErrorKind::kUsage,
            str("unknown predictor '", options.kind, "'",
                did_you_mean(options.kind, {"auto", "linear", "gp", "mlp"})),
            "one of auto, linear, gp, mlp");
  Candidates made(samples, options);
  if (options.prior != nullptr) made.add_transfer(rescaled(*options.prior, set.workload));
  if (wants("linear") && rows.size() >= kFewestRows) made.add_linear();
  if (wants("gp") && (options.kind == "gp" || rows.size() >= kFewestRowsGp)) made.add_gp();
  if (wants("mlp")) made.add_mlp();
  const std::vector<Candidate> candidates = made.take();
  const Candidate& chosen = choose(candidates);

  std::vector<double> measured;
  for (const Sample& sample : samples) measured.push_back(sample.ms);
  if (options.report != nullptr) *options.report = report_kinds(candidates, measured);

  Predictor predictor;
  predictor.model_ = chosen.fit(samples);
  predictor.training_rows_ = static_cast<int>(rows.size());
  predictor.scope_.device = device;
  predictor.scope_.space_id = set.space_id;
  predictor.scope_.precision = set.precision;
  predictor.scope_.workload = set.workload;
  predictor.scope_.imported = set.imported;
  predictor.scope_.imported_from = set.imported_from;
  for (size_t i = 0; i < samples.size(); ++i) {
    // One shuffle: the bound counts each row once.
    predictor.calibration_.push_back(samples[i].ms / chosen.predicted[0][i]);
  }
  std::sort(predictor.calibration_.begin(), predictor.calibration_.end());
  predictor.cross_validation_ = cross_accuracy(chosen, measured);
  return predictor;
}

Predictor train_predictor(const LatencySet& set, const std::vector<int>& rows,
                          const TrainOptions& options, const std::string& device) {
  return PredictorTrainer::train(set, rows, options, device);
}

DrawsReport evaluate_draws(const LatencySet& set, int train_rows, int draws,
                           const TrainOptions& options, double confidence) {
  const int n = static_cast<int>(set.rows.size());
  HAT_CHECK(train_rows >= static_cast<int>(kFewestRows) && train_rows < n, ErrorKind::kUsage,
            str("--train-rows ", train_rows, ": must be at least ", kFewestRows,
                " and below the number of usable rows, ", n));
  DrawsReport report;
  std::vector<double> errors;
  std::map<std::string, int> kinds;
  int64_t violations = 0;
  for (int draw = 0; draw < draws; ++draw) {
    std::vector<int> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    Rng rng(mix_seed(options.seed, static_cast<uint64_t>(draw)), "latency.draws");
    rng.shuffle(order);
    const std::vector<int> training(order.begin(), order.begin() + train_rows);
    const std::vector<int> testing(order.begin() + train_rows, order.end());
    const Predictor predictor = train_predictor(set, training, options);
    std::vector<double> predicted;
    std::vector<double> measured;
    const double factor = predictor.bound_factor(confidence);
    for (const Sample& sample : make_samples(set, testing, options.kind == "mlp")) {
      predicted.push_back(PredictorTrainer::predict(predictor, sample));
      measured.push_back(sample.ms);
      violations += sample.ms > predicted.back() * factor ? 1 : 0;
    }
    const Accuracy a = accuracy(predicted, measured);
    errors.push_back(a.mape_percent);
    report.mean.within_5_percent += a.within_5_percent / draws;
    report.mean.within_10_percent += a.within_10_percent / draws;
    report.mean.rmse_ms += a.rmse_ms / draws;
    report.mean.kendall_tau += a.kendall_tau / draws;
    report.mean.rows = a.rows;
    ++kinds[predictor.kind()];
  }
  report.mean.mape_percent = mean(errors);
  report.mape_deviation = standard_deviation(errors);
  report.bound_violations_percent =
      100.0 * static_cast<double>(violations) / (static_cast<double>(draws) * report.mean.rows);
  report.kind = std::max_element(kinds.begin(), kinds.end(), [](const auto& a, const auto& b) {
                  return a.second < b.second;
                })->first;
  return report;
}

}  // namespace hat::latency
