#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hat/arch/search_space.h"
#include "hat/base/rng.h"

namespace hat::search {

using arch::Genotype;

/// All that a search algorithm knows of what it searches: slots with a few choices each, some of
/// them without effect ("dead") depending on others. Several genotypes may mean one network; key()
/// is equal for them and different for different networks.
class Space {
 public:
  static constexpr int kGlobal = -1;
  virtual ~Space() = default;

  virtual size_t slots() const = 0;
  /// 1 to 255.
  virtual int choices_at(size_t slot) const = 0;
  /// The number a choice stands for (a width, a count); the surrogate uses its rank among the
  /// slot's.
  virtual double value(size_t slot, int choice) const = 0;
  /// Slots of one gene (the FFN widths of all encoder layers) have one group; a hint for models.
  virtual int group(size_t slot) const = 0;
  /// Slots of one layer share one block; kGlobal for what shapes the whole network (a width, a
  /// depth).
  virtual int block(size_t slot) const = 0;
  virtual bool is_alive(const Genotype& genotype, size_t slot) const = 0;
  virtual std::string key(const Genotype& genotype) const = 0;
};

/// Every slot uniform, as the original samples.
Genotype sample(const Space& space, Rng& rng);
/// Each slot replaced with `probability` by a uniform choice (it may be the same value), as the
/// original mutates.
Genotype mutate(const Space& space, const Genotype& parent, double probability, Rng& rng);
/// Each slot from either parent with probability 1/2.
Genotype crossover(const Genotype& a, const Genotype& b, Rng& rng);
/// The same network with every dead slot at its first choice.
Genotype without_dead(const Space& space, Genotype genotype);

/// A space of architectures, seen as above.
class ArchitectureSpace : public Space {
 public:
  /// `space` must outlive this.
  explicit ArchitectureSpace(const arch::SearchSpace& space);

  size_t slots() const override { return space_.slots().size(); }
  int choices_at(size_t slot) const override { return space_.choices_at(slot); }
  double value(size_t slot, int choice) const override;
  int group(size_t slot) const override { return space_.slots()[slot].gene; }
  int block(size_t slot) const override;
  bool is_alive(const Genotype& genotype, size_t slot) const override {
    return space_.is_alive(genotype, slot);
  }
  std::string key(const Genotype& genotype) const override {
    return arch::architecture_id(space_.decode(genotype));
  }
  const arch::SearchSpace& architectures() const { return space_; }

 private:
  const arch::SearchSpace& space_;
};

}  // namespace hat::search
