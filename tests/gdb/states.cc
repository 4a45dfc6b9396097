// SPDX-License-Identifier: MIT
//
// A program for gdb to look at: channels, feeds and subscriptions in every
// state that the printers tell apart. Once all threads are blocked, it calls
// AllStatesReached().

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>
#ifdef CARRIES_PRINTERS
#include <fanfare/debug/gdb.h>
#endif

#include "states.h"

// The objects are global, so that no compiler optimizes them out.
namespace states {

using fanfare::CallSite;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::Receiver;
using fanfare::Sender;
using fanfare::Subscription;

struct Point {
  char name;
  double x;
};
struct alignas(128) Wide {
  int id;
};
// The Send that copies it keeps its turn.
struct NeverCopied {
  NeverCopied() = default;
  NeverCopied(const NeverCopied&) {
    begun = true;
    begun.wait(true);
  }
  NeverCopied(NeverCopied&&) noexcept = default;
  static inline std::atomic<bool> begun = false;
};
// Memory without an object.
template <typename T>
union Memory {
  explicit Memory(std::uintptr_t word) noexcept : words{word, word} {}
  ~Memory() {}
  std::uintptr_t words[2];
  T object;
};

// Channels.
Channel<int> empty(64);
Channel<int> wrapped(4);  // its values go over the end of the ring
Channel<char> bytes(8);   // its slots begin in the padding of the core
Channel<std::string> words(2);
Channel<Point> points(2);
Channel<Wide> wides(2);
Channel<fanfare::Numbered<std::string>> numbered(1);
Channel<int> closed(2);
Channel<int> full(1);     // two sends wait
Channel<int> unbuffered;  // a receive waits
Channel<int> moved_from;  // nil
Sender<int> nil_sender;
Sender<int> sender = wrapped;
Receiver<int> receiver = wrapped;
const Channel<int>& reference = wrapped;
// What a handle may look like before its constructor has run.
Memory<Channel<int>> no_channel(0x1000);

// Feeds.
Feed<int> no_subscribers;
Feed<std::string> closed_feed;
Feed<int> prices{{.name = "prices"}};
Channel<int> audit(2), screen(64), ticker(1), plain(2), late(1);
Feed<int> flooding;
Channel<int> overwritten(3);  // its ends are joined
Feed<std::string> texts;      // its Send waits with a copy for each channel
Channel<std::string> slow_texts(0), ready_texts(1);
Feed<NeverCopied> copying;
Channel<NeverCopied> copies(2), more_copies(2);
Memory<Feed<int>> no_feed(0);  // what the destructor of a feed leaves behind

// Subscriptions.
Subscription nil_subscription;
Subscription auditing, showing, ticking, sending, unsubscribed, too_slow;
Subscription leaving, joining, reading, also_reading, flooded;
Subscription first_copy, second_copy;
Subscription producing, failed, joined, resubscribed, tracked;
Subscription from_user, user_ended;
Subscription listening, posting;
fanfare::SubscriptionScope scope;

std::vector<std::jthread> threads;

// A user's source of events.
struct Source {
  Receiver<std::exception_ptr> Err() { return err; }
  void Unsubscribe() { err.Close(); }
  Channel<std::exception_ptr> err{1};
};

void FillChannels() {
  for (int i = 1; i <= 6; ++i) {
    wrapped.Send(i);
    if (i <= 3) static_cast<void>(wrapped.Receive());
  }
  for (char c : {'a', 'b'}) bytes.Send(c);
  words.Send("one");
  words.Send("a word that is too long to be stored in the string itself");
  points.Send({'p', 1.5});
  numbered.Send({.number = 8, .value = "eight"});
  wides.Send({1});
  wides.Send({2});
  closed.Send(7);
  closed.Close();
  full.Send(0);
  for (int i = 1; i <= 2; ++i) {
    threads.emplace_back([i] { full.Send(i); });
    AwaitBlocked([&] { return full.waiting_senders(); },
                 static_cast<std::size_t>(i));
  }
  threads.emplace_back([] { static_cast<void>(unbuffered.Receive()); });
  AwaitBlocked([] { return unbuffered.waiting_receivers(); }, 1);
  Channel<int> taken = std::move(moved_from);
}

void FillFeeds() {
  closed_feed.Close();
  auditing = prices.Subscribe(audit, {.name = "audit log"});
  showing = prices.Subscribe(screen, CallSite::Here("/src/screen.cc", 12));
  ticking = prices.Subscribe(
      ticker, {.name = "ticker", .overflow = fanfare::Overflow::kDropOldest});
  unsubscribed = prices.Subscribe(plain, {.name = "gone"});
  sending =
      prices.Subscribe(plain, {.overflow = fanfare::Overflow::kDropNewest},
                       CallSite::Here("C:\\src\\sending.cc", 34));
  leaving = prices.Subscribe(screen, CallSite::Here("leaving.cc", 56));
  prices.Send(1);
  unsubscribed.Unsubscribe();
  prices.Send(2);
  threads.emplace_back([] { prices.Send(3); });  // `audit` is full
  AwaitBlocked([] { return audit.waiting_senders(); }, 1);
  threads.emplace_back([] { prices.Send(4); });
  AwaitBlocked([] { return prices.waiting_senders(); }, 1);
  leaving.Unsubscribe();
  joining = prices.Subscribe(late, CallSite::Here("joining.cc", 78));

  flooded = flooding.Subscribe(
      overwritten,
      {.name = "flooded", .overflow = fanfare::Overflow::kDropOldest});
  for (int i = 1; i <= 100; ++i) flooding.Send(i);

  reading = texts.Subscribe(slow_texts, CallSite::Here("texts.cc", 1));
  also_reading = texts.Subscribe(ready_texts, CallSite::Here("texts.cc", 2));
  threads.emplace_back([] { texts.Send("text"); });
  AwaitBlocked([] { return slow_texts.waiting_senders(); }, 1);

  first_copy = copying.Subscribe(copies, CallSite::Here("copies.cc", 1));
  second_copy = copying.Subscribe(more_copies, CallSite::Here("copies.cc", 2));
  threads.emplace_back([] { copying.Send(NeverCopied()); });
  AwaitBlocked([] { return NeverCopied::begun ? 1U : 0U; }, 1);
}

void MakeSubscriptions() {
  static Feed<int> feed;
  static Channel<int> one(1), stuck, other, inner;
  too_slow = feed.Subscribe(
      one, {.name = "slow", .overflow = fanfare::Overflow::kEnd});
  feed.Send(1);
  feed.Send(2);
  producing = fanfare::NewSubscription(
      [](const std::stop_token& stop) { AwaitStop(stop); });
  failed = fanfare::NewSubscription(
      [](const std::stop_token&) { throw std::runtime_error("failed"); });
  AwaitBlocked([] { return failed.ended() ? 1U : 0U; }, 1);
  joined = fanfare::JoinSubscriptions(
      feed.Subscribe(stuck, CallSite::Here("join.cc", 1)),
      feed.Subscribe(other, CallSite::Here("join.cc", 2)));
  resubscribed =
      fanfare::Resubscribe(std::chrono::seconds(1), [](const std::stop_token&) {
        return feed.Subscribe(inner, CallSite::Here("again.cc", 1));
      });
  static Feed<int> quiet{{.name = "quiet"}};
  static Channel<int> unread(3);
  tracked = scope.Track(quiet.Subscribe(unread, {.name = "in scope"}));
  from_user = Source{};
  user_ended = Source{};
  user_ended.Unsubscribe();
  listening = fanfare::Listen(
      quiet, [](int) {}, {.capacity = 5, .subscribe = {.name = "listener"}});
  posting = fanfare::Listen([](std::function<void()> task) { task(); }, quiet,
                            [](int) {},
                            {.capacity = 6, .subscribe = {.name = "tasks"}});
}

}  // namespace states

int main() {
  states::FillChannels();
  states::FillFeeds();
  states::MakeSubscriptions();
  AllStatesReached();
  std::_Exit(0);  // threads are blocked
}
