#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/search/space.h"

namespace hat::search {

/// Something of an architecture that is known without running it on data: latency on a device,
/// parameters, bytes. Cheap to ask (microseconds), deterministic.
struct CostModel {
  std::string name;  ///< "latency_ms:rpi4", "params"
  std::string unit;  ///< "ms", "parameters", "bytes", "FLOPs"
  std::function<double(const arch::Architecture&)> predict;
  /// What a measurement stays below with the predictor's confidence; predict when it is exact.
  std::function<double(const arch::Architecture&)> upper_bound;
};

/// A cost as the algorithms see it.
struct Cost {
  std::string name;
  std::string unit;
  std::function<double(const Genotype&)> value;
};

/// costs[cost] must not exceed `at_most`.
struct Limit {
  int cost = 0;
  double at_most = 0;
};

/// What one search is asked for. Without `front`: the network of least loss within the limits. With
/// it: every network within the limits that no other beats in loss and in all costs of `front`.
/// Several goals (one a device) share one pool of evaluations.
struct Goal {
  std::string name;
  std::vector<Limit> limits;
  std::vector<int> front;
};

struct Problem {
  const Space* space = nullptr;
  std::vector<Cost> costs;
  std::vector<Goal> goals;
};

/// A network with everything known of it.
struct Candidate {
  Genotype genotype;
  std::string key;
  std::vector<double> costs;
  double loss = 0;
};

/// Sum over the limits of the share by which each is exceeded; 0 when all are kept.
double violation(const std::vector<double>& costs, const std::vector<Limit>& limits);
inline bool keeps(const std::vector<double>& costs, const std::vector<Limit>& limits) {
  return violation(costs, limits) <= 0;
}

/// Fills in key and costs, and remembers them: predictors are asked once a network.
class CostTable {
 public:
  explicit CostTable(const Problem& problem) : problem_(problem) {}
  Candidate candidate(const Genotype& genotype);
  const std::vector<double>& costs(const Genotype& genotype);
  const Problem& problem() const { return problem_; }

 private:
  const Problem& problem_;
  std::unordered_map<std::string, std::vector<double>> by_genotype_;
};

}  // namespace hat::search
