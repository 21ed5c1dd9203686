#include "hat/edge/thread_pool.h"

#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::edge {

namespace {

using Clock = std::chrono::steady_clock;

// Long enough to bridge what happens between two layers, short enough not to burn an idle core.
constexpr auto kSpin = std::chrono::microseconds(200);
constexpr int kPausesPerLook = 32;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Spins until ready() or the time is up; true when ready.
template <class F>
bool spin_until(F ready) {
  const auto end = Clock::now() + kSpin;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (ready()) return true;
      pause();
    }
  } while (Clock::now() < end);
  return ready();
}

}  // namespace

// A loop is open while its ticket has parts left: the ticket holds the loop's number (high half)
// and how many parts nobody has taken yet. Whoever takes a part by compare-and-swap knows that the
// loop cannot end before that part is done, so call, body and parts are valid then; a worker that
// comes late finds nothing to take and touches nothing.
struct ThreadPool::State {
  alignas(64) std::atomic<uint64_t> ticket{0};
  alignas(64) std::atomic<size_t> finished{0};
  alignas(64) std::atomic<uint32_t> epoch{0};
  std::atomic<bool> stop{false};
  Call call = nullptr;
  void* body = nullptr;
  size_t parts = 0;
  std::vector<std::thread> workers;

  void take_parts(uint32_t loop) {
    uint64_t now = ticket.load(std::memory_order_acquire);
    while (static_cast<uint32_t>(now >> 32) == loop && static_cast<uint32_t>(now) != 0) {
      if (!ticket.compare_exchange_weak(now, now - 1, std::memory_order_acq_rel)) continue;
      call(body, parts - static_cast<uint32_t>(now));
      finished.fetch_add(1, std::memory_order_acq_rel);
      now = ticket.load(std::memory_order_acquire);
    }
  }

  void work() {
    uint32_t seen = 0;
    while (true) {
      const auto changed = [&] { return epoch.load(std::memory_order_acquire) != seen; };
      if (!spin_until(changed)) epoch.wait(seen, std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      seen = epoch.load(std::memory_order_acquire);
      take_parts(seen);
    }
  }

  void shut_down() {
    stop.store(true, std::memory_order_release);
    epoch.fetch_add(1, std::memory_order_acq_rel);
    epoch.notify_all();
    for (std::thread& worker : workers) worker.join();
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads) {
  HAT_CHECK(threads >= 1 && threads <= 256, ErrorKind::kUsage,
            str("cannot run on ", threads, " threads"), "1 to 256");
  if (threads == 1) return;
  state_ = std::make_unique<State>();
  try {
    for (int i = 1; i < threads; ++i) {
      state_->workers.emplace_back([state = state_.get()] { state->work(); });
    }
  } catch (const std::system_error& error) {
    state_->shut_down();
    fail(ErrorKind::kIo, str("cannot start ", threads, " threads: ", error.what()),
         "use fewer threads");
  }
}

ThreadPool::~ThreadPool() {
  if (state_ != nullptr) state_->shut_down();
}

void ThreadPool::run(size_t parts, Call call, void* body) {
  HAT_DCHECK(parts <= UINT32_MAX);
  State& state = *state_;
  state.call = call;
  state.body = body;
  state.parts = parts;
  state.finished.store(0, std::memory_order_relaxed);
  const uint32_t loop = state.epoch.load(std::memory_order_relaxed) + 1;
  state.ticket.store(uint64_t{loop} << 32 | parts, std::memory_order_release);
  state.epoch.store(loop, std::memory_order_release);
  state.epoch.notify_all();
  state.take_parts(loop);
  const auto done = [&] { return state.finished.load(std::memory_order_acquire) == parts; };
  // A worker is in the middle of its last part; it may have been put aside by the system, so give
  // way after a while.
  while (!spin_until(done)) std::this_thread::yield();
}

}  // namespace hat::edge
