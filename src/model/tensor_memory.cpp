#include "model/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <list>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

namespace hat::model {
namespace {

constexpr size_t kLeastBlock = size_t{128} << 10;  // smaller ones are malloc's
constexpr size_t kLeastPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr double kMostHeld = 1.5;  // of the most that was ever in use at once

struct Block {
  void* data = nullptr;
  uint64_t freed = 0;  // when
};
/// Blocks pass from list to list without allocating: tensors are freed when memory has run out,
/// too.
using Blocks = std::list<Block>;

/// Pages of the system's; null when it has none left.
void* map_pages(size_t bytes) {
  const size_t alignment = bytes >= kHugePage ? kHugePage : 0;
  void* mapped = ::mmap(nullptr, bytes + alignment, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (alignment == 0) return mapped;
  // What lies before and behind the aligned part goes back.
  auto* begin = static_cast<char*>(mapped);
  const auto address = reinterpret_cast<uintptr_t>(begin);
  const size_t before = (alignment - address % alignment) % alignment;
  if (before > 0) ::munmap(begin, before);
  if (before < alignment) ::munmap(begin + before + bytes, alignment - before);
  (void)::madvise(begin + before, bytes, MADV_HUGEPAGE);  // a wish
  return begin + before;
}

class TensorMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    // As LibTorch's own allocator, the context is the data: some operators count on it.
    void* data = bytes < kLeastBlock ? c10::alloc_cpu(bytes) : take(tensor_block_bytes(bytes));
    return {data, data, &TensorMemory::give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &TensorMemory::give_back; }
  void copy_data(void* target, const void* source, size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }
  size_t release_idle() {
    const std::lock_guard lock(mutex_);
    const size_t bytes = idle_bytes_;
    while (idle_bytes_ > 0) drop_oldest();
    return bytes;
  }
  TensorMemoryUse use() {
    const std::lock_guard lock(mutex_);
    return {live_bytes_, idle_bytes_};
  }

 private:
  struct Live {
    Blocks::iterator block;
    std::map<size_t, Blocks>::iterator size;
  };

  static void give_back(void* data);
  /// Whether data was a block of ours, which is idle now.
  bool keep(void* data) noexcept;

  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto size = idle_.try_emplace(bytes).first;
    if (size->second.empty()) add_idle(bytes, size->second);
    // The last one that was freed: its pages are in the caches.
    const auto block = std::prev(size->second.end());
    live_.emplace(block->data, Live{block, size});
    live_blocks_.splice(live_blocks_.end(), size->second, block);
    idle_bytes_ -= bytes;
    live_bytes_ += bytes;
    most_live_ = std::max(most_live_, live_bytes_);
    return block->data;
  }

  void add_idle(size_t bytes, Blocks& blocks) {
    const double most = kMostHeld * static_cast<double>(std::max(most_live_, live_bytes_ + bytes));
    while (idle_bytes_ > 0 && static_cast<double>(live_bytes_ + idle_bytes_ + bytes) > most)
      drop_oldest();
    Block& block = blocks.emplace_back();
    block.data = map_pages(bytes);
    while (block.data == nullptr && idle_bytes_ > 0) {
      drop_oldest();
      block.data = map_pages(bytes);
    }
    if (block.data == nullptr) {
      blocks.pop_back();
      throw std::bad_alloc();
    }
    idle_bytes_ += bytes;
  }

  void drop_oldest() {
    auto oldest = idle_.end();
    for (auto size = idle_.begin(); size != idle_.end(); ++size) {
      if (size->second.empty() || size->second.front().data == nullptr) continue;
      if (oldest == idle_.end() || size->second.front().freed < oldest->second.front().freed)
        oldest = size;
    }
    ::munmap(oldest->second.front().data, oldest->first);
    idle_bytes_ -= oldest->first;
    oldest->second.pop_front();
  }

  std::mutex mutex_;
  std::map<size_t, Blocks> idle_;  // by bytes, the longest idle first
  Blocks live_blocks_;
  std::unordered_map<void*, Live> live_;
  size_t live_bytes_ = 0;
  size_t idle_bytes_ = 0;
  size_t most_live_ = 0;
  uint64_t time_ = 0;
};

// Never destroyed: tensors of other static objects may outlive it.
TensorMemory& tensor_memory() {
  static auto* memory = new TensorMemory;
  return *memory;
}

bool TensorMemory::keep(void* data) noexcept {
  // Blocks begin with a page; most of malloc's memory does not, and needs no lock.
  if (reinterpret_cast<uintptr_t>(data) % kLeastPage != 0) return false;
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(data);
  if (found == live_.end()) return false;
  const auto [block, size] = found->second;
  block->freed = ++time_;
  size->second.splice(size->second.end(), live_blocks_, block);
  live_.erase(found);
  live_bytes_ -= size->first;
  idle_bytes_ += size->first;
  return true;
}

void TensorMemory::give_back(void* data) {
  if (data != nullptr && !tensor_memory().keep(data)) c10::free_cpu(data);
}

}  // namespace

size_t tensor_block_bytes(size_t bytes) {
  if (bytes < kLeastBlock) return bytes;
  const size_t step = std::bit_ceil(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

void install_tensor_memory() { c10::SetCPUAllocator(&tensor_memory()); }

size_t release_idle_tensor_memory() { return tensor_memory().release_idle(); }

TensorMemoryUse tensor_memory_use() { return tensor_memory().use(); }

}  // namespace hat::model
