// SPDX-License-Identifier: MIT
//
// U1 to U5, U7, P1 to P3, R4, L2: every kind of subscription, ended in every
// way, in every situation. Three tables: the kinds (types, of which Catch2
// makes the test cases), the ways (of which each case makes its sections), and
// the situations (a template each).

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/subscriptions.h"

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::Listen;
using fanfare::NewSubscription;
using fanfare::OnReceive;
using fanfare::OnStop;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::Select;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

namespace {

// --- The kinds ---------------------------------------------------------------

using Job = std::function<void(const std::stop_token&)>;

// A function that runs what a test gives it, until it is asked to end or told
// what to return. Copies are the same one.
class Worker {
 public:
  std::exception_ptr operator()(const std::stop_token& stop) const {
    std::optional<std::exception_ptr> result;
    while (!result.has_value()) {
      Select(OnReceive(jobs_, [&](const Job& job) { job(stop); }),
             OnReceive(
                 end_,
                 [&](const Error& error) { result = error.value_or(nullptr); }),
             OnStop(stop, [&] { result = nullptr; }));
    }
    return *result;
  }

  // Returns when `job` has begun, in the thread of the function.
  void Run(const Job& job) const { jobs_.Send(job); }
  void EndWell() const { end_.Close(); }
  void Fail() const { end_.Send(Failure("failed")); }

 private:
  Channel<Job> jobs_;
  Channel<std::exception_ptr> end_;
};

// What a test knows of the source of a subscription. `alive` expires when the
// source is gone, and what it captured.
struct Source {
  Worker worker;
  std::weak_ptr<void> alive;

  // A producer that keeps the source alive.
  auto Producer() {
    auto token = std::make_shared<int>();
    alive = token;
    return [worker = worker, token = std::move(token)](std::stop_token stop) {
      return worker(stop);
    };
  }
};

// What each kind does, if it has nothing of its own to say:
struct Kind : Source {
  // Runs a job inside of the subscription, which is possible or not.
  static constexpr bool kHasInside = true;
  // What is started inside is a part of it.
  static constexpr bool kAdoptsStarted = false;
  // RequestUnsubscribe brings the end.
  static constexpr bool kEndsWhenAsked = true;
  // The handle ends the subscription when it is destroyed.
  static constexpr bool kHandleEnds = true;

  void EndWell() const { worker.EndWell(); }
  void Fail() const { worker.Fail(); }
  // Whether anything can be delivered.
  [[nodiscard]] bool Delivers() { return !alive.expired(); }
  // How often its Unsubscribe was called, where that can be told.
  [[nodiscard]] std::optional<int> unsubscribed() const { return {}; }
};

struct Producer : Kind {
  Subscription Subscribe() { return NewSubscription(Source::Producer()); }
};

// What runs inside is the handler, which is called for one value.
struct ListenerInAThread : Kind {
  auto Handler() {
    return [producer = Source::Producer()](int, const std::stop_token& stop) {
      if (const std::exception_ptr error = producer(stop)) {
        std::rethrow_exception(error);
      }
    };
  }

  Subscription Subscribe() {
    Subscription made = Listen(feed, Handler());
    feed.Send(1);
    return made;
  }
  void EndWell() {
    worker.EndWell();
    feed.Close();
  }

  Feed<int> feed;
};

struct ListenerInATask : ListenerInAThread {
  Subscription Subscribe() {
    const auto executor = [this](auto task) {
      thread = std::jthread(std::move(task));
    };
    Subscription made = Listen(executor, feed, Handler());
    feed.Send(1);
    return made;
  }

  std::jthread thread;
};

struct OfAFeed : Kind {
  static constexpr bool kHasInside = false;

  Subscription Subscribe() {
    Channel<std::shared_ptr<int>> channel(1);
    auto token = std::make_shared<int>();
    alive = token;
    channel.Send(std::move(token));  // the subscription keeps its channel
    return feed.Subscribe(channel);
  }
  void EndWell() { feed.Close(); }
  [[nodiscard]] bool Delivers() {
    return feed.subscriber_count() > 0 || feed.TrySend(nullptr) > 0;
  }

  Feed<std::shared_ptr<int>> feed;
};

// A source of another library's.
template <bool kHasRequest>
struct ForeignSource {
  struct Seen {
    Channel<std::exception_ptr> err{1};
    std::atomic<int> unsubscribed = 0;
    std::atomic<int> requested = 0;
  };

  Receiver<std::exception_ptr> Err() const { return seen->err; }
  void Unsubscribe() noexcept {
    ++seen->unsubscribed;
    seen->err.Close();
  }
  // Brings no end.
  void RequestUnsubscribe() noexcept requires kHasRequest { ++seen->requested; }

  std::shared_ptr<Seen> seen;
  std::shared_ptr<int> token = std::make_shared<int>();
};

template <bool kHasRequest>
struct OfAnother : Kind {
  static constexpr bool kHasInside = false;
  static constexpr bool kEndsWhenAsked = !kHasRequest;

  Subscription Subscribe() {
    ForeignSource<kHasRequest> source{seen};
    alive = source.token;
    return Subscription(std::move(source));
  }
  void EndWell() const { seen->err.Close(); }
  void Fail() const {
    seen->err.Send(Failure("failed"));
    seen->err.Close();
  }
  [[nodiscard]] bool Delivers() const { return !seen->err.closed(); }
  [[nodiscard]] std::optional<int> unsubscribed() const {
    return seen->unsubscribed.load();
  }

  std::shared_ptr<typename ForeignSource<kHasRequest>::Seen> seen =
      std::make_shared<typename ForeignSource<kHasRequest>::Seen>();
};
using Foreign = OfAnother<false>;
using ForeignThatIsAsked = OfAnother<true>;

struct Wrapper : Kind {
  static constexpr bool kHandleEnds = false;

  Subscription Subscribe() {
    return scope.Track(NewSubscription(Source::Producer()));
  }

  SubscriptionScope scope;
};

struct JoinMember : Kind {
  Subscription Subscribe() {
    return JoinSubscriptions(other.Subscribe(),
                             NewSubscription(Source::Producer()));
  }
  void EndWell() {
    other.EndWell();
    worker.EndWell();
  }
  [[nodiscard]] bool Delivers() { return Kind::Delivers() || !other.gone(); }

  Puppet other;
};

// What runs inside is the function.
struct ResubscribedFunction : Kind {
  static constexpr bool kAdoptsStarted = true;

  Subscription Subscribe() {
    return Resubscribe(std::chrono::hours(1), [producer = Source::Producer()](
                                                  std::stop_token stop) {
      const std::exception_ptr error = producer(stop);
      return NewSubscription([error](std::stop_token) { return error; });
    });
  }
};

// What runs inside is what the function returned.
struct Established : Kind {
  Subscription Subscribe() {
    return Resubscribe(std::chrono::hours(1),
                       [producer = Source::Producer()](std::stop_token) {
                         return NewSubscription(producer);
                       });
  }
};

// It was started elsewhere.
struct EstablishedLater : Kind {
  Subscription Subscribe() {
    auto started =
        std::make_shared<Subscription>(NewSubscription(Source::Producer()));
    const auto err = started->Err();
    Subscription all =
        Resubscribe(std::chrono::hours(1),
                    [started](std::stop_token) { return std::move(*started); });
    AwaitThat([&] { return err.waiting_receivers() == 1; });
    return all;
  }
};

#define EVERY_KIND                                                            \
  Producer, OfAFeed, Foreign, ForeignThatIsAsked, Wrapper, JoinMember,        \
      ResubscribedFunction, Established, EstablishedLater, ListenerInAThread, \
      ListenerInATask
#define KINDS_WITH_AN_INSIDE                                        \
  Producer, Wrapper, JoinMember, ResubscribedFunction, Established, \
      EstablishedLater, ListenerInAThread, ListenerInATask
#define KINDS_THAT_CAN_FAIL                                   \
  Producer, Foreign, ForeignThatIsAsked, Wrapper, JoinMember, \
      ListenerInAThread, ListenerInATask

// --- The ways ----------------------------------------------------------------

// What a subscription can be ended through.
struct Handles {
  Subscription handle;  // a wrapper, where there is a scope
  std::unique_ptr<SubscriptionScope> scope;
};

struct Way {
  const char* name;
  void (*end)(Handles& held);
  bool tracked = false;   // by `held.scope`
  bool waits = true;      // until the subscription has ended
  bool destroys = false;  // the handle, which may mean nothing
  bool repeatable = true;
  bool closes = false;  // the scope
};

constexpr std::array kWays = {
    Way{.name = "Unsubscribe",
        .end = [](Handles& held) { held.handle.Unsubscribe(); }},
    Way{.name = "RequestUnsubscribe",
        .end = [](Handles& held) { held.handle.RequestUnsubscribe(); },
        .waits = false},
    Way{.name = "the end of the handle",
        .end =
            [](Handles& held) {
              const Subscription last = std::move(held.handle);
            },
        .destroys = true,
        .repeatable = false},
    Way{.name = "an assignment to the handle",
        .end = [](Handles& held) { held.handle = Subscription(); },
        .destroys = true,
        .repeatable = false},
    Way{.name = "Unsubscribe of its wrapper",
        .end = [](Handles& held) { held.handle.Unsubscribe(); },
        .tracked = true},
    Way{.name = "RequestUnsubscribe of its wrapper",
        .end = [](Handles& held) { held.handle.RequestUnsubscribe(); },
        .tracked = true,
        .waits = false},
    Way{.name = "Close of its scope",
        .end = [](Handles& held) { held.scope->Close(); },
        .tracked = true,
        .closes = true},
    Way{.name = "the end of its scope",
        .end = [](Handles& held) { held.scope.reset(); },
        .tracked = true,
        .repeatable = false,
        .closes = true},
};

// One kind in one way, from its beginning to its end.
template <typename K>
class Trial {
 public:
  Trial(const Way& way, bool ask_for_err = true) : way_(way) {
    held_.handle = kind_.Subscribe();
    if (ask_for_err) err_ = held_.handle.Err();
    if (!way.tracked) return;
    held_.scope = std::make_unique<SubscriptionScope>();
    held_.handle = held_.scope->Track(std::move(held_.handle));
    CHECK(held_.scope->Count() == 1);
  }

  K& kind() { return kind_; }
  const Receiver<std::exception_ptr>& err() const { return err_; }

  // Tracks it beside the subscription.
  Subscription Track(Subscription other) {
    return held_.scope->Track(std::move(other));
  }

  // The way. Runs in any thread, and asserts nothing.
  void End() { way_.end(held_); }

  // Whether it brings the end.
  [[nodiscard]] bool Ends() const {
    if (way_.destroys && !K::kHandleEnds) return false;
    return K::kEndsWhenAsked || way_.waits;
  }
  // Whether that has come when it returns outside.
  [[nodiscard]] bool EndsAtOnce() const {
    return Ends() && (way_.waits || kStandsIn);
  }

  // After the end, which may still be on its way: looks whether that is whole,
  // and `error` what Err() tells; then drops what is left.
  void CheckEnded(const char* error = "closed") {
    if (!Ends()) {
      if (std::string(error) == "closed" && !err_.closed()) {
        CHECK(kind_.Delivers());
        if (held_.scope) CHECK(held_.scope->Count() == 1);
      }
      EndWhatIsLeft();
    }
    CHECK(Text(err_.Receive()) == error);
    CheckGone();
  }

  // The same where Err() was asked for by no one before.
  void CheckEndedUnasked() {
    if (Ends() && held_.handle) {
      const auto late = held_.handle.Err();
      if (EndsAtOnce()) CHECK(late.drained());
      CHECK(Text(late.Receive()) == "closed");
    }
    if (!Ends()) EndWhatIsLeft();
    AwaitThat([&] { return !kind_.Delivers(); });
    CheckGone();
  }

 private:
  // Without a RequestUnsubscribe, Unsubscribe stands in for it; and a feed's
  // ends in the calling thread.
  static constexpr bool kStandsIn = !K::kHasInside && K::kEndsWhenAsked;

  void EndWhatIsLeft() {
    if constexpr (requires { kind_.scope; }) kind_.scope.Close();
    if (held_.handle) held_.handle.Unsubscribe();
  }

  void CheckGone() {
    CHECK((!err_ || err_.drained()));
    CHECK_FALSE(kind_.Delivers());
    if (held_.scope) {
      // An Unsubscribe takes it out of its scope; what was only asked is found
      // to have ended by Count.
      const bool taken_out = way_.waits && !way_.destroys;
      if (!taken_out) CHECK(held_.scope->Count() == 0);
      held_.handle = Subscription();
      CHECK(kind_.alive.expired());
      CHECK(held_.scope->Count() == 0);
      if (way_.closes) {
        CHECK_FALSE(held_.scope->Track(Producer().Subscribe()));
      }
    }
    if constexpr (requires { kind_.scope; }) CHECK(kind_.scope.Count() == 0);
    held_.handle = Subscription();
    held_.scope.reset();
    AwaitThat([&] { return kind_.alive.expired(); });
    if (const auto calls = kind_.unsubscribed()) {
      CHECK(*calls >= 1);
      if (way_.destroys) CHECK(*calls == 1);
    }
  }

  const Way& way_;
  K kind_;
  Handles held_;
  Receiver<std::exception_ptr> err_;
};

// Makes a section of each way.
template <typename K, typename Situation>
void InEveryWay(Situation situation, bool ask_for_err = true) {
  for (const Way& way : kWays) {
    DYNAMIC_SECTION(way.name) {
      Trial<K> trial(way, ask_for_err);
      situation(trial, way);
    }
  }
}

// Makes a section of each way that closes a scope.
template <typename K, typename Situation>
void InEveryClose(Situation situation) {
  for (const Way& way : kWays) {
    if (!way.closes) continue;
    DYNAMIC_SECTION(way.name) {
      Trial<K> trial(way);
      situation(trial, way);
    }
  }
}

}  // namespace

// --- The situations ----------------------------------------------------------

TEMPLATE_TEST_CASE("U2 P2: an end from outside", "", EVERY_KIND) {
  InEveryWay<TestType>([](auto& trial, const Way&) {
    CHECK(trial.kind().Delivers());
    trial.End();
    if (trial.EndsAtOnce()) CHECK(trial.err().drained());
    trial.CheckEnded();
  });
}

TEMPLATE_TEST_CASE("U1: an end before Err was ever asked for", "", EVERY_KIND) {
  InEveryWay<TestType>(
      [](auto& trial, const Way&) {
        trial.End();
        trial.CheckEndedUnasked();
      },
      false);
}

TEMPLATE_TEST_CASE("U2 P1: an end of what had ended by itself", "",
                   EVERY_KIND) {
  InEveryWay<TestType>([](auto& trial, const Way&) {
    trial.kind().EndWell();
    AwaitThat([&] { return trial.err().closed(); });
    trial.End();
    trial.CheckEnded();
  });
}

TEMPLATE_TEST_CASE("U1 P1: an end of what had failed, its error unread", "",
                   KINDS_THAT_CAN_FAIL) {
  InEveryWay<TestType>([](auto& trial, const Way&) {
    trial.kind().Fail();
    AwaitThat([&] { return trial.err().closed(); });
    trial.End();
    trial.CheckEnded("failed");
  });
}

TEMPLATE_TEST_CASE("U3 R4 P3: an end from inside", "", KINDS_WITH_AN_INSIDE) {
  InEveryWay<TestType>([](auto& trial, const Way&) {
    bool goes_on = false;
    const Channel<int> last_words;
    trial.kind().worker.Run([&](const std::stop_token& stop) {
      trial.End();
      goes_on = !trial.err().closed();
      // A join or a resubscription hands the request on in its own thread.
      if (trial.Ends()) WaitForStop(stop);
      last_words.Close();
    });
    static_cast<void>(last_words.Receive());
    CHECK(goes_on);
    trial.CheckEnded();
  });
}

TEMPLATE_TEST_CASE("U3 R4 P3: an end from inside by a callback of another one",
                   "", KINDS_WITH_AN_INSIDE) {
  InEveryWay<TestType>([](auto& trial, const Way&) {
    const Channel<int> registered;
    const Channel<int> called;
    const Channel<int> last_words;
    bool goes_on = false;
    const Subscription other = NewSubscription([&](std::stop_token stop) {
      const std::stop_callback callback(stop, [&] {
        trial.End();
        goes_on = !trial.err().closed();
        called.Close();
      });
      registered.Close();
      static_cast<void>(called.Receive());
    });
    static_cast<void>(registered.Receive());
    trial.kind().worker.Run([&](const std::stop_token& stop) {
      other.RequestUnsubscribe();
      if (trial.Ends()) WaitForStop(stop);
      last_words.Close();
    });
    static_cast<void>(last_words.Receive());
    CHECK(goes_on);
    trial.CheckEnded();
  });
}

TEMPLATE_TEST_CASE("U3 U5 P2 P3: an end from inside of a scope of several", "",
                   KINDS_WITH_AN_INSIDE) {
  InEveryClose<TestType>([](auto& trial, const Way& way) {
    Held held;
    ForeignWithRequest foreign;
    const Subscription held_wrapper = trial.Track(held.Subscribe());
    const Subscription foreign_wrapper = trial.Track(Subscription(foreign));
    const Channel<int> last_words;
    bool left_alone = false;
    int requested = 0;
    int unsubscribed = 0;
    trial.kind().worker.Run([&](const std::stop_token& stop) {
      trial.End();
      left_alone = !held.gone();
      requested = foreign.requested();
      unsubscribed = foreign.unsubscribed();
      WaitForStop(stop);
      last_words.Close();
    });
    static_cast<void>(last_words.Receive());
    CHECK(left_alone);
    CHECK(requested == 1);
    // A scope that is there still can be closed from outside.
    CHECK(unsubscribed == (way.repeatable ? 0 : 1));
    held.AwaitAsked();
    held.LetGo();
    CHECK(Text(held_wrapper.Err().Receive()) == "closed");
    foreign_wrapper.Unsubscribe();
    trial.CheckEnded();
  });
}

TEMPLATE_TEST_CASE("U2 P2: an end by a callback in another producer's thread",
                   "", EVERY_KIND) {
  InEveryWay<TestType>([](auto& trial, const Way&) {
    const Channel<int> registered;
    const Channel<int> called;
    bool ended = false;
    const Subscription registering = NewSubscription([&](std::stop_token stop) {
      const std::stop_callback callback(stop, [&] {
        trial.End();
        ended = trial.err().drained();
        called.Close();
      });
      registered.Close();
      static_cast<void>(called.Receive());
    });
    static_cast<void>(registered.Receive());
    const Subscription asking = NewSubscription(
        [&](std::stop_token) { registering.RequestUnsubscribe(); });
    static_cast<void>(called.Receive());
    if (trial.EndsAtOnce()) CHECK(ended);
    trial.CheckEnded();
  });
}

TEMPLATE_TEST_CASE("U2 U3 R4: an end by a producer that was started inside", "",
                   KINDS_WITH_AN_INSIDE) {
  InEveryWay<TestType>([](auto& trial, const Way&) {
    Subscription started;
    std::atomic<bool> returned = false;
    bool ended = false;
    bool waited = false;
    const Channel<int> last_words;
    trial.kind().worker.Run([&](const std::stop_token& stop) {
      started = NewSubscription([&](std::stop_token) {
        trial.End();
        ended = trial.err().drained();
        returned = true;
      });
      if (trial.Ends()) AwaitThat([&] { return stop.stop_requested(); });
      // Where it need not wait it must not: this one does.
      if (TestType::kAdoptsStarted) AwaitThat([&] { return returned.load(); });
      waited = StaysFalse([&] { return returned.load(); });
      last_words.Close();
    });
    static_cast<void>(last_words.Receive());
    AwaitThat([&] { return returned.load(); });
    const bool waits = trial.EndsAtOnce() && !TestType::kAdoptsStarted;
    if (waits) CHECK(ended);
    if (waits) CHECK(waited);
    trial.CheckEnded();
    started.Unsubscribe();
  });
}

TEMPLATE_TEST_CASE("U2 P2: an end by two threads at once", "", EVERY_KIND) {
  InEveryWay<TestType>([](auto& trial, const Way& way) {
    const auto end = [&] {
      trial.End();
      return trial.err().drained();
    };
    InThread first(end);
    // To destroy a handle or scope is for one alone: the source is the other.
    if (way.repeatable) {
      const bool ended = end();
      if (trial.EndsAtOnce()) CHECK(ended);
    } else {
      trial.kind().EndWell();
    }
    const bool ended = first.Get();
    if (trial.EndsAtOnce()) CHECK(ended);
    trial.CheckEnded();
  });
}
