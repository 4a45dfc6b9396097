// SPDX-License-Identifier: MIT
//
// The end of a subscription, seen from both sides.

#include "scenario.h"
// The platform comes first.

#include <array>
#include <exception>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include <fanfare/feed.h>
#include <fanfare/subscription.h>
#include <fanfare/subscription_scope.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::NewSubscription;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

// Unsubscribes, and looks whether that was the end.
void End(const Subscription& subscription, const bool& returned) {
  {
    // What runs is a stop callback, if any.
    const Scheduler::Uninterrupted request;
    subscription.RequestUnsubscribe();
  }
  subscription.Unsubscribe();
  Expect(returned, "Unsubscribe returned before the producer");
  Expect(subscription.Err().closed(), "Unsubscribe returned before the end");
}

void ProducerReturns() {
  bool returned = false;
  const Subscription subscription =
      NewSubscription([&](std::stop_token) { returned = true; });
  const auto end = [&] { End(subscription, returned); };
  Scheduler::Interleave({end, end});
}

void ProducerIsStopped() {
  const Channel<int> numbers;
  bool returned = false;
  std::size_t sent = 0;
  std::size_t received = 0;
  const Subscription subscription = NewSubscription([&](std::stop_token stop) {
    while (numbers.Send(1, stop)) ++sent;
    returned = true;
  });
  Scheduler::Interleave({[&] { End(subscription, returned); },
                         [&] { received = CountLeft(numbers); }});
  Expect(sent == received, "a value is lost or doubled");
  ExpectNobodyWaits(numbers);
}

void ProducerFails() {
  bool returned = false;
  std::optional<std::exception_ptr> error;
  const Subscription subscription =
      NewSubscription([&](std::stop_token) -> std::exception_ptr {
        returned = true;
        return std::make_exception_ptr(1);
      });
  Scheduler::Interleave({[&] { End(subscription, returned); },
                         [&] { error = subscription.Err().Receive(); }});
  Expect(!error.has_value() || *error != nullptr, "an error that is none");
  error.reset();
}

void ProducerFailsAlone() {
  std::optional<std::exception_ptr> error, end;
  const Subscription subscription =
      NewSubscription([](std::stop_token) -> std::exception_ptr {
        return std::make_exception_ptr(1);
      });
  Scheduler::Interleave({[&] {
    error = subscription.Err().Receive();
    end = subscription.Err().Receive();
    // Joins the thread.
    subscription.Unsubscribe();
  }});
  Expect(error.has_value() && *error != nullptr, "the error is lost");
  Expect(!end.has_value(), "Err() is not closed after the error");
}

void ProducerEndsItself() {
  Subscription subscription;
  bool returned = false;
  Scheduler::Interleave({[&] {
    const Channel<int> made(1);
    subscription = NewSubscription([&](std::stop_token stop) {
      static_cast<void>(made.Receive());
      subscription.Unsubscribe();
      Expect(stop.stop_requested(), "no stop was requested");
      returned = true;
    });
    made.Send(1);
    End(subscription, returned);
  }});
}

void ErrIsAskedForLate() {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  Scheduler::Interleave({[&] { subscription.Unsubscribe(); },
                         [&] {
                           Expect(!subscription.Err().Receive().has_value(),
                                  "an error of nobody's");
                         }});
}

void ErrIsAskedForTwice() {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription subscription = feed.Subscribe(channel);
  Scheduler::Interleave({[&] { subscription.Unsubscribe(); },
                         [&] {
                           Expect(!subscription.Err().Receive().has_value(),
                                  "an error of nobody's");
                         },
                         [&] {
                           subscription.Unsubscribe();
                           Expect(subscription.Err().drained(),
                                  "Unsubscribe returned before the end");
                         }});
}

void ErrOfATrackedOne() {
  Feed<int> feed;
  const Channel<int> channel;
  const SubscriptionScope scope;
  const Subscription subscription = scope.Track(feed.Subscribe(channel));
  Scheduler::Interleave({[&] { subscription.Unsubscribe(); },
                         [&] {
                           Expect(!subscription.Err().Receive().has_value(),
                                  "an error of nobody's");
                           Expect(scope.Count() == 0,
                                  "the scope counts what has ended");
                         }});
}

void ErrorOfATrackedOne() {
  const SubscriptionScope scope;
  const Subscription subscription =
      scope.Track(NewSubscription([](std::stop_token) -> std::exception_ptr {
        return std::make_exception_ptr(1);
      }));
  Scheduler::Interleave({[&] {
    Expect(subscription.Err().Receive().has_value(), "the error is lost");
    Expect(scope.Count() == 0, "the scope counts what has failed");
    scope.Close();
  }});
}

void ScopeOfOneThatEnds() {
  Feed<int> feed;
  const Channel<int> channel;
  const SubscriptionScope scope;
  Subscription subscription = feed.Subscribe(channel);
  const auto err = subscription.Err();
  Scheduler::Interleave({[&] { feed.Close(); },
                         [&] {
                           scope.Track(std::move(subscription));
                           scope.Close();
                           Expect(err.closed(),
                                  "Close returned before the end");
                         }});
}

// It may be there before the scope knows it, and be refused.
void ScopeClosedByOneThatComes() {
  const SubscriptionScope scope;
  bool returned = false;
  Scheduler::Interleave({[&] {
    scope.Track(NewSubscription([&](std::stop_token) {
      scope.Close();
      returned = true;
    }));
    scope.Close();
    Expect(returned, "Close returned before the producer");
    Expect(scope.Count() == 0, "the scope counts what has ended");
  }});
}

void ScopeOfOneThatHasEnded() {
  Feed<int> feed;
  const Channel<int> channel;
  const SubscriptionScope scope;
  Subscription subscription = feed.Subscribe(channel);
  feed.Close();
  Scheduler::Interleave(
      {[&] { scope.Track(std::move(subscription)); },
       [&] { Expect(scope.Count() == 0, "the scope counts what has ended"); }});
}

void ScopeOfAWrapperThatEnds() {
  Feed<int> feed;
  const Channel<int> channel;
  const SubscriptionScope inner, outer;
  Subscription wrapper = inner.Track(feed.Subscribe(channel));
  const auto err = wrapper.Err();
  outer.Track(std::move(wrapper));
  Scheduler::Interleave(
      {[&] { feed.Close(); },
       [&] {
         const bool ended = err.closed();
         const std::size_t count = outer.Count();
         Expect(!ended || count == 0, "the scope counts what has ended");
         outer.Close();
         Expect(err.closed(), "Close returned before the end");
       }});
}

constexpr std::array kScenarios = {
    Scenario{"producer_returns",
             "two Unsubscribes both return after the producer's own end",
             ProducerReturns},
    Scenario{
        "producer_stop",
        "Unsubscribe stops a Send of the producer's, and waits for its end",
        ProducerIsStopped},
    Scenario{"producer_fails",
             "an Err() that is received from while Unsubscribe comes is closed",
             ProducerFails},
    Scenario{"producer_fails_alone", "without Unsubscribe no error is lost",
             ProducerFailsAlone},
    Scenario{"producer_itself",
             "a producer that unsubscribes itself does not wait for itself",
             ProducerEndsItself},
    Scenario{"err_late",
             "an Err() that is asked for during the end is closed, too",
             ErrIsAskedForLate},
    Scenario{"err_twice", "two who ask for it at once get the same one",
             ErrIsAskedForTwice},
    Scenario{"err_tracked",
             "whoever has seen the end finds it counted by no scope",
             ErrOfATrackedOne},
    Scenario{"err_tracked_fails", "the same of an error", ErrorOfATrackedOne},
    Scenario{"scope_comes",
             "a producer that closes the scope which takes it in does not wait",
             ScopeClosedByOneThatComes},
    Scenario{"scope_late",
             "a scope's Close waits for one that was about to end when it came",
             ScopeOfOneThatEnds},
    Scenario{"scope_ended",
             "a scope never counts what had ended before it came",
             ScopeOfOneThatHasEnded},
    Scenario{"scope_nested",
             "the same for what another scope tracks, which is asked",
             ScopeOfAWrapperThatEnds},
};

}  // namespace

std::span<const Scenario> ProducerScenarios() { return kScenarios; }

}  // namespace model
