#pragma once

#include <cstddef>
#include <memory>

namespace hat::edge {

struct FreeBytes {
  void operator()(std::byte* memory) const;
};
using Bytes = std::unique_ptr<std::byte, FreeBytes>;

/// Memory for weights, aligned to 64 bytes or more, in huge pages where the system has them and
/// `size` fills one. Decoding streams all weights in every step; with pages of 4 kB a processor
/// spends a good part of that time looking addresses up. Throws std::bad_alloc.
Bytes allocate_weights(size_t size);

/// Whether memory of this size would come in huge pages.
bool has_huge_pages(size_t size);

}  // namespace hat::edge
