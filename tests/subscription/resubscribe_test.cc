// SPDX-License-Identifier: MIT
//
// R1 to R4: a subscription that is made again and again; and U2, U3, U4 of such
// a one. How long it waits is in backoff_test.cc and resubscribe_clock_test.cc;
// here the waits are nothing or for ever.

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/subscriptions.h"
#include "support/waiters.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::Resubscribe;
using fanfare::ResubscribeErr;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

namespace {

constexpr std::chrono::nanoseconds kNoWait(1);
constexpr std::chrono::hours kForEver(1000);

// One that ended well.
Subscription EndedWell() {
  return NewSubscription([](std::stop_token) {});
}

// One that fails by itself.
Subscription Failing(const char* text) {
  return NewSubscription([text](std::stop_token) { return Failure(text); });
}

std::string TextOf(const std::exception_ptr& error) { return Text(error); }

}  // namespace

// --- R1 ----------------------------------------------------------------------

TEST_CASE("R1: what the function returns is kept until it is unsubscribed") {
  std::atomic<int> calls = 0;
  Puppet puppet;
  const Channel<int> established;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    ++calls;
    Subscription made = puppet.Subscribe();
    established.Close();
    return made;
  });
  static_cast<void>(established.Receive());
  const auto err = sub.Err();
  CHECK(StaysFalse([&] { return err.closed() || puppet.gone(); }));
  CHECK(calls == 1);
  sub.Unsubscribe();
  CHECK(puppet.gone());
  CHECK(err.drained());
  CHECK(calls == 1);
}

TEST_CASE("R1: it ends when the active one ends well") {
  std::atomic<int> calls = 0;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    ++calls;
    return EndedWell();
  });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(sub.Err().drained());
  CHECK(calls == 1);
}

TEST_CASE("R1: a function that throws is called again") {
  std::atomic<int> calls = 0;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    if (++calls < 6) throw std::runtime_error("not yet");
    return EndedWell();
  });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(calls == 6);
}

TEST_CASE("R1: a function that throws anything is called again") {
  std::atomic<int> calls = 0;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    if (++calls < 3) throw 42;  // NOLINT
    return EndedWell();
  });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(calls == 3);
}

TEST_CASE("R1: a function that returns an empty subscription is called again") {
  std::atomic<int> calls = 0;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    return ++calls < 4 ? Subscription() : EndedWell();
  });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(calls == 4);
}

TEST_CASE("R1: one that fails when it is established is made again") {
  std::atomic<int> calls = 0;
  std::atomic<int> alive = 0;
  std::atomic<int> together = 0;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    const int call = ++calls;
    if (alive != 0) ++together;
    ++alive;
    return NewSubscription([&, call](std::stop_token) -> std::exception_ptr {
      --alive;
      if (call == 5) return nullptr;
      return Failure("lost");
    });
  });
  // None of the failures is passed on.
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(calls == 5);
  CHECK(together == 0);
}

TEST_CASE("R1: one that has failed is unsubscribed before the next is made") {
  // Says that it failed and does not end by itself.
  struct Stubborn {
    Channel<std::exception_ptr> err{1};
    std::shared_ptr<std::atomic<int>> unsubscribed =
        std::make_shared<std::atomic<int>>(0);
    [[nodiscard]] auto& Err() const { return err; }
    void Unsubscribe() noexcept {
      ++*unsubscribed;
      err.Close();
    }
  };
  const Stubborn stubborn;
  stubborn.err.Send(Failure("half"));
  int unsubscribed = 0;
  std::atomic<int> calls = 0;
  const Subscription sub =
      Resubscribe(kNoWait, [&](std::stop_token) -> Subscription {
        if (++calls == 1) return Stubborn(stubborn);
        unsubscribed = *stubborn.unsubscribed;
        return EndedWell();
      });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(calls == 2);
  CHECK(unsubscribed >= 1);
}

TEST_CASE("R1: values of every one that is established arrive") {
  const Channel<int> values;
  int calls = 0;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    return NewSubscription([&, call = ++calls](std::stop_token stop) {
      if (!values.Send(call, stop)) return std::exception_ptr();
      return call < 4 ? Failure("again") : nullptr;
    });
  });
  for (int i = 1; i <= 4; ++i) CHECK(values.Receive() == i);
  CHECK(Text(sub.Err().Receive()) == "closed");
}

TEST_CASE("R1: a feed that closes ends it") {
  Feed<int> feed;
  const Channel<int> channel(1);
  const Subscription sub = Resubscribe(
      kNoWait, [&](std::stop_token) { return feed.Subscribe(channel); });
  AwaitThat([&] { return feed.subscriber_count() == 1; });
  CHECK(feed.Send(1) == 1);
  CHECK(channel.TryReceive() == 1);
  feed.Close();
  CHECK(Text(sub.Err().Receive()) == "closed");
}

TEST_CASE("R1: the function runs in one thread which is not the caller's") {
  std::vector<std::thread::id> threads;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    threads.push_back(std::this_thread::get_id());
    if (threads.size() < 3) throw std::runtime_error("again");
    return EndedWell();
  });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(threads.size() == 3);
  CHECK(threads[0] == threads[1]);
  CHECK(threads[1] == threads[2]);
  CHECK(threads[0] != std::this_thread::get_id());
}

TEST_CASE("R1: the function may be move-only and have a state of its own") {
  auto limit = std::make_unique<int>(3);
  const std::shared_ptr<int> token = std::make_shared<int>();
  int calls = 0;
  const Subscription sub =
      Resubscribe(kNoWait, [&calls, token, limit = std::move(limit),
                            n = 0](std::stop_token) mutable {
        calls = ++n;
        if (n < *limit) throw std::runtime_error("again");
        return EndedWell();
      });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(calls == 3);
  sub.Unsubscribe();
  CHECK(token.use_count() == 1);  // what it captured is gone
}

TEST_CASE("R1 U5: the function may return a foreign subscription") {
  Foreign foreign;
  Channel<int> established;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    established.Close();
    return foreign;
  });
  static_cast<void>(established.Receive());
  SECTION("that ends") {
    foreign.EndWell();
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  SECTION("that is unsubscribed") {
    sub.Unsubscribe();
    CHECK(foreign.unsubscribed() >= 1);
  }
}

TEST_CASE("R1: other functions are refused") {
  const auto takes = [](auto fn) {
    return requires { Resubscribe(kNoWait, fn); };
  };
  const auto takes_err = [](auto fn) {
    return requires { ResubscribeErr(kNoWait, fn); };
  };
  CHECK(takes([](std::stop_token) { return Subscription(); }));
  CHECK_FALSE(takes([](std::stop_token) {}));
  CHECK_FALSE(takes([] { return Subscription(); }));
  CHECK_FALSE(takes(
      [](std::stop_token, std::exception_ptr) { return Subscription(); }));
  CHECK_FALSE(takes_err([](std::stop_token) { return Subscription(); }));
  CHECK(takes_err(
      [](std::stop_token, std::exception_ptr) { return Subscription(); }));
}

// --- R2 ----------------------------------------------------------------------

TEST_CASE("R2: a maximal wait that is not positive is refused") {
  std::atomic<int> calls = 0;
  const auto fn = [&](std::stop_token) {
    ++calls;
    return EndedWell();
  };
  const auto fn_err = [&](std::stop_token, std::exception_ptr) {
    ++calls;
    return EndedWell();
  };
  using std::chrono::seconds;
  CHECK_THROWS_AS(Resubscribe(seconds(0), fn), std::invalid_argument);
  CHECK_THROWS_AS(Resubscribe(seconds(-1), fn), std::invalid_argument);
  CHECK_THROWS_AS(Resubscribe(seconds::min(), fn), std::invalid_argument);
  CHECK_THROWS_AS(Resubscribe(std::chrono::duration<double>(-0.5), fn),
                  std::invalid_argument);
  CHECK_THROWS_AS(ResubscribeErr(seconds(0), fn_err), std::invalid_argument);
  CHECK_THROWS_AS(ResubscribeErr(seconds(-1), fn_err), std::invalid_argument);
  CHECK(calls == 0);
}

TEST_CASE("R2: the longest of all waits overflows nothing") {
  std::atomic<int> calls = 0;
  const auto failing = [&](std::stop_token) -> Subscription {
    ++calls;
    throw std::runtime_error("always");
  };
  Subscription sub;
  SECTION("in nanoseconds") {
    sub = Resubscribe(std::chrono::nanoseconds::max(), failing);
  }
  SECTION("in hours") { sub = Resubscribe(std::chrono::hours::max(), failing); }
  SECTION("as a fraction") {
    sub = Resubscribe(std::chrono::duration<double>(1e300), failing);
  }
  AwaitThat([&] { return calls == 1; });
  CHECK(StaysFalse([&] { return calls != 1; }));
  sub.Unsubscribe();
  CHECK(calls == 1);
}

TEST_CASE("R2: it waits after an established one failed") {
  std::atomic<int> calls = 0;
  const Subscription sub = Resubscribe(kForEver, [&](std::stop_token) {
    ++calls;
    return Failing("at once");
  });
  AwaitThat([&] { return calls == 1; });
  CHECK(StaysFalse([&] { return calls != 1; }));  // Go spins here
  sub.Unsubscribe();
  CHECK(calls == 1);
}

// --- R3 ----------------------------------------------------------------------

TEST_CASE("R3: the function is told the latest failure of either kind") {
  std::vector<std::string> told;
  std::vector<bool> null;
  const Subscription sub = ResubscribeErr(
      kNoWait,
      [&](std::stop_token, std::exception_ptr last_error) -> Subscription {
        null.push_back(last_error == nullptr);
        told.push_back(TextOf(last_error));
        switch (told.size()) {
          case 1:
            throw std::runtime_error("thrown 1");
          case 2:
            throw std::runtime_error("thrown 2");
          case 3:
            return Failing("established 3");
          case 4:
            return Failing("established 4");
          case 5:
            throw std::runtime_error("thrown 5");
          case 6:
            return {};
          case 7:
            return Failing("established 7");
          default:
            return EndedWell();
        }
      });
  CHECK(Text(sub.Err().Receive()) == "closed");
  REQUIRE(told.size() == 8);
  CHECK(null == std::vector<bool>{true, false, false, false, false, false,
                                  false, false});
  CHECK(told[1] == "thrown 1");
  CHECK(told[2] == "thrown 2");
  CHECK(told[3] == "established 3");
  CHECK(told[4] == "established 4");
  CHECK(told[5] == "thrown 5");
  CHECK(told[6] == "fanfare: no subscription was returned");
  CHECK(told[7] == "established 7");
}

TEST_CASE("R3: the failure keeps its type") {
  bool same = false;
  int calls = 0;
  const Subscription sub = ResubscribeErr(
      kNoWait, [&](std::stop_token, const std::exception_ptr& last_error) {
        if (++calls == 1) throw std::out_of_range("far");
        try {
          std::rethrow_exception(last_error);
        } catch (const std::out_of_range&) {
          same = true;
        } catch (...) {
        }
        return EndedWell();
      });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(same);
}

// --- R4 ----------------------------------------------------------------------

TEST_CASE("R4: Unsubscribe stops a running function and waits for it") {
  const Channel<int> running;
  const Channel<int> asked;
  const Channel<int> let_go;
  bool before = true;
  bool fn_ended = false;
  std::atomic<int> calls = 0;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token stop) {
    ++calls;
    before = stop.stop_requested();
    running.Close();
    WaitForStop(stop);
    asked.Close();
    static_cast<void>(let_go.Receive());
    fn_ended = true;
    return Subscription();
  });
  static_cast<void>(running.Receive());
  CHECK_FALSE(before);
  std::atomic<bool> returned = false;
  bool saw_end = false;
  std::jthread unsubscribing([&] {
    sub.Unsubscribe();
    saw_end = fn_ended && sub.Err().drained();
    returned = true;
  });
  static_cast<void>(asked.Receive());
  std::atomic<bool> second_returned = false;
  bool second_saw_end = false;
  std::jthread second([&] {
    sub.Unsubscribe();
    second_saw_end = fn_ended && sub.Err().drained();
    second_returned = true;
  });
  CHECK(StaysFalse([&] { return returned || second_returned; }));
  let_go.Close();
  unsubscribing.join();
  second.join();
  CHECK(saw_end);
  CHECK(second_saw_end);
  CHECK(calls == 1);
}

TEST_CASE("R4: what the function still returned is unsubscribed") {
  const Channel<int> running;
  SubscriptionScope scope;
  Puppet puppet;
  Foreign foreign;
  Feed<int> feed;
  std::atomic<int> calls = 0;
  const auto run = [&](auto subscribe) {
    const Subscription sub =
        Resubscribe(kNoWait, [&, subscribe](std::stop_token stop) {
          ++calls;
          running.Close();
          WaitForStop(stop);
          return Subscription(subscribe());
        });
    static_cast<void>(running.Receive());
    sub.Unsubscribe();
    CHECK(sub.Err().drained());
  };
  SECTION("a producer") {
    run([&] { return puppet.Subscribe(); });
    CHECK(puppet.gone());
  }
  SECTION("a foreign one") {
    run([&] { return foreign; });
    CHECK(foreign.unsubscribed() >= 1);
  }
  SECTION("a feed's") {
    run([&] { return feed.Subscribe(Channel<int>(1)); });
    CHECK(feed.subscriber_count() == 0);
  }
  SECTION("a wrapper of a scope") {
    run([&] { return scope.Track(puppet.Subscribe()); });
    CHECK(puppet.gone());
    CHECK(scope.Count() == 0);
  }
  CHECK(calls == 1);
}

TEST_CASE("R4: Unsubscribe waits for what the function still returned") {
  const Channel<int> running;
  Held held;
  bool saw_end = false;
  std::jthread unsubscribing;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token stop) {
    running.Close();
    WaitForStop(stop);
    return held.Subscribe();
  });
  static_cast<void>(running.Receive());
  unsubscribing = std::jthread([&] {
    sub.Unsubscribe();
    saw_end = held.gone() && sub.Err().drained();
  });
  held.AwaitAsked();
  CHECK(StaysFalse([&] { return held.gone() || sub.Err().closed(); }));
  held.LetGo();
  unsubscribing.join();
  CHECK(saw_end);
}

TEST_CASE("R4: a function that throws because it was stopped ends it") {
  const Channel<int> running;
  std::atomic<int> calls = 0;
  const Subscription sub =
      Resubscribe(kForEver, [&](std::stop_token stop) -> Subscription {
        ++calls;
        running.Close();
        WaitForStop(stop);
        throw std::runtime_error("stopped");
      });
  static_cast<void>(running.Receive());
  sub.Unsubscribe();
  CHECK(sub.Err().drained());
  CHECK(calls == 1);
}

TEST_CASE("R4: Unsubscribe cuts a wait short") {
  std::atomic<int> calls = 0;
  const auto failing = [&](std::stop_token) -> Subscription {
    ++calls;
    throw std::runtime_error("always");
  };
  Subscription sub = Resubscribe(kForEver, failing);
  AwaitThat([&] { return calls == 1; });
  CHECK(StaysFalse([&] { return calls != 1 || sub.Err().closed(); }));
  const auto err = sub.Err();
  SECTION("Unsubscribe") { sub.Unsubscribe(); }
  SECTION("a request") { sub.RequestUnsubscribe(); }
  SECTION("the destructor") { const Subscription end = std::move(sub); }
  SECTION("another one is assigned") { sub = EndedWell(); }
  CHECK(Text(err.Receive()) == "closed");
  CHECK(calls == 1);
}

TEST_CASE("R4: Unsubscribe ends the one that is established") {
  Held held;
  SubscriptionScope scope;
  const Channel<int> established;
  Subscription sub;
  SECTION("directly") {
    sub = Resubscribe(kForEver, [&](std::stop_token) {
      Subscription made = held.Subscribe();
      established.Close();
      return made;
    });
  }
  SECTION("through the wrapper of a scope") {
    sub = Resubscribe(kForEver, [&](std::stop_token) {
      Subscription made = scope.Track(held.Subscribe());
      established.Close();
      return made;
    });
  }
  SECTION("through a join") {
    sub = Resubscribe(kForEver, [&](std::stop_token) {
      Subscription made = JoinSubscriptions(held.Subscribe());
      established.Close();
      return made;
    });
  }
  static_cast<void>(established.Receive());
  bool saw_end = false;
  std::atomic<bool> returned = false;
  std::jthread unsubscribing([&] {
    sub.Unsubscribe();
    saw_end = held.gone() && sub.Err().drained();
    returned = true;
  });
  AwaitThat([&] { return held.asked() || returned; });
  CHECK(StaysFalse([&] { return returned.load(); }));
  held.LetGo();
  unsubscribing.join();
  CHECK(saw_end);
}

TEST_CASE("R4: Unsubscribe works after the end") {
  Subscription sub;
  SECTION("it ended well") {
    sub = Resubscribe(kNoWait, [](std::stop_token) { return EndedWell(); });
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  SECTION("it was unsubscribed") {
    sub = Resubscribe(kNoWait, [](std::stop_token stop) -> Subscription {
      WaitForStop(stop);
      return {};
    });
    sub.Unsubscribe();
  }
  sub.Unsubscribe();
  sub.RequestUnsubscribe();
  sub.Unsubscribe();
  CHECK(sub.Err().drained());
}

TEST_CASE("R4: Unsubscribe works at any moment") {
  // Before the first call, in it, established, failing, waiting, at the end.
  for (int i = 0; i < 100; ++i) {
    std::atomic<int> calls = 0;
    std::atomic<int> alive = 0;
    const Subscription sub = Resubscribe(
        i % 2 == 0 ? std::chrono::nanoseconds(1) : std::chrono::hours(1),
        [&](std::stop_token) {
          switch (++calls % 4) {
            case 0:
              throw std::runtime_error("thrown");
            case 1:
              return Failing("established");
            case 2:
              return Subscription();
            default:
              ++alive;
              return NewSubscription([&](std::stop_token stop) {
                WaitForStop(stop);
                --alive;
              });
          }
        });
    for (int k = 0; k < i % 10; ++k) std::this_thread::yield();
    sub.Unsubscribe();
    REQUIRE(sub.Err().drained());
    const int last = calls;
    REQUIRE(alive == 0);
    REQUIRE(calls == last);
  }
}

TEST_CASE("U3 R4: RequestUnsubscribe never waits for the function") {
  const Channel<int> running;
  const Channel<int> asked;
  const Channel<int> let_go;
  const Subscription sub =
      Resubscribe(kNoWait, [&](std::stop_token stop) -> Subscription {
        running.Close();
        WaitForStop(stop);
        asked.Close();
        static_cast<void>(let_go.Receive());
        return {};
      });
  static_cast<void>(running.Receive());
  sub.RequestUnsubscribe();
  static_cast<void>(asked.Receive());
  CHECK_FALSE(sub.Err().closed());
  let_go.Close();
  CHECK(Text(sub.Err().Receive()) == "closed");
}

TEST_CASE("U3: the function of a resubscription may unsubscribe it") {
  const Channel<Subscription*> handle;
  Puppet puppet;
  bool asked = false;
  std::atomic<int> calls = 0;
  Subscription sub = Resubscribe(kForEver, [&](std::stop_token stop) {
    ++calls;
    const Subscription& self = **handle.Receive();
    self.Unsubscribe();
    asked = stop.stop_requested();
    self.Unsubscribe();
    return puppet.Subscribe();
  });
  SECTION("as the first") {
    handle.Send(&sub);
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  SECTION("while another thread waits") {
    AwaitThat([&] { return calls == 1; });
    bool saw_end = false;
    std::jthread waiting([&] {
      sub.Unsubscribe();
      saw_end = puppet.gone() && sub.Err().drained();
    });
    handle.Send(&sub);
    waiting.join();
    CHECK(saw_end);
  }
  CHECK(asked);
  CHECK(puppet.gone());
  CHECK(calls == 1);
}

TEST_CASE("U3: the producer that is established may unsubscribe all of it") {
  const Channel<Subscription*> handle;
  bool asked = false;
  std::atomic<int> calls = 0;
  Subscription sub = Resubscribe(kForEver, [&](std::stop_token) {
    ++calls;
    return NewSubscription([&](std::stop_token stop) {
      (*handle.Receive())->Unsubscribe();
      WaitForStop(stop);
      asked = true;
    });
  });
  AwaitThat([&] { return handle.waiting_receivers() == 1; });
  SECTION("as the first") {
    handle.Send(&sub);
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  SECTION("while another thread waits") {
    std::jthread waiting([&] { sub.Unsubscribe(); });
    handle.Send(&sub);
    waiting.join();
    CHECK(sub.Err().drained());
  }
  CHECK(asked);
  CHECK(calls == 1);
}

TEST_CASE("U3 R4: one that was started elsewhere may unsubscribe all of it") {
  // It becomes a part when the function has returned it.
  const Channel<Subscription*> handle;
  bool asked = false;
  Subscription elsewhere = NewSubscription([&](std::stop_token stop) {
    (*handle.Receive())->Unsubscribe();
    WaitForStop(stop);
    asked = true;
  });
  const auto err = elsewhere.Err();
  Subscription sub = Resubscribe(
      kForEver, [&](std::stop_token) { return std::move(elsewhere); });
  // The function has returned: its caller waits for the end.
  AwaitReceivers(err, 1);
  handle.Send(&sub);
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(asked);
}

TEST_CASE("U3: a producer may unsubscribe before the function returned it") {
  const Channel<Subscription*> handle;
  const Channel<int> calling;
  std::atomic<bool> returned = false;
  Subscription sub = Resubscribe(kForEver, [&](std::stop_token stop) {
    Subscription made = NewSubscription([&](std::stop_token) {
      const Subscription* self = *handle.Receive();
      calling.Close();
      self->Unsubscribe();
      returned = true;
    });
    static_cast<void>(calling.Receive());
    WaitForStop(stop);  // it was asked by its own producer, which may wait now
    static_cast<void>(StaysFalse([&] { return returned.load(); }));
    return made;
  });
  handle.Send(&sub);
  // Hangs where the two wait for each other.
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(returned);
}

TEST_CASE("U3: a producer that the function started may unsubscribe itself") {
  const Channel<Subscription*> handle;
  Subscription started;
  bool asked = false;
  const Subscription sub = Resubscribe(kForEver, [&](std::stop_token) {
    started = NewSubscription([&](std::stop_token stop) {
      (*handle.Receive())->Unsubscribe();
      asked = stop.stop_requested();
    });
    handle.Send(&started);
    started.Unsubscribe();
    return EndedWell();
  });
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(asked);
}

TEST_CASE("U3: the function may drop the last handle of its resubscription") {
  const Channel<Subscription> handle(1);
  bool asked = false;
  Puppet puppet;
  Subscription sub = Resubscribe(kForEver, [&](std::stop_token stop) {
    { const Subscription self = *handle.Receive(); }
    asked = stop.stop_requested();
    return puppet.Subscribe();
  });
  const auto err = sub.Err();
  handle.Send(std::move(sub));
  CHECK(Text(err.Receive()) == "closed");
  CHECK(asked);
  CHECK(puppet.gone());
}

TEST_CASE("U3 P3: the function may close the scope of its resubscription") {
  SubscriptionScope scope;
  const Channel<int> start;
  bool asked = false;
  const Subscription wrapper =
      scope.Track(Resubscribe(kForEver, [&](std::stop_token stop) {
        static_cast<void>(start.Receive());
        scope.Close();
        asked = stop.stop_requested();
        return Subscription();
      }));
  AwaitThat([&] { return start.waiting_receivers() == 1; });
  SECTION("as the first") {
    start.Close();
    CHECK(Text(wrapper.Err().Receive()) == "closed");
  }
  SECTION("while another thread waits") {
    std::jthread closing([&] { scope.Close(); });
    start.Close();
    closing.join();
    CHECK(wrapper.Err().drained());
  }
  CHECK(asked);
}

TEST_CASE("U3: the function that ends another subscription waits for it") {
  Held other;
  const Subscription other_sub = other.Subscribe();
  std::atomic<bool> returned = false;
  bool saw_end = false;
  const Subscription sub = Resubscribe(kForEver, [&](std::stop_token) {
    other_sub.Unsubscribe();
    saw_end = other.gone();
    returned = true;
    return EndedWell();
  });
  other.AwaitAsked();
  CHECK(StaysFalse([&] { return returned.load(); }));
  other.LetGo();
  CHECK(Text(sub.Err().Receive()) == "closed");
  CHECK(saw_end);
}

TEST_CASE("R1: a resubscription of resubscriptions") {
  std::atomic<int> outer_calls = 0;
  std::atomic<int> inner_calls = 0;
  Puppet puppet;
  const Subscription sub = Resubscribe(kNoWait, [&](std::stop_token) {
    ++outer_calls;
    return Resubscribe(kNoWait, [&](std::stop_token) {
      if (++inner_calls < 3) throw std::runtime_error("inside");
      return puppet.Subscribe();
    });
  });
  AwaitThat([&] { return inner_calls == 3; });
  SECTION("unsubscribed") { sub.Unsubscribe(); }
  SECTION("ended") {
    puppet.EndWell();
    CHECK(Text(sub.Err().Receive()) == "closed");
  }
  CHECK(puppet.gone());
  CHECK(outer_calls == 1);
  CHECK(inner_calls == 3);
}
