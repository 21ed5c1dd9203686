#include "hat/base/python_random.h"

#include <algorithm>
#include <bit>

#include "hat/base/error.h"

namespace hat {

// MT19937 and its init_by_array: Matsumoto and Nishimura, "Mersenne Twister" (1998) and the
// authors' revision of the seeding (2002). CPython seeds it with the integer's 32-bit digits,
// lowest first.

namespace {

constexpr uint32_t kLength = 624;
constexpr uint32_t kShift = 397;

}  // namespace

PythonRandom::PythonRandom(uint64_t seed) : index_(kLength) {
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(seed),
                                       static_cast<uint32_t>(seed >> 32)};
  const uint32_t key_length = key[1] == 0 ? 1 : 2;

  mt_[0] = 19650218;
  for (uint32_t i = 1; i < kLength; ++i) {
    mt_[i] = 1812433253 * (mt_[i - 1] ^ (mt_[i - 1] >> 30)) + i;
  }
  uint32_t i = 1;
  const auto advance = [&] {
    if (++i == kLength) {
      mt_[0] = mt_[kLength - 1];
      i = 1;
    }
  };
  for (uint32_t k = 0; k < kLength; ++k) {
    const uint32_t j = k % key_length;
    mt_[i] = (mt_[i] ^ ((mt_[i - 1] ^ (mt_[i - 1] >> 30)) * 1664525)) + key[j] + j;
    advance();
  }
  for (uint32_t k = 1; k < kLength; ++k) {
    mt_[i] = (mt_[i] ^ ((mt_[i - 1] ^ (mt_[i - 1] >> 30)) * 1566083941)) - i;
    advance();
  }
  mt_[0] = 0x80000000;
}

uint32_t PythonRandom::next() {
  if (index_ == static_cast<int>(kLength)) {
    for (uint32_t k = 0; k < kLength; ++k) {
      const uint32_t y = (mt_[k] & 0x80000000) | (mt_[(k + 1) % kLength] & 0x7FFFFFFF);
      mt_[k] = mt_[(k + kShift) % kLength] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908B0DF : 0);
    }
    index_ = 0;
  }
  uint32_t y = mt_[static_cast<size_t>(index_++)];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9D2C5680;
  y ^= (y << 15) & 0xEFC60000;
  return y ^ (y >> 18);
}

uint32_t PythonRandom::choice(uint32_t n) {
  HAT_DCHECK(n > 0);
  const int bits = std::bit_width(n);
  // Each draw is below n with a probability of one half or more: the loop ends for certain.
  uint32_t drawn = next() >> (32 - bits);
  while (drawn >= n) drawn = next() >> (32 - bits);
  return drawn;
}

}  // namespace hat
