#pragma once

#include <array>
#include <functional>
#include <utility>
#include <vector>

#include "hat/search/space.h"

namespace hat::search {

/// A network as the surrogate sees it.
struct EncodedNetwork {
  std::vector<uint8_t> codes;    ///< choice of each slot; the slot's number of choices when dead
  std::vector<double> features;  ///< see NetworkEncoder
};

/// Turns genotypes into codes and features. Features of a network: for every gene the sum and the
/// mean of its values over the live layers, then the logarithms of the numbers that `extra` gives.
class NetworkEncoder {
 public:
  using Extra = std::function<std::vector<double>(const Genotype&)>;
  NetworkEncoder(const Space& space, Extra extra);

  /// Features are scaled so that those of `genotypes` span [0, 1].
  void scale_to(const std::vector<Genotype>& genotypes);
  EncodedNetwork encode(const Genotype& genotype) const;
  size_t features() const { return low_.size(); }
  /// False for a feature that is the same in all of scale_to()'s networks.
  bool varies(size_t feature) const { return high_[feature] > low_[feature]; }
  const Space& space() const { return space_; }

  static constexpr double kLow = -0.25;  ///< features are cut to [kLow, kHigh]
  static constexpr double kHigh = 1.25;

 private:
  std::vector<double> raw_features(const Genotype& genotype) const;

  const Space& space_;
  Extra extra_;
  std::vector<int> group_;           ///< of each slot, renumbered from 0
  std::vector<double> group_total_;  ///< largest possible sum of a gene's values
  std::vector<double> low_, high_;
};

/// Kernels between a network and a fixed list of them (the points), arranged so that one network
/// against all points is a few sums of arrays.
class PointKernels {
 public:
  /// Parts that look at several slots at once.
  enum Part { kProduct, kNeighbours, kWithinLayer, kGlobalLocal, kParts };

  explicit PointKernels(const Space& space);

  /// Similarity of two codes of a slot: falls with the distance of their ranks; dead is like
  /// nothing else.
  double slot(size_t slot, uint8_t a, uint8_t b) const {
    return tables_[slot][a * codes_[slot] + b];
  }
  const std::vector<double>& table(size_t slot) const { return tables_[slot]; }
  size_t codes(size_t slot) const { return codes_[slot]; }
  size_t slots() const { return codes_.size(); }
  /// The pairs of slots that a part is the mean over, of the products of their kernels. None for
  /// kProduct.
  std::vector<std::pair<size_t, size_t>> pairs(Part part) const;

  /// `distance_weight` of each slot in the product: exp(-sum of weight * (1 - slot kernel)).
  void set_points(const std::vector<EncodedNetwork>& points,
                  const std::vector<double>& distance_weight);
  /// The parts between `codes` and every point, those with `wanted` only.
  void parts(const std::vector<uint8_t>& codes, const std::array<bool, kParts>& wanted,
             std::array<std::vector<float>, kParts>& values) const;

 private:
  const float* row(size_t slot, uint8_t code) const {
    return &similarity_[(first_row_[slot] + code) * points_];
  }
  const float* distance_row(size_t slot, uint8_t code) const {
    return &distance_[(first_row_[slot] + code) * points_];
  }

  std::vector<size_t> codes_;
  std::vector<std::vector<double>> tables_;
  std::vector<size_t> first_row_;
  std::vector<size_t> global_;
  std::vector<std::vector<size_t>> blocks_;
  std::vector<std::pair<size_t, size_t>> neighbours_;  ///< one gene in successive layers
  size_t points_ = 0;
  std::vector<float> similarity_;  ///< by (slot, code), then point
  std::vector<float> distance_;
};

}  // namespace hat::search
