#pragma once

#include <signal.h>

namespace hat {

/// Keeps one signal that our own write raises in this thread (SIGPIPE, SIGXFSZ: their default is to
/// kill the process) from being delivered, so that the write's error code reaches us instead. The
/// process-wide handlers belong to the program and stay as they are.
class SignalGuard {
 public:
  explicit SignalGuard(int signal) : signal_(signal), was_pending_(is_pending()) {
    sigset_t set = only_ours();
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~SignalGuard() {
    // One that was pending before us is somebody else's.
    if (!was_pending_ && is_pending()) {
      const sigset_t set = only_ours();
      const timespec no_wait{};
      sigtimedwait(&set, nullptr, &no_wait);
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

 private:
  sigset_t only_ours() const {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_);
    return set;
  }
  bool is_pending() const {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, signal_) == 1;
  }
  int signal_;
  bool was_pending_;
  sigset_t before_;
};

}  // namespace hat
