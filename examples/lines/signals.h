// SPDX-License-Identifier: MIT
//
// Ctrl-C as a stop request. A signal handler may call next to nothing, and
// nothing of fanfare; a thread that waits for the signal may call anything.

#ifndef EXAMPLES_LINES_SIGNALS_H_
#define EXAMPLES_LINES_SIGNALS_H_

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <stop_token>
#include <system_error>
#include <thread>

namespace lines {

// Turns the first SIGINT or SIGTERM into a stop request; a second one kills the
// program. It has to be made before any other thread is started: threads
// inherit that the signals are blocked, so that only this one sees them.
class SignalWatcher {
 public:
  SignalWatcher() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    SetMask(SIG_BLOCK);
    thread_ = std::jthread([this](std::stop_token end) { Watch(end); });
  }

  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  ~SignalWatcher() {
    thread_.request_stop();
    // sigwait() knows no stop token; a signal to this one thread wakes it.
    pthread_kill(thread_.native_handle(), SIGTERM);
  }

  // Stop is requested by the first signal.
  std::stop_token stop_token() const { return stop_.get_token(); }

  // The first signal, or 0.
  int signal() const { return signal_; }

 private:
  void Watch(std::stop_token end) {
    int signal = 0;
    while (sigwait(&signals_, &signal) == 0 && !end.stop_requested()) {
      if (signal_ != 0) {
        SetMask(SIG_UNBLOCK);
        raise(signal);  // Ends the program, as if it were not caught.
      }
      signal_ = signal;
      stop_.request_stop();
    }
  }

  void SetMask(int how) {
    if (const int error = pthread_sigmask(how, &signals_, nullptr)) {
      throw std::system_error(error, std::generic_category(),
                              "pthread_sigmask");
    }
  }

  sigset_t signals_;
  std::stop_source stop_;
  std::atomic<int> signal_ = 0;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace lines

#endif  // EXAMPLES_LINES_SIGNALS_H_
