#include "model/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <deque>
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
  void release_idle() {
    const std::lock_guard lock(mutex_);
    while (idle_ > 0) drop_oldest();
  }
  TensorMemoryUse use() {
    const std::lock_guard lock(mutex_);
    return {live_, idle_};
  }

 private:
  static void give_back(void* data);
  /// Whether data was a block of ours, which now waits.
  bool keep(void* data);

  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    std::deque<Block>& waiting = free_[bytes];
    void* data = nullptr;
    if (!waiting.empty()) {
      data = waiting.back().data;  // the last one used: its pages are in the caches
      waiting.pop_back();
      idle_ -= bytes;
    } else {
      data = make(bytes);
    }
    used_[data] = bytes;
    live_ += bytes;
    most_live_ = std::max(most_live_, live_);
    return data;
  }

  void* make(size_t bytes) {
    const double most = kMostHeld * static_cast<double>(std::max(most_live_, live_ + bytes));
    while (idle_ > 0 && static_cast<double>(live_ + idle_ + bytes) > most) drop_oldest();
    void* data = map_pages(bytes);
    while (data == nullptr && idle_ > 0) {
      drop_oldest();
      data = map_pages(bytes);
    }
    if (data == nullptr) throw std::bad_alloc();
    return data;
  }

  void drop_oldest() {
    auto oldest = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second.empty()) continue;
      if (oldest == free_.end() || it->second.front().freed < oldest->second.front().freed)
        oldest = it;
    }
    ::munmap(oldest->second.front().data, oldest->first);
    idle_ -= oldest->first;
    oldest->second.pop_front();
  }

  std::mutex mutex_;
  std::map<size_t, std::deque<Block>> free_;  // by bytes, the oldest first
  std::unordered_map<void*, size_t> used_;    // bytes
  size_t live_ = 0;
  size_t idle_ = 0;
  size_t most_live_ = 0;
  uint64_t time_ = 0;
};

/// Never destroyed: tensors of other static objects may outlive it.
TensorMemory& tensor_memory() {
  static auto* memory = new TensorMemory;
  return *memory;
}

bool TensorMemory::keep(void* data) {
  // Blocks begin with a page; most of malloc's memory does not, and needs no lock.
  if (reinterpret_cast<uintptr_t>(data) % kLeastPage != 0) return false;
  const std::lock_guard lock(mutex_);
  const auto block = used_.find(data);
  if (block == used_.end()) return false;
  const size_t bytes = block->second;
  used_.erase(block);
  live_ -= bytes;
  idle_ += bytes;
  free_[bytes].push_back({data, ++time_});
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

void release_idle_tensor_memory() { tensor_memory().release_idle(); }

TensorMemoryUse tensor_memory_use() { return tensor_memory().use(); }

}  // namespace hat::model
