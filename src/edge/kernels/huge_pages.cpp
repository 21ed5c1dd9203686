#include "edge/kernels/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string>

#include "edge/kernels/kernels.h"

namespace hat::edge {
namespace {

// What x86-64 and 64-bit ARM with pages of 4 kB have; with others alignment is all that this is.
constexpr size_t kHugePage = size_t{2} << 20;

/// "always [madvise] never": a program may ask for them unless "never" is chosen.
bool system_has_huge_pages() {
  std::ifstream in("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string choices;
  return std::getline(in, choices) && choices.find("[never]") == std::string::npos;
}

}  // namespace

void FreeBytes::operator()(std::byte* memory) const { std::free(memory); }

bool has_huge_pages(size_t size) {
  static const bool system = system_has_huge_pages();
  return system && size >= kHugePage;
}

Bytes allocate_weights(size_t size) {
  const bool huge = has_huge_pages(size);
  const size_t alignment = huge ? kHugePage : kAlignment;
  const size_t rounded = (std::max<size_t>(size, 1) + alignment - 1) / alignment * alignment;
  Bytes memory(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
  if (memory == nullptr) throw std::bad_alloc();
  // A wish: without it everything works in small pages.
  if (huge) (void)::madvise(memory.get(), rounded, MADV_HUGEPAGE);
  return memory;
}

}  // namespace hat::edge
