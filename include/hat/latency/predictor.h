#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hat/arch/cost_features.h"
#include "hat/arch/search_space.h"
#include "hat/base/file.h"
#include "hat/config/json.h"
#include "hat/latency/latency_set.h"

namespace hat::latency {

class Model;  // the fitted function, private to the module

/// How well predictions match measurements that were not trained on.
struct Accuracy {
  double mape_percent = 0;      ///< mean of |predicted - measured| / measured
  double within_5_percent = 0;  ///< share of rows, in percent
  double within_10_percent = 0;
  double rmse_ms = 0;
  double kendall_tau = 0;
  int rows = 0;
};
Accuracy accuracy(const std::vector<double>& predicted_ms, const std::vector<double>& measured_ms);
/// Kendall's tau-b: 1 for the same order; 0 when one list is constant.
double kendall_tau(const std::vector<double>& a, const std::vector<double>& b);

/// What a predictor was made for.
struct PredictorScope {
  std::string device;
  std::string space_id;  ///< empty: imported numbers, made for no space of ours
  std::string precision;
  arch::Workload workload;
  bool imported = false;
  std::string imported_from;
};

/// Smallest and largest latency of a space.
struct Reachable {
  double min_ms = 0;
  double max_ms = 0;
  arch::Architecture fastest;
  arch::Architecture slowest;
  /// True for additive models, where every layer's best choice can be taken by itself; otherwise
  /// the best that a search by coordinates found.
  bool exact = false;
};

/// One part of a predicted latency.
struct Contribution {
  std::string name;
  double ms = 0;
};

/// What one gene costs: predicted milliseconds when every layer takes the choice, the rest as in
/// the space's middle architecture.
struct GeneCost {
  std::string gene;
  std::vector<std::pair<int, double>> choice_ms;
};

/// Latency of an architecture on one device, in microseconds of computing. Immutable and safe to
/// use from several threads.
class Predictor {
 public:
  Predictor();
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  /// devices/<name>/predictor.json. Throws kIo, or kData when the content is not a predictor.
  static Predictor load(const fs::path& path);
  void save(const fs::path& path) const;
  static Predictor from_json(const config::Json& json, const std::string& origin);
  config::OrderedJson to_json() const;

  double predict_ms(const arch::Architecture& architecture) const;
  double predict_ms(const arch::LayerTotals& totals) const;
  /// Of a row of a latency set, imported or hat's own.
  double predict_ms(const LatencyRow& row) const;
  /// A bound that the measured latency of at least the share `confidence` (0.5 to 0.999) of new
  /// architectures keeps: split conformal with the tolerance-interval correction, so that this
  /// holds with 90 % assurance for the calibration rows at hand and not on average only (Vovk 2012,
  /// "Conditional validity of inductive conformal predictors", proposition 2).
  double upper_bound_ms(const arch::Architecture& architecture, double confidence) const;
  /// upper_bound_ms / predict_ms, the same for every architecture.
  double bound_factor(double confidence) const;

  /// Throws kConfig, saying what to run, when the predictor was made for another space or workload
  /// (imported ones fit any space).
  void require(const std::string& space_id, const arch::Workload& workload,
               const std::string& precision) const;

  Reachable reachable(const arch::SearchSpace& space) const;
  /// Fixed part first, then each cost feature that has a price; they add up to predict_ms.
  std::vector<Contribution> explain(const arch::Architecture& architecture) const;
  /// Genes with a single choice are left out.
  std::vector<GeneCost> gene_costs(const arch::SearchSpace& space) const;

  const PredictorScope& scope() const { return scope_; }
  std::string kind() const;  ///< "linear", "gp" or "mlp"
  const Accuracy& cross_validation() const { return cross_validation_; }
  int training_rows() const { return training_rows_; }

 private:
  friend class PredictorTrainer;
  std::unique_ptr<Model> model_;
  PredictorScope scope_;
  Accuracy cross_validation_;
  int training_rows_ = 0;
  /// measured / predicted of rows held out in cross-validation, ascending.
  std::vector<double> calibration_;
};

/// What cross-validation says of the best model of one kind.
struct KindReport {
  std::string kind;
  std::string settings;
  Accuracy accuracy;
};

struct TrainOptions {
  std::string kind = "auto";  ///< "auto", "linear", "gp", "mlp"
  int folds = 5;
  uint64_t seed = 1;
  /// A predictor of another device: its prediction becomes one more cost, so that a few rows fix
  /// the scale and what differs.
  const Predictor* prior = nullptr;
  /// Receives the kinds that were tried, when not null.
  std::vector<KindReport>* report = nullptr;
};

/// Fits a predictor on the rows given by index (all when empty), choosing model and strength by
/// cross-validation. Throws kData for fewer than 8 rows.
Predictor train_predictor(const LatencySet& set, const std::vector<int>& rows,
                          const TrainOptions& options, const std::string& device = "");

/// Trains on `train_rows` random rows, tests on the rest; means over `draws` draws.
struct DrawsReport {
  Accuracy mean;
  double mape_deviation = 0;  ///< between draws
  double bound_violations_percent = 0;
  std::string kind;  ///< the model that most draws chose
};
DrawsReport evaluate_draws(const LatencySet& set, int train_rows, int draws,
                           const TrainOptions& options, double confidence);

}  // namespace hat::latency
