#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace hat::edge {

/// A fixed set of threads for loops that take microseconds. The caller is one of them: a pool of 1
/// has no threads at all and runs everything in place. Idle workers spin for a bounded time (so
/// that the next layer finds them awake), then sleep. A call allocates nothing.
///
/// One loop at a time, from one thread at a time; a loop body must not start another loop on the
/// same pool and must not throw.
class ThreadPool {
 public:
  /// 1 <= threads <= 256 (kUsage otherwise).
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  /// Calls f(part) once for every part in [0, parts), in any order and on any of the threads, and
  /// returns when all are done. What the parts write is visible to the caller then.
  template <class F>
  void parallel_for(size_t parts, F&& f) {
    using Body = std::remove_reference_t<F>;
    if (threads_ == 1 || parts <= 1) {
      for (size_t part = 0; part < parts; ++part) f(part);
      return;
    }
    run(
        parts, [](void* body, size_t part) { (*static_cast<Body*>(body))(part); },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

 private:
  using Call = void (*)(void* body, size_t part);
  void run(size_t parts, Call call, void* body);
  struct State;
  int threads_;
  std::unique_ptr<State> state_;
};

}  // namespace hat::edge
