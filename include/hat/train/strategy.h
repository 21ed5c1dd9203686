#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/arch/search_space.h"

namespace hat::train {

/// One network that an update trains on its batch.
struct Path {
  arch::Architecture architecture;
  /// Its predictions are the targets of the paths after it.
  bool teaches = false;
  /// How much of its loss is distillation from the teacher before it: 0 none, 1 all.
  double distillation = 0;
  /// Share of the batch's sentences that it trains on. Below 1, the paths of the update divide the
  /// batch among themselves, and shares add up to 1.
  double share = 1;
  /// Whether dropout disturbs it. Sandwiches regularise the largest network alone: small ones have
  /// nothing to spare, and what they share with it is regularised there (BigNAS, Yu et al. 2020,
  /// section 3.1).
  bool dropout = true;
};

/// Which SubTransformers an update trains. The answer depends on the update's number alone, so a
/// resumed run, or several workers, agree without exchanging anything.
class Strategy {
 public:
  virtual ~Strategy() = default;
  /// At least one path; a teacher comes first.
  virtual std::vector<Path> paths(int64_t update) const = 0;
  /// How often an update passes over its batch at most: its paths, or 1 when they share it.
  virtual int passes() const = 0;
  virtual std::string name() const = 0;
};

/// One random SubTransformer an update, every gene uniform. HAT (Wang et al. 2020), section 3.2.
/// `like_original` draws exactly what the original draws (hat-spec section 3).
class SinglePath : public Strategy {
 public:
  SinglePath(const arch::SearchSpace& space, uint64_t seed, bool like_original = false);
  std::vector<Path> paths(int64_t update) const override;
  int passes() const override { return 1; }
  std::string name() const override { return like_original_ ? "original" : "single_path"; }

 private:
  const arch::SearchSpace& space_;
  uint64_t seed_;
  bool like_original_;
};

/// One random SubTransformer an update, drawn so that its cost (multiply-adds a token) is uniform
/// between the smallest and the largest: uniform genes crowd around the middle and starve both
/// ends. The idea of sampling by cost: AttentiveNAS (Wang et al. 2021), section 3.2.
class UniformCost : public Strategy {
 public:
  UniformCost(const arch::SearchSpace& space, uint64_t seed);
  std::vector<Path> paths(int64_t update) const override;
  int passes() const override { return 1; }
  std::string name() const override { return "uniform_cost"; }
  /// The `index`th draw of an update.
  arch::Architecture draw(int64_t update, int index) const;

 private:
  const arch::SearchSpace& space_;
  uint64_t seed_;
  double smallest_cost_;
  double largest_cost_;
};

/// The largest, the smallest and `random` cost-uniform SubTransformers an update; the others train
/// without dropout and, by `distillation`, learn from the largest one's predictions beside the
/// references. Sandwich rule: Yu and Huang 2019 (Universally Slimmable Networks); in-place
/// distillation: BigNAS (Yu et al. 2020) and AlphaNet (Wang et al. 2021).
///
/// There every network passes the whole batch (`full`). Otherwise the networks divide the batch:
/// half of its sentences train the largest one, which only predicts the others; the rest goes to
/// the other networks in equal parts. An update then costs less than one of the largest network
/// alone, and in the same time there are several of them.
class Sandwich : public Strategy {
 public:
  Sandwich(const arch::SearchSpace& space, uint64_t seed, int random, double distillation,
           bool full);
  std::vector<Path> paths(int64_t update) const override;
  int passes() const override { return full_ ? 2 + random_ : 1; }
  std::string name() const override { return full_ ? "full_sandwich" : "sandwich"; }

 private:
  arch::Architecture largest_;
  arch::Architecture smallest_;
  UniformCost sampler_;
  int random_;
  double distillation_;
  bool full_;
};

/// The sandwich spread over time: every update trains the largest and one more, which is the
/// smallest every third update and a cost-uniform one otherwise. Nearly the sandwich's networks for
/// half of its work.
class AlternatingSandwich : public Strategy {
 public:
  AlternatingSandwich(const arch::SearchSpace& space, uint64_t seed, double distillation);
  std::vector<Path> paths(int64_t update) const override;
  int passes() const override { return 2; }
  std::string name() const override { return "alternating"; }

 private:
  arch::Architecture largest_;
  arch::Architecture smallest_;
  UniformCost sampler_;
  double distillation_;
};

/// Always one network: finishing a SubTransformer, or a plain training.
class FixedArchitecture : public Strategy {
 public:
  explicit FixedArchitecture(arch::Architecture architecture);
  std::vector<Path> paths(int64_t update) const override;
  int passes() const override { return 1; }
  std::string name() const override { return "fixed"; }

 private:
  arch::Architecture architecture_;
};

/// The names that train.strategy takes.
std::vector<std::string> strategy_names();
/// By name; "auto" is the default named in docs/training.md. `distillation` is that of networks
/// that train beside the largest one. `space` must outlive the strategy.
std::unique_ptr<Strategy> make_strategy(const std::string& name, const arch::SearchSpace& space,
                                        uint64_t seed, double distillation);

/// Multiply-adds a target token without the output projection: what sampling by cost measures.
double cost_per_token(const arch::Architecture& architecture);

}  // namespace hat::train
