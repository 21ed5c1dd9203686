#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "hat/base/error.h"

namespace hat::edge {

/// Memory for numbers whose greatest amount is known and whose usual amount is far smaller (caches
/// for the longest translation): the system gives a page when it is first touched, so what is never
/// reached costs nothing. Content is not kept when it grows.
template <class T>
class LazyBuffer {
 public:
  LazyBuffer() = default;
  ~LazyBuffer() { release(); }
  LazyBuffer(LazyBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  LazyBuffer& operator=(LazyBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  /// At least `count` elements, aligned to a page.
  T* ensure(size_t count) {
    if (count > size_) {
      release();
      void* memory = ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      HAT_CHECK(memory != MAP_FAILED, ErrorKind::kIo, "out of memory",
                "use smaller batches or a smaller beam");
      data_ = static_cast<T*>(memory);
      size_ = count;
    }
    return data_;
  }
  T* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void release() {
    if (data_ != nullptr) ::munmap(data_, size_ * sizeof(T));
    data_ = nullptr;
    size_ = 0;
  }
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace hat::edge
