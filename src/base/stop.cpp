#include "hat/base/stop.h"

#include <signal.h>

#include <atomic>

#include "hat/base/error.h"

namespace hat {

namespace {

std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");

void on_stop_signal(int /*signal*/) {
  g_stop = true;
  // The second one meets the default action: the process ends at once, whatever it is stuck in.
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
}

}  // namespace

void install_stop_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;  // libraries that forget EINTR must not fail because of us
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return g_stop; }

void throw_if_stopped() { HAT_CHECK(!stop_requested(), ErrorKind::kInterrupted, "interrupted"); }

void request_stop(bool stop) { g_stop = stop; }

}  // namespace hat
