#include "kernel.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace hat::search {
namespace {

constexpr double kRankDecay = 1.5;  // how fast slot kernels fall with the distance of ranks

/// Position of each choice among the slot's, by value, in [0, 1]. Ranks, because widths of 64 and
/// 128 may differ as much as 1024 and 2048.
std::vector<double> rank_positions(const Space& space, size_t slot) {
  const int choices = space.choices_at(slot);
  std::vector<int> order(choices);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return space.value(slot, a) < space.value(slot, b); });
  std::vector<double> position(choices, 0.0);
  for (int i = 1; i < choices; ++i) position[order[i]] = i / (choices - 1.0);
  return position;
}

}  // namespace

NetworkEncoder::NetworkEncoder(const Space& space, Extra extra)
    : space_(space), extra_(std::move(extra)) {
  std::map<int, int> numbers;
  for (size_t slot = 0; slot < space.slots(); ++slot) {
    const int number = static_cast<int>(numbers.size());
    group_.push_back(numbers.try_emplace(space.group(slot), number).first->second);
    group_total_.resize(numbers.size(), 1e-300);
    double largest = 0;
    for (int choice = 0; choice < space.choices_at(slot); ++choice) {
      largest = std::max(largest, std::abs(space.value(slot, choice)));
    }
    group_total_[group_.back()] += largest;
  }
}

std::vector<double> NetworkEncoder::raw_features(const Genotype& genotype) const {
  const size_t groups = group_total_.size();
  std::vector<double> features(2 * groups, 0.0);
  std::vector<int> live(groups, 0);
  for (size_t slot = 0; slot < genotype.size(); ++slot) {
    if (!space_.is_alive(genotype, slot)) continue;
    features[2 * group_[slot]] += space_.value(slot, genotype[slot]);
    ++live[group_[slot]];
  }
  for (size_t group = 0; group < groups; ++group) {
    if (live[group] > 0) features[2 * group + 1] = features[2 * group] / live[group];
    features[2 * group] /= group_total_[group];
  }
  if (extra_) {
    for (double value : extra_(genotype)) features.push_back(std::log(std::max(value, 1e-30)));
  }
  return features;
}

void NetworkEncoder::scale_to(const std::vector<Genotype>& genotypes) {
  low_ = high_ = raw_features(genotypes[0]);
  for (const Genotype& genotype : genotypes) {
    const std::vector<double> features = raw_features(genotype);
    for (size_t f = 0; f < features.size(); ++f) {
      low_[f] = std::min(low_[f], features[f]);
      high_[f] = std::max(high_[f], features[f]);
    }
  }
}

EncodedNetwork NetworkEncoder::encode(const Genotype& genotype) const {
  EncodedNetwork encoded;
  encoded.codes.resize(genotype.size());
  for (size_t slot = 0; slot < genotype.size(); ++slot) {
    encoded.codes[slot] = space_.is_alive(genotype, slot)
                              ? genotype[slot]
                              : static_cast<uint8_t>(space_.choices_at(slot));
  }
  encoded.features = raw_features(genotype);
  for (size_t f = 0; f < low_.size(); ++f) {
    const double range = high_[f] - low_[f];
    const double scaled = range > 0 ? (encoded.features[f] - low_[f]) / range : 0.5;
    encoded.features[f] = std::clamp(scaled, kLow, kHigh);
  }
  return encoded;
}

PointKernels::PointKernels(const Space& space) {
  size_t rows = 0;
  std::map<int, std::vector<size_t>> blocks;
  std::map<int, size_t> last_of_group;
  for (size_t slot = 0; slot < space.slots(); ++slot) {
    const size_t choices = space.choices_at(slot);
    codes_.push_back(choices + 1);
    first_row_.push_back(rows);
    rows += choices + 1;
    const std::vector<double> position = rank_positions(space, slot);
    std::vector<double> table((choices + 1) * (choices + 1), 0.0);
    for (size_t a = 0; a < choices; ++a) {
      for (size_t b = 0; b < choices; ++b) {
        table[a * (choices + 1) + b] = std::exp(-kRankDecay * std::abs(position[a] - position[b]));
      }
    }
    table.back() = 1;
    tables_.push_back(std::move(table));
    if (space.block(slot) == Space::kGlobal) {
      global_.push_back(slot);
      continue;
    }
    blocks[space.block(slot)].push_back(slot);
    const auto [last, first] = last_of_group.try_emplace(space.group(slot), slot);
    if (!first) neighbours_.emplace_back(std::exchange(last->second, slot), slot);
  }
  for (auto& [number, slots] : blocks) blocks_.push_back(std::move(slots));
}

std::vector<std::pair<size_t, size_t>> PointKernels::pairs(Part part) const {
  std::vector<std::pair<size_t, size_t>> pairs;
  if (part == kNeighbours) pairs = neighbours_;
  for (const auto& block : blocks_) {
    for (size_t i = 0; i < block.size(); ++i) {
      if (part == kWithinLayer) {
        for (size_t j = i + 1; j < block.size(); ++j) pairs.emplace_back(block[i], block[j]);
      } else if (part == kGlobalLocal) {
        for (size_t global : global_) pairs.emplace_back(global, block[i]);
      }
    }
  }
  return pairs;
}

void PointKernels::set_points(const std::vector<EncodedNetwork>& points,
                              const std::vector<double>& distance_weight) {
  points_ = points.size();
  const size_t rows = first_row_.back() + codes_.back();
  similarity_.resize(rows * points_);
  distance_.resize(rows * points_);
  for (size_t s = 0; s < codes_.size(); ++s) {
    for (size_t code = 0; code < codes_[s]; ++code) {
      const size_t at = (first_row_[s] + code) * points_;
      for (size_t i = 0; i < points_; ++i) {
        const double similar = slot(s, static_cast<uint8_t>(code), points[i].codes[s]);
        similarity_[at + i] = static_cast<float>(similar);
        distance_[at + i] = static_cast<float>(distance_weight[s] * (1 - similar));
      }
    }
  }
}

void PointKernels::parts(const std::vector<uint8_t>& codes, const std::array<bool, kParts>& wanted,
                         std::array<std::vector<float>, kParts>& values) const {
  const size_t n = points_;
  for (int part = 0; part < kParts; ++part) values[part].assign(wanted[part] ? n : 0, 0.0F);
  if (wanted[kProduct]) {
    float* sum = values[kProduct].data();
    for (size_t s = 0; s < codes.size(); ++s) {
      const float* distance = distance_row(s, codes[s]);
      for (size_t i = 0; i < n; ++i) sum[i] += distance[i];
    }
    for (size_t i = 0; i < n; ++i) sum[i] = std::exp(-sum[i]);
  }
  if (wanted[kNeighbours] && !neighbours_.empty()) {
    float* sum = values[kNeighbours].data();
    for (const auto& [a, b] : neighbours_) {
      const float* left = row(a, codes[a]);
      const float* right = row(b, codes[b]);
      for (size_t i = 0; i < n; ++i) sum[i] += left[i] * right[i];
    }
    const float scale = 1.0F / static_cast<float>(neighbours_.size());
    for (size_t i = 0; i < n; ++i) sum[i] *= scale;
  }
  if (!wanted[kWithinLayer] && !wanted[kGlobalLocal]) return;
  // Pairs within a layer: ((sum)^2 - sum of squares) / 2 of its slots.
  std::vector<float> local(n, 0.0F);
  std::vector<float> layer(n);
  std::vector<float> squares(n);
  float pairs = 0;
  float slots = 0;
  for (const auto& block : blocks_) {
    std::fill(layer.begin(), layer.end(), 0.0F);
    std::fill(squares.begin(), squares.end(), 0.0F);
    for (size_t s : block) {
      const float* similar = row(s, codes[s]);
      for (size_t i = 0; i < n; ++i) {
        layer[i] += similar[i];
        squares[i] += similar[i] * similar[i];
      }
    }
    pairs += static_cast<float>(block.size() * (block.size() - 1)) / 2;
    slots += static_cast<float>(block.size());
    for (size_t i = 0; i < n; ++i) local[i] += layer[i];
    if (!wanted[kWithinLayer]) continue;
    float* sum = values[kWithinLayer].data();
    for (size_t i = 0; i < n; ++i) sum[i] += (layer[i] * layer[i] - squares[i]) / 2;
  }
  if (wanted[kWithinLayer] && pairs > 0) {
    for (float& value : values[kWithinLayer]) value /= pairs;
  }
  if (!wanted[kGlobalLocal] || slots <= 0 || global_.empty()) return;
  std::vector<float> global(n, 0.0F);
  for (size_t s : global_) {
    const float* similar = row(s, codes[s]);
    for (size_t i = 0; i < n; ++i) global[i] += similar[i];
  }
  const float scale = 1.0F / (slots * static_cast<float>(global_.size()));
  for (size_t i = 0; i < n; ++i) values[kGlobalLocal][i] = global[i] * local[i] * scale;
}

}  // namespace hat::search
