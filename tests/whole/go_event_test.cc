// SPDX-License-Identifier: MIT
//
// What the tests and examples of Go's event package check, by the numbers of a
// list of its behaviours. Written from the behaviour, not from its code.
//
// 1 to 24 feed, 25 to 31 subscriptions, 32 to 38 joins, 39 to 41 examples.

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/subscriptions.h"
#include "support/waiters.h"

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::OnReceive;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::ResubscribeErr;
using fanfare::Select;
using fanfare::Sender;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

template <typename T, typename Arg>
concept CanSend = requires(Feed<T>& feed, Arg&& arg) {
  feed.Send(std::forward<Arg>(arg));
};
template <typename T, typename Arg>
concept CanSubscribe = requires(Feed<T>& feed, Arg&& arg) {
  { feed.Subscribe(std::forward<Arg>(arg)) } -> std::same_as<Subscription>;
};

using SendInThread = InThread<std::function<std::size_t()>>;
using TestInThread = InThread<std::function<bool()>>;

// A subscription that several owners can end, as every one of Go's is.
struct Shared {
  std::shared_ptr<Subscription> subscription;

  [[nodiscard]] Receiver<std::exception_ptr> Err() const {
    return subscription->Err();
  }
  void Unsubscribe() const noexcept { subscription->Unsubscribe(); }
};

Shared Share(Subscription subscription) {
  return {std::make_shared<Subscription>(std::move(subscription))};
}

struct Unrelated {};

}  // namespace

// ---------------------------------------------------------------------------
// Feed.
// ---------------------------------------------------------------------------

TEST_CASE("Go 1 2: a feed sends values of its own type only") {
  // Go fixes the type by the first Send or Subscribe, and panics later.
  STATIC_REQUIRE(CanSend<int, int>);
  STATIC_REQUIRE_FALSE(CanSend<int, std::string>);
  STATIC_REQUIRE_FALSE(CanSend<int, Unrelated>);
  STATIC_REQUIRE_FALSE(CanSend<std::string, std::uint64_t>);
  SUCCEED();
}

TEST_CASE("Go 3: a channel of another type cannot be subscribed") {
  STATIC_REQUIRE(CanSubscribe<int, Channel<int>>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, Channel<std::uint64_t>>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, Sender<unsigned>>);
  SUCCEED();
}

TEST_CASE("Go 4: a channel that only receives cannot be subscribed") {
  STATIC_REQUIRE(CanSubscribe<int, Sender<int>>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, Receiver<int>>);
  SUCCEED();
}

TEST_CASE("Go 5: what is no channel cannot be subscribed") {
  STATIC_REQUIRE_FALSE(CanSubscribe<int, int>);
  STATIC_REQUIRE_FALSE(CanSubscribe<int, std::vector<int>>);
  SUCCEED();
}

TEST_CASE("Go 6: a Send that fails leaves no lock held") {
  // What still can fail at run time is a conversion or a copy.
  struct Picky {
    Picky(int n) : number(n) {  // NOLINT(google-explicit-constructor)
      if (number < 0) throw std::domain_error("converted");
    }
    Picky(const Picky& other) : number(other.number) {
      if (number == 0) throw std::domain_error("copied");
    }
    Picky(Picky&& other) noexcept = default;
    int number;
  };
  Feed<Picky> feed;
  const Channel<Picky> channel(2);
  const Subscription first = feed.Subscribe(channel);
  const Subscription second = feed.Subscribe(channel);
  const Picky zero = 0;
  for (int i = 0; i < 2; ++i) {
    CHECK_THROWS_WITH(feed.Send(-1), "converted");
    CHECK_THROWS_WITH(feed.Send(zero), "copied");
  }
  CHECK(feed.Send(1) == 2);
}

TEST_CASE("Go 7 8 9: 1000 rendezvous subscribers get one value and leave") {
  constexpr std::size_t kSubscribers = 1000;
  Feed<int> feed;
  std::deque<TestInThread> subscribers;
  for (std::size_t i = 0; i < kSubscribers; ++i) {
    subscribers.emplace_back([&feed] {
      const Channel<int> channel;
      const Subscription subscription = feed.Subscribe(channel);
      const bool right = channel.Receive() == 1;
      subscription.Unsubscribe();
      // Closed, and without a value.
      return right && !subscription.Err().Receive().has_value();
    });
  }
  AwaitThat([&] { return feed.subscriber_count() == kSubscribers; });
  CHECK(feed.Send(1) == kSubscribers);
  // They are still leaving: each that goes releases this a little more.
  CHECK(feed.Send(2) == 0);
  std::size_t right = 0;
  for (TestInThread& subscriber : subscribers)
    right += subscriber.Get() ? 1 : 0;
  CHECK(right == kSubscribers);
  CHECK(feed.subscriber_count() == 0);
}

TEST_CASE(
    "Go 10 11: a channel subscribed three times gets as many copies as are "
    "left") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  CAPTURE(capacity);
  Feed<int> feed;
  const Channel<int> channel(capacity);
  std::vector<Subscription> subscriptions;
  for (int i = 0; i < 3; ++i) subscriptions.push_back(feed.Subscribe(channel));
  for (std::size_t left = 3; left > 0; --left) {
    const int value = static_cast<int>(left);
    InThread sending([&] { return feed.Send(value); });
    for (std::size_t i = 0; i < left; ++i) CHECK(channel.Receive() == value);
    CHECK(sending.Get() == left);
    CHECK(channel.TryReceive() == std::nullopt);
    subscriptions.pop_back();
  }
}

TEST_CASE("Go 12: Subscribe does not wait for 2000 queued Sends") {
  constexpr std::size_t kSends = 2000;
  Feed<int> feed;
  const Channel<int> channel;
  const Channel<int> late;
  const Subscription subscription = feed.Subscribe(channel);
  std::deque<SendInThread> sends;
  for (std::size_t i = 0; i < kSends; ++i) {
    sends.emplace_back([&feed] { return feed.Send(99); });
  }
  AwaitThat([&] { return feed.waiting_senders() == kSends - 1; });
  const Subscription late_subscription = feed.Subscribe(late);
  CHECK(feed.waiting_senders() == kSends - 1);  // nothing moved meanwhile
  CHECK(channel.waiting_senders() == 1);

  const Channel<int> all_sent;
  InThread counting([&] {
    std::size_t count = 0;
    for (SendInThread& sending : sends) count += sending.Get();
    all_sent.Close();
    return count;
  });
  std::size_t received = 0;
  std::size_t received_late = 0;
  for (bool going = true; going;) {
    Select(OnReceive(channel, [&](int) { ++received; }),
           OnReceive(late, [&](int) { ++received_late; }),
           OnReceive(all_sent, [&](std::optional<int>) { going = false; }));
  }
  CHECK(received == kSends);
  CHECK(received_late < kSends);  // not the first, any number of the others
  CHECK(counting.Get() == received + received_late);
}

TEST_CASE(
    "Go 13 14: thousands subscribe and unsubscribe beside 200 blocked Sends") {
  constexpr std::size_t kSends = 200;
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 500;
  Feed<int> feed;
  const Channel<int> blocking;
  const Subscription blocker = feed.Subscribe(blocking);
  std::deque<SendInThread> sends;
  for (std::size_t i = 0; i < kSends; ++i) {
    sends.emplace_back([&feed] { return feed.Send(99); });
  }
  AwaitThat([&] { return feed.waiting_senders() == kSends - 1; });

  std::vector<std::vector<Subscription>> made(kThreads);
  const auto in_threads = [&](auto act) {
    std::deque<TestInThread> threads;
    for (auto& subscriptions : made) {
      threads.emplace_back([&subscriptions, act] {
        act(subscriptions);
        return true;
      });
    }
    for (TestInThread& thread : threads) thread.Get();
  };
  in_threads([&](std::vector<Subscription>& subscriptions) {
    for (std::size_t i = 0; i < kEach; ++i) {
      subscriptions.push_back(feed.Subscribe(Channel<int>()));
    }
  });
  CHECK(feed.subscriber_count() == 1 + kThreads * kEach);
  in_threads([](std::vector<Subscription>& subscriptions) {
    for (const Subscription& one : subscriptions) one.Unsubscribe();
  });
  CHECK(feed.subscriber_count() == 1);
  CHECK(feed.waiting_senders() == kSends - 1);  // still blocked

  blocker.Unsubscribe();
  std::size_t sent = 0;
  for (SendInThread& sending : sends) sent += sending.Get();
  CHECK(sent == 0);
}

TEST_CASE("Go 15 16: a channel that was served in this Send is unsubscribed") {
  Feed<int> feed;
  const Channel<int> first;
  const Channel<int> second;
  const Subscription first_subscription = feed.Subscribe(first);
  const Subscription second_subscription = feed.Subscribe(second);
  InThread sending([&] { return feed.Send(1); });
  CHECK(first.Receive() == 1);
  first_subscription.Unsubscribe();
  CHECK(second.Receive() == 1);
  CHECK(sending.Get() == 2);

  InThread again([&] { return feed.Send(2); });
  CHECK(second.Receive() == 2);
  CHECK(again.Get() == 1);
  CHECK(first.TryReceive() == std::nullopt);
}

TEST_CASE("Go 17: subscriptions that no Send has seen are unsubscribed") {
  Feed<int> feed;
  const Channel<int> twice;
  const Channel<int> once;
  const Subscription first = feed.Subscribe(twice);
  const Subscription second = feed.Subscribe(twice);
  const Subscription third = feed.Subscribe(once);
  CHECK(feed.subscriber_count() == 3);
  first.Unsubscribe();
  second.Unsubscribe();
  CHECK(feed.subscriber_count() == 1);
  third.Unsubscribe();
  CHECK(feed.subscriber_count() == 0);
  CHECK(feed.Send(1) == 0);
}

TEST_CASE(
    "Go 18: every Send to 1000 buffered subscribers reaches all of them") {
  constexpr std::size_t kSubscribers = 1000;
  constexpr int kSends = 200;
  Feed<int> feed;
  std::vector<Channel<int>> channels;
  std::vector<Subscription> subscriptions;
  for (std::size_t i = 0; i < kSubscribers; ++i) {
    channels.emplace_back(static_cast<std::size_t>(kSends));
    subscriptions.push_back(feed.Subscribe(channels.back()));
  }
  int right = 0;
  for (int i = 0; i < kSends; ++i)
    right += feed.Send(i) == kSubscribers ? 1 : 0;
  CHECK(right == kSends);
  bool in_order = true;
  for (const Channel<int>& channel : channels) {
    for (int i = 0; i < kSends; ++i) {
      in_order = channel.TryReceive() == i && in_order;
    }
  }
  CHECK(in_order);
}

namespace {

// An interface, and what can and cannot stand in for it.
struct Animal {
  virtual ~Animal() = default;
  [[nodiscard]] virtual std::string Name() const = 0;
  [[nodiscard]] virtual int Legs() const = 0;
};
struct Stone {};
struct HalfAnAnimal : Animal {
  [[nodiscard]] std::string Name() const override { return "half"; }
};
struct NamedOnly {
  [[nodiscard]] std::string Name() const { return "named"; }
};
struct Bird final : Animal {
  explicit Bird(int n) : number(n) {}
  [[nodiscard]] std::string Name() const override { return "bird"; }
  [[nodiscard]] int Legs() const override { return 2; }
  bool operator==(const Bird& other) const { return number == other.number; }
  int number;
};
struct Cat final : Animal {
  [[nodiscard]] std::string Name() const override { return "cat"; }
  [[nodiscard]] int Legs() const override { return 4; }
  [[nodiscard]] std::string Purr() const { return "purr"; }
};
using AnyAnimal = std::shared_ptr<const Animal>;

}  // namespace

TEST_CASE("Go 19: a struct is delivered") {
  struct Event {
    std::string text;
    std::uint64_t number = 0;
    bool operator==(const Event&) const = default;
  };
  Feed<Event> feed;
  const Channel<Event> channel(1);
  const Subscription subscription = feed.Subscribe(channel);
  const Event event{"a struct like any other", 42};
  CHECK(feed.Send(event) == 1);
  CHECK(channel.Receive() == event);
  const std::size_t braced = feed.Send({"one made in place", 43});
  CHECK(braced == 1);
  CHECK(channel.Receive()->number == 43);
}

TEST_CASE("Go 20 21: what does not implement the interface is refused") {
  STATIC_REQUIRE_FALSE(CanSend<AnyAnimal, std::shared_ptr<Stone>>);
  STATIC_REQUIRE_FALSE(CanSend<AnyAnimal, Stone>);
  // Half of an implementation: without the base, or not complete.
  STATIC_REQUIRE_FALSE(CanSend<AnyAnimal, std::shared_ptr<NamedOnly>>);
  STATIC_REQUIRE(std::is_abstract_v<HalfAnAnimal>);
  SUCCEED();
}

TEST_CASE("Go 22 23: what implements the interface is delivered whole") {
  Feed<AnyAnimal> feed;
  const Channel<AnyAnimal> channel(1);
  const Subscription subscription = feed.Subscribe(channel);

  const auto bird = std::make_shared<const Bird>(7);
  CHECK(feed.Send(bird) == 1);
  CHECK(channel.Receive() == bird);
  CHECK(*bird == Bird(7));

  // With more functions than the interface has: nothing is sliced off.
  const auto cat = std::make_shared<const Cat>();
  CHECK(feed.Send(cat) == 1);
  const AnyAnimal received = *channel.Receive();
  CHECK(received->Legs() == 4);
  REQUIRE(received == cat);
  CHECK(static_cast<const Cat&>(*received).Purr() == "purr");
}

TEST_CASE("Go 24: two implementations of one interface are two types") {
  using Birds = std::shared_ptr<const Bird>;
  STATIC_REQUIRE(CanSend<Birds, std::shared_ptr<const Bird>>);
  STATIC_REQUIRE_FALSE(CanSend<Birds, std::shared_ptr<const Cat>>);
  STATIC_REQUIRE_FALSE(CanSend<Birds, AnyAnimal>);
  STATIC_REQUIRE_FALSE(CanSend<Bird, Cat>);
  STATIC_REQUIRE_FALSE(CanSubscribe<AnyAnimal, Channel<Birds>>);
  STATIC_REQUIRE_FALSE(CanSubscribe<Birds, Channel<AnyAnimal>>);
  SUCCEED();
}

// ---------------------------------------------------------------------------
// Subscriptions.
// ---------------------------------------------------------------------------

TEST_CASE(
    "Go 25 26: the failure of a producer arrives behind its values and once") {
  const std::size_t capacity = GENERATE(0U, 1U);
  const Channel<int> channel(capacity);
  const Subscription subscription =
      NewSubscription([channel](std::stop_token stop) -> std::exception_ptr {
        for (int i = 0; i < 10; ++i) {
          if (i == 2) {
            // Whoever fails waits until its values were taken, or else they
            // and the failure are ready together.
            AwaitThat([&] { return channel.size() == 0; });
            return Failure("no more");
          }
          if (!channel.Send(i, stop)) break;
        }
        return nullptr;
      });
  std::vector<std::string> events;
  while (events.size() < 3) {
    Select(
        OnReceive(channel, [&](int i) { events.push_back(std::to_string(i)); }),
        OnReceive(subscription.Err(),
                  [&](const Error& error) { events.push_back(Text(error)); }));
  }
  CHECK(events == std::vector<std::string>{"0", "1", "no more"});
  subscription.Unsubscribe();
  CHECK(Text(subscription.Err().Receive()) == "closed");
  CHECK(channel.TryReceive() == std::nullopt);
}

// How the waits grow, and that a slow call makes them start anew, is checked to
// the nanosecond in resubscribe_clock_test.cc, where the clock is the test's: a
// thread that loses its processor for long enough starts them anew, too.
TEST_CASE(
    "Go 27: a function that fails five times is called six times with "
    "backoff") {
  using Clock = std::chrono::steady_clock;
  constexpr auto kMax = 20ms;
  struct Call {
    Clock::time_point start;
    Clock::time_point end;
  };
  std::vector<Call> calls;
  const Subscription subscription =
      Resubscribe(kMax, [&](std::stop_token) -> Subscription {
        const auto start = Clock::now();
        const bool slow = calls.size() == 1;
        const bool fails = calls.size() < 5;
        if (slow) AwaitThat([&] { return Clock::now() - start > kMax; });
        calls.push_back({start, Clock::now()});
        if (fails) throw std::runtime_error("not yet");
        return NewSubscription([](std::stop_token) {});
      });
  CHECK(Text(subscription.Err().Receive()) == "closed");
  REQUIRE(calls.size() == 6);
  for (std::size_t i = 1; i < calls.size(); ++i) {
    CHECK(calls[i].start - calls[i - 1].end >= kMax / 10);
  }
}

TEST_CASE("Go 28: Unsubscribe stops a function that runs") {
  const Channel<int> running;
  bool stopped = false;
  const Subscription subscription =
      Resubscribe(24h, [&](std::stop_token stop) -> Subscription {
        running.Close();
        WaitForStop(stop);
        stopped = true;
        return Subscription();  // neither a subscription nor a failure
      });
  CHECK(running.Receive() == std::nullopt);
  subscription.Unsubscribe();
  CHECK(stopped);
  CHECK(Text(subscription.Err().Receive()) == "closed");
}

TEST_CASE("Go 29: a function is told why the subscription before it failed") {
  std::vector<std::string> told;
  const Subscription subscription = ResubscribeErr(
      1ms, [&](std::stop_token, const std::exception_ptr& last_error) {
        told.push_back(last_error == nullptr ? "" : Text(Error(last_error)));
        const std::size_t number = told.size();
        return NewSubscription([number](std::stop_token) {
          if (number > 5) return;
          throw std::runtime_error("err-" + std::to_string(number));
        });
      });
  CHECK(Text(subscription.Err().Receive()) == "closed");
  CHECK(told == std::vector<std::string>{"", "err-1", "err-2", "err-3", "err-4",
                                         "err-5"});
}

TEST_CASE("Go 30: Unsubscribe returns after the subscription has ended well") {
  const Channel<int> ended;
  const Subscription subscription = Resubscribe(24h, [ended](std::stop_token) {
    return NewSubscription([ended](std::stop_token) { ended.Close(); });
  });
  CHECK(ended.Receive() == std::nullopt);
  subscription.Unsubscribe();
  CHECK(subscription.Err().drained());
  subscription.Unsubscribe();
}

TEST_CASE(
    "Go 31: a function that returns after it was told to stop leaves nothing "
    "behind") {
  auto alive = std::make_shared<int>();
  const std::weak_ptr<int> watch = alive;
  const Channel<int> running;
  const Channel<int> go_on;
  Foreign returned;
  const Subscription subscription =
      Resubscribe(24h, [=, alive = std::move(alive)](std::stop_token) {
        running.Close();
        static_cast<void>(go_on.Receive());  // deaf to its stop
        return Subscription(returned);
      });
  CHECK(running.Receive() == std::nullopt);
  subscription.RequestUnsubscribe();
  CHECK_FALSE(subscription.Err().closed());
  go_on.Close();
  subscription.Unsubscribe();
  CHECK(subscription.Err().drained());
  CHECK(returned.unsubscribed() > 0);
  CHECK(watch.expired());
}

// ---------------------------------------------------------------------------
// Joins.
// ---------------------------------------------------------------------------

namespace {

// Two feeds of different types, each with a subscribed channel.
struct TwoFeeds {
  Feed<int> numbers;
  Feed<std::string> texts;
  Channel<int> number;
  Channel<std::string> text;

  Subscription Join() {
    return JoinSubscriptions(numbers.Subscribe(number), texts.Subscribe(text));
  }

  // Whether a value that is sent now arrives; blocks if only one side works.
  [[nodiscard]] bool NumberArrives() {
    InThread sending([&] { return numbers.Send(1); });
    const bool arrived = number.Receive() == 1;
    return sending.Get() == 1 && arrived;
  }
  [[nodiscard]] bool TextArrives() {
    InThread sending([&] { return texts.Send("text"); });
    const bool arrived = text.Receive() == "text";
    return sending.Get() == 1 && arrived;
  }
  // Whether nobody is served any more.
  [[nodiscard]] bool Silent() {
    return numbers.Send(2) == 0 && texts.Send("more") == 0 &&
           !number.TryReceive().has_value() && !text.TryReceive().has_value();
  }
};

}  // namespace

TEST_CASE(
    "Go 32 33 34: joined subscriptions deliver until the join is "
    "unsubscribed") {
  TwoFeeds feeds;
  const Subscription join = feeds.Join();
  CHECK(feeds.NumberArrives());
  CHECK(feeds.TextArrives());
  CHECK_FALSE(join.Err().closed());
  join.Unsubscribe();
  CHECK(join.Err().drained());
  CHECK(Text(join.Err().Receive()) == "closed");
  CHECK(feeds.Silent());
}

TEST_CASE(
    "Go 35 36 37: one member of a join is unsubscribed and then all of it") {
  TwoFeeds feeds;
  const Shared numbers = Share(feeds.numbers.Subscribe(feeds.number));
  const Shared texts = Share(feeds.texts.Subscribe(feeds.text));
  const Subscription join =
      JoinSubscriptions(Subscription(numbers), Subscription(texts));
  CHECK(feeds.NumberArrives());
  CHECK(feeds.TextArrives());

  numbers.Unsubscribe();
  CHECK(StaysFalse([&] { return join.Err().closed(); }));
  CHECK(feeds.numbers.Send(2) == 0);
  CHECK(feeds.number.TryReceive() == std::nullopt);
  CHECK(feeds.TextArrives());
  CHECK_FALSE(join.Err().closed());

  join.Unsubscribe();
  CHECK(join.Err().drained());
  CHECK(texts.Err().drained());
  CHECK(feeds.Silent());
}

TEST_CASE("Go 38: a join is unsubscribed at once") {
  TwoFeeds feeds;
  const Subscription join = feeds.Join();
  join.Unsubscribe();
  CHECK(Text(join.Err().Receive()) == "closed");
  CHECK(feeds.Silent());
}

// ---------------------------------------------------------------------------
// Examples.
// ---------------------------------------------------------------------------

TEST_CASE("Go 39: Send tells how many acknowledgements to wait for") {
  struct Event {
    int number = 0;
    Sender<std::monostate> acknowledge;
  };
  Feed<Event> feed;
  const Channel<std::monostate> done;
  const Channel<int> output(9);
  std::deque<InThread<std::function<void()>>> consumers;
  for (std::size_t i = 0; i < 3; ++i) {
    consumers.emplace_back([&] {
      const Channel<Event> events(100);
      const Subscription subscription = feed.Subscribe(events);
      for (bool going = true; going;) {
        Select(OnReceive(events,
                         [&](const Event& event) {
                           output.Send(event.number);
                           event.acknowledge.Send(std::monostate());
                         }),
               OnReceive(done, [&](std::optional<std::monostate>) {
                 going = false;
               }));
      }
    });
  }
  AwaitThat([&] { return feed.subscriber_count() == 3; });
  // The next event is not sent before all have dealt with this one.
  for (int number = 0; number < 3; ++number) {
    const Channel<std::monostate> acknowledged;
    const std::size_t consumers_reached =
        feed.Send(Event{number, acknowledged});
    CHECK(consumers_reached == 3);
    for (std::size_t i = 0; i < consumers_reached; ++i) {
      CHECK(acknowledged.Receive().has_value());
    }
  }
  done.Close();
  for (auto& consumer : consumers) consumer.Get();
  output.Close();
  std::vector<int> printed;
  for (const int number : output) printed.push_back(number);
  CHECK(printed == std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2});
  CHECK(feed.subscriber_count() == 0);
}

TEST_CASE("Go 40: a scope ends all subscriptions that a server has given out") {
  class Calculator {
   public:
    Subscription SubscribeToSums(const Sender<int>& results) {
      return scope_.Track(sums_.Subscribe(results));
    }
    Subscription SubscribeToProducts(const Sender<int>& results) {
      return scope_.Track(products_.Subscribe(results));
    }
    std::size_t Calculate(int a, int b) {
      return sums_.Send(a + b) + products_.Send(a * b);
    }
    void Stop() { scope_.Close(); }

   private:
    Feed<int> sums_;
    Feed<int> products_;
    SubscriptionScope scope_;
  };
  Calculator server;
  const Channel<int> sums(4);
  const Channel<int> products(4);
  const Subscription sum_subscription = server.SubscribeToSums(sums);
  const Subscription product_subscription =
      server.SubscribeToProducts(products);
  CHECK(server.Calculate(22, 11) == 2);
  CHECK(server.Calculate(6, 7) == 2);
  CHECK_FALSE(sum_subscription.Err().closed());

  server.Stop();
  CHECK(Text(sum_subscription.Err().Receive()) == "closed");
  CHECK(Text(product_subscription.Err().Receive()) == "closed");
  CHECK(server.Calculate(1, 2) == 0);
  for (const int sum : {33, 13}) CHECK(sums.TryReceive() == sum);
  for (const int product : {242, 42}) CHECK(products.TryReceive() == product);
  // A client that does not know of that yet unsubscribes, as it should.
  sum_subscription.Unsubscribe();
  product_subscription.Unsubscribe();
  CHECK(Text(sum_subscription.Err().Receive()) == "closed");
}

TEST_CASE("Go 41: Unsubscribe waits for the last words of the producer") {
  const Channel<int> channel;
  std::string output;
  const Subscription subscription =
      NewSubscription([&output, channel](Receiver<std::monostate> quit) {
        bool going = true;
        for (int i = 0; going; ++i) {
          Select(OnSend(channel, i),
                 OnReceive(quit, [&](std::optional<std::monostate>) {
                   going = false;
                 }));
        }
        output += "unsubscribed";
      });
  for (int i = 0; i < 5; ++i) {
    output += std::to_string(channel.Receive().value_or(-1)) + " ";
  }
  subscription.Unsubscribe();
  CHECK(output == "0 1 2 3 4 unsubscribed");
}
