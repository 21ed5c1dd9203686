#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hat/base/rng.h"
#include "hat/search/problem.h"

namespace hat::search::testing {

/// A space of stacks of layers, each with a depth slot and the same genes in every layer, and
/// widths of the whole network; with a loss and a cost whose constrained optimum is known exactly.
///
/// loss = squash(width effects + sum over live layers of (layer bonus + gene effects + effect of
/// neighbouring layers' first genes)), cost = width factor * sum of integer costs. Given the widths
/// and depths both are sums along the chain of layers, so dynamic programming over (layer, its
/// first choice, cost so far) gives the optimum of every budget.
class ChainSpace : public Space {
 public:
  struct Shape {
    std::string name;
    std::vector<int> stacks{6, 6};    ///< layers of each stack; depth from 1 to that
    std::vector<int> genes{3, 2, 3};  ///< choices of each gene of a layer
    std::vector<int> widths{2};       ///< choices of each global width
    bool searched_depth = true;       ///< else all layers always live
    double neighbour = 0;             ///< strength of the effects between neighbours
    bool monotone = false;            ///< costlier choices are better, as in most networks
    bool squash = false;              ///< the loss is a curved function of the sum
  };

  ChainSpace(Shape shape, uint64_t seed) : shape_(std::move(shape)) {
    Rng rng(seed, "chain");
    for (size_t w = 0; w < shape_.widths.size(); ++w) add_slot(shape_.widths[w], kGlobal);
    for (size_t s = 0; s < shape_.stacks.size(); ++s) {
      depth_slot_.push_back(slots_.size());
      add_slot(shape_.searched_depth ? shape_.stacks[s] : 1, kGlobal);
    }
    int block = 0;
    for (size_t s = 0; s < shape_.stacks.size(); ++s) {
      for (int layer = 0; layer < shape_.stacks[s]; ++layer, ++block) {
        Layer made;
        made.stack = static_cast<int>(s);
        made.depth = layer;
        made.first_slot = slots_.size();
        for (int choices : shape_.genes) add_slot(choices, block, made.stack);
        layers_.push_back(made);
      }
    }
    draw_effects(rng);
  }

  size_t slots() const override { return slots_.size(); }
  int choices_at(size_t slot) const override { return slots_[slot].choices; }
  double value(size_t slot, int choice) const override { return slots_[slot].values[choice]; }
  int group(size_t slot) const override { return slots_[slot].group; }
  int block(size_t slot) const override { return slots_[slot].block; }
  bool is_alive(const Genotype& g, size_t slot) const override {
    if (slots_[slot].block == kGlobal) return true;
    const Layer& layer = layers_[slots_[slot].block];
    return layer.depth < depth(g, layer.stack);
  }
  std::string key(const Genotype& g) const override {
    std::string key;
    for (size_t slot = 0; slot < g.size(); ++slot) {
      key += is_alive(g, slot) ? static_cast<char>('0' + g[slot]) : '-';
    }
    return key;
  }

  int cost(const Genotype& g) const {
    int sum = 0;
    for (const Layer& layer : layers_) {
      if (layer.depth >= depth(g, layer.stack)) continue;
      sum += layer_cost(layer, &g[layer.first_slot]);
    }
    return sum * width_factor(g);
  }
  double loss(const Genotype& g) const {
    double sum = global_effect(g);
    const Layer* before = nullptr;
    for (const Layer& layer : layers_) {
      if (layer.depth >= depth(g, layer.stack)) continue;
      sum += layer_effect(layer, &g[layer.first_slot]);
      if (before) sum += pair_effect(layer, g[before->first_slot], g[layer.first_slot]);
      before = &layer;
    }
    return squashed(sum);
  }

  /// Least loss of every cost up to `budget`; the last element is the optimum of the budget.
  std::vector<double> optimum_by_budget(int budget) const {
    std::vector<double> least(budget + 1, INFINITY);
    Genotype g(slots_.size(), 0);
    uint64_t fixings = 1;
    std::vector<size_t> global;
    for (size_t slot = 0; slot < slots_.size() && slots_[slot].block == kGlobal; ++slot) {
      global.push_back(slot);
      fixings *= slots_[slot].choices;
    }
    for (uint64_t fixing = 0; fixing < fixings; ++fixing) {
      uint64_t rest = fixing;
      for (size_t slot : global) {
        g[slot] = static_cast<uint8_t>(rest % slots_[slot].choices);
        rest /= slots_[slot].choices;
      }
      fold_fixing(g, budget, least);
    }
    for (int b = 1; b <= budget; ++b) least[b] = std::min(least[b], least[b - 1]);
    return least;
  }

  int largest_cost() const {
    int largest = 0;
    int factor = 0;
    for (const Layer& layer : layers_) {
      int most = 0;
      each_choice([&](const Genotype& c) { most = std::max(most, layer_cost(layer, c.data())); });
      largest += most;
    }
    Genotype g(slots_.size(), 0);
    for (size_t w = 0; w < shape_.widths.size(); ++w) {
      g[w] = static_cast<uint8_t>(shape_.widths[w] - 1);
    }
    factor = width_factor(g);
    return largest * factor;
  }
  const Shape& shape() const { return shape_; }

 private:
  struct Slot {
    int choices;
    int block;
    int group;
    std::vector<double> values;
  };
  struct Layer {
    int stack = 0;
    int depth = 0;
    size_t first_slot = 0;
    double bonus = 0;
    std::vector<std::vector<double>> effects;  ///< by gene and choice
    std::vector<std::vector<int>> costs;
    std::vector<double> pairs;  ///< by first gene's choice before and here
  };

  void add_slot(int choices, int block, int stack = 0) {
    Slot slot;
    slot.choices = choices;
    slot.block = block;
    if (block == kGlobal || slots_.empty() || slots_.back().block != block) gene_ = 0;
    slot.group = block == kGlobal ? static_cast<int>(slots_.size()) : 100 + stack * 10 + gene_++;
    for (int c = 0; c < choices; ++c) slot.values.push_back(c + 1);
    slots_.push_back(slot);
  }
  int depth(const Genotype& g, int stack) const {
    return shape_.searched_depth ? g[depth_slot_[stack]] + 1 : shape_.stacks[stack];
  }
  int width_factor(const Genotype& g) const {
    int factor = 1;
    for (size_t w = 0; w < shape_.widths.size(); ++w) factor += g[w];
    return factor;
  }
  double global_effect(const Genotype& g) const {
    double sum = 0;
    for (size_t w = 0; w < shape_.widths.size(); ++w) sum += width_effects_[w][g[w]];
    return sum;
  }
  int layer_cost(const Layer& layer, const uint8_t* choices) const {
    int sum = 3;
    for (size_t k = 0; k < shape_.genes.size(); ++k) sum += layer.costs[k][choices[k]];
    return sum;
  }
  double layer_effect(const Layer& layer, const uint8_t* choices) const {
    double sum = layer.bonus;
    for (size_t k = 0; k < shape_.genes.size(); ++k) sum += layer.effects[k][choices[k]];
    return sum;
  }
  double pair_effect(const Layer& layer, uint8_t before, uint8_t here) const {
    return shape_.neighbour * layer.pairs[before * shape_.genes[0] + here];
  }
  double squashed(double sum) const { return shape_.squash ? 3 + std::exp(0.15 * sum) : 20 + sum; }

  template <class F>
  void each_choice(F f) const {
    uint64_t count = 1;
    for (int choices : shape_.genes) count *= choices;
    Genotype choice(shape_.genes.size());
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t rest = i;
      for (size_t k = 0; k < choice.size(); ++k) {
        choice[k] = static_cast<uint8_t>(rest % shape_.genes[k]);
        rest /= shape_.genes[k];
      }
      f(choice);
    }
  }

  void draw_effects(Rng& rng) {
    for (int choices : shape_.widths) {
      width_effects_.emplace_back();
      for (int c = 0; c < choices; ++c) width_effects_.back().push_back(-1.0 * c - rng.uniform());
    }
    for (Layer& layer : layers_) {
      layer.bonus = -1.0 * rng.uniform() / (1 + layer.depth);
      for (size_t k = 0; k < shape_.genes.size(); ++k) {
        std::vector<double> effects;
        std::vector<int> costs;
        // As in real spaces some genes cost nothing.
        const bool free = k == 1;
        for (int c = 0; c < shape_.genes[k]; ++c) {
          effects.push_back(rng.normal() * 0.3);
          costs.push_back(free ? 0 : static_cast<int>(c * (1 + rng.below(3))));
        }
        std::sort(costs.begin(), costs.end());
        if (shape_.monotone && !free) std::sort(effects.rbegin(), effects.rend());
        layer.effects.push_back(effects);
        layer.costs.push_back(costs);
      }
      for (int i = 0; i < shape_.genes[0] * shape_.genes[0]; ++i)
        layer.pairs.push_back(rng.normal());
    }
  }

  void fold_fixing(const Genotype& g, int budget, std::vector<double>& least) const {
    const int factor = width_factor(g);
    const int room = budget / factor;
    // best[first gene's choice of the last live layer][cost]
    std::map<int, std::vector<double>> best;
    best[-1] = std::vector<double>(room + 1, INFINITY);
    best[-1][0] = global_effect(g);
    for (const Layer& layer : layers_) {
      if (layer.depth >= depth(g, layer.stack)) continue;
      std::map<int, std::vector<double>> next;
      each_choice([&](const Genotype& choice) {
        const int paid = layer_cost(layer, choice.data());
        const double effect = layer_effect(layer, choice.data());
        for (const auto& [before, sums] : best) {
          auto& to = next.try_emplace(choice[0], room + 1, INFINITY).first->second;
          const double pair =
              before < 0 ? 0 : pair_effect(layer, static_cast<uint8_t>(before), choice[0]);
          for (int b = 0; b + paid <= room; ++b) {
            to[b + paid] = std::min(to[b + paid], sums[b] + effect + pair);
          }
        }
      });
      best = std::move(next);
    }
    for (const auto& [choice, sums] : best) {
      for (int b = 0; b <= room; ++b) {
        if (sums[b] < INFINITY) {
          least[b * factor] = std::min(least[b * factor], squashed(sums[b]));
        }
      }
    }
  }

  Shape shape_;
  std::vector<Slot> slots_;
  std::vector<size_t> depth_slot_;
  std::vector<Layer> layers_;
  std::vector<std::vector<double>> width_effects_;
  int gene_ = 0;
};

inline Problem chain_problem(const ChainSpace& space) {
  Problem problem;
  problem.space = &space;
  problem.costs.push_back({"cost", "units", [&space](const Genotype& g) {
                             return static_cast<double>(space.cost(g));
                           }});
  return problem;
}

/// The shapes of the optimum tests.
inline std::vector<ChainSpace::Shape> shapes() {
  using Shape = ChainSpace::Shape;
  std::vector<Shape> shapes;
  shapes.push_back(Shape{"encoder_decoder", {6, 6}, {3, 2, 3}, {2, 2}, true, 0, true, true});
  shapes.push_back(Shape{"decoder_depth", {6}, {4, 2, 3}, {2}, true, 0, false, false});
  shapes.push_back(Shape{"flat", {12}, {4}, {3}, false, 0, false, true});
  shapes.push_back(Shape{"wide_choices", {4}, {8, 4}, {3}, true, 0, true, false});
  shapes.push_back(Shape{"chained", {6}, {4, 2}, {2}, true, 0.2, false, false});
  return shapes;
}

}  // namespace hat::search::testing
