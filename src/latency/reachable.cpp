#include <algorithm>
#include <limits>

#include "hat/base/error.h"
#include "hat/latency/predictor.h"
#include "latency/model.h"

namespace hat::latency {
namespace {

// Above so many combinations of whole-network genes those are searched by coordinates as well.
constexpr size_t kMaxCombinations = 4096;
constexpr int kMaxSweeps = 8;

/// Slots that get the same value: all layers of a gene, or one gene of the whole network.
struct SlotGroup {
  std::vector<size_t> slots;
  int choices = 0;
  bool whole_network = false;
};

std::vector<SlotGroup> slot_groups(const arch::SearchSpace& space) {
  std::vector<SlotGroup> groups(space.genes().size());
  for (size_t slot = 0; slot < space.slots().size(); ++slot) {
    SlotGroup& group = groups[static_cast<size_t>(space.slots()[slot].gene)];
    group.slots.push_back(slot);
    group.choices = space.choices_at(slot);
    group.whole_network = space.slots()[slot].layer < 0;
  }
  return groups;
}

void assign(const SlotGroup& group, int choice, arch::Genotype* genotype) {
  for (const size_t slot : group.slots) (*genotype)[slot] = static_cast<uint8_t>(choice);
}

/// Looks for the genotype with the smallest sign * prediction.
class Extreme {
 public:
  Extreme(const Predictor& predictor, const arch::SearchSpace& space, double sign)
      : predictor_(predictor),
        space_(space),
        sign_(sign),
        groups_(slot_groups(space)),
        genotype_(space.slots().size(), 0) {}

  arch::Architecture find() {
    size_t combinations = 1;
    for (const SlotGroup& group : groups_) {
      if (group.whole_network) {
        combinations =
            std::min(combinations * static_cast<size_t>(group.choices), kMaxCombinations + 1);
      }
    }
    const bool enumerate = combinations <= kMaxCombinations;
    for (size_t index = 0; index < (enumerate ? combinations : 1); ++index) {
      size_t rest = index;
      for (const SlotGroup& group : groups_) {
        if (!enumerate || !group.whole_network) continue;
        assign(group, static_cast<int>(rest % static_cast<size_t>(group.choices)), &genotype_);
        rest /= static_cast<size_t>(group.choices);
      }
      descend(!enumerate);
    }
    return space_.decode(best_);
  }

 private:
  double value(const arch::Genotype& genotype) const {
    return sign_ * predictor_.predict_ms(space_.decode(genotype));
  }

  void descend(bool whole_network_too) {
    double current = value(genotype_);
    for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
      bool improved = false;
      for (const SlotGroup& group : groups_) {
        if (group.whole_network && !whole_network_too) continue;
        const arch::Genotype before = genotype_;
        arch::Genotype best = before;
        for (int choice = 0; choice < group.choices; ++choice) {
          assign(group, choice, &genotype_);
          const double candidate = value(genotype_);
          if (candidate < current) {
            current = candidate;
            best = genotype_;
            improved = true;
          }
        }
        genotype_ = best;
      }
      if (!improved) break;
    }
    if (current < best_value_) {
      best_value_ = current;
      best_ = genotype_;
    }
  }

  const Predictor& predictor_;
  const arch::SearchSpace& space_;
  double sign_;
  std::vector<SlotGroup> groups_;
  arch::Genotype genotype_;
  arch::Genotype best_;
  double best_value_ = std::numeric_limits<double>::infinity();
};

}  // namespace

// Prices are not negative and every cost grows with every layer's totals, so an additive model (the
// price of what leaves the caches included) grows with every gene of a layer: each has its best
// choice whatever the others are, the same in all layers, and going through the genes one by one is
// exact for each combination of the whole network's genes.
Reachable Predictor::reachable(const arch::SearchSpace& space) const {
  Reachable result;
  result.fastest = Extreme(*this, space, 1.0).find();
  result.slowest = Extreme(*this, space, -1.0).find();
  result.min_ms = predict_ms(result.fastest);
  result.max_ms = predict_ms(result.slowest);
  result.exact = model_->additive();
  return result;
}

std::vector<Contribution> Predictor::explain(const arch::Architecture& architecture) const {
  std::vector<Contribution> parts;
  const double total = predict_ms(architecture);
  double sum = 0;
  if (const LinearModel* linear = model_->linear()) {
    parts.push_back({"fixed", linear->fixed_ms});
    sum += linear->fixed_ms;
    const arch::CostFeatures costs = arch::cost_features(architecture, scope_.workload);
    for (size_t f = 0; f < costs.size(); ++f) {
      const double ms = linear->price_ms[f] * costs[f];
      if (ms == 0) continue;
      parts.push_back({arch::cost_feature_list()[f].name, ms});
      sum += ms;
    }
    const double uncached = linear->uncached_ms(costs);
    if (uncached > 0) parts.push_back({"decoder weights beyond the caches", uncached});
    sum += uncached;
  }
  if (!model_->additive()) parts.push_back({"not additive", total - sum});
  return parts;
}

std::vector<GeneCost> Predictor::gene_costs(const arch::SearchSpace& space) const {
  const arch::Genotype middle = space.encode(space.middle());
  std::vector<GeneCost> result;
  const std::vector<SlotGroup> groups = slot_groups(space);
  for (size_t gene = 0; gene < groups.size(); ++gene) {
    if (groups[gene].slots.empty()) continue;  // a gene with one choice has no slot
    GeneCost cost;
    cost.gene = space.genes()[gene].name;
    for (int choice = 0; choice < groups[gene].choices; ++choice) {
      arch::Genotype genotype = middle;
      assign(groups[gene], choice, &genotype);
      cost.choice_ms.emplace_back(space.genes()[gene].choices[static_cast<size_t>(choice)],
                                  predict_ms(space.decode(genotype)));
    }
    result.push_back(std::move(cost));
  }
  return result;
}

}  // namespace hat::latency
