// SPDX-License-Identifier: MIT
//
// U1 to U6: the life of a Subscription and of its producer. Joins, U7, are in
// join_subscriptions_test.cc.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/subscriptions.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::Select;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

namespace {

// Closes `channel` as the last thing that the calling thread does.
void CloseAtThreadExit(const Channel<int>& channel) {
  struct Closer {
    Channel<int> last;
    ~Closer() { last.Close(); }
  };
  static thread_local Closer closer{channel};
  static_cast<void>(closer);
}

// One subscription of every kind, all alive, and what they need to be so.
class EveryKind {
 public:
  struct Kind {
    std::string name;
    Subscription subscription;
  };

  EveryKind() {
    const auto add = [this](const char* name, Subscription subscription) {
      kinds.push_back({name, std::move(subscription)});
    };
    const auto producer = [](std::stop_token stop) { WaitForStop(stop); };
    const auto established = [=](std::stop_token) {
      return NewSubscription(producer);
    };
    add("producer", NewSubscription(producer));
    add("producer with a channel",
        NewSubscription([](Receiver<std::monostate> quit) {
          static_cast<void>(quit.Receive());
        }));
    add("feed", feed.Subscribe(Channel<int>(1)));
    add("join", JoinSubscriptions(NewSubscription(producer),
                                  feed.Subscribe(Channel<int>(1))));
    add("wrapper of a scope", scope.Track(NewSubscription(producer)));
    add("resubscription", Resubscribe(std::chrono::hours(1), established));
    add("foreign", Foreign());
    add("foreign with a request", ForeignWithRequest());
  }

  Feed<int> feed;
  SubscriptionScope scope;
  std::vector<Kind> kinds;
};

// Takes either; the token is preferred.
struct TakesBoth {
  std::string* chosen;
  void operator()(std::stop_token) const { *chosen = "token"; }
  void operator()(Receiver<std::monostate>) const { *chosen = "channel"; }
};

// Its own end, wherever the handle is kept.
using Box = std::shared_ptr<Subscription>;

}  // namespace

// --- U1: Err -----------------------------------------------------------------

TEST_CASE("U1: a handle is moved and never copied") {
  STATIC_REQUIRE(std::is_nothrow_default_constructible_v<Subscription>);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Subscription>);
  STATIC_REQUIRE(std::is_nothrow_move_assignable_v<Subscription>);
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Subscription>);
  STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<Subscription>);
  STATIC_REQUIRE(std::is_same_v<decltype(std::declval<Subscription>().Err()),
                                Receiver<std::exception_ptr>>);
  SUCCEED();
}

TEST_CASE("U1: Err is open and empty while the producer runs") {
  Puppet puppet;
  Subscription sub = puppet.Subscribe();
  const auto err = sub.Err();
  CHECK_FALSE(err.closed());
  CHECK(err.size() == 0);
  CHECK(Text(err.TryReceive()) == "closed");  // that is, nothing
}

TEST_CASE("U1: Err receives the failure once and is then closed") {
  Puppet puppet;
  Subscription sub = puppet.Subscribe();
  const auto err = sub.Err();
  puppet.Fail("out of paper");
  CHECK(Text(err.Receive()) == "out of paper");
  CHECK(Text(err.Receive()) == "closed");
  CHECK(err.drained());
}

TEST_CASE("U1: Err is closed without a value when the producer ends well") {
  Puppet puppet;
  Subscription sub = puppet.Subscribe();
  const auto err = sub.Err();
  puppet.EndWell();
  CHECK(Text(err.Receive()) == "closed");
  CHECK(err.drained());
}

TEST_CASE("U1: Err can be asked for the first time after the end") {
  const Channel<int> thread_gone;
  const auto run = [&](const std::function<void(std::stop_token)>& work) {
    return NewSubscription([thread_gone, work](std::stop_token stop) {
      CloseAtThreadExit(thread_gone);
      work(stop);
    });
  };
  SECTION("it failed") {
    const Subscription sub =
        run([](std::stop_token) { throw std::runtime_error("too late?"); });
    static_cast<void>(thread_gone.Receive());
    const auto err = sub.Err();
    CHECK(err.closed());
    CHECK(Text(err.TryReceive()) == "too late?");
    CHECK(err.drained());
  }
  SECTION("it failed and then was unsubscribed") {
    const Subscription sub =
        run([](std::stop_token) { throw std::runtime_error("too late?"); });
    static_cast<void>(thread_gone.Receive());
    sub.Unsubscribe();
    const auto err = sub.Err();
    CHECK(err.closed());
    CHECK(Text(err.TryReceive()) == "too late?");
    CHECK(err.drained());
  }
  SECTION("it ended well") {
    const Subscription sub = run([](std::stop_token) {});
    static_cast<void>(thread_gone.Receive());
    CHECK(sub.Err().drained());
  }
  SECTION("it was unsubscribed") {
    const Subscription sub = run(WaitForStop);
    sub.Unsubscribe();
    CHECK(sub.Err().drained());
  }
}

TEST_CASE("U1: Err gives the same channel each time") {
  SECTION("before the end") {
    Puppet puppet;
    Subscription sub = puppet.Subscribe();
    const auto first = sub.Err();
    Error error;
    std::jthread waiting([&] { error = first.Receive(); });
    AwaitThat([&] { return first.waiting_receivers() == 1; });
    CHECK(sub.Err().waiting_receivers() == 1);
    Subscription moved = std::move(sub);
    CHECK(moved.Err().waiting_receivers() == 1);
    puppet.Fail("once");
    waiting.join();
    CHECK(Text(error) == "once");
    CHECK(Text(moved.Err().Receive()) == "closed");
  }
  SECTION("before and after the end") {
    Puppet puppet;
    Subscription sub = puppet.Subscribe();
    const auto before = sub.Err();
    puppet.Fail("once");
    AwaitThat([&] { return before.closed(); });
    const auto after = sub.Err();
    CHECK(before.size() == 1);
    CHECK(after.size() == 1);
    CHECK(Text(after.Receive()) == "once");
    CHECK(before.drained());
    CHECK(sub.Err().drained());
  }
}

TEST_CASE("U1: Err asked by two threads at once gives one channel") {
  for (int i = 0; i < 50; ++i) {
    Feed<int> feed;
    Subscription sub = feed.Subscribe(Channel<int>(1));
    Receiver<std::exception_ptr> other;
    std::jthread asking([&] { other = sub.Err(); });
    const auto mine = sub.Err();
    asking.join();
    Error error = std::exception_ptr();
    std::jthread waiting([&] { error = other.Receive(); });
    AwaitThat([&] { return mine.waiting_receivers() == 1; });
    sub.Unsubscribe();
    waiting.join();
    REQUIRE_FALSE(error.has_value());
  }
}

TEST_CASE("U1: Err asked while the subscription ends misses neither") {
  SECTION("a failing producer") {
    for (int i = 0; i < 50; ++i) {
      const Subscription sub = NewSubscription(
          [](std::stop_token) { throw std::runtime_error("early"); });
      const auto err = sub.Err();
      REQUIRE(Text(err.Receive()) == "early");
      REQUIRE(Text(err.Receive()) == "closed");
    }
  }
  SECTION("a feed that closes") {
    for (int i = 0; i < 50; ++i) {
      Feed<int> feed;
      const Subscription sub = feed.Subscribe(Channel<int>(1));
      std::jthread closing([&] { feed.Close(); });
      REQUIRE(Text(sub.Err().Receive()) == "closed");
    }
  }
}

TEST_CASE("U1: Err works on when the handle is gone") {
  Held held;
  Receiver<std::exception_ptr> err;
  {
    Subscription sub = held.Subscribe();
    err = sub.Err();
    CHECK_FALSE(err.closed());
    held.LetGo();
  }
  CHECK(err.drained());
}

TEST_CASE("U1: the end wakes who waits for Err") {
  Puppet puppet;
  Subscription sub = puppet.Subscribe();
  const auto err = sub.Err();
  Error error = std::exception_ptr();
  std::jthread waiting([&] { error = err.Receive(); });
  AwaitThat([&] { return err.waiting_receivers() == 1; });
  sub.Unsubscribe();
  waiting.join();
  CHECK_FALSE(error.has_value());
}

TEST_CASE("U1 U2: Unsubscribe closes Err whatever the subscription is") {
  EveryKind every;
  SECTION("Err asked before") {
    for (const auto& [name, sub] : every.kinds) {
      INFO(name);
      const auto err = sub.Err();
      CHECK(static_cast<bool>(sub));
      CHECK_FALSE(err.closed());
      sub.Unsubscribe();
      CHECK(err.drained());
      sub.Unsubscribe();
      sub.RequestUnsubscribe();
      CHECK(sub.Err().drained());
      CHECK(static_cast<bool>(sub));
    }
  }
  SECTION("Err asked after") {
    for (const auto& [name, sub] : every.kinds) {
      INFO(name);
      sub.Unsubscribe();
      CHECK(sub.Err().drained());
    }
  }
  SECTION("by four threads at once") {
    for (const auto& kind : every.kinds) {
      INFO(kind.name);
      const auto& sub = kind.subscription;
      const auto err = sub.Err();
      std::atomic<int> returned_too_early = 0;
      {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
          threads.emplace_back([&] {
            sub.Unsubscribe();
            if (!err.drained()) ++returned_too_early;
          });
        }
      }
      CHECK(returned_too_early == 0);
    }
  }
  SECTION("through the request alone") {
    for (const auto& [name, sub] : every.kinds) {
      if (name == "foreign with a request") continue;  // that one need not end
      INFO(name);
      const auto err = sub.Err();
      sub.RequestUnsubscribe();
      CHECK(Text(err.Receive()) == "closed");
    }
  }
}

// --- U2: Unsubscribe ---------------------------------------------------------

TEST_CASE("U2: Unsubscribe does not throw") {
  STATIC_REQUIRE(noexcept(std::declval<Subscription&>().Unsubscribe()));
  STATIC_REQUIRE(noexcept(std::declval<Subscription&>().RequestUnsubscribe()));
  SUCCEED();
}

TEST_CASE("U2: nothing is delivered after Unsubscribe and all of it before") {
  // Neither is atomic: ThreadSanitizer sees a delivery that comes too late, and
  // one that does not happen before.
  int delivered = 0;
  bool last_words = false;
  const Channel<int> running;
  const Subscription sub = NewSubscription([&](std::stop_token stop) {
    while (!stop.stop_requested()) {
      ++delivered;
      if (delivered == 1) running.Close();
    }
    last_words = true;
  });
  static_cast<void>(running.Receive());
  sub.Unsubscribe();
  CHECK(last_words);
  const int count = delivered;
  CHECK(count >= 1);
  CHECK(StaysFalse([&] { return delivered != count; }));
}

TEST_CASE("U2: what is in the subscriber's channel stays there") {
  const Channel<int> channel(3);
  SECTION("of a feed") {
    Feed<int> feed;
    const Subscription sub = feed.Subscribe(channel);
    CHECK(feed.Send(1) == 1);
    CHECK(feed.Send(2) == 1);
    sub.Unsubscribe();
    CHECK(feed.Send(3) == 0);
  }
  SECTION("of a producer") {
    const Subscription sub = NewSubscription([=](std::stop_token stop) {
      channel.Send(1);
      channel.Send(2);
      WaitForStop(stop);
    });
    AwaitThat([&] { return channel.size() == 2; });
    sub.Unsubscribe();
  }
  CHECK(channel.size() == 2);
  CHECK_FALSE(channel.closed());
  CHECK(channel.TryReceive() == 1);
  CHECK(channel.TryReceive() == 2);
}

TEST_CASE("U2: a second concurrent caller waits for the first") {
  Held held;
  const Subscription sub = held.Subscribe();
  bool first_saw_end = false;
  bool second_saw_end = false;
  std::atomic<bool> second_called = false;
  std::atomic<bool> second_returned = false;
  std::jthread first([&] {
    sub.Unsubscribe();
    first_saw_end = held.gone() && sub.Err().drained();
  });
  held.AwaitAsked();
  std::jthread second([&] {
    second_called = true;
    sub.Unsubscribe();
    second_saw_end = held.gone() && sub.Err().drained();
    second_returned = true;
  });
  AwaitThat([&] { return second_called.load(); });
  CHECK(StaysFalse([&] { return second_returned.load(); }));
  held.LetGo();
  first.join();
  second.join();
  CHECK(first_saw_end);
  CHECK(second_saw_end);
}

TEST_CASE("U2: eight callers at once all wait") {
  Held held;
  const Subscription sub = held.Subscribe();
  std::atomic<int> called = 0;
  std::atomic<int> saw_end = 0;
  std::vector<std::jthread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      ++called;
      sub.Unsubscribe();
      if (held.gone() && sub.Err().drained()) ++saw_end;
    });
  }
  AwaitThat([&] { return called == 8; });
  held.LetGo();
  callers.clear();
  CHECK(saw_end == 8);
}

TEST_CASE("U2: Unsubscribe after the failure waits for the producer to end") {
  const Channel<int> let_go;
  auto token = std::make_shared<int>();
  // Gone only after the failure left the producer.
  struct Slow {
    Channel<int> let_go;
    std::shared_ptr<int> token;
    Slow(Channel<int> l, std::shared_ptr<int> t)
        : let_go(std::move(l)), token(std::move(t)) {}
    Slow(const Slow&) = delete;
    ~Slow() { static_cast<void>(let_go.Receive()); }
  };
  const std::weak_ptr<int> alive = token;
  auto slow = std::make_shared<Slow>(let_go, std::move(token));
  const Subscription sub =
      NewSubscription([slow = std::move(slow)](std::stop_token) {
        throw std::runtime_error("slow to go");
      });
  std::jthread letting_go([&] {
    std::this_thread::yield();
    let_go.Close();
  });
  sub.Unsubscribe();
  CHECK(alive.expired());
}

// --- U3: from inside ---------------------------------------------------------

TEST_CASE("U3: a producer that unsubscribes itself returns at once") {
  const Channel<Subscription*> handle;
  const Channel<int> returned;
  const Channel<int> let_go;
  bool asked = false;
  auto alive = std::make_shared<int>();
  const std::weak_ptr<int> captured = alive;
  Subscription sub =
      NewSubscription([&, alive = std::move(alive)](std::stop_token stop) {
        const Subscription& self = **handle.Receive();
        self.Unsubscribe();
        asked = stop.stop_requested();
        self.Unsubscribe();
        returned.Close();
        static_cast<void>(let_go.Receive());
      });
  handle.Send(&sub);
  static_cast<void>(returned.Receive());
  CHECK(asked);
  CHECK_FALSE(sub.Err().closed());  // it was asked to end and runs still
  CHECK_FALSE(captured.expired());
  SECTION("and is waited for by another caller") {
    bool saw_end = false;
    std::atomic<bool> second_returned = false;
    std::jthread second([&] {
      sub.Unsubscribe();
      saw_end = captured.expired() && sub.Err().drained();
      second_returned = true;
    });
    CHECK(StaysFalse([&] { return second_returned.load(); }));
    let_go.Close();
    second.join();
    CHECK(saw_end);
  }
  SECTION("and Err is closed when it ends") {
    const auto err = sub.Err();
    let_go.Close();
    CHECK(Text(err.Receive()) == "closed");
  }
}

TEST_CASE("U3: a producer that takes a channel can unsubscribe itself") {
  const Channel<Subscription*> handle;
  bool asked = false;
  Subscription sub = NewSubscription([&](Receiver<std::monostate> quit) {
    (*handle.Receive())->Unsubscribe();
    asked = quit.closed();
  });
  handle.Send(&sub);
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(asked);
}

TEST_CASE("U3: a producer unsubscribes itself while another thread waits") {
  const Channel<Subscription*> handle;
  bool returned = false;
  Subscription sub = NewSubscription([&](std::stop_token stop) {
    const Subscription& self = **handle.Receive();
    WaitForStop(stop);  // the other thread was first
    self.Unsubscribe();
    self.RequestUnsubscribe();
    returned = true;
  });
  handle.Send(&sub);
  sub.Unsubscribe();
  CHECK(returned);
}

TEST_CASE("U3: a producer and another thread unsubscribe at the same time") {
  for (int i = 0; i < 50; ++i) {
    const Channel<Subscription*> handle;
    bool returned = false;
    Subscription sub = NewSubscription([&](std::stop_token) {
      (*handle.Receive())->Unsubscribe();
      returned = true;
    });
    handle.Send(&sub);
    sub.Unsubscribe();
    REQUIRE(returned);
  }
}

TEST_CASE("U3: a handler of Select in a producer can unsubscribe it") {
  const Channel<Subscription*> handle;
  const Channel<int> commands;
  Subscription sub = NewSubscription([&](std::stop_token stop) {
    const Subscription& self = **handle.Receive();
    for (bool running = true; running;) {
      Select(fanfare::OnReceive(commands, [&](int) { self.Unsubscribe(); }),
             fanfare::OnStop(stop, [&] { running = false; }));
    }
  });
  handle.Send(&sub);
  commands.Send(0);
  CHECK(Text(sub.Err().Receive()) == "closed");
}

TEST_CASE("U3: a stop callback of a producer may unsubscribe it") {
  // It runs in the thread that asks, and the producer waits for its return.
  const Channel<int> ready;
  const Channel<int> returned;
  const Channel<Subscription*> handle(1);
  Subscription sub = NewSubscription([&](std::stop_token stop) {
    const Subscription* const self = *handle.Receive();
    const std::stop_callback callback(stop, [&] {
      self->Unsubscribe();
      returned.Close();
    });
    ready.Close();
    static_cast<void>(returned.Receive());
  });
  handle.Send(&sub);
  static_cast<void>(ready.Receive());
  sub.Unsubscribe();
  CHECK(returned.closed());
  CHECK(sub.Err().drained());
}

TEST_CASE("U3: a stop callback that another producer's thread runs ends that") {
  // It is a part of the one that it was registered with, and its thread runs
  // inside of the other one all the same.
  Subscription asking;
  bool asked = false;
  const Channel<int> registered;
  const Channel<int> called;
  const Subscription with_callback = NewSubscription([&](std::stop_token stop) {
    const std::stop_callback callback(stop, [&] {
      asking.Unsubscribe();
      called.Close();
    });
    registered.Close();
    static_cast<void>(called.Receive());
  });
  static_cast<void>(registered.Receive());
  const Channel<int> start;
  asking = NewSubscription([&](std::stop_token stop) {
    static_cast<void>(start.Receive());
    with_callback.RequestUnsubscribe();
    asked = stop.stop_requested();
  });
  start.Close();
  CHECK(Text(asking.Err().Receive()) == "closed");
  CHECK(asked);
  CHECK(Text(with_callback.Err().Receive()) == "closed");
}

TEST_CASE("U2 U3: a producer that another one started waits for that") {
  const Channel<int> start;
  const Channel<int> let_go;
  Subscription started;
  std::atomic<bool> asked = false;
  std::atomic<bool> returned = false;
  Subscription outer;
  outer = NewSubscription([&](std::stop_token stop) {
    static_cast<void>(start.Receive());
    started = NewSubscription([&](std::stop_token) {
      outer.Unsubscribe();
      returned = true;
    });
    WaitForStop(stop);
    asked = true;
    static_cast<void>(let_go.Receive());
  });
  start.Close();
  AwaitThat([&] { return asked.load(); });
  const bool waits = StaysFalse([&] { return returned.load(); });
  let_go.Close();
  CHECK(Text(outer.Err().Receive()) == "closed");
  started.Unsubscribe();
  CHECK(waits);
  CHECK(returned);
}

TEST_CASE("U3: a producer that unsubscribes another one waits for it") {
  Held other;
  const Subscription other_sub = other.Subscribe();
  const Channel<int> calling;
  std::atomic<bool> returned = false;
  bool saw_end = false;
  const Subscription sub = NewSubscription([&](std::stop_token) {
    calling.Close();
    other_sub.Unsubscribe();
    saw_end = other.gone();
    returned = true;
  });
  static_cast<void>(calling.Receive());
  other.AwaitAsked();
  CHECK(StaysFalse([&] { return returned.load(); }));
  other.LetGo();
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(saw_end);
}

TEST_CASE("U3: RequestUnsubscribe asks and never waits") {
  Held held;
  const Subscription sub = held.Subscribe();
  sub.RequestUnsubscribe();  // would hang here if it waited
  held.AwaitAsked();
  sub.RequestUnsubscribe();
  CHECK_FALSE(sub.Err().closed());
  std::atomic<bool> returned = false;
  bool saw_end = false;
  std::jthread waiting([&] {
    sub.Unsubscribe();
    saw_end = held.gone() && sub.Err().drained();
    returned = true;
  });
  CHECK(StaysFalse([&] { return returned.load(); }));
  held.LetGo();
  waiting.join();
  CHECK(saw_end);
  sub.RequestUnsubscribe();
  CHECK(sub.Err().drained());
}

TEST_CASE("U3: RequestUnsubscribe beside one that waits does not wait") {
  Held held;
  const Subscription sub = held.Subscribe();
  std::jthread waiting([&] { sub.Unsubscribe(); });
  held.AwaitAsked();
  sub.RequestUnsubscribe();
  CHECK_FALSE(held.gone());
  held.LetGo();
}

TEST_CASE("U3 U4: the last handle may be dropped inside its own producer") {
  const Channel<Subscription> handle(1);
  const Channel<int> dropped;
  const Channel<int> let_go;
  bool asked = false;
  auto alive = std::make_shared<int>();
  const std::weak_ptr<int> captured = alive;
  Subscription sub =
      NewSubscription([&, alive = std::move(alive)](std::stop_token stop) {
        { const Subscription self = *handle.Receive(); }
        asked = stop.stop_requested();
        dropped.Close();
        static_cast<void>(let_go.Receive());
        throw std::runtime_error("nobody wants to know");
      });
  const auto err = sub.Err();
  handle.Send(std::move(sub));
  static_cast<void>(dropped.Receive());
  CHECK(asked);
  CHECK_FALSE(err.closed());
  let_go.Close();
  CHECK(Text(err.Receive()) == "closed");
  CHECK(captured.expired());
}

TEST_CASE("U3 U4: a producer may assign over its own handle") {
  const Channel<int> filled;
  const auto box = std::make_shared<Subscription>();
  Puppet next;
  bool asked = false;
  *box = NewSubscription([&, box](std::stop_token stop) {
    static_cast<void>(filled.Receive());
    *box = next.Subscribe();
    asked = stop.stop_requested();
  });
  const auto err = box->Err();
  filled.Close();
  CHECK(Text(err.Receive()) == "closed");
  CHECK(asked);
  CHECK_FALSE(box->Err().closed());
  box->Unsubscribe();
  CHECK(next.gone());
}

TEST_CASE("U3 U4: a producer may own the only handle to itself") {
  // The handle is destroyed with what the producer captured.
  const auto box = std::make_unique<Box>(std::make_shared<Subscription>());
  const Channel<int> let_go;
  **box = NewSubscription([self = *box, let_go](std::stop_token) {
    static_cast<void>(let_go.Receive());
  });
  const std::weak_ptr<Subscription> alive = *box;
  const auto err = (*box)->Err();
  box->reset();
  CHECK_FALSE(alive.expired());
  let_go.Close();
  CHECK(Text(err.Receive()) == "closed");
  CHECK(alive.expired());
}

// --- U4: handles -------------------------------------------------------------

TEST_CASE("U4: the destructor unsubscribes and waits") {
  Held held;
  std::atomic<bool> destroyed = false;
  bool saw_end = false;
  std::jthread destroying([&] {
    { const Subscription sub = held.Subscribe(); }
    saw_end = held.gone();
    destroyed = true;
  });
  held.AwaitAsked();
  CHECK(StaysFalse([&] { return destroyed.load(); }));
  held.LetGo();
  destroying.join();
  CHECK(saw_end);
}

TEST_CASE("U4: assigning over a subscription unsubscribes it") {
  Puppet first;
  Puppet second;
  Subscription sub = first.Subscribe();
  const auto first_err = sub.Err();
  sub = second.Subscribe();
  CHECK(first.gone());
  CHECK(first_err.drained());
  CHECK_FALSE(sub.Err().closed());
  CHECK(sub);
  sub = Subscription();
  CHECK(second.gone());
  CHECK_FALSE(sub);
}

TEST_CASE("U4: an empty subscription is false and safe") {
  Subscription sub;
  SECTION("default-constructed") {}
  SECTION("moved from") {
    Puppet puppet;
    sub = puppet.Subscribe();
    Subscription other = std::move(sub);
    CHECK(other);
    CHECK_FALSE(other.Err().closed());
    other.Unsubscribe();
    CHECK(puppet.gone());
  }
  SECTION("assigned away") {
    Puppet puppet;
    sub = puppet.Subscribe();
    Subscription other;
    other = std::move(sub);
    CHECK(other);
    CHECK_FALSE(other.Err().closed());
  }
  // NOLINTBEGIN(bugprone-use-after-move): that is the point
  CHECK_FALSE(sub);
  sub.Unsubscribe();
  sub.RequestUnsubscribe();
  CHECK(sub.Err());
  CHECK(sub.Err().drained());
  CHECK(Text(sub.Err().Receive()) == "closed");
  // NOLINTEND(bugprone-use-after-move)
  STATIC_REQUIRE_FALSE(std::is_convertible_v<Subscription, bool>);
}

TEST_CASE("U4: a moved subscription goes on") {
  Puppet puppet;
  Subscription first = puppet.Subscribe();
  const auto err = first.Err();
  Subscription second = std::move(first);
  std::vector<Subscription> third;
  third.push_back(std::move(second));
  third.reserve(100);
  CHECK_FALSE(err.closed());
  CHECK_FALSE(puppet.gone());
  third.clear();
  CHECK(err.drained());
  CHECK(puppet.gone());
}

TEST_CASE("U4: assigning a subscription to itself keeps it") {
  Puppet puppet;
  Subscription sub = puppet.Subscribe();
  Subscription& same = sub;
  sub = std::move(same);
  CHECK(sub);
  CHECK_FALSE(sub.Err().closed());
}

// --- U5: foreign types -------------------------------------------------------

TEST_CASE("U5: a type that is made of a Subscription can be wrapped again") {
  struct Shared {
    explicit Shared(Subscription of)
        : held(std::make_shared<Subscription>(std::move(of))) {}
    Receiver<std::exception_ptr> Err() const { return held->Err(); }
    void Unsubscribe() const noexcept { held->Unsubscribe(); }
    std::shared_ptr<Subscription> held;
  };
  const Subscription subscription =
      Shared(NewSubscription([](std::stop_token stop) { WaitForStop(stop); }));
  CHECK_FALSE(subscription.Err().closed());
  subscription.Unsubscribe();
  CHECK(subscription.Err().drained());
}

TEST_CASE("U5: a foreign subscription is unsubscribed through the wrapper") {
  Foreign foreign;
  const Subscription sub(foreign);
  CHECK(sub);
  CHECK_FALSE(sub.Err().closed());
  CHECK(foreign.unsubscribed() == 0);
  sub.Unsubscribe();
  CHECK(foreign.unsubscribed() >= 1);
  CHECK(sub.Err().drained());
}

TEST_CASE("U5: a foreign subscription's end and failure are passed on") {
  const Foreign foreign;
  const Subscription sub(foreign);
  SECTION("failure") {
    foreign.Fail("abroad");
    CHECK(Text(sub.Err().Receive()) == "abroad");
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  SECTION("well") {
    foreign.EndWell();
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  CHECK(foreign.unsubscribed() == 0);
}

TEST_CASE("U5: the request of a foreign subscription is called where it is") {
  ForeignWithRequest foreign;
  Subscription sub(foreign);
  sub.RequestUnsubscribe();
  CHECK(foreign.requested() == 1);
  CHECK(foreign.unsubscribed() == 0);
  CHECK_FALSE(sub.Err().closed());
  sub.Unsubscribe();
  CHECK(foreign.unsubscribed() == 1);
  CHECK(sub.Err().drained());
}

TEST_CASE("U5: without a request Unsubscribe stands in for it") {
  Foreign foreign;
  const Subscription sub(foreign);
  sub.RequestUnsubscribe();
  CHECK(foreign.unsubscribed() == 1);
  CHECK(sub.Err().drained());
}

TEST_CASE("U4 U5: dropping or replacing the wrapper ends the foreign one") {
  Foreign foreign;
  std::weak_ptr<void> alive;
  {
    Subscription sub{Foreign(foreign)};
    SECTION("dropped") {}
    SECTION("replaced") {
      sub = Subscription();
      CHECK(foreign.unsubscribed() == 1);
    }
    SECTION("moved") {
      const Subscription other = std::move(sub);
      CHECK(foreign.unsubscribed() == 0);
    }
  }
  CHECK(foreign.unsubscribed() == 1);
  {
    Foreign another;
    alive = another.alive();
    const Subscription sub = std::move(another);
  }
  CHECK(alive.expired());  // it is destroyed with the wrapper
}

TEST_CASE("U5: a foreign subscription may be move-only") {
  struct MoveOnly {
    std::unique_ptr<Foreign> foreign;
    [[nodiscard]] Receiver<std::exception_ptr> Err() const {
      return foreign->Err();
    }
    void Unsubscribe() { foreign->Unsubscribe(); }
  };
  const Foreign foreign;
  const Subscription sub = MoveOnly{std::make_unique<Foreign>(foreign)};
  CHECK_FALSE(sub.Err().closed());
  sub.Unsubscribe();
  CHECK(sub.Err().drained());
  CHECK(foreign.unsubscribed() == 1);
}

TEST_CASE("U5: a foreign Err may give a whole channel and be not const") {
  struct Whole {
    Channel<std::exception_ptr> err = Channel<std::exception_ptr>();
    const Channel<std::exception_ptr>& Err() { return err; }
    void Unsubscribe() { err.Close(); }
  };
  const Subscription sub = Whole{};
  CHECK_FALSE(sub.Err().closed());
  sub.Unsubscribe();
  CHECK(sub.Err().drained());
}

namespace {
struct NoErr {
  void Unsubscribe() noexcept {}
};
struct NoUnsubscribe {
  [[nodiscard]] Receiver<std::exception_ptr> Err() const { return {}; }
};
struct WrongErr {
  [[nodiscard]] Receiver<int> Err() const { return {}; }
  void Unsubscribe() noexcept {}
};
struct PrivateUnsubscribe {
  [[nodiscard]] Receiver<std::exception_ptr> Err() const { return {}; }

 private:
  void Unsubscribe() noexcept {}
};
}  // namespace

TEST_CASE("U5: other types cannot be wrapped") {
  STATIC_REQUIRE(std::is_constructible_v<Subscription, Foreign>);
  STATIC_REQUIRE(std::is_constructible_v<Subscription, const Foreign&>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Subscription, int>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Subscription, Foreign*>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Subscription, NoErr>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Subscription, NoUnsubscribe>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<Subscription, WrongErr>);
  STATIC_REQUIRE_FALSE(
      std::is_constructible_v<Subscription, PrivateUnsubscribe>);
  STATIC_REQUIRE_FALSE(
      std::is_constructible_v<Subscription, const Subscription&>);
  STATIC_REQUIRE_FALSE(
      std::is_constructible_v<Subscription, std::unique_ptr<Foreign>>);
  SUCCEED();
}

// --- U6: producers -----------------------------------------------------------

TEST_CASE("U6: each producer runs in a thread of its own") {
  std::thread::id first;
  std::thread::id second;
  {
    // Both alive at once, so that no number is used again.
    const Channel<int> both;
    const Subscription one = NewSubscription([&](std::stop_token) {
      first = std::this_thread::get_id();
      both.Send(0);
    });
    const Subscription two = NewSubscription([&](std::stop_token) {
      second = std::this_thread::get_id();
      static_cast<void>(both.Receive());
    });
    CHECK(Text(one.Err().Receive()) == "closed");
    CHECK(Text(two.Err().Receive()) == "closed");
  }
  CHECK(first != std::this_thread::get_id());
  CHECK(second != std::this_thread::get_id());
  CHECK(first != second);
}

TEST_CASE("U6: a producer's token is not stopped before Unsubscribe") {
  bool before = true;
  bool possible = false;
  const Channel<int> looked;
  const Channel<std::stop_token> token(1);
  const Subscription sub = NewSubscription([&](std::stop_token stop) {
    before = stop.stop_requested();
    possible = stop.stop_possible();
    token.Send(stop);
    looked.Close();
    WaitForStop(stop);
  });
  static_cast<void>(looked.Receive());
  CHECK_FALSE(before);
  CHECK(possible);
  const std::stop_token stop = *token.Receive();
  CHECK_FALSE(stop.stop_requested());
  sub.Unsubscribe();
  CHECK(stop.stop_requested());
}

TEST_CASE("U6: a producer's channel is closed by Unsubscribe") {
  const Channel<Receiver<std::monostate>> channel(1);
  bool got_value = true;
  const Subscription sub = NewSubscription([&](Receiver<std::monostate> quit) {
    channel.Send(quit);
    got_value = quit.Receive().has_value();
  });
  const auto quit = *channel.Receive();
  AwaitThat([&] { return quit.waiting_receivers() == 1; });
  CHECK_FALSE(quit.closed());
  sub.Unsubscribe();
  CHECK(quit.drained());
  CHECK_FALSE(got_value);
}

TEST_CASE("U6: a producer's channel is closed when it was asked before") {
  for (int i = 0; i < 20; ++i) {
    // The request may come before the producer's first line, or after.
    const Subscription sub = NewSubscription([](Receiver<std::monostate> quit) {
      static_cast<void>(quit.Receive());
    });
    sub.Unsubscribe();
    REQUIRE(sub.Err().drained());
  }
}

TEST_CASE("U6: a stop token is preferred where both fit") {
  SECTION("overloaded") {
    std::string chosen;
    NewSubscription(TakesBoth{&chosen}).Unsubscribe();
    CHECK(chosen == "token");
  }
  SECTION("generic") {
    bool token = false;
    NewSubscription([&](auto how) {
      token = std::is_same_v<decltype(how), std::stop_token>;
    }).Unsubscribe();
    CHECK(token);
  }
}

TEST_CASE("U6: what a producer throws goes to Err") {
  SECTION("an exception") {
    const Subscription sub = NewSubscription(
        [](std::stop_token) { throw std::out_of_range("thrown"); });
    const Error error = sub.Err().Receive();
    REQUIRE(error.has_value());
    CHECK_THROWS_AS(std::rethrow_exception(*error), std::out_of_range);
    CHECK(Text(error) == "thrown");
  }
  SECTION("something else") {
    const Subscription sub =
        NewSubscription([](Receiver<std::monostate>) { throw 42; });  // NOLINT
    const Error error = sub.Err().Receive();
    REQUIRE(error.has_value());
    CHECK_THROWS_AS(std::rethrow_exception(*error), int);
  }
  SECTION("where it would return an error") {
    const Subscription sub =
        NewSubscription([](std::stop_token) -> std::error_code {
          throw std::runtime_error("thrown");
        });
    CHECK(Text(sub.Err().Receive()) == "thrown");
  }
}

TEST_CASE("U6: an exception_ptr that a producer returns goes to Err") {
  SECTION("one") {
    const Subscription sub =
        NewSubscription([](std::stop_token) { return Failure("returned"); });
    CHECK(Text(sub.Err().Receive()) == "returned");
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  SECTION("null is none") {
    const Subscription sub =
        NewSubscription([](std::stop_token) { return std::exception_ptr(); });
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  SECTION("from a producer that takes a channel") {
    const Subscription sub = NewSubscription(
        [](Receiver<std::monostate>) { return Failure("returned"); });
    CHECK(Text(sub.Err().Receive()) == "returned");
  }
}

TEST_CASE("U6: an error_code that a producer returns goes to Err") {
  SECTION("one") {
    const Subscription sub = NewSubscription([](std::stop_token) {
      return std::make_error_code(std::errc::no_space_on_device);
    });
    const Error error = sub.Err().Receive();
    REQUIRE(error.has_value());
    std::error_code code;
    try {
      std::rethrow_exception(*error);
    } catch (const std::system_error& e) {
      code = e.code();
    }
    CHECK(code == std::errc::no_space_on_device);
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  SECTION("zero is none") {
    const Subscription sub =
        NewSubscription([](std::stop_token) { return std::error_code(); });
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
}

TEST_CASE("U6: the error of one that was unsubscribed first is dropped") {
  Subscription sub;
  SECTION("thrown") {
    sub = NewSubscription([](std::stop_token stop) {
      WaitForStop(stop);
      throw std::runtime_error("unwanted");
    });
  }
  SECTION("returned") {
    sub = NewSubscription([](std::stop_token stop) {
      WaitForStop(stop);
      return Failure("unwanted");
    });
  }
  SECTION("returned as a code") {
    sub = NewSubscription([](Receiver<std::monostate> quit) {
      static_cast<void>(quit.Receive());
      return std::make_error_code(std::errc::interrupted);
    });
  }
  SECTION("after a request") {
    sub = NewSubscription([](std::stop_token stop) {
      WaitForStop(stop);
      throw std::runtime_error("unwanted");
    });
    sub.RequestUnsubscribe();
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  const auto err = sub.Err();
  sub.Unsubscribe();
  CHECK(err.drained());
}

TEST_CASE("U6: the error that came before Unsubscribe stays") {
  Puppet puppet;
  const Subscription sub = puppet.Subscribe();
  puppet.Fail("in time");
  AwaitThat([err = sub.Err()] { return err.closed(); });
  sub.Unsubscribe();
  sub.Unsubscribe();
  CHECK(Text(sub.Err().Receive()) == "in time");
  CHECK(sub.Err().drained());
}

TEST_CASE("U6: what a producer captured is gone when its end is seen") {
  Puppet puppet;
  const Subscription sub = puppet.Subscribe();
  CHECK_FALSE(puppet.gone());
  SECTION("by Unsubscribe") {
    sub.Unsubscribe();
    CHECK(puppet.gone());
  }
  SECTION("by Err though the handle is kept") {
    puppet.Fail("bye");
    CHECK(Text(sub.Err().Receive()) == "bye");
    CHECK(puppet.gone());
  }
}

namespace {
std::atomic<int> plain_function_ran = 0;
void PlainFunction(std::stop_token) { ++plain_function_ran; }
}  // namespace

TEST_CASE("U6: a producer is any function") {
  SECTION("move-only") {
    auto owned = std::make_unique<int>(7);
    int seen = 0;
    auto producer = [&seen, owned = std::move(owned)](std::stop_token) {
      seen = *owned;
    };
    NewSubscription(std::move(producer)).Unsubscribe();
    CHECK(seen == 7);
  }
  SECTION("copied from an lvalue") {
    auto count = std::make_shared<int>(0);
    const auto producer = [count](std::stop_token) { ++*count; };
    NewSubscription(producer).Unsubscribe();
    NewSubscription(producer).Unsubscribe();
    CHECK(*count == 2);
    CHECK(count.use_count() == 2);
  }
  SECTION("mutable") {
    int last = 0;
    NewSubscription([&last, n = 0](std::stop_token) mutable {
      last = ++n;
    }).Unsubscribe();
    CHECK(last == 1);
  }
  SECTION("a plain function") {
    plain_function_ran = 0;
    NewSubscription(PlainFunction).Unsubscribe();
    NewSubscription(&PlainFunction).Unsubscribe();
    CHECK(plain_function_ran == 2);
  }
  SECTION("a std::function") {
    std::atomic<int> ran = 0;
    const std::function<void(std::stop_token)> producer = [&](std::stop_token) {
      ++ran;
    };
    NewSubscription(producer).Unsubscribe();
    CHECK(ran == 1);
  }
  SECTION("one that takes its token by reference") {
    bool requested = false;
    NewSubscription([&](const std::stop_token& stop) {
      WaitForStop(stop);
      requested = stop.stop_requested();
    }).Unsubscribe();
    CHECK(requested);
  }
}

TEST_CASE("U6: a producer that cannot be moved in leaves nothing behind") {
  struct ThrowsWhenCopied {
    ThrowsWhenCopied() = default;
    ThrowsWhenCopied(const ThrowsWhenCopied&) {
      throw std::runtime_error("no copy");
    }
    void operator()(std::stop_token) const {}
  };
  const ThrowsWhenCopied producer;
  CHECK_THROWS_AS(NewSubscription(producer), std::runtime_error);
}
