// SPDX-License-Identifier: MIT
//
// The back of a channel, lent to a feed (after every value here).

#include "scenario.h"
// The platform comes first.

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <fanfare/detail/channel/biased_lock.h>
#include <fanfare/detail/feed/turnstile.h>
#include <fanfare/feed.h>
#include <fanfare/subscribe_options.h>

namespace model {
namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::Subscription;

// A feed that has borrowed the channel of its one subscriber.
struct Loan {
  Loan() {
    feed.emplace();
    subscription = feed->Subscribe(channel);
    feed->Send(0);
    Expect(channel.TryReceive() == 0, "not sent");
  }
  ~Loan() { ExpectNobodyWaits(channel); }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  std::optional<Feed<int>> feed;
  Channel<int> channel{4};
  Subscription subscription;
};

void LoanAndReceive() {
  Loan loan;
  Scheduler::Interleave({[&] {
                           loan.feed->Send(1);
                           loan.feed->Send(2);
                         },
                         [&] {
                           Expect(loan.channel.Receive() == 1, "not the first");
                           Expect(loan.channel.Receive() == 2, "not the next");
                         }});
}

void LoanAndSend() {
  Loan loan;
  Scheduler::Interleave({[&] {
                           loan.feed->Send(1);
                           loan.feed->Send(2);
                         },
                         [&] {
                           loan.channel.Send(11);
                           loan.channel.Send(12);
                         }});
  std::array last{0, 10};
  for (int i = 0; i < 4; ++i) {
    const int value = loan.channel.TryReceive().value_or(0);
    int& before = value < 10 ? last[0] : last[1];
    Expect(value == before + 1, "a value is lost, doubled or out of order");
    before = value;
  }
}

// Each has borrowed the channel to which the other one sends first.
void LoansOfTwoFeeds() {
  Loan one, other;
  const auto also = one.feed->Subscribe(other.channel);
  const auto too = other.feed->Subscribe(one.channel);
  Scheduler::Interleave(
      {[&] { Expect(one.feed->Send(1) == 2, "not to two"); },
       [&] { Expect(other.feed->Send(2) == 2, "not to two"); },
       [&] { static_cast<void>(one.channel.size()); }});
  for (const auto* loan : {&one, &other}) {
    int sum = 0;
    while (const auto value = loan->channel.TryReceive()) sum += *value;
    Expect(sum == 3, "a value is lost or doubled");
  }
}

// One feed comes to a receiver that waits, whom the other one serves first, and
// then borrows his channel.
void LoanBehindAReceiver() {
  Feed<int> one, other;
  const Channel<int> channel(4);
  const auto subscription = one.Subscribe(channel);
  const auto also = other.Subscribe(channel);
  Scheduler::Interleave(
      {[&] { Expect(channel.Receive().has_value(), "ended"); },
       [&] { one.Send(1); },
       [&] {
         for (int value = 2; value < 5; ++value) other.Send(value);
       }});
  Expect(CountLeft(channel) == 3, "a value is lost or doubled");
}

// A feed that has borrowed a channel, and before it comes to that has to wait
// for another subscriber, whose channel is full.
struct LoanBehindALaggard {
  LoanBehindALaggard() {
    laggard_subscription = feed.Subscribe(laggard);
    subscription = feed.Subscribe(channel);
    feed.Send(0);
    Expect(channel.TryReceive() == 0, "not sent");
  }

  void LetTheLaggardReceive() const {
    Expect(laggard.Receive() == 0, "not the first");
    Expect(laggard.Receive() == 1, "not the next");
  }

  Feed<int> feed;
  Channel<int> laggard{1}, channel{4};
  Subscription laggard_subscription, subscription;
};

void LoanAndUnsubscribe() {
  LoanBehindALaggard loan;
  std::size_t taken = 0;
  std::size_t seen = 0;
  Scheduler::Interleave({[&] { taken = loan.feed.Send(1); },
                         [&] {
                           loan.subscription.Unsubscribe();
                           seen = loan.channel.size();
                           loan.LetTheLaggardReceive();
                         }});
  Expect(loan.channel.size() == seen, "a delivery after Unsubscribe");
  Expect(1 + seen == taken, "another number than were taken");
}

// So many are subscribed that Unsubscribe does not wait until they are served:
// the channel may be lent again before it comes to the subscription that ended.
void LoanOfAChannelSubscribedTwice() {
  Loan loan;
  const Channel<int> crowd(64);
  std::vector<Subscription> subscriptions;
  for (int i = 0; i < 64; ++i) {
    subscriptions.push_back(loan.feed->Subscribe(crowd));
  }
  auto second = loan.feed->Subscribe(loan.channel);
  std::size_t seen = 0;
  Scheduler::Interleave({[&] { loan.feed->Send(1); },
                         [&] {
                           second.Unsubscribe();
                           seen = loan.channel.size();
                         }});
  Expect(loan.channel.size() == std::max<std::size_t>(seen, 1),
         "a delivery after Unsubscribe");
}

void LoanAndLaggard() {
  LoanBehindALaggard loan;
  Scheduler::Interleave({[&] { loan.feed.Send(1); },
                         [&] {
                           Expect(loan.channel.Receive() == 1, "not the value");
                           static_cast<void>(loan.channel.size());
                           loan.LetTheLaggardReceive();
                         }});
}

void LoanAndClose() {
  Loan loan;
  std::size_t taken = 0;
  Scheduler::Interleave({[&] {
                           taken += loan.feed->Send(1);
                           taken += loan.feed->Send(2);
                         },
                         [&] { loan.channel.Close(); }});
  Expect(CountLeft(loan.channel) == taken, "another number than were taken");
  loan.feed->Send(3);
  Expect(loan.feed->subscriber_count() == 0, "the subscription has not ended");
}

// A thread that has seen the feed closed sends before Close has come to the
// subscription.
void LoanAndCloseOfTheFeed() {
  Loan loan;
  const Channel<int> late(1);
  Scheduler::Interleave({[&] { loan.feed->Close(); },
                         [&] {
                           const Subscription refused =
                               loan.feed->Subscribe(late);
                           const bool closed = refused.Err().closed();
                           const std::size_t count = loan.feed->Send(1);
                           Expect(count == 0 || !closed, "a closed feed sends");
                         }});
  Expect(loan.feed->Send(2) == 0, "a closed feed sends");
}

// The last who asks the feed for its turn is a Send of another thread.
void LoanAndDestructor() {
  Loan loan;
  Scheduler::Interleave({[&] {
                           loan.subscription = {};
                           loan.feed.reset();
                         },
                         [&] { loan.channel.Send(1); },
                         [&] { loan.channel.Send(2); }});
  Expect(CountLeft(loan.channel) == 2, "a value is lost or doubled");
}

// A TrySend is not kept from sending by somebody who only ends a loan.
void LoanAndTrySend() {
  Loan loan;
  Scheduler::Interleave(
      {[&] { Expect(loan.feed->TrySend(1) == 1, "it was not sent"); },
       [&] { static_cast<void>(loan.channel.size()); }});
}

// Nor does it wait for room, where it finds the turn taken for a moment.
void LoanAndTrySendWithoutRoom() {
  Feed<int> feed;
  const Channel<int> channel(1);
  const Subscription subscription = feed.Subscribe(channel);
  feed.Send(0);
  Scheduler::Interleave(
      {[&] { Expect(feed.TrySend(1) == 0, "there was no room"); },
       [&] { static_cast<void>(channel.size()); },
       [&] { static_cast<void>(feed.Subscribe(channel)); }});
  Expect(CountLeft(channel) == 1, "a value is lost or doubled");
}

// The same lock without a channel: who waits for it is not made to wait for the
// next loan, too.
void LoanWanted() {
  fanfare::detail::Turnstile turn;
  fanfare::detail::BiasedLock lock;
  bool had = false;
  const auto lend = [&] {
    Expect(lock.LockUnlessBiased(), "lent to another feed");
    const std::lock_guard locked(lock, std::adopt_lock);
    lock.Bias(turn);
    return had;
  };
  Expect(turn.TryEnter(), "the turn is taken");
  lend();
  Scheduler::Interleave({[&] {
                           const bool wanted = turn.TakeRevokeRequest();
                           lock.Unbias(turn);
                           const bool late = wanted && !lend();
                           Expect(!late || !lock.BiasedTo(turn), "lent again");
                           lock.Unbias(turn);
                           turn.LeaveAfterRevoke();
                         },
                         [&] {
                           const std::lock_guard locked(lock);
                           had = true;
                         }});
  Expect(had && turn.biased() == 0, "a loan is left");
}

// Two threads wait for it, the second one as a thread does that takes the lock
// of the front in between.
void LoanWantedByTwo() {
  fanfare::detail::Turnstile turn;
  fanfare::detail::BiasedLock lock;
  bool had_a = false, had_b = false, b_may_ask = false, b_asks = false;
  const auto lend = [&] {
    Expect(lock.LockUnlessBiased(), "lent to another feed");
    const std::lock_guard locked(lock, std::adopt_lock);
    lock.Bias(turn);
    return std::pair(had_a, had_b);
  };
  Expect(turn.TryEnter(), "the turn is taken");
  lend();
  Scheduler::Interleave(
      {[&] {
         const bool a_wants = turn.TakeRevokeRequest();
         b_may_ask = true;
         lock.Unbias(turn);
         const bool a_had = !a_wants || lend().first;
         Expect(a_had || !lock.BiasedTo(turn), "lent again before A had it");
         lock.Unbias(turn);
         turn.LeaveAfterRevoke();
       },
       [&] {
         const std::lock_guard locked(lock);
         had_a = true;
       },
       [&] {
         b_asks = b_may_ask;
         if (!b_asks) return;
         lock.RevokeBias();
         if (turn.TryEnter()) {
           const bool b_had = lend().second;
           Expect(b_had || !lock.BiasedTo(turn), "lent again before B had it");
           turn.LeaveAfterRevoke();
         }
         lock.LockRevoked();
         had_b = true;
         lock.unlock();
       }});
  Expect(had_a && had_b == b_asks && turn.biased() == 0, "a loan is left");
}

// A thread that leaves after it has revoked a bias forgets no request of
// another one, which relies on the mark of the next holder.
void LoanRevokedBesideARequest() {
  fanfare::detail::Turnstile turn;
  fanfare::detail::BiasedLock lock;
  Expect(turn.TryEnter(), "the turn is taken");
  lock.lock();
  lock.Bias(turn);
  lock.unlock();
  Expect(turn.TryLeave(), "there was nothing to look after");
  bool recorded = false;
  bool done = false;
  const auto look = [&] {
    done = done || std::exchange(recorded, false);
    turn.Leave();
  };
  Scheduler::Interleave({[&] { const std::lock_guard locked(lock); },
                         [&] {
                           const std::lock_guard locked(turn.mutex());
                           recorded = true;
                           if (turn.EnterOrDelegate()) look();
                         },
                         [&] {
                           if (!turn.TryEnter()) return;
                           turn.MarkSlowExit();
                           if (turn.TryLeave()) return;
                           const std::lock_guard locked(turn.mutex());
                           look();
                         }});
  Expect(done && turn.biased() == 0, "a request is forgotten");
}

// A channel of the latest value, full with 0, whose back is biased to its feed.
struct LoanOfTheLatest {
  LoanOfTheLatest() {
    Expect(feed.Send(-1) == 1 && feed.Send(0) == 1, "not sent");
  }
  ~LoanOfTheLatest() { ExpectNobodyWaits(channel); }
  LoanOfTheLatest(const LoanOfTheLatest&) = delete;
  LoanOfTheLatest& operator=(const LoanOfTheLatest&) = delete;

  Feed<int> feed;
  Channel<int> channel{1};
  Subscription subscription =
      feed.Subscribe(channel, {.overflow = fanfare::Overflow::kDropOldest});
};

void LoanAndReplace() {
  LoanOfTheLatest loan;
  std::optional<int> first, second;
  Scheduler::Interleave({[&] {
                           Expect(loan.feed.Send(1) == 1, "refused");
                           Expect(loan.feed.Send(2) == 1, "refused");
                         },
                         [&] {
                           first = loan.channel.TryReceive();
                           second = loan.channel.TryReceive();
                         }});
  Expect(first.has_value(), "the channel was empty between two values");
  const int last = second.value_or(*first);
  Expect(!second || *second > *first, "a value is doubled or out of order");
  const auto left = loan.channel.TryReceive();
  Expect(last == 2 ? !left : left == 2, "the latest value is lost");
  Expect(!loan.channel.TryReceive(), "a value too many");
}

void LoanAndReplaceBesideAReceiver() {
  LoanOfTheLatest loan;
  Scheduler::Interleave({[&] { Expect(loan.feed.Send(1) == 1, "refused"); },
                         [&] {
                           int seen = -1;
                           while (seen < 1) {
                             const int next = *loan.channel.Receive();
                             Expect(next > seen, "doubled or out of order");
                             seen = next;
                           }
                         }});
  Expect(!loan.channel.TryReceive(), "a value too many");
}

void ReplacedByTwoFeeds() {
  LoanOfTheLatest loan;
  Feed<int> other;
  const auto subscription = other.Subscribe(
      loan.channel, {.overflow = fanfare::Overflow::kDropOldest});
  Scheduler::Interleave({[&] {
                           Expect(loan.feed.Send(1) == 1, "refused");
                           Expect(loan.feed.Send(2) == 1, "refused");
                         },
                         [&] {
                           Expect(other.Send(11) == 1, "refused");
                           Expect(other.Send(12) == 1, "refused");
                         }});
  Expect(loan.feed.subscriber_count() == 1, "the subscription has ended");
  Expect(other.subscriber_count() == 1, "the subscription has ended");
  Expect(CountLeft(loan.channel) == 1, "a value is lost or doubled");
}

void ReplaceAndUnsubscribe() {
  LoanOfTheLatest loan;
  std::size_t taken = 0;
  std::optional<int> left;
  Scheduler::Interleave({[&] { taken = loan.feed.Send(1); },
                         [&] {
                           loan.subscription.Unsubscribe();
                           left = loan.channel.TryReceive();
                         }});
  Expect(left == static_cast<int>(taken), "another value than was taken");
  Expect(!loan.channel.TryReceive(), "a delivery after Unsubscribe");
}

void ReplaceAndClose() {
  LoanOfTheLatest loan;
  std::size_t taken = 0;
  std::optional<int> left;
  Scheduler::Interleave({[&] { taken = loan.feed.Send(1); },
                         [&] {
                           loan.channel.Close();
                           left = loan.channel.TryReceive();
                         }});
  Expect(left == static_cast<int>(taken), "another value than was taken");
  Expect(loan.channel.drained(), "a delivery after Close");
}

constexpr std::array kScenarios = {
    Scenario{"loan_receive",
             "a receive that waits ends the loan, and is given the next value",
             LoanAndReceive},
    Scenario{"loan_send", "the same for a send; no value is lost", LoanAndSend},
    Scenario{"loan_two_feeds",
             "two feeds with loans do not wait for each other",
             LoansOfTwoFeeds},
    Scenario{"loan_meets", "nor for a receiver whose channel is lent meanwhile",
             LoanBehindAReceiver},
    Scenario{"loan_unsubscribe", "nothing is delivered after Unsubscribe",
             LoanAndUnsubscribe},
    Scenario{"loan_twice",
             "the same where the channel has another subscription",
             LoanOfAChannelSubscribedTwice},
    Scenario{"loan_laggard", "a Send that waits keeps no loan", LoanAndLaggard},
    Scenario{"loan_close",
             "a channel's Close refuses a Send or lets it through",
             LoanAndClose},
    Scenario{"loan_feed_close", "a feed that was seen closed sends nothing",
             LoanAndCloseOfTheFeed},
    Scenario{"loan_destroyed", "who ends a loan finds the feed still there",
             LoanAndDestructor},
    Scenario{"loan_try", "a TrySend is not refused because a loan is ended",
             LoanAndTrySend},
    Scenario{"loan_try_full", "nor does it wait for room",
             LoanAndTrySendWithoutRoom},
    Scenario{"loan_wanted", "a lock that is wanted is not lent again",
             LoanWanted},
    Scenario{"loan_wanted_by_two", "nor before each of two that want it had it",
             LoanWantedByTwo},
    Scenario{"loan_request",
             "whoever revokes a bias forgets no request for the turn",
             LoanRevokedBesideARequest},
    Scenario{"loan_replace",
             "a channel is never empty while its value is replaced",
             LoanAndReplace},
    Scenario{"loan_replace_receive",
             "a receive beside replacements gets later values, and the last",
             LoanAndReplaceBesideAReceiver},
    Scenario{"loan_replace_two_feeds",
             "two feeds replace the values of one channel, and neither ends",
             ReplacedByTwoFeeds},
    Scenario{"loan_replace_unsubscribe",
             "a value is replaced before Unsubscribe returns, or not",
             ReplaceAndUnsubscribe},
    Scenario{"loan_replace_close",
             "a value is replaced before the channel is closed, or not",
             ReplaceAndClose},
};

}  // namespace

std::span<const Scenario> LoanScenarios() { return kScenarios; }

}  // namespace model
