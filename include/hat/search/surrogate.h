#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "hat/base/rng.h"
#include "hat/search/space.h"

namespace hat::search {

/// A model of the loss over scored networks, from which candidates are proposed and ranked so that
/// few have to be scored: a Gaussian process on the logarithm of the loss above a floor (itself
/// learnt) whose kernel is a weighted sum of
///  - one kernel a slot (is the choice equal, or near in rank; "dead" is a choice of its own),
///  - one for each gene's sum and mean over the live layers, one for each cost of the network,
///  - pairs of one gene in neighbouring layers, pairs within a layer, pairs of a global and a
///  layer's
///    slot, and one product over all slots for what is left.
/// The weights maximise the marginal likelihood by the MM updates of Zhou et al. 2019, "MM
/// algorithms for variance components models". Deterministic.
class Surrogate {
 public:
  using Features = std::function<std::vector<double>(const Genotype&)>;
  /// `features` gives further positive numbers of a network (its costs), the same count for all.
  Surrogate(const Space& space, Features features);
  ~Surrogate();

  /// Learns from scratch, starting from the weights of the last fit. Uses the `kMaxPoints` of least
  /// loss when there are more. At least one point.
  void fit(const std::vector<Genotype>& genotypes, const std::vector<double>& losses);

  /// One function of networks, cheap to ask: the expected loss, or a draw of what it may be.
  struct Function {
    /// Effect of two slots together, by code of `a`, then of `b`.
    struct Pair {
      size_t a, b;
      std::vector<double> effect;
    };
    std::vector<double> alpha;
    std::vector<std::vector<double>> slot_effect;     ///< by slot and code
    std::vector<std::vector<double>> feature_effect;  ///< on a grid over the feature
    std::vector<Pair> pair_effects;  ///< of a draw; what is expected of pairs is in alpha
  };
  const Function& expected() const { return expected_; }
  /// A function drawn from the posterior (Thompson sampling) by Matheron's rule: a draw from the
  /// prior corrected by what the points say. The product over all slots is corrected, not drawn.
  Function draw(Rng& rng) const;
  /// In standard deviations of the points' log(loss - floor).
  double value(const Function& function, const Genotype& genotype) const;
  /// value(expected()) as a loss.
  double loss(const Genotype& genotype) const;

  static constexpr size_t kMaxPoints = 500;

 private:
  struct State;
  void prepare(const std::vector<Genotype>& genotypes, const std::vector<double>& losses);
  void learn_weights(int rounds);
  void build_gram();
  void update_weights();
  void keep_alike();
  Function tabulate(std::vector<double> alpha) const;

  std::unique_ptr<State> state_;
  Function expected_;
};

/// Inverts a symmetric positive definite n x n matrix in place.
void invert_positive_definite(std::vector<double>& matrix, size_t n);

}  // namespace hat::search
