#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "hat/base/rng.h"

namespace hat::edge::testing {

/// Damages a file as disks, transfers and attackers do: bit flips, truncation, inflated sizes and
/// offsets, zeroed and copied stretches. The same seed gives the same damage.
inline std::vector<std::byte> mutate(std::span<const std::byte> file, uint64_t seed) {
  Rng rng(seed, "mutations");
  std::vector<std::byte> out(file.begin(), file.end());
  // Most damage goes where the structure is: the tables at the start and the end, not the weights.
  const auto position = [&](size_t size) {
    const size_t near = std::min<size_t>(size, 4096);
    switch (rng.below(3)) {
      case 0:
        return static_cast<size_t>(rng.below(near));
      case 1:
        return size - 1 - static_cast<size_t>(rng.below(near));
      default:
        return static_cast<size_t>(rng.below(size));
    }
  };
  static constexpr uint32_t kOdd[] = {0,          1,          0xffffffff, 0x7fffffff, 0x80000000,
                                      0x40000000, 0x00010000, 0x0000ffff, 0xfffffff0, 64};
  const auto rounds = 1 + rng.below(4);
  for (uint64_t round = 0; round < rounds && out.size() > 8; ++round) {
    const size_t at = position(out.size());
    switch (rng.below(6)) {
      case 0:
        out[at] ^= static_cast<std::byte>(1U << rng.below(8));
        break;
      case 1:
        out[at] = static_cast<std::byte>(rng.below(256));
        break;
      case 2: {
        const uint32_t value =
            rng.chance(0.7) ? kOdd[rng.below(std::size(kOdd))] : static_cast<uint32_t>(rng.next());
        const size_t word = std::min(at / 4 * 4, out.size() - 4);
        std::memcpy(out.data() + word, &value, 4);
        break;
      }
      case 3:
        if (rng.chance(0.2)) out.resize(static_cast<size_t>(rng.below(out.size())));
        break;
      case 4: {
        const size_t size = std::min<size_t>(out.size() - at, 1 + rng.below(64));
        std::memset(out.data() + at, rng.chance(0.5) ? 0 : 0xff, size);
        break;
      }
      default: {
        const size_t from = position(out.size());
        const size_t size = std::min<size_t>(out.size() - std::max(at, from), 1 + rng.below(64));
        std::memmove(out.data() + at, out.data() + from, size);
        break;
      }
    }
  }
  return out;
}

}  // namespace hat::edge::testing
