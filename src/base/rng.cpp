#include "hat/base/rng.h"

#include <bit>
#include <cmath>
#include <numbers>

#include "hat/base/error.h"

namespace hat {

namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;

// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes every bit.
uint64_t scramble(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += kGolden;
    word = scramble(seed);
  }
}

Rng::Rng(uint64_t seed, std::string_view stream) : Rng(mix_seed(seed, hash64(stream))) {}

uint64_t Rng::next() {
  auto& s = state_;
  const uint64_t result = std::rotl(s[1] * 5, 7) * 9;
  const uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = std::rotl(s[3], 45);
  return result;
}

// Lemire, "Fast random integer generation in an interval" (2019): the high half of a product,
// rejecting the few low halves that would make some results likelier than others.
uint64_t Rng::below(uint64_t n) {
  HAT_DCHECK(n > 0);
  __extension__ using Wide = unsigned __int128;
  Wide product = Wide{next()} * n;
  if (static_cast<uint64_t>(product) < n) {
    const uint64_t threshold = (0 - n) % n;
    // Each turn is left with a probability of one half or more: 128 turns end for certain.
    while (static_cast<uint64_t>(product) < threshold) product = Wide{next()} * n;
  }
  return static_cast<uint64_t>(product >> 64);
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

double Rng::normal() {
  if (has_spare_normal_) {
    has_spare_normal_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));  // 1 - u is never 0
  const double angle = 2 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_normal_ = true;
  return radius * std::cos(angle);
}

void Rng::set_state(const State& state) {
  // All zeros is the one state that xoshiro never leaves; only a damaged checkpoint can hold it.
  HAT_CHECK(state != State{}, ErrorKind::kData, "the state of a random generator is all zeros",
            "The checkpoint is damaged; resume from an older one.");
  state_ = state;
  has_spare_normal_ = false;
}

uint64_t mix_seed(uint64_t seed, uint64_t counter) {
  return scramble(scramble(seed + kGolden) + (counter + 1) * kGolden);
}

// FNV-1a, scrambled because its high bits hardly depend on the last characters.
uint64_t hash64(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3;
  }
  return scramble(hash);
}

}  // namespace hat
