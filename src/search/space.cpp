#include "hat/search/space.h"

namespace hat::search {

Genotype sample(const Space& space, Rng& rng) {
  Genotype genotype(space.slots());
  for (size_t slot = 0; slot < genotype.size(); ++slot) {
    genotype[slot] = static_cast<uint8_t>(rng.below(space.choices_at(slot)));
  }
  return genotype;
}

Genotype mutate(const Space& space, const Genotype& parent, double probability, Rng& rng) {
  Genotype child = parent;
  for (size_t slot = 0; slot < child.size(); ++slot) {
    if (rng.chance(probability)) {
      child[slot] = static_cast<uint8_t>(rng.below(space.choices_at(slot)));
    }
  }
  return child;
}

Genotype crossover(const Genotype& a, const Genotype& b, Rng& rng) {
  Genotype child = a;
  for (size_t slot = 0; slot < child.size(); ++slot) {
    if (rng.chance(0.5)) child[slot] = b[slot];
  }
  return child;
}

Genotype without_dead(const Space& space, Genotype genotype) {
  // Whether a slot is alive depends on live slots only, so one pass is enough.
  for (size_t slot = 0; slot < genotype.size(); ++slot) {
    if (!space.is_alive(genotype, slot)) genotype[slot] = 0;
  }
  return genotype;
}

ArchitectureSpace::ArchitectureSpace(const arch::SearchSpace& space) : space_(space) {}

double ArchitectureSpace::value(size_t slot, int choice) const {
  return space_.genes()[space_.slots()[slot].gene].choices[choice];
}

int ArchitectureSpace::block(size_t slot) const {
  const arch::GeneSlot& place = space_.slots()[slot];
  if (place.layer < 0) return kGlobal;
  // Encoder layers get even numbers, decoder layers odd ones.
  const bool decoder = space_.genes()[place.gene].scope == arch::Scope::kDecoderLayer;
  return 2 * place.layer + (decoder ? 1 : 0);
}

}  // namespace hat::search
