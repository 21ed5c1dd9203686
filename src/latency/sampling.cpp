#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/latency/measure.h"

namespace hat::latency {
namespace {

constexpr int kPoolFactor = 20;
constexpr int kMaxPool = 20'000;

struct Candidate {
  arch::Architecture architecture;
  double cost = 0;
};

/// Features over the architecture's decoding cost: what matters for a relative error.
std::vector<double> relative_features(const arch::Architecture& architecture,
                                      const arch::Workload& workload) {
  const arch::CostFeatures costs = arch::cost_features(architecture, workload);
  const double scale = arch::flops_decoding(architecture, workload);
  std::vector<double> features = {1 / scale};
  for (const double cost : costs) features.push_back(cost / scale);
  return features;
}

/// Adds x x^T / (1 + x^T A^-1 x) to the inverse by Sherman and Morrison.
void add_row(const std::vector<double>& x, std::vector<double>* inverse) {
  const size_t p = x.size();
  std::vector<double> ax(p, 0.0);
  for (size_t i = 0; i < p; ++i) {
    for (size_t j = 0; j < p; ++j) ax[i] += (*inverse)[i * p + j] * x[j];
  }
  double denominator = 1;
  for (size_t i = 0; i < p; ++i) denominator += x[i] * ax[i];
  for (size_t i = 0; i < p; ++i) {
    for (size_t j = 0; j < p; ++j) (*inverse)[i * p + j] -= ax[i] * ax[j] / denominator;
  }
}

double leverage(const std::vector<double>& x, const std::vector<double>& inverse) {
  const size_t p = x.size();
  double sum = 0;
  for (size_t i = 0; i < p; ++i) {
    for (size_t j = 0; j < p; ++j) sum += x[i] * inverse[i * p + j] * x[j];
  }
  return sum;
}

}  // namespace

std::vector<arch::Architecture> stratified_sample(const arch::SearchSpace& space,
                                                  const arch::Workload& workload, int count,
                                                  uint64_t seed) {
  std::vector<arch::Architecture> chosen;
  std::set<std::string> seen;
  const auto take = [&](const arch::Architecture& architecture) {
    if (static_cast<int>(chosen.size()) < count &&
        seen.insert(arch::architecture_id(architecture)).second) {
      chosen.push_back(architecture);
    }
  };
  take(space.smallest());
  take(space.largest());
  Rng rng(seed, "latency.design");
  std::vector<Candidate> pool;
  std::set<std::string> pooled = seen;
  const int wanted = std::min(kMaxPool, kPoolFactor * count);
  // A small space runs out of new networks: the attempts are bounded.
  for (int attempt = 0; attempt < 4 * wanted && static_cast<int>(pool.size()) < wanted; ++attempt) {
    const arch::Architecture architecture = space.decode(space.sample(rng));
    if (!pooled.insert(arch::architecture_id(architecture)).second) continue;
    pool.push_back({architecture, arch::flops_decoding(architecture, workload)});
  }
  std::sort(pool.begin(), pool.end(),
            [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
  const size_t strata = std::min(pool.size(), static_cast<size_t>(std::max(0, count - 2)));
  std::vector<arch::Architecture> drawn;
  for (size_t s = 0; s < strata; ++s) {
    const size_t begin = s * pool.size() / strata;
    const size_t end = (s + 1) * pool.size() / strata;
    drawn.push_back(pool[begin + rng.below(end - begin)].architecture);
  }
  rng.shuffle(drawn);
  for (const arch::Architecture& architecture : drawn) take(architecture);
  return chosen;
}

size_t least_known(const std::vector<arch::Architecture>& pool, const LatencySet& set) {
  HAT_DCHECK(!pool.empty());
  std::vector<std::vector<double>> rows;
  for (const LatencyRow& row : set.rows) {
    if (row.architecture) rows.push_back(relative_features(*row.architecture, set.workload));
  }
  std::vector<std::vector<double>> candidates;
  for (const arch::Architecture& architecture : pool) {
    candidates.push_back(relative_features(architecture, set.workload));
  }
  // Columns in units of their own size among the candidates.
  const size_t p = candidates[0].size();
  std::vector<double> scale(p, 0.0);
  for (const std::vector<double>& x : candidates) {
    for (size_t j = 0; j < p; ++j) scale[j] = std::max(scale[j], std::abs(x[j]));
  }
  const auto rescale = [&](std::vector<std::vector<double>>* list) {
    for (std::vector<double>& x : *list) {
      for (size_t j = 0; j < p; ++j) x[j] /= scale[j] > 0 ? scale[j] : 1.0;
    }
  };
  rescale(&rows);
  rescale(&candidates);
  std::vector<double> inverse(p * p, 0.0);
  for (size_t j = 0; j < p; ++j) inverse[j * p + j] = 1e3;
  for (const std::vector<double>& row : rows) add_row(row, &inverse);
  size_t best = 0;
  double most = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double value = leverage(candidates[i], inverse);
    if (value > most) {
      most = value;
      best = i;
    }
  }
  return best;
}

}  // namespace hat::latency
