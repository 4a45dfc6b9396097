// SPDX-License-Identifier: MIT
//
// The end of subscriptions that are made of others: joins, resubscriptions, and
// scopes that are closed inside of what they track.

#include "scenario.h"
// The platform comes first.

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include <fanfare/feed.h>
#include <fanfare/join_subscriptions.h>
#include <fanfare/resubscribe.h>
#include <fanfare/subscription.h>
#include <fanfare/subscription_scope.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::Subscription;
using fanfare::SubscriptionScope;
using namespace std::chrono_literals;

// A join and a resubscription wait for a stop by a callback.
void Ask(const Subscription& subscription) {
  const Scheduler::Uninterrupted request;
  subscription.RequestUnsubscribe();
}

void Unsubscribe(const Subscription& subscription) {
  Ask(subscription);
  subscription.Unsubscribe();
}

// Unsubscribes from outside, and looks whether that was the end.
void End(const Subscription& subscription) {
  Unsubscribe(subscription);
  Expect(subscription.Err().closed(), "Unsubscribe returned before the end");
}

// Waits for an end without an error.
void AwaitEnd(const Subscription& subscription) {
  Expect(!subscription.Err().Receive().has_value(), "an error of nobody's");
}

// Returns when all others wait, for time at most.
void AwaitRest() { static_cast<void>(Receiver<int>().ReceiveFor(1ms)); }

Subscription Failing() {
  return NewSubscription([](std::stop_token) -> std::exception_ptr {
    return std::make_exception_ptr(1);
  });
}

// A source that is told to end, and how often. It ends when it is unsubscribed,
// not when it is asked.
class Source {
 public:
  struct Seen {
    std::size_t requested = 0;
    std::size_t unsubscribed = 0;
    bool destroyed = false;
  };

  explicit Source(Seen& seen) : seen_(&seen) {}
  Source(Source&& other) noexcept
      : err_(other.err_), seen_(std::exchange(other.seen_, nullptr)) {}
  ~Source() {
    if (seen_ != nullptr) seen_->destroyed = true;
  }

  Receiver<std::exception_ptr> Err() const { return err_; }
  void RequestUnsubscribe() noexcept { ++seen_->requested; }
  void Unsubscribe() noexcept {
    ++seen_->unsubscribed;
    err_.Close();
  }

 private:
  Channel<std::exception_ptr> err_;
  Seen* seen_;
};

// --- Joins -------------------------------------------------------------------

void JoinOfTwoThatEnd() {
  Feed<int> one, two;
  const Channel<int> channel;
  const Subscription join =
      JoinSubscriptions(one.Subscribe(channel), two.Subscribe(channel));
  int closing = 0;
  const auto close = [&](Feed<int>& feed) {
    ++closing;
    feed.Close();
  };
  Scheduler::Interleave({[&] { close(one); }, [&] { close(two); },
                         [&] {
                           AwaitEnd(join);
                           Expect(closing == 2, "it ended before its members");
                           End(join);
                         }});
}

void JoinOfOneThatFails() {
  Feed<int> feed;
  const Channel<int> channel;
  const Subscription join =
      JoinSubscriptions(Failing(), feed.Subscribe(channel));
  Scheduler::Interleave({[&] {
    const auto error = join.Err().Receive();
    Expect(error.has_value() && *error != nullptr, "the error is lost");
    Expect(feed.subscriber_count() == 0, "the join failed before its members");
    Expect(!join.Err().Receive().has_value(), "Err() is not closed");
    End(join);
  }});
}

// Two of three members would go on.
void JoinIsUnsubscribed() {
  Feed<int> one, two;
  const Channel<int> channel;
  const Subscription join = JoinSubscriptions(
      one.Subscribe(channel), two.Subscribe(channel), two.Subscribe(channel));
  Scheduler::Interleave({[&] { one.Close(); },
                         [&] {
                           End(join);
                           Expect(two.subscriber_count() == 0,
                                  "the join ended before its members");
                         }});
}

void JoinIsEndedByItsMember() {
  Feed<int> feed;
  const Channel<int> channel;
  Subscription join;
  bool returned = false;
  Scheduler::Interleave({[&] {
    const Channel<int> made(1);
    join = JoinSubscriptions(NewSubscription([&](std::stop_token) {
                               static_cast<void>(made.Receive());
                               Unsubscribe(join);
                               returned = true;
                             }),
                             feed.Subscribe(channel));
    made.Send(1);
    AwaitEnd(join);
    Expect(returned, "the join ended before its member");
    Expect(feed.subscriber_count() == 0, "the join ended before its member");
    End(join);
  }});
}

// The member is a part of the join through the wrapper.
void JoinOfAWrapper() {
  Subscription join;
  Scheduler::Interleave({[&] {
    const SubscriptionScope scope;
    const Channel<int> made(1);
    join = JoinSubscriptions(
        scope.Track(NewSubscription([&](std::stop_token stop) {
          static_cast<void>(made.Receive());
          Unsubscribe(join);
          AwaitRest();
          Expect(stop.stop_requested(), "the member was not asked");
        })));
    made.Send(1);
    AwaitEnd(join);
    Expect(scope.Count() == 0, "the scope counts what has ended");
    End(join);
  }});
}

// --- Resubscriptions ---------------------------------------------------------

void ResubscriptionIsUnsubscribed() {
  Feed<int> feed;
  const Channel<int> channel;
  std::size_t calls = 0;
  // The first attempt fails.
  const Subscription all = Resubscribe(10s, [&](std::stop_token) {
    return ++calls == 1 ? Subscription() : feed.Subscribe(channel);
  });
  Scheduler::Interleave({[&] {
    End(all);
    Expect(feed.subscriber_count() == 0, "what was established goes on");
    Expect(Scheduler::now() == 0s, "the wait was not cut short");
  }});
}

void ResubscriptionGoesOn() {
  Feed<int> feed;
  const Channel<int> channel;
  feed.Close();
  std::size_t calls = 0;
  const Subscription all =
      Resubscribe(10s, [&](std::stop_token) -> Subscription {
        switch (++calls) {
          case 1:
            return {};
          case 2:
            return Failing();
          default:
            return feed.Subscribe(channel);
        }
      });
  Scheduler::Interleave({[&] {
    AwaitEnd(all);
    Expect(calls == 3, "another number of attempts");
    Expect(Scheduler::now() == 3s, "not the waits of one and two seconds");
    End(all);
  }});
}

void ResubscriptionMeetsAnEnd() {
  Feed<int> feed;
  const Channel<int> channel;
  std::size_t calls = 0;
  const Subscription all = Resubscribe(10s, [&](std::stop_token) {
    ++calls;
    return feed.Subscribe(channel);
  });
  Scheduler::Interleave({[&] { feed.Close(); },
                         [&] {
                           End(all);
                           Expect(calls <= 1, "a good end was a failure");
                           Expect(all.Err().drained(), "an error of nobody's");
                         }});
}

void ResubscriptionEndsWithoutAnError() {
  Feed<int> feed;
  const Channel<int> channel;
  std::size_t calls = 0;
  const Subscription all = Resubscribe(10s, [&](std::stop_token) {
    ++calls;
    return feed.Subscribe(channel);
  });
  Scheduler::Interleave({[&] { feed.Close(); },
                         [&] {
                           AwaitEnd(all);
                           Expect(calls == 1, "a good end was a failure");
                         }});
}

void ResubscriptionEndsItself() {
  Feed<int> feed;
  const Channel<int> channel;
  Subscription all;
  Scheduler::Interleave({[&] {
    const Channel<int> made(1);
    all = Resubscribe(10s, [&](std::stop_token stop) {
      static_cast<void>(made.Receive());
      Unsubscribe(all);
      Expect(stop.stop_requested(), "no stop was requested");
      return feed.Subscribe(channel);
    });
    made.Send(1);
    AwaitEnd(all);
    Expect(feed.subscriber_count() == 0, "what was returned goes on");
    End(all);
  }});
}

// By a producer that becomes a part when the function has returned it.
void ResubscriptionIsEndedByItsOwn() {
  Subscription all;
  Scheduler::Interleave({[&] {
    const Channel<int> established(1);
    Subscription elsewhere = NewSubscription([&](std::stop_token stop) {
      static_cast<void>(established.Receive());
      Unsubscribe(all);
      AwaitRest();
      Expect(stop.stop_requested(), "what is established was not asked");
    });
    all =
        Resubscribe(10s, [&](std::stop_token) { return std::move(elsewhere); });
    AwaitRest();
    established.Send(1);
    AwaitEnd(all);
    End(all);
  }});
}

// --- Scopes, from inside -----------------------------------------------------

void ScopeDestroyedInside() {
  Feed<int> feed;
  const Channel<int> channel;
  Source::Seen seen;
  auto scope = std::make_unique<SubscriptionScope>();
  const Subscription source = scope->Track(Source(seen));
  scope->Track(feed.Subscribe(channel));
  Scheduler::Interleave(
      {[&] {
         const Channel<int> made(1);
         const Subscription wrapper =
             scope->Track(NewSubscription([&](std::stop_token stop) {
               static_cast<void>(made.Receive());
               scope.reset();
               Expect(stop.stop_requested(), "no stop was requested");
             }));
         made.Send(1);
         AwaitEnd(wrapper);
         wrapper.Unsubscribe();
       },
       [&] { feed.Close(); }});
  Expect(seen.requested == 1, "the source was not asked once");
  Expect(seen.unsubscribed == 1, "the source was not unsubscribed once");
  Expect(source.Err().closed(), "the source has not ended");
}

// Two producers, one of which waits for the other's last words.
void ScopeDestroyedInsideOneOfTwo() {
  auto scope = std::make_unique<SubscriptionScope>();
  Scheduler::Interleave({[&] {
    const Channel<int> gone(1), made(1);
    const Subscription waiting = scope->Track(NewSubscription(
        [&](std::stop_token) { static_cast<void>(gone.Receive()); }));
    const Subscription ending =
        scope->Track(NewSubscription([&](std::stop_token) {
          static_cast<void>(made.Receive());
          scope.reset();
          gone.Send(1);
        }));
    made.Send(1);
    ending.Unsubscribe();
    waiting.Unsubscribe();
  }});
}

void ScopeForgetsASource() {
  Source::Seen seen;
  const SubscriptionScope scope;
  Subscription wrapper = scope.Track(Source(seen));
  Scheduler::Interleave({[&] {
                           wrapper.Unsubscribe();
                           wrapper = Subscription();
                         },
                         [&] {
                           const std::size_t before = seen.unsubscribed;
                           const std::size_t count = scope.Count();
                           Expect(before == 0 || count <= 1,
                                  "the scope counts what has ended");
                         }});
  Expect(seen.unsubscribed == 1, "the source was not unsubscribed once");
  Expect(seen.destroyed, "the scope keeps a source that has ended");
  Expect(scope.Count() == 0, "the scope counts what has ended");
}

constexpr std::array kScenarios = {
    Scenario{"join_ends", "a join ends when both its members have",
             JoinOfTwoThatEnd},
    Scenario{"join_fails", "the error of a member comes after the others' end",
             JoinOfOneThatFails},
    Scenario{"join_stop",
             "Unsubscribe ends all members, though one ends meanwhile",
             JoinIsUnsubscribed},
    Scenario{"join_inside", "a member that unsubscribes its join does not wait",
             JoinIsEndedByItsMember},
    Scenario{"join_wrapper", "the same through the wrapper of a scope",
             JoinOfAWrapper},
    Scenario{"resubscribe_stop",
             "Unsubscribe cuts a wait short and ends what is established",
             ResubscriptionIsUnsubscribed},
    Scenario{"resubscribe_fails",
             "both kinds of failures lead to another attempt, after a wait",
             ResubscriptionGoesOn},
    Scenario{"resubscribe_ends",
             "an end that comes with Unsubscribe is the end and no failure",
             ResubscriptionMeetsAnEnd},
    Scenario{"resubscribe_end",
             "an end without an error is the end of the resubscription",
             ResubscriptionEndsWithoutAnError},
    Scenario{"resubscribe_inside",
             "what a function returns that has ended it all is unsubscribed",
             ResubscriptionEndsItself},
    Scenario{"resubscribe_returned",
             "one that was started elsewhere ends all once it is returned",
             ResubscriptionIsEndedByItsOwn},
    Scenario{"scope_inside",
             "a scope destroyed inside ends the sources that would go on",
             ScopeDestroyedInside},
    Scenario{"scope_inside_two",
             "a scope destroyed inside one producer does not wait for another",
             ScopeDestroyedInsideOneOfTwo},
    Scenario{"scope_source",
             "a scope forgets a source whose wrapper is unsubscribed",
             ScopeForgetsASource},
};

}  // namespace

std::span<const Scenario> CompoundScenarios() { return kScenarios; }

}  // namespace model
