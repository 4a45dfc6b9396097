// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_PRODUCER_H_
#define FANFARE_DETAIL_SUBSCRIPTION_PRODUCER_H_

// A ProducerSubscription is a subscription that runs a function in its own
// thread. A StoppableSubscription is what it shares with a listener that runs
// in tasks (task_listener.h).

#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/uncancelled.h>
#include <fanfare/detail/subscription/subscription_state.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// A subscription that runs user code, which a stop token asks to end.
class StoppableSubscription : public SubscriptionState {
 public:
  bool IsPartOf(const OwnerNode& whole) const noexcept override {
    return SubscriptionState::IsPartOf(whole) ||
           (establishes_ && establishes_->IsPartOf(whole));
  }

  void RequestUnsubscribe() noexcept override {
    // The callbacks that the producer has registered are a part of it as well.
    const RunningScope inside(*this, RunningScope::Kind::kCallsBack);
    stop_.request_stop();
  }

 protected:
  std::stop_source stop_;

 private:
  // The resubscription that started this producer from its function, if any.
  // The producer may unsubscribe it before that function has returned the
  // producer. Never reset: a producer that is not returned counts as a part as
  // well.
  const Ref<const OwnerNode> establishes_ = RunningScope::Establishes();
};

// The part that does not depend on the type of the function.
class ProducerSubscription : public StoppableSubscription {
 public:
  // The thread may hold the last reference and run this destructor.
  ~ProducerSubscription() override {
    if (thread_.joinable()) thread_.detach();
  }

  // Throws std::system_error if no thread can be started. (A template, so that
  // only a program that starts one compiles what a thread is.)
  template <typename = void>
  void Start() {
    Err();  // now, so that ending with an error needs no memory
    thread_ = Platform::Thread(
        [self = Ref<ProducerSubscription>::Share(this)] { self->Run(); });
  }

 protected:
  // Runs the function, and destroys it. Returns its error, or null. Throws
  // nothing, but is unwound if the function ends its thread (pthread_exit).
  virtual std::exception_ptr Produce(const std::stop_token& stop) = 0;

 private:
  // Ends the subscription, even if the thread is unwound.
  struct AtEnd {
    ~AtEnd() {
      if (ends.stop_.stop_requested()) error = nullptr;
      ends.Finish(std::move(error));
    }
    ProducerSubscription& ends;
    std::exception_ptr error;
  };

  void Run() {
    const RunningScope inside(*this);
    AtEnd at_end{*this, nullptr};
    at_end.error = Produce(stop_.get_token());
  }

  // The first thread that comes joins; later ones wait for the lock.
  void WaitUntilEnded() noexcept override {
    const std::lock_guard lock(joining_);
    [[maybe_unused]] const Uncancelled uncancelled;
    if (thread_.joinable()) thread_.join();
  }

  Platform::Mutex joining_;
  Platform::Thread thread_;  // guarded by joining_
};

// Says how the function is called. Defined in subscription.h, which knows the
// types that the function may take.
template <typename Producer>
decltype(auto) CallProducer(Producer& producer, const std::stop_token& stop);

// For a handler of all exceptions. Exiting or cancelling a thread may unwind it
// by something that is no C++ exception and must not be stopped: that is
// rethrown.
inline std::exception_ptr CurrentException() {
  std::exception_ptr exception = std::current_exception();
  if (exception == nullptr) throw;
  return exception;
}

// What a listener calls when it ends without having been asked to.
using EndHandler = std::function<void(std::exception_ptr)>;

// Calls `on_end` with `error`. Returns the first error: `error`, or, if that is
// null, what the call has thrown.
inline std::exception_ptr CallOnEnd(const EndHandler& on_end,
                                    std::exception_ptr error) {
  try {
    on_end(error);
  } catch (...) {
    std::exception_ptr thrown = CurrentException();
    if (error == nullptr) error = std::move(thrown);
  }
  return error;
}

// Converts what the function returned to an error, or to null if it is none.
inline std::exception_ptr ToError(std::exception_ptr error) noexcept {
  return error;
}
template <typename = void>
std::exception_ptr ToError(std::error_code code) {
  if (!code) return nullptr;
  return std::make_exception_ptr(std::system_error(code));
}

template <typename Producer>
class FunctionSubscription final : public ProducerSubscription {
 public:
  template <typename F>
  explicit FunctionSubscription(F&& producer)
      : producer_(std::in_place, std::forward<F>(producer)) {}

 private:
  std::exception_ptr Produce(const std::stop_token& stop) override {
    // Everything that the function captured is destroyed before the end can be
    // seen.
    const Emptier at_end{producer_};
    try {
      using Result = decltype(detail::CallProducer(*producer_, stop));
      if constexpr (std::is_void_v<Result>) {
        detail::CallProducer(*producer_, stop);
        return nullptr;
      } else {
        return detail::ToError(detail::CallProducer(*producer_, stop));
      }
    } catch (...) {
      return detail::CurrentException();
    }
  }

  struct Emptier {
    ~Emptier() { producer.reset(); }
    std::optional<Producer>& producer;
  };

  std::optional<Producer> producer_;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_PRODUCER_H_
