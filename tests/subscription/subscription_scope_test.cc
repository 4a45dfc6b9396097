// SPDX-License-Identifier: MIT
//
// P1 to P3: subscriptions that end together; and U2, U3, U4 of such ones.

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/subscriptions.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

// --- P1: Track and Count -----------------------------------------------------

TEST_CASE("P1: a scope counts what it tracks") {
  SubscriptionScope scope;
  CHECK(scope.Count() == 0);
  Puppet one;
  Puppet two;
  const Subscription first = scope.Track(one.Subscribe());
  CHECK(scope.Count() == 1);
  const Subscription second = scope.Track(two.Subscribe());
  CHECK(scope.Count() == 2);
  CHECK(first);
  CHECK(second);
  CHECK_FALSE(first.Err().closed());
  CHECK_FALSE(second.Err().closed());
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<SubscriptionScope>);
}

TEST_CASE("P1: Track takes ownership") {
  SubscriptionScope scope;
  Puppet puppet;
  Subscription sub = puppet.Subscribe();
  const auto err = sub.Err();
  {
    const Subscription wrapper = scope.Track(std::move(sub));
    CHECK_FALSE(sub);  // NOLINT(bugprone-use-after-move): that is the point
    sub.Unsubscribe();
    CHECK_FALSE(err.closed());
  }
  CHECK(scope.Count() == 1);
}

TEST_CASE("P1: unsubscribing the wrapper ends and removes it alone") {
  SubscriptionScope scope;
  Puppet one;
  Puppet two;
  const Subscription first = scope.Track(one.Subscribe());
  const Subscription second = scope.Track(two.Subscribe());
  first.Unsubscribe();
  CHECK(one.gone());
  CHECK(first.Err().drained());
  CHECK(scope.Count() == 1);
  first.Unsubscribe();
  CHECK(scope.Count() == 1);
  CHECK_FALSE(two.gone());
  CHECK_FALSE(second.Err().closed());
  second.Unsubscribe();
  CHECK(scope.Count() == 0);
}

TEST_CASE("P1: dropping the wrapper changes nothing") {
  SubscriptionScope scope;
  Puppet puppet;
  SECTION("it is never kept") { scope.Track(puppet.Subscribe()); }
  SECTION("it is destroyed") {
    const Subscription wrapper = scope.Track(puppet.Subscribe());
    CHECK(scope.Count() == 1);
  }
  SECTION("it is assigned over") {
    Subscription wrapper = scope.Track(puppet.Subscribe());
    wrapper = Subscription();
  }
  CHECK(scope.Count() == 1);
  CHECK(StaysFalse([&] { return puppet.gone(); }));
  CHECK(scope.Count() == 1);
  scope.Close();
  CHECK(puppet.gone());
}

TEST_CASE("P1: the wrapper tells how the subscription ended") {
  SubscriptionScope scope;
  Puppet puppet;
  const Subscription wrapper = scope.Track(puppet.Subscribe());
  SECTION("failed") {
    puppet.Fail("wrapped");
    CHECK(Text(wrapper.Err().Receive()) == "wrapped");
  }
  SECTION("well") { puppet.EndWell(); }
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(scope.Count() == 0);
}

TEST_CASE("P1: Err of the wrapper is the one of the subscription") {
  SubscriptionScope scope;
  Puppet puppet;
  Subscription sub = puppet.Subscribe();
  const auto err = sub.Err();
  const Subscription wrapper = scope.Track(std::move(sub));
  puppet.Fail("both");
  AwaitThat([&] { return err.closed(); });
  CHECK(wrapper.Err().size() == 1);
  CHECK(Text(err.Receive()) == "both");
  CHECK(wrapper.Err().drained());
}

TEST_CASE("P1: one that has ended is counted no more") {
  SubscriptionScope scope;
  Puppet puppet;
  Puppet other;
  scope.Track(other.Subscribe());
  std::optional<Subscription> wrapper = scope.Track(puppet.Subscribe());
  const auto err = wrapper->Err();
  SECTION("with its wrapper kept") {}
  SECTION("with its wrapper dropped") { wrapper.reset(); }
  CHECK(scope.Count() == 2);
  puppet.EndWell();
  CHECK(Text(err.Receive()) == "closed");
  CHECK(scope.Count() == 1);
}

TEST_CASE("P1: one that has ended is forgotten") {
  SubscriptionScope scope;
  std::weak_ptr<void> alive;
  {
    const Foreign foreign;
    alive = foreign.alive();
    scope.Track(Subscription(foreign));
    CHECK(scope.Count() == 1);
    foreign.EndWell();
  }
  SECTION("by the next Count") {
    CHECK(scope.Count() == 0);
    CHECK(alive.expired());
  }
  SECTION("by the next Track") {
    Puppet puppet;
    scope.Track(puppet.Subscribe());
    CHECK(alive.expired());
    CHECK(scope.Count() == 1);
  }
}

TEST_CASE("U5 P1: a foreign one that failed is forgotten, its error unread") {
  SubscriptionScope scope;
  const Foreign foreign;
  Subscription wrapper = scope.Track(Subscription(foreign));
  foreign.Fail("unread");
  CHECK(scope.Count() == 0);
  CHECK(Text(wrapper.Err().Receive()) == "unread");
  CHECK(wrapper.Err().drained());
}

TEST_CASE("U5 P1: unsubscribing its wrapper removes a foreign one at once") {
  SubscriptionScope scope;
  std::weak_ptr<void> alive;
  Subscription wrapper;
  {
    const Foreign foreign;
    alive = foreign.alive();
    wrapper = scope.Track(Subscription(foreign));
  }
  wrapper.Unsubscribe();
  wrapper = Subscription();
  CHECK(alive.expired());  // before any other call on the scope
  CHECK(scope.Count() == 0);
}

TEST_CASE(
    "U4 U5 P1: a foreign one that has ended is unsubscribed all the same") {
  // It may have a thread to join.
  const Foreign foreign;
  foreign.EndWell();
  SECTION("when its scope forgets it") {
    SubscriptionScope scope;
    scope.Track(Subscription(foreign));
    CHECK(scope.Count() == 0);
  }
  SECTION("when its handle goes") { const Subscription handle = foreign; }
  CHECK(foreign.unsubscribed() == 1);
}

TEST_CASE("U5 P1: a foreign one that ended when asked is unsubscribed, too") {
  const SubscriptionScope scope;
  const ForeignWithRequest foreign;
  scope.Track(Subscription(foreign)).RequestUnsubscribe();
  CHECK(foreign.requested() == 1);
  CHECK(foreign.unsubscribed() == 0);
  foreign.EndWell();
  CHECK(scope.Count() == 0);
  CHECK(foreign.unsubscribed() == 1);
}

TEST_CASE("P1: what has ended may use the scope when it is destroyed") {
  // Would hang if it were destroyed under a lock of the scope.
  struct Curious {
    Foreign foreign;
    const SubscriptionScope* scope;
    std::size_t* counted;
    Curious(Foreign f, const SubscriptionScope& s, std::size_t& c)
        : foreign(std::move(f)), scope(&s), counted(&c) {}
    Curious(Curious&& other) noexcept
        : foreign(other.foreign),
          scope(std::exchange(other.scope, nullptr)),
          counted(other.counted) {}
    ~Curious() {
      if (scope != nullptr) *counted = scope->Count();
    }
    auto Err() const { return foreign.Err(); }
    void Unsubscribe() noexcept { foreign.Unsubscribe(); }
  };
  std::size_t counted = 99;
  SubscriptionScope scope;
  Puppet puppet;
  scope.Track(puppet.Subscribe());
  const Foreign foreign;
  scope.Track(Subscription(Curious(foreign, scope, counted)));
  SECTION("by Count") {
    foreign.EndWell();
    CHECK(scope.Count() == 1);
    CHECK(counted == 1);
  }
  SECTION("by Track") {
    foreign.EndWell();
    Puppet another;
    scope.Track(another.Subscribe());
    CHECK(counted == 1);
  }
  SECTION("by Close") {
    scope.Close();
    CHECK(counted != 99);
  }
}

TEST_CASE("P1: an empty subscription is not counted") {
  SubscriptionScope scope;
  const Subscription wrapper = scope.Track(Subscription());
  CHECK_FALSE(wrapper);
  CHECK(scope.Count() == 0);
}

TEST_CASE("P1: one that had ended before it was tracked") {
  SubscriptionScope scope;
  SECTION("a producer") {
    Puppet puppet;
    Subscription sub = puppet.Subscribe();
    sub.Unsubscribe();
    const Subscription wrapper = scope.Track(std::move(sub));
    CHECK(wrapper.Err().drained());
  }
  SECTION("a failed one keeps its error") {
    const Foreign foreign;
    foreign.Fail("early");
    const Subscription wrapper = scope.Track(Subscription(foreign));
    CHECK(Text(wrapper.Err().Receive()) == "early");
  }
  SECTION("a feed's") {
    Feed<int> feed;
    feed.Close();
    const Subscription wrapper = scope.Track(feed.Subscribe(Channel<int>(1)));
    CHECK(wrapper.Err().drained());
  }
  CHECK(scope.Count() == 0);
}

TEST_CASE("P1: subscriptions of a feed are forgotten when they end") {
  SubscriptionScope scope;
  Feed<int> feed;
  const Channel<int> channel(1);
  const Subscription one = scope.Track(feed.Subscribe(channel));
  scope.Track(feed.Subscribe(Channel<int>(1)));
  CHECK(scope.Count() == 2);
  one.Unsubscribe();
  CHECK(scope.Count() == 1);
  CHECK(feed.subscriber_count() == 1);
  feed.Close();
  CHECK(scope.Count() == 0);
}

TEST_CASE("P1: RequestUnsubscribe of the wrapper asks and never waits") {
  SubscriptionScope scope;
  Held held;
  const Subscription wrapper = scope.Track(held.Subscribe());
  wrapper.RequestUnsubscribe();
  held.AwaitAsked();
  CHECK_FALSE(wrapper.Err().closed());
  CHECK(scope.Count() == 1);
  held.LetGo();
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(scope.Count() == 0);
}

// --- P2: Close ---------------------------------------------------------------

TEST_CASE("P1: one that ended before it is tracked is not kept in memory") {
  using Value = std::shared_ptr<int>;
  Value value = std::make_shared<int>(1);
  const std::weak_ptr<int> kept = value;
  SubscriptionScope scope;
  {
    Feed<Value> feed;
    const Channel<Value> channel(1);
    channel.Send(std::move(value));
    Subscription subscription = feed.Subscribe(channel);
    subscription.Unsubscribe();
    scope.Track(std::move(subscription));
  }
  CHECK(scope.Count() == 0);
  CHECK(kept.expired());
}

TEST_CASE("U3 P2: a producer closes the scope that its wrapper is tracked by") {
  SubscriptionScope inner;
  SubscriptionScope outer;
  const Channel<int> go;
  std::size_t alive = 99;
  outer.Track(inner.Track(NewSubscription([&](std::stop_token) {
    static_cast<void>(go.Receive());
    outer.Close();
    alive = outer.Count();
  })));
  go.Close();
  inner.Close();
  CHECK(alive == 1);
  outer.Close();
  CHECK(outer.Count() == 0);
}

TEST_CASE("P2: Close ends what is tracked") {
  SubscriptionScope scope;
  Puppet one;
  Puppet two;
  Foreign three;
  Feed<int> feed;
  const Subscription first = scope.Track(one.Subscribe());
  scope.Track(two.Subscribe());
  const Subscription third = scope.Track(Subscription(three));
  const Subscription fourth = scope.Track(feed.Subscribe(Channel<int>(1)));
  CHECK(scope.Count() == 4);
  scope.Close();
  CHECK(scope.Count() == 0);
  CHECK(first.Err().drained());
  CHECK(third.Err().drained());
  CHECK(fourth.Err().drained());
  CHECK(one.gone());
  CHECK(two.gone());
  CHECK(three.unsubscribed() >= 1);
  CHECK(feed.subscriber_count() == 0);
  CHECK(feed.Send(1) == 0);
}

TEST_CASE("P2: Err is closed when Close returns") {
  for (int i = 0; i < 200; ++i) {
    SubscriptionScope scope;
    Puppet puppet;
    const Subscription wrapper = scope.Track(puppet.Subscribe());
    if (i % 2 == 0) puppet.EndWell();  // it ends by itself at the same time
    scope.Close();
    REQUIRE(wrapper.Err().drained());
  }
}

TEST_CASE("P2: Close asks all to end and then waits") {
  std::optional<SubscriptionScope> scope(std::in_place);
  // Each ends only when all have been asked.
  std::atomic<int> asked = 0;
  std::atomic<int> ended = 0;
  const Channel<int> all_asked;
  for (int i = 0; i < 4; ++i) {
    scope->Track(NewSubscription([&](std::stop_token stop) {
      WaitForStop(stop);
      if (++asked == 4) all_asked.Close();
      static_cast<void>(all_asked.Receive());
      ++ended;
    }));
  }
  SECTION("Close") { scope->Close(); }
  SECTION("the destructor") { scope.reset(); }
  CHECK(ended == 4);
}

TEST_CASE("P2: Close waits for all that it asked") {
  SubscriptionScope scope;
  Held one;
  Held two;
  scope.Track(one.Subscribe());
  const Subscription second_wrapper = scope.Track(two.Subscribe());
  bool first_saw_end = false;
  bool second_saw_end = false;
  std::atomic<bool> first_returned = false;
  std::atomic<bool> second_returned = false;
  std::jthread first([&] {
    scope.Close();
    first_saw_end = one.gone() && two.gone();
    first_returned = true;
  });
  one.AwaitAsked();
  two.AwaitAsked();
  CHECK(scope.Count() == 2);  // alive still
  CHECK_FALSE(second_wrapper.Err().closed());
  SECTION("and so does a second caller") {
    std::jthread second([&] {
      scope.Close();
      second_saw_end = one.gone() && two.gone();
      second_returned = true;
    });
    one.LetGo();
    CHECK(StaysFalse([&] { return first_returned || second_returned; }));
    two.LetGo();
    second.join();
    CHECK(second_saw_end);
  }
  SECTION("and so does who unsubscribes the wrapper") {
    std::jthread second([&] {
      second_wrapper.Unsubscribe();
      second_saw_end = two.gone() && second_wrapper.Err().drained();
      second_returned = true;
    });
    one.LetGo();
    CHECK(StaysFalse([&] { return first_returned || second_returned; }));
    two.LetGo();
    second.join();
    CHECK(second_saw_end);
  }
  first.join();
  CHECK(first_saw_end);
  CHECK(scope.Count() == 0);
}

TEST_CASE("P2: Close waits for one whose wrapper is being unsubscribed") {
  SubscriptionScope scope;
  Held held;
  const Subscription wrapper = scope.Track(held.Subscribe());
  std::jthread unsubscribing([&] { wrapper.Unsubscribe(); });
  held.AwaitAsked();
  CHECK(scope.Count() == 1);
  std::atomic<bool> closed = false;
  bool saw_end = false;
  std::jthread closing([&] {
    scope.Close();
    saw_end = held.gone() && wrapper.Err().drained();
    closed = true;
  });
  CHECK(StaysFalse([&] { return closed.load(); }));
  held.LetGo();
  closing.join();
  CHECK(saw_end);
}

TEST_CASE("P2: a closed scope refuses what it is given and ends it") {
  SubscriptionScope scope;
  scope.Close();
  SECTION("a producer") {
    Puppet puppet;
    Subscription sub = puppet.Subscribe();
    const auto err = sub.Err();
    const Subscription wrapper = scope.Track(std::move(sub));
    CHECK_FALSE(wrapper);
    CHECK(wrapper.Err().drained());
    wrapper.Unsubscribe();
    CHECK(puppet.gone());
    CHECK(err.drained());
  }
  SECTION("a foreign one") {
    Foreign foreign;
    const auto alive = foreign.alive();
    CHECK_FALSE(scope.Track(Subscription(foreign)));
    CHECK(foreign.unsubscribed() >= 1);
    foreign = Foreign();
    CHECK(alive.expired());
  }
  SECTION("a feed's") {
    Feed<int> feed;
    CHECK_FALSE(scope.Track(feed.Subscribe(Channel<int>())));
    CHECK(feed.subscriber_count() == 0);
    CHECK(feed.Send(1) == 0);  // in Go this hangs
  }
  SECTION("the wrapper of another scope") {
    SubscriptionScope other;
    Puppet puppet;
    CHECK_FALSE(scope.Track(other.Track(puppet.Subscribe())));
    // Destroying a wrapper does not unsubscribe it, but this scope took it to
    // end it.
    CHECK(puppet.gone());
    CHECK(other.Count() == 0);
  }
  SECTION("an empty one") { CHECK_FALSE(scope.Track(Subscription())); }
  CHECK(scope.Count() == 0);
}

TEST_CASE("P2: a closed scope waits for the end of what it refuses") {
  SubscriptionScope scope;
  scope.Close();
  Held held;
  bool saw_end = false;
  std::jthread tracking([&] {
    scope.Track(held.Subscribe());
    saw_end = held.gone();
  });
  held.AwaitAsked();
  CHECK(StaysFalse([&] { return held.gone(); }));
  held.LetGo();
  tracking.join();
  CHECK(saw_end);
}

TEST_CASE("P2: Close can be called again and on an empty scope") {
  SubscriptionScope scope;
  scope.Close();
  scope.Close();
  CHECK(scope.Count() == 0);
  SubscriptionScope used;
  Puppet puppet;
  used.Track(puppet.Subscribe());
  used.Close();
  used.Close();
  CHECK(used.Count() == 0);
  STATIC_REQUIRE(noexcept(used.Close()));
}

TEST_CASE("P2: the destructor closes") {
  Puppet one;
  Puppet two;
  Subscription wrapper;
  {
    SubscriptionScope scope;
    wrapper = scope.Track(one.Subscribe());
    scope.Track(two.Subscribe());
  }
  CHECK(one.gone());
  CHECK(two.gone());
  CHECK(wrapper.Err().drained());
}

TEST_CASE("P2: a wrapper may outlive its scope") {
  Puppet puppet;
  Subscription used;
  Subscription unused;
  Subscription failed;
  {
    SubscriptionScope scope;
    used = scope.Track(puppet.Subscribe());
    unused = scope.Track(Subscription(Foreign()));
    const Foreign foreign;
    foreign.Fail("before the end");
    failed = scope.Track(Subscription(foreign));
  }
  CHECK(used);
  CHECK(used.Err().drained());
  used.Unsubscribe();
  used.RequestUnsubscribe();
  used.Unsubscribe();
  CHECK(unused.Err().drained());
  CHECK(Text(failed.Err().Receive()) == "before the end");
  Subscription moved = std::move(used);
  moved = std::move(unused);
  CHECK(moved.Err().drained());
}

TEST_CASE("P2: Close and the wrapper's Unsubscribe at the same time") {
  for (int i = 0; i < 50; ++i) {
    SubscriptionScope scope;
    Puppet puppet;
    const Subscription wrapper = scope.Track(puppet.Subscribe());
    bool saw_end = false;
    std::jthread unsubscribing([&] {
      wrapper.Unsubscribe();
      saw_end = puppet.gone() && wrapper.Err().drained();
    });
    scope.Close();
    REQUIRE(puppet.gone());
    REQUIRE(wrapper.Err().drained());
    unsubscribing.join();
    REQUIRE(saw_end);
    REQUIRE(scope.Count() == 0);
  }
}

TEST_CASE("P2: Close and Track at the same time leave nothing alive") {
  for (int i = 0; i < 50; ++i) {
    SubscriptionScope scope;
    std::vector<Puppet> puppets(3);
    std::vector<Subscription> wrappers;
    std::jthread tracking([&] {
      for (Puppet& puppet : puppets) {
        wrappers.push_back(scope.Track(puppet.Subscribe()));
      }
    });
    scope.Close();
    tracking.join();
    REQUIRE(scope.Count() == 0);
    for (const Puppet& puppet : puppets) REQUIRE(puppet.gone());
    for (const Subscription& wrapper : wrappers) {
      REQUIRE(wrapper.Err().drained());
    }
  }
}

TEST_CASE("P2: ten thousand are tracked and closed") {
  constexpr std::size_t kMany = 10'000;
  SubscriptionScope scope;
  Feed<int> feed;
  const Channel<int> channel(1);
  std::vector<Subscription> wrappers;
  wrappers.reserve(kMany);
  for (std::size_t i = 0; i < kMany; ++i) {
    wrappers.push_back(scope.Track(feed.Subscribe(channel)));
  }
  CHECK(scope.Count() == kMany);
  SECTION("Close") { scope.Close(); }
  SECTION("half of the wrappers first") {
    for (std::size_t i = 0; i < kMany; i += 2) wrappers[i].Unsubscribe();
    CHECK(scope.Count() == kMany / 2);
    CHECK(feed.subscriber_count() == kMany / 2);
    scope.Close();
  }
  SECTION("they end by themselves") { feed.Close(); }
  CHECK(scope.Count() == 0);
  CHECK(feed.subscriber_count() == 0);
}

// --- P3: from inside, and without locks --------------------------------------

TEST_CASE("P3: a producer may use its scope while Close waits for it") {
  SubscriptionScope scope;
  bool refused = false;
  std::size_t counted = 0;
  Puppet late;
  const Subscription wrapper =
      scope.Track(NewSubscription([&](std::stop_token stop) {
        WaitForStop(stop);
        counted = scope.Count();
        refused = !scope.Track(late.Subscribe());
        scope.Close();
        scope.Close();
      }));
  SECTION("Close") {
    scope.Close();
    CHECK(refused);
  }
  SECTION("Unsubscribe of its wrapper") {
    wrapper.Unsubscribe();
    scope.Close();
  }
  CHECK(counted == 1);
  CHECK(late.gone());
  CHECK(scope.Count() == 0);
}

TEST_CASE("P3: a failing producer may use its scope in its last words") {
  SubscriptionScope scope;
  std::size_t counted = 0;
  Puppet late;
  struct LastWords {
    SubscriptionScope* scope;
    Puppet* late;
    std::size_t* counted;
    LastWords(SubscriptionScope* s, Puppet* l, std::size_t* c)
        : scope(s), late(l), counted(c) {}
    LastWords(const LastWords&) = delete;
    ~LastWords() {
      *counted = scope->Count();
      static_cast<void>(scope->Track(late->Subscribe()));
    }
  };
  auto words = std::make_unique<LastWords>(&scope, &late, &counted);
  const Subscription wrapper =
      scope.Track(NewSubscription([words = std::move(words)](std::stop_token) {
        throw std::runtime_error("last");
      }));
  CHECK(Text(wrapper.Err().Receive()) == "last");
  CHECK(counted <= 1);  // it may have been faster than Track
  CHECK(scope.Count() == 1);
  scope.Close();
  CHECK(late.gone());
}

TEST_CASE("P3: two producers close their scope at the same time") {
  for (int i = 0; i < 20; ++i) {
    SubscriptionScope scope;
    std::atomic<int> closed = 0;
    const Channel<int> start;
    for (int p = 0; p < 2; ++p) {
      scope.Track(NewSubscription([&](std::stop_token) {
        static_cast<void>(start.Receive());
        scope.Close();
        ++closed;
      }));
    }
    start.Close();
    scope.Close();
    REQUIRE(closed == 2);
    REQUIRE(scope.Count() == 0);
  }
}

TEST_CASE("U3 P3: a producer that closes its scope as the first") {
  SubscriptionScope scope;
  Held other;
  Foreign foreign;
  ForeignWithRequest asked_foreign;
  const Channel<int> start;
  const Channel<int> returned;
  const Channel<int> let_go;
  bool asked = false;
  Puppet late;
  const Subscription other_wrapper = scope.Track(other.Subscribe());
  scope.Track(Subscription(foreign));
  scope.Track(Subscription(asked_foreign));
  const Subscription wrapper =
      scope.Track(NewSubscription([&](std::stop_token stop) {
        static_cast<void>(start.Receive());
        scope.Close();
        asked = stop.stop_requested();
        returned.Close();
        static_cast<void>(let_go.Receive());
      }));
  start.Close();
  static_cast<void>(returned.Receive());
  CHECK(asked);
  other.AwaitAsked();  // all were asked
  CHECK(foreign.unsubscribed() >= 1);
  CHECK_FALSE(wrapper.Err().closed());
  CHECK_FALSE(other_wrapper.Err().closed());
  CHECK_FALSE(scope.Track(late.Subscribe()));
  CHECK(late.gone());
  CHECK(asked_foreign.requested() == 1);
  CHECK(scope.Count() == 3);  // the three that were asked and live still
  // Another caller waits for what the first one only asked.
  std::atomic<bool> second_returned = false;
  bool saw_end = false;
  std::jthread second([&] {
    scope.Close();
    saw_end = other.gone() && wrapper.Err().drained();
    second_returned = true;
  });
  let_go.Close();
  CHECK(StaysFalse([&] { return second_returned.load(); }));
  other.LetGo();
  second.join();
  CHECK(saw_end);
  CHECK(asked_foreign.unsubscribed() >= 1);
  CHECK(scope.Count() == 0);
}

TEST_CASE("U3 P3: a producer that unsubscribes its own wrapper") {
  SubscriptionScope scope;
  const Channel<Subscription*> handle;
  bool asked = false;
  Puppet other;
  scope.Track(other.Subscribe());
  Subscription wrapper = scope.Track(NewSubscription([&](std::stop_token stop) {
    (*handle.Receive())->Unsubscribe();
    asked = stop.stop_requested();
  }));
  SECTION("as the first") { handle.Send(&wrapper); }
  SECTION("while Close waits") {
    std::jthread closing([&] { scope.Close(); });
    AwaitThat([&] { return other.gone(); });
    handle.Send(&wrapper);
    closing.join();
    CHECK(scope.Count() == 0);
  }
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(asked);
  AwaitThat([&] { return scope.Count() <= 1; });
}

TEST_CASE("U3 P2: a scope may be destroyed inside of what it tracks") {
  auto scope = std::make_unique<SubscriptionScope>();
  const Channel<int> start;
  bool asked = false;
  Puppet other;
  scope->Track(other.Subscribe());
  // Does not end by being asked, nor says when it has.
  ForeignWithRequest foreign;
  scope->Track(Subscription(foreign));
  SubscriptionScope* const address = scope.get();
  Subscription wrapper =
      address->Track(NewSubscription([&](std::stop_token stop) {
        static_cast<void>(start.Receive());
        scope.reset();
        asked = stop.stop_requested();
      }));
  start.Close();
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(asked);
  CHECK(foreign.requested() == 1);
  CHECK(foreign.unsubscribed() == 1);
  AwaitThat([&] { return other.gone(); });
  wrapper.Unsubscribe();
}

TEST_CASE("U3 P2: a scope destroyed inside one producer leaves the other") {
  auto scope = std::make_unique<SubscriptionScope>();
  Held other;
  scope->Track(other.Subscribe());
  const Channel<int> start;
  bool went_on = false;
  const Subscription wrapper =
      scope->Track(NewSubscription([&](std::stop_token) {
        static_cast<void>(start.Receive());
        scope.reset();
        went_on = !other.gone();
      }));
  start.Close();
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(went_on);
  other.AwaitAsked();
  other.LetGo();
  AwaitThat([&] { return other.gone(); });
}

TEST_CASE("U3 U5 P2: a scope destroyed inside unsubscribes the foreign ones") {
  auto scope = std::make_unique<SubscriptionScope>();
  const ForeignWithRequest foreign;
  // Kept: it alone would not let go of the source.
  const Subscription foreign_wrapper = scope->Track(Subscription(foreign));
  const Channel<int> start;
  const Subscription wrapper =
      scope->Track(NewSubscription([&](std::stop_token) {
        static_cast<void>(start.Receive());
        scope.reset();
      }));
  start.Close();
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(foreign.requested() == 1);
  CHECK(foreign.unsubscribed() == 1);
  CHECK(foreign_wrapper.Err().drained());
}

TEST_CASE("U3 P2: a scope destroyed inside does not wait for another's") {
  auto scope = std::make_unique<SubscriptionScope>();
  const SubscriptionScope another;
  Held held;
  scope->Track(another.Track(held.Subscribe()));
  const Channel<int> start;
  const Subscription wrapper =
      scope->Track(NewSubscription([&](std::stop_token) {
        static_cast<void>(start.Receive());
        scope.reset();
      }));
  start.Close();
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  held.AwaitAsked();
  CHECK(another.Count() == 1);
  held.LetGo();
}

TEST_CASE("U3 P3: a tracked producer that ends another one waits for it") {
  SubscriptionScope scope;
  Held other;
  const Subscription other_wrapper = scope.Track(other.Subscribe());
  std::atomic<bool> returned = false;
  bool saw_end = false;
  const Subscription wrapper =
      scope.Track(NewSubscription([&](std::stop_token) {
        other_wrapper.Unsubscribe();
        saw_end = other.gone();
        returned = true;
      }));
  other.AwaitAsked();
  CHECK(StaysFalse([&] { return returned.load(); }));
  other.LetGo();
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(saw_end);
}

TEST_CASE("U3 P3: who is in one scope and closes another waits") {
  SubscriptionScope one;
  SubscriptionScope two;
  Held other;
  two.Track(other.Subscribe());
  std::atomic<bool> returned = false;
  bool saw_end = false;
  const Subscription wrapper = one.Track(NewSubscription([&](std::stop_token) {
    two.Close();
    saw_end = other.gone();
    returned = true;
  }));
  other.AwaitAsked();
  CHECK(StaysFalse([&] { return returned.load(); }));
  other.LetGo();
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(saw_end);
}

TEST_CASE("P3: Track and Count do not wait while Close does") {
  SubscriptionScope scope;
  Held held;
  scope.Track(held.Subscribe());
  std::jthread closing([&] { scope.Close(); });
  held.AwaitAsked();
  Puppet late;
  CHECK(scope.Count() == 1);
  CHECK_FALSE(scope.Track(late.Subscribe()));
  CHECK(late.gone());
  CHECK(scope.Count() == 1);
  held.LetGo();
}

TEST_CASE("P3: Track does not hold the scope for a producer that uses it") {
  // The producer of what a closed scope refuses.
  SubscriptionScope scope;
  scope.Close();
  std::size_t counted = 99;
  bool refused = false;
  Puppet late;
  CHECK_FALSE(scope.Track(NewSubscription([&](std::stop_token stop) {
    WaitForStop(stop);
    counted = scope.Count();
    refused = !scope.Track(late.Subscribe());
    scope.Close();
  })));
  CHECK(counted == 0);
  CHECK(refused);
  CHECK(late.gone());
}

TEST_CASE("P3: a foreign Unsubscribe may use the scope") {
  struct Curious : Foreign {
    SubscriptionScope* scope;
    std::atomic<int>* calls;
    Curious(SubscriptionScope& s, std::atomic<int>& c) : scope(&s), calls(&c) {}
    void Unsubscribe() noexcept {
      static_cast<void>(scope->Count());
      static_cast<void>(scope->Track(Subscription(Foreign())));
      ++*calls;
      Foreign::Unsubscribe();
    }
  };
  SubscriptionScope scope;
  std::atomic<int> calls = 0;
  const Subscription wrapper = scope.Track(Subscription(Curious(scope, calls)));
  SECTION("Close") { scope.Close(); }
  SECTION("the wrapper") {
    wrapper.Unsubscribe();
    CHECK(scope.Count() == 1);  // the one that it tracked
    scope.Close();
  }
  CHECK(calls >= 1);
  CHECK(scope.Count() == 0);
}

TEST_CASE("U3 P3: a producer that is tracked while it closes the scope") {
  // It may be refused, be tracked and asked, or be tracked before it starts.
  for (int i = 0; i < 50; ++i) {
    SubscriptionScope scope;
    std::atomic<int> ended = 0;
    const auto closing = [&](std::stop_token stop) {
      scope.Close();
      WaitForStop(stop);
      ++ended;
    };
    scope.Track(NewSubscription(closing));
    scope.Track(NewSubscription(closing));
    scope.Close();
    REQUIRE(ended == 2);
    REQUIRE(scope.Count() == 0);
  }
}

// --- Scopes in scopes --------------------------------------------------------

TEST_CASE("P1: the wrapper of one scope tracked by another") {
  SubscriptionScope inner;
  SubscriptionScope outer;
  Puppet puppet;
  const Subscription wrapper = outer.Track(inner.Track(puppet.Subscribe()));
  CHECK(inner.Count() == 1);
  CHECK(outer.Count() == 1);
  CHECK_FALSE(puppet.gone());
  SECTION("the outer one is closed") { outer.Close(); }
  SECTION("the inner one is closed") { inner.Close(); }
  SECTION("the wrapper is unsubscribed") { wrapper.Unsubscribe(); }
  SECTION("it ends by itself") {
    puppet.EndWell();
    CHECK(Text(wrapper.Err().Receive()) == "closed");
  }
  CHECK(puppet.gone());
  CHECK(wrapper.Err().drained());
  CHECK(inner.Count() == 0);
  CHECK(outer.Count() == 0);
}

TEST_CASE(
    "U3 P1: what unsubscribes its wrapper from inside counts to its end") {
  SubscriptionScope inner;
  SubscriptionScope outer;
  const Channel<Subscription*> handle;
  std::size_t counted = 99;
  Subscription wrapper =
      outer.Track(inner.Track(NewSubscription([&](std::stop_token) {
        (*handle.Receive())->Unsubscribe();
        counted = outer.Count();
      })));
  handle.Send(&wrapper);
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(counted == 1);
  CHECK(outer.Count() == 0);
}

TEST_CASE("P2: a scope that is destroyed leaves what another one tracks") {
  SubscriptionScope inner;
  Puppet puppet;
  const Subscription kept = inner.Track(puppet.Subscribe());
  {
    SubscriptionScope outer;
    outer.Track(Subscription(Foreign()));
  }
  CHECK_FALSE(kept.Err().closed());
  CHECK(inner.Count() == 1);
}

TEST_CASE("U3 P3: a producer in two scopes closes either") {
  SubscriptionScope inner;
  SubscriptionScope outer;
  const Channel<int> start;
  bool first = true;
  SECTION("the outer one first") {}
  SECTION("the inner one first") { first = false; }
  bool returned = false;
  const Subscription wrapper =
      outer.Track(inner.Track(NewSubscription([&](std::stop_token) {
        static_cast<void>(start.Receive());
        (first ? outer : inner).Close();
        (first ? inner : outer).Close();
        returned = true;
      })));
  start.Close();
  outer.Close();
  inner.Close();
  CHECK(returned);
  CHECK(wrapper.Err().drained());
}

TEST_CASE("U3 P3: a member of a tracked join closes the scope") {
  SubscriptionScope scope;
  const Channel<int> start;
  bool asked = false;
  Puppet other;
  const Subscription wrapper = scope.Track(JoinSubscriptions(
      other.Subscribe(), NewSubscription([&](std::stop_token stop) {
        static_cast<void>(start.Receive());
        scope.Close();
        WaitForStop(stop);
        asked = true;
      })));
  start.Close();
  SECTION("alone") { CHECK(Text(wrapper.Err().Receive()) == "closed"); }
  SECTION("while another thread waits") { scope.Close(); }
  CHECK(asked);
  CHECK(other.gone());
}

TEST_CASE("P2: a scope that a wrapper keeps alive leaks nothing") {
  // What a wrapper refers to is freed with the last of scope and wrapper.
  auto foreign = std::make_optional<Foreign>();
  const auto alive = foreign->alive();
  {
    Subscription wrapper;
    {
      SubscriptionScope scope;
      wrapper = scope.Track(Subscription(*foreign));
      foreign.reset();
    }
    CHECK(wrapper.Err().drained());
  }
  CHECK(alive.expired());
}
