#pragma once

#include <array>
#include <cstdint>

namespace hat {

/// The generator behind CPython's `random` module (MT19937 with init_by_array), as far as the
/// original HAT's architecture sampler needs it: random.seed(int) and random.choice.
class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed);
  /// random.choice over n items: getrandbits(bit_length(n)) until it is below n. Draws for n = 1
  /// too.
  uint32_t choice(uint32_t n);

 private:
  uint32_t next();
  std::array<uint32_t, 624> mt_;
  int index_;
};

}  // namespace hat
