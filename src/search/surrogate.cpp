#include "hat/search/surrogate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "draw.h"
#include "hat/base/error.h"
#include "hat/base/stats.h"
#include "kernel.h"

namespace hat::search {
namespace {

constexpr double kFeatureLength = 0.4;  // scale of the kernels over features in [0, 1]
constexpr double kTypicalDistance = 2;  // of two random networks in the product kernel
constexpr double kMinNoise = 1e-6;
constexpr double kMinWeight = 1e-7;
// Below this a part changes no order, and is left out.
constexpr double kUsedWeight = 1e-6;
constexpr int kGrid = 256;
constexpr int kFirstRounds = 12;  // MM updates of the first fit
constexpr int kLaterRounds = 3;   // and of later ones, which start from the weights before

double grid_position(int g) {
  return NetworkEncoder::kLow + (NetworkEncoder::kHigh - NetworkEncoder::kLow) * g / kGrid;
}

double feature_kernel(double a, double b) {
  const double d = (a - b) / kFeatureLength;
  return std::exp(-0.5 * d * d);
}

// Least weight of a slot, as a share of the mean weight of its gene's slots.
constexpr double kShareOfGene = 0.2;

/// weight *= sqrt(alpha' K alpha / trace(inverse K)) for a part K of the sum.
void scale_weight(double& weight, double explained, double trace, double least) {
  if (trace <= 0) return;
  weight = std::clamp(weight * std::sqrt(std::max(explained, 0.0) / trace), least, 1e3);
}

}  // namespace

void invert_positive_definite(std::vector<double>& matrix, size_t n) {
  // Gauss-Jordan without pivoting, which positive definite matrices do not need. Rows are updated
  // whole so that the inner loop is a plain a -= b * c.
  std::vector<double> row(n);
  for (size_t k = 0; k < n; ++k) {
    double* pivot_row = &matrix[k * n];
    const double inverse = 1.0 / std::max(pivot_row[k], 1e-300);
    for (size_t j = 0; j < n; ++j) row[j] = pivot_row[j] * inverse;
    row[k] = inverse;
    for (size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      double* target = &matrix[i * n];
      const double factor = target[k];
      target[k] = 0;
      for (size_t j = 0; j < n; ++j) target[j] -= factor * row[j];
    }
    std::copy(row.begin(), row.end(), pivot_row);
  }
}

struct Surrogate::State {
  State(const Space& space, Features features)
      : encoder(space, std::move(features)), kernels(space) {
    for (size_t slot = 0; slot < kernels.slots(); ++slot) {
      factors.push_back(factor_of(kernels.table(slot), kernels.codes(slot)));
    }
  }

  bool uses_feature(size_t f) const { return encoder.varies(f) && feature_weight[f] > kUsedWeight; }
  std::array<bool, PointKernels::kParts> used_parts() const {
    std::array<bool, PointKernels::kParts> used{};
    for (int part = 0; part < PointKernels::kParts; ++part) {
      used[part] = part_weight[part] > kUsedWeight;
    }
    return used;
  }
  double additive(const Function& function, const EncodedNetwork& network) const;
  std::vector<Function::Pair> draw_pairs(Rng& rng) const;
  double set_floor(double floor);
  void choose_floor();

  NetworkEncoder encoder;
  PointKernels kernels;
  std::vector<Factor> factors;  ///< of each slot's kernel, for draws
  std::vector<double> slot_weight;
  std::vector<double> feature_weight;
  std::array<double, PointKernels::kParts> part_weight{0.1, 0.1, 0.1, 0.1};
  double noise = 1e-3;

  std::vector<EncodedNetwork> points;
  std::vector<double> losses;
  std::vector<double> y;  ///< (log(loss - loss_floor) - center) / spread
  double loss_floor = 0;
  double center = 0;
  double spread = 1;
  std::vector<std::vector<double>> feature_gram;
  std::vector<std::vector<float>> grid_kernel;  ///< by feature: each point against the grid
  std::array<std::vector<float>, PointKernels::kParts> part_gram;
  std::vector<double> inverse;  ///< of the gram matrix
  std::vector<double> alpha;    ///< inverse times y
};

Surrogate::Surrogate(const Space& space, Features features)
    : state_(std::make_unique<State>(space, std::move(features))) {
  state_->slot_weight.assign(space.slots(), 1.0 / static_cast<double>(space.slots()));
}

Surrogate::~Surrogate() = default;

void Surrogate::fit(const std::vector<Genotype>& genotypes, const std::vector<double>& losses) {
  HAT_DCHECK(!genotypes.empty() && genotypes.size() == losses.size());
  const bool first = state_->feature_weight.empty();
  prepare(genotypes, losses);
  if (first) {
    const size_t features = state_->encoder.features();
    state_->feature_weight.assign(features, 1.0 / static_cast<double>(features));
  }
  learn_weights(first ? kFirstRounds : kLaterRounds);
  expected_ = tabulate(state_->alpha);
}

void Surrogate::prepare(const std::vector<Genotype>& genotypes, const std::vector<double>& losses) {
  State& s = *state_;
  std::vector<size_t> order(genotypes.size());
  std::iota(order.begin(), order.end(), 0);
  if (order.size() > kMaxPoints) {
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return losses[a] < losses[b]; });
    order.resize(kMaxPoints);
  }
  s.losses.clear();
  std::vector<Genotype> used;
  for (size_t i : order) {
    s.losses.push_back(losses[i]);
    used.push_back(genotypes[i]);
  }
  s.encoder.scale_to(used);
  s.points.clear();
  for (const Genotype& genotype : used) s.points.push_back(s.encoder.encode(genotype));

  const size_t n = s.points.size();
  s.feature_gram.assign(s.encoder.features(), {});
  s.grid_kernel.resize(s.encoder.features());
  for (size_t f = 0; f < s.feature_gram.size(); ++f) {
    if (!s.encoder.varies(f)) continue;
    s.feature_gram[f].resize(n * n);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        s.feature_gram[f][i * n + j] = s.feature_gram[f][j * n + i] =
            feature_kernel(s.points[i].features[f], s.points[j].features[f]);
      }
    }
    s.grid_kernel[f].clear();
    for (size_t i = 0; i < n; ++i) {
      for (int g = 0; g <= kGrid; ++g) {
        const double k = feature_kernel(grid_position(g), s.points[i].features[f]);
        s.grid_kernel[f].push_back(static_cast<float>(k));
      }
    }
  }
}

/// Standardised logarithms of what the losses are above `floor`; returns the logarithm of the
/// density that the change of variable costs.
double Surrogate::State::set_floor(double floor) {
  loss_floor = floor;
  y.clear();
  for (double loss : losses) y.push_back(std::log(loss - floor));
  center = mean(y);
  spread = std::max(standard_deviation(y), 1e-12);
  double jacobian = 0;
  for (double& value : y) {
    jacobian -= value + std::log(spread);
    // Very bad networks say little about where the best are: their distance is cut.
    value = std::min((value - center) / spread, 4.0);
  }
  return jacobian;
}

/// Losses of networks fall towards a floor as a power of their size, so that log(loss - floor) is
/// nearly a sum over parts. The floor of most likelihood under the present kernel is taken; a far
/// one means the plain loss.
void Surrogate::State::choose_floor() {
  const size_t n = losses.size();
  const double least = *std::min_element(losses.begin(), losses.end());
  const double range = std::max(median(losses) - least, 1e-9 * std::max(std::abs(least), 1e-3));
  double best_floor = least - range;
  double best = -INFINITY;
  double best_distance = 1;
  const auto consider = [&](double distance) {
    double likelihood = set_floor(least - distance * range);
    for (size_t i = 0; i < n; ++i) {
      double inner = 0;
      for (size_t j = 0; j < n; ++j) inner += inverse[i * n + j] * y[j];
      likelihood -= 0.5 * y[i] * inner;
    }
    if (likelihood <= best) return;
    best = likelihood;
    best_floor = loss_floor;
    best_distance = distance;
  };
  for (double distance : {0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 10.0, 100.0, 1e4}) consider(distance);
  if (best_distance < 100) {
    for (double step = std::sqrt(2.0); step > 1.02; step = std::sqrt(step)) {
      const double around = best_distance;
      consider(around / step);
      consider(around * step);
    }
  }
  set_floor(best_floor);
}

void Surrogate::build_gram() {
  State& s = *state_;
  const size_t n = s.points.size();
  s.inverse.assign(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    double* row = &s.inverse[i * n];
    for (size_t slot = 0; slot < s.kernels.slots(); ++slot) {
      const double weight = s.slot_weight[slot];
      const double* table = &s.kernels.table(slot)[s.points[i].codes[slot] * s.kernels.codes(slot)];
      for (size_t j = 0; j < n; ++j) row[j] += weight * table[s.points[j].codes[slot]];
    }
    for (size_t f = 0; f < s.feature_gram.size(); ++f) {
      if (!s.encoder.varies(f)) continue;
      const double* values = &s.feature_gram[f][i * n];
      for (size_t j = 0; j < n; ++j) row[j] += s.feature_weight[f] * values[j];
    }
    for (int part = 0; part < PointKernels::kParts; ++part) {
      const float* values = &s.part_gram[part][i * n];
      for (size_t j = 0; j < n; ++j) row[j] += s.part_weight[part] * values[j];
    }
    row[i] += s.noise;
  }
}

void Surrogate::learn_weights(int rounds) {
  State& s = *state_;
  const size_t n = s.points.size();
  // The product looks at the slots in proportion to the root of what they explain alone.
  const double slots = static_cast<double>(s.slot_weight.size());
  const double floor = 0.1 * mean(s.slot_weight);
  std::vector<double> distance_weight;
  for (double weight : s.slot_weight) distance_weight.push_back(std::sqrt(weight + floor));
  const double total = std::max(mean(distance_weight) * slots, 1e-300);
  for (double& weight : distance_weight) weight *= 2 * kTypicalDistance / total;
  s.kernels.set_points(s.points, distance_weight);
  std::array<bool, PointKernels::kParts> all;
  all.fill(true);
  std::array<std::vector<float>, PointKernels::kParts> values;
  for (auto& gram : s.part_gram) gram.clear();
  for (size_t i = 0; i < n; ++i) {
    s.kernels.parts(s.points[i].codes, all, values);
    for (int part = 0; part < PointKernels::kParts; ++part) {
      s.part_gram[part].insert(s.part_gram[part].end(), values[part].begin(), values[part].end());
    }
  }
  for (int round = 0; round <= rounds; ++round) {
    build_gram();
    invert_positive_definite(s.inverse, n);
    if (round == 0) s.choose_floor();
    s.alpha.assign(n, 0.0);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) s.alpha[j] += s.inverse[i * n + j] * s.y[i];
    }
    if (round < rounds) update_weights();
  }
}

/// A gene matters about alike in all layers. Layers that are rarely alive among the points would
/// otherwise be taken for ones without effect, and never looked at again.
void Surrogate::keep_alike() {
  State& s = *state_;
  const Space& space = s.encoder.space();
  std::map<int, std::pair<double, int>> sums;
  for (size_t slot = 0; slot < s.slot_weight.size(); ++slot) {
    auto& [sum, count] = sums[space.group(slot)];
    sum += s.slot_weight[slot];
    ++count;
  }
  for (size_t slot = 0; slot < s.slot_weight.size(); ++slot) {
    const auto& [sum, count] = sums[space.group(slot)];
    s.slot_weight[slot] = std::max(s.slot_weight[slot], kShareOfGene * sum / count);
  }
}

void Surrogate::update_weights() {
  State& s = *state_;
  const size_t n = s.points.size();
  for (size_t slot = 0; slot < s.kernels.slots(); ++slot) {
    // Sums by code first: n^2 additions, and the products are few.
    const size_t codes = s.kernels.codes(slot);
    std::vector<double> alpha_of(codes, 0.0);
    std::vector<double> inverse_of(codes * codes, 0.0);
    for (size_t i = 0; i < n; ++i) {
      const uint8_t code = s.points[i].codes[slot];
      alpha_of[code] += s.alpha[i];
      double* sums = &inverse_of[code * codes];
      const double* row = &s.inverse[i * n];
      for (size_t j = 0; j < n; ++j) sums[s.points[j].codes[slot]] += row[j];
    }
    double explained = 0;
    double trace = 0;
    for (size_t a = 0; a < codes; ++a) {
      for (size_t b = 0; b < codes; ++b) {
        const double k = s.kernels.table(slot)[a * codes + b];
        explained += alpha_of[a] * alpha_of[b] * k;
        trace += inverse_of[a * codes + b] * k;
      }
    }
    scale_weight(s.slot_weight[slot], explained, trace, kMinWeight);
  }
  keep_alike();
  const auto dense = [&](const auto& gram, double& weight) {
    double explained = 0;
    double trace = 0;
    for (size_t i = 0; i < n; ++i) {
      double inner = 0;
      for (size_t j = 0; j < n; ++j) {
        inner += gram[i * n + j] * s.alpha[j];
        trace += gram[i * n + j] * s.inverse[i * n + j];
      }
      explained += s.alpha[i] * inner;
    }
    scale_weight(weight, explained, trace, kMinWeight);
  };
  for (size_t f = 0; f < s.feature_gram.size(); ++f) {
    if (s.encoder.varies(f)) dense(s.feature_gram[f], s.feature_weight[f]);
  }
  for (int part = 0; part < PointKernels::kParts; ++part) {
    dense(s.part_gram[part], s.part_weight[part]);
  }
  double explained = 0;
  double trace = 0;
  for (size_t i = 0; i < n; ++i) {
    explained += s.alpha[i] * s.alpha[i];
    trace += s.inverse[i * n + i];
  }
  scale_weight(s.noise, explained, trace, kMinNoise);
}

Surrogate::Function Surrogate::tabulate(std::vector<double> alpha) const {
  const State& s = *state_;
  const size_t n = s.points.size();
  Function function;
  for (size_t slot = 0; slot < s.kernels.slots(); ++slot) {
    const size_t codes = s.kernels.codes(slot);
    std::vector<double> alpha_of(codes, 0.0);
    for (size_t i = 0; i < n; ++i) alpha_of[s.points[i].codes[slot]] += alpha[i];
    std::vector<double> effect(codes, 0.0);
    for (size_t a = 0; a < codes; ++a) {
      for (size_t b = 0; b < codes; ++b) {
        effect[a] += s.slot_weight[slot] * alpha_of[b] * s.kernels.table(slot)[a * codes + b];
      }
    }
    function.slot_effect.push_back(std::move(effect));
  }
  function.feature_effect.resize(s.feature_gram.size());
  for (size_t f = 0; f < s.feature_gram.size(); ++f) {
    if (!s.uses_feature(f)) continue;
    function.feature_effect[f].assign(kGrid + 1, 0.0);
    for (size_t i = 0; i < n; ++i) {
      const double weight = s.feature_weight[f] * alpha[i];
      const float* to_grid = &s.grid_kernel[f][i * (kGrid + 1)];
      for (int g = 0; g <= kGrid; ++g) function.feature_effect[f][g] += weight * to_grid[g];
    }
  }
  function.alpha = std::move(alpha);
  return function;
}

double Surrogate::State::additive(const Function& function, const EncodedNetwork& network) const {
  double sum = 0;
  for (size_t slot = 0; slot < function.slot_effect.size(); ++slot) {
    sum += function.slot_effect[slot][network.codes[slot]];
  }
  for (size_t f = 0; f < function.feature_effect.size(); ++f) {
    const std::vector<double>& effect = function.feature_effect[f];
    if (effect.empty()) continue;
    const double x = (network.features[f] - NetworkEncoder::kLow) /
                     (NetworkEncoder::kHigh - NetworkEncoder::kLow) * kGrid;
    const int cell = std::clamp(static_cast<int>(x), 0, kGrid - 1);
    sum += effect[cell] + (x - cell) * (effect[cell + 1] - effect[cell]);
  }
  for (const Function::Pair& pair : function.pair_effects) {
    sum += pair.effect[network.codes[pair.a] * kernels.codes(pair.b) + network.codes[pair.b]];
  }
  return sum;
}

/// Without these a draw would be sure of every pair of choices not seen together, and the search
/// would never try those that are good only together.
std::vector<Surrogate::Function::Pair> Surrogate::State::draw_pairs(Rng& rng) const {
  std::vector<Function::Pair> drawn;
  for (int part = 0; part < PointKernels::kParts; ++part) {
    if (part_weight[part] <= kUsedWeight) continue;
    const auto pairs = kernels.pairs(static_cast<PointKernels::Part>(part));
    const double weight =
        part_weight[part] / static_cast<double>(std::max<size_t>(pairs.size(), 1));
    for (const auto& [a, b] : pairs) {
      drawn.push_back({a, b, draw_pair(factors[a], factors[b], weight, rng)});
    }
  }
  return drawn;
}

Surrogate::Function Surrogate::draw(Rng& rng) const {
  const State& s = *state_;
  const size_t n = s.points.size();
  Function prior;
  for (size_t slot = 0; slot < s.kernels.slots(); ++slot) {
    prior.slot_effect.push_back(draw_normal(s.factors[slot], s.slot_weight[slot], rng));
  }
  prior.feature_effect.resize(s.feature_gram.size());
  for (size_t f = 0; f < s.feature_gram.size(); ++f) {
    if (s.uses_feature(f)) {
      prior.feature_effect[f] = draw_smooth(NetworkEncoder::kLow, NetworkEncoder::kHigh, kGrid,
                                            kFeatureLength, s.feature_weight[f], rng);
    }
  }
  prior.pair_effects = s.draw_pairs(rng);
  // alpha of the draw: inverse gram times (y - prior at the points - noise).
  std::vector<double> alpha(n, 0.0);
  const double noise = std::sqrt(s.noise);
  for (size_t i = 0; i < n; ++i) {
    const double residual = s.y[i] - s.additive(prior, s.points[i]) - noise * rng.normal();
    for (size_t j = 0; j < n; ++j) alpha[j] += s.inverse[i * n + j] * residual;
  }
  Function function = tabulate(std::move(alpha));
  for (size_t slot = 0; slot < function.slot_effect.size(); ++slot) {
    for (size_t code = 0; code < function.slot_effect[slot].size(); ++code) {
      function.slot_effect[slot][code] += prior.slot_effect[slot][code];
    }
  }
  for (size_t f = 0; f < function.feature_effect.size(); ++f) {
    for (size_t g = 0; g < function.feature_effect[f].size(); ++g) {
      function.feature_effect[f][g] += prior.feature_effect[f][g];
    }
  }
  function.pair_effects = std::move(prior.pair_effects);
  return function;
}

double Surrogate::value(const Function& function, const Genotype& genotype) const {
  const State& s = *state_;
  const EncodedNetwork network = s.encoder.encode(genotype);
  double sum = s.additive(function, network);
  std::array<std::vector<float>, PointKernels::kParts> values;
  s.kernels.parts(network.codes, s.used_parts(), values);
  for (int part = 0; part < PointKernels::kParts; ++part) {
    double weighted = 0;
    for (size_t i = 0; i < values[part].size(); ++i)
      weighted += function.alpha[i] * values[part][i];
    sum += s.part_weight[part] * weighted;
  }
  return sum;
}

double Surrogate::loss(const Genotype& genotype) const {
  const double value = state_->center + state_->spread * this->value(expected_, genotype);
  return state_->loss_floor + std::exp(value);
}

}  // namespace hat::search
