// SPDX-License-Identifier: MIT
//
// Subscriptions whose life a test holds in its hand.
#ifndef FANFARE_TESTS_SUPPORT_SUBSCRIPTIONS_H_
#define FANFARE_TESTS_SUPPORT_SUBSCRIPTIONS_H_

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include <fanfare/fanfare.h>

#include "await.h"

using Error = std::optional<std::exception_ptr>;

// What a receive from Err() gave: the message of the failure, or "closed".
inline std::string Text(const Error& error) {
  if (!error.has_value()) return "closed";
  if (*error == nullptr) return "null";
  try {
    std::rethrow_exception(*error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "not a std::exception";
  }
}

inline std::exception_ptr Failure(const char* text) {
  return std::make_exception_ptr(std::runtime_error(text));
}

// Blocks until a stop is requested.
inline void WaitForStop(const std::stop_token& stop) {
  static_cast<void>(fanfare::Receiver<int>().Receive(stop));
}

// Whether `condition()` stays false while other threads are given way to some
// hundred times. A right library never makes it true, so the answer is never
// wrong; a wrong one has time enough to be caught.
template <typename F>
bool StaysFalse(F condition) {
  for (int i = 0; i < 300; ++i) {
    if (condition()) return false;
    std::this_thread::yield();
  }
  return true;
}

// A producer that says when it was asked to end, and ends only once it is let
// go. Copies are the same one.
class Held {
 public:
  // Called once.
  fanfare::Subscription Subscribe() {
    auto alive = std::make_shared<int>();
    *alive_ = alive;
    return fanfare::NewSubscription(
        [asked = asked_, let_go = let_go_, alive](std::stop_token stop) {
          WaitForStop(stop);
          asked.Close();
          static_cast<void>(let_go.Receive());
        });
  }

  void AwaitAsked() const { static_cast<void>(asked_.Receive()); }
  [[nodiscard]] bool asked() const { return asked_.closed(); }
  void LetGo() const { let_go_.Close(); }

  // Whether the producer has returned and everything that it captured is gone.
  [[nodiscard]] bool gone() const { return alive_->expired(); }

 private:
  fanfare::Channel<int> asked_;
  fanfare::Channel<int> let_go_;
  std::shared_ptr<std::weak_ptr<int>> alive_ =
      std::make_shared<std::weak_ptr<int>>();
};

// A producer that ends as soon as it is asked, and before if it is told to.
class Puppet {
 public:
  // Called once.
  fanfare::Subscription Subscribe() {
    auto alive = std::make_shared<int>();
    *alive_ = alive;
    return fanfare::NewSubscription(
        [end = end_, alive](std::stop_token stop) -> std::exception_ptr {
          return end.Receive(stop).value_or(nullptr);
        });
  }

  void EndWell() const { end_.Close(); }
  void Fail(const char* text) const { end_.Send(Failure(text)); }

  // Whether the producer has returned and everything that it captured is gone.
  [[nodiscard]] bool gone() const { return alive_->expired(); }

 private:
  fanfare::Channel<std::exception_ptr> end_;
  std::shared_ptr<std::weak_ptr<int>> alive_ =
      std::make_shared<std::weak_ptr<int>>();
};

// A subscription of somebody else's (U5): what was called is counted, and
// nothing ends it but its owner or Unsubscribe. Copies are the same one.
class Foreign {
 public:
  fanfare::Receiver<std::exception_ptr> Err() const { return state_->err; }
  void Unsubscribe() noexcept {
    ++state_->unsubscribed;
    state_->err.Close();
  }

  void EndWell() const { state_->err.Close(); }
  void Fail(const char* text) const {
    state_->err.Send(Failure(text));
    state_->err.Close();
  }

  [[nodiscard]] int unsubscribed() const { return state_->unsubscribed; }
  [[nodiscard]] int requested() const { return state_->requested; }

  // Expires when the last copy is gone.
  [[nodiscard]] std::weak_ptr<void> alive() const { return state_; }

 protected:
  struct State {
    fanfare::Channel<std::exception_ptr> err{1};
    std::atomic<int> unsubscribed = 0;
    std::atomic<int> requested = 0;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// The same with the optional call. To be asked does not end it.
class ForeignWithRequest : public Foreign {
 public:
  void RequestUnsubscribe() noexcept { ++state_->requested; }
};

#endif  // FANFARE_TESTS_SUPPORT_SUBSCRIPTIONS_H_
