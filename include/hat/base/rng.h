#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace hat {

/// Seeded random numbers that are the same on every machine and compiler (the standard library's
/// distributions are not). xoshiro256** by Blackman and Vigna, seeded through SplitMix64.
class Rng {
 public:
  using State = std::array<uint64_t, 4>;

  explicit Rng(uint64_t seed);
  /// An independent stream of one seed: Rng(seed, "search"), Rng(seed, "data").
  Rng(uint64_t seed, std::string_view stream);

  uint64_t next();
  /// Uniform in [0, n), without modulo bias. n > 0.
  uint64_t below(uint64_t n);
  /// Uniform in [0, 1).
  double uniform();
  /// Standard normal (Box-Muller, both values used).
  double normal();
  bool chance(double probability) { return uniform() < probability; }

  template <class T>
  const T& choose(const std::vector<T>& items) {
    return items[below(items.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

  /// For checkpoints. A pending second normal value is dropped by set_state.
  State state() const { return state_; }
  void set_state(const State& state);

 private:
  State state_;
  double spare_normal_ = 0;
  bool has_spare_normal_ = false;
};

/// One well-mixed 64-bit value of a seed and a counter or name; for seeds of streams.
uint64_t mix_seed(uint64_t seed, uint64_t counter);
uint64_t hash64(std::string_view text);

}  // namespace hat
