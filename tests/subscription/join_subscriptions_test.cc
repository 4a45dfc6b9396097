// SPDX-License-Identifier: MIT
//
// U7: several subscriptions as one; and U2, U3, U4 of such a one.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
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
using fanfare::Resubscribe;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

namespace {

// Two producers that end only if both are asked to: whoever is asked tells the
// other and waits to be told.
class Pair {
 public:
  Subscription One() { return Make(to_two_, to_one_); }
  Subscription Two() { return Make(to_one_, to_two_); }
  [[nodiscard]] int ended() const { return *ended_; }

 private:
  Subscription Make(const Channel<int>& tell, const Channel<int>& hear) {
    return NewSubscription([tell, hear, ended = ended_](std::stop_token stop) {
      WaitForStop(stop);
      tell.Close();
      static_cast<void>(hear.Receive());
      ++*ended;
    });
  }

  Channel<int> to_one_;
  Channel<int> to_two_;
  std::shared_ptr<std::atomic<int>> ended_ =
      std::make_shared<std::atomic<int>>(0);
};

}  // namespace

TEST_CASE("U7 P1: a join waits for a member that a scope tracks as well") {
  SubscriptionScope scope;
  std::atomic<bool> ended = false;
  const Subscription join =
      JoinSubscriptions(scope.Track(NewSubscription([&](std::stop_token stop) {
        WaitForStop(stop);
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        ended = true;
      })));
  join.Unsubscribe();
  CHECK(ended);
}

TEST_CASE("U7: a join of nothing ends at once") {
  Subscription join;
  SECTION("no argument") { join = JoinSubscriptions(); }
  SECTION("an empty vector") {
    join = JoinSubscriptions(std::vector<Subscription>());
  }
  SECTION("empty subscriptions") {
    join = JoinSubscriptions(Subscription(), Subscription());
  }
  CHECK(join);
  CHECK(join.Err().drained());
  join.Unsubscribe();
  join.RequestUnsubscribe();
  CHECK(join.Err().drained());
}

TEST_CASE("U7: a join ends well when all of its members have ended well") {
  Puppet one;
  Puppet two;
  Puppet three;
  Subscription join;
  SECTION("as arguments") {
    join =
        JoinSubscriptions(one.Subscribe(), two.Subscribe(), three.Subscribe());
  }
  SECTION("as a vector") {
    std::vector<Subscription> members;
    members.push_back(one.Subscribe());
    members.push_back(two.Subscribe());
    members.push_back(three.Subscribe());
    join = JoinSubscriptions(std::move(members));
  }
  SECTION("with empty ones between them") {
    join = JoinSubscriptions(one.Subscribe(), Subscription(), two.Subscribe(),
                             Subscription(), three.Subscribe());
  }
  const auto err = join.Err();
  two.EndWell();
  AwaitThat([&] { return two.gone(); });
  CHECK(StaysFalse([&] { return err.closed(); }));
  one.EndWell();
  AwaitThat([&] { return one.gone(); });
  CHECK(StaysFalse([&] { return err.closed() || three.gone(); }));
  three.EndWell();
  CHECK(Text(err.Receive()) == "closed");
  join.Unsubscribe();
  CHECK(join.Err().drained());
}

TEST_CASE("U7: a join takes its members over") {
  Puppet one;
  Puppet two;
  Subscription first = one.Subscribe();
  Subscription second = two.Subscribe();
  const Subscription join =
      JoinSubscriptions(std::move(first), std::move(second));
  // NOLINTBEGIN(bugprone-use-after-move): that is the point
  CHECK_FALSE(first);
  CHECK_FALSE(second);
  first.Unsubscribe();
  // NOLINTEND(bugprone-use-after-move)
  CHECK_FALSE(one.gone());
  CHECK_FALSE(join.Err().closed());
  join.Unsubscribe();
  CHECK(one.gone());
  CHECK(two.gone());
}

TEST_CASE("U7: the first error of any member ends all and is passed on") {
  for (int which = 0; which < 3; ++which) {
    INFO("member " << which);
    std::vector<Puppet> puppets(3);
    const Subscription join = JoinSubscriptions(
        puppets[0].Subscribe(), puppets[1].Subscribe(), puppets[2].Subscribe());
    puppets[static_cast<std::size_t>(which)].Fail("stumbled");
    CHECK(Text(join.Err().Receive()) == "stumbled");
    for (const Puppet& puppet : puppets) CHECK(puppet.gone());
    CHECK(Text(join.Err().Receive()) == "closed");
    CHECK(join.Err().drained());
  }
}

TEST_CASE("U7: the error is passed on when all have ended") {
  Puppet failing;
  Held slow;
  const Subscription join =
      JoinSubscriptions(slow.Subscribe(), failing.Subscribe());
  const auto err = join.Err();
  failing.Fail("in a hurry");
  slow.AwaitAsked();
  CHECK(StaysFalse([&] { return err.closed() || err.size() != 0; }));
  CHECK_FALSE(slow.gone());
  slow.LetGo();
  CHECK(Text(err.Receive()) == "in a hurry");
  CHECK(slow.gone());
  CHECK(Text(err.Receive()) == "closed");
}

TEST_CASE("U7: a later error is not passed on") {
  const Foreign later;
  Held slow;
  Puppet first;
  const Subscription join = JoinSubscriptions(
      NewSubscription([later](std::stop_token stop) {
        WaitForStop(stop);
        later.Fail("second");
      }),
      Subscription(later), slow.Subscribe(), first.Subscribe());
  first.Fail("first");
  slow.AwaitAsked();
  slow.LetGo();
  CHECK(Text(join.Err().Receive()) == "first");
  CHECK(Text(join.Err().Receive()) == "closed");
}

TEST_CASE("U7: members that fail together give one error") {
  for (int i = 0; i < 20; ++i) {
    std::vector<Subscription> members;
    for (int m = 0; m < 3; ++m) {
      members.push_back(NewSubscription(
          [](std::stop_token) { return Failure("all together"); }));
    }
    const Subscription join = JoinSubscriptions(std::move(members));
    REQUIRE(Text(join.Err().Receive()) == "all together");
    REQUIRE(Text(join.Err().Receive()) == "closed");
  }
}

TEST_CASE("U7: a member that had failed before it was joined") {
  Puppet alive;
  const Foreign failed;
  failed.Fail("long ago");
  const Subscription join =
      JoinSubscriptions(alive.Subscribe(), Subscription(failed));
  CHECK(Text(join.Err().Receive()) == "long ago");
  CHECK(alive.gone());
  CHECK(Text(join.Err().Receive()) == "closed");
}

TEST_CASE("U7: members that had ended before they were joined") {
  Puppet one;
  Subscription ended = one.Subscribe();
  ended.Unsubscribe();
  SECTION("all of them") {
    const Subscription join = JoinSubscriptions(std::move(ended));
    CHECK(Text(join.Err().Receive()) == "closed");
  }
  SECTION("one of them") {
    Puppet alive;
    const Subscription join =
        JoinSubscriptions(std::move(ended), alive.Subscribe());
    CHECK(StaysFalse([&] { return join.Err().closed() || alive.gone(); }));
    alive.Fail("still");
    CHECK(Text(join.Err().Receive()) == "still");
  }
}

TEST_CASE("U7: an error after some have ended well") {
  Puppet one;
  Puppet two;
  const Subscription join = JoinSubscriptions(one.Subscribe(), two.Subscribe());
  one.EndWell();
  AwaitThat([&] { return one.gone(); });
  two.Fail("the last");
  CHECK(Text(join.Err().Receive()) == "the last");
  CHECK(Text(join.Err().Receive()) == "closed");
}

TEST_CASE("U7: Unsubscribe asks all to end and then waits") {
  for (const bool swapped : {false, true}) {
    Pair pair;
    const Subscription join = swapped
                                  ? JoinSubscriptions(pair.Two(), pair.One())
                                  : JoinSubscriptions(pair.One(), pair.Two());
    // Would hang if it waited for one before it asked the other.
    join.Unsubscribe();
    CHECK(pair.ended() == 2);
    CHECK(join.Err().drained());
  }
}

TEST_CASE("U7: a failing member asks all to end and then waits") {
  Pair pair;
  Puppet failing;
  const Subscription join =
      JoinSubscriptions(pair.One(), failing.Subscribe(), pair.Two());
  failing.Fail("go");
  CHECK(Text(join.Err().Receive()) == "go");
  CHECK(pair.ended() == 2);
}

TEST_CASE("U2 U7: Unsubscribe of a join waits for every member") {
  Held one;
  Held two;
  const Subscription join = JoinSubscriptions(one.Subscribe(), two.Subscribe());
  bool saw_end = false;
  std::atomic<bool> returned = false;
  std::jthread waiting([&] {
    join.Unsubscribe();
    saw_end = one.gone() && two.gone() && join.Err().drained();
    returned = true;
  });
  one.AwaitAsked();
  two.AwaitAsked();
  two.LetGo();
  CHECK(StaysFalse([&] { return returned.load(); }));
  bool second_saw_end = false;
  std::atomic<bool> second_returned = false;
  std::jthread second([&] {
    join.Unsubscribe();
    second_saw_end = one.gone() && two.gone() && join.Err().drained();
    second_returned = true;
  });
  CHECK(StaysFalse([&] { return second_returned.load(); }));
  one.LetGo();
  waiting.join();
  second.join();
  CHECK(saw_end);
  CHECK(second_saw_end);
}

TEST_CASE("U3 U7: RequestUnsubscribe of a join asks all and never waits") {
  Held one;
  Held two;
  const Subscription join = JoinSubscriptions(one.Subscribe(), two.Subscribe());
  join.RequestUnsubscribe();
  one.AwaitAsked();
  two.AwaitAsked();
  CHECK_FALSE(join.Err().closed());
  one.LetGo();
  two.LetGo();
  CHECK(Text(join.Err().Receive()) == "closed");
}

TEST_CASE("U4 U7: dropping a join unsubscribes its members") {
  Puppet one;
  Puppet two;
  Foreign three;
  {
    const Subscription join = JoinSubscriptions(
        one.Subscribe(), two.Subscribe(), Subscription(three));
    CHECK_FALSE(join.Err().closed());
  }
  CHECK(one.gone());
  CHECK(two.gone());
  CHECK(three.unsubscribed() >= 1);
}

TEST_CASE("U7: an unsubscribed join passes no error on") {
  const Subscription join =
      JoinSubscriptions(NewSubscription([](std::stop_token stop) {
                          WaitForStop(stop);
                          return Failure("unwanted");
                        }),
                        NewSubscription([](std::stop_token stop) {
                          WaitForStop(stop);
                          throw std::runtime_error("unwanted");
                        }));
  const auto err = join.Err();
  join.Unsubscribe();
  CHECK(err.drained());
}

TEST_CASE("U1 U7: Err of a join asked for the first time after its end") {
  Puppet one;
  Puppet two;
  SubscriptionScope scope;  // tells when the join has ended
  const Subscription join =
      scope.Track(JoinSubscriptions(one.Subscribe(), two.Subscribe()));
  one.Fail("before anybody asked");
  AwaitThat([&] { return scope.Count() == 0; });
  CHECK(Text(join.Err().Receive()) == "before anybody asked");
  CHECK(Text(join.Err().Receive()) == "closed");
}

TEST_CASE("U7: joins of feeds deliver and end together") {
  Feed<int> one;
  Feed<int> two;
  const Channel<int> first(4);
  const Channel<int> second(4);
  const Subscription join =
      JoinSubscriptions(one.Subscribe(first), two.Subscribe(second));
  CHECK(one.Send(1) == 1);
  CHECK(two.Send(2) == 1);
  SECTION("a closed feed ends its member alone") {
    one.Close();
    CHECK(StaysFalse([&] { return join.Err().closed(); }));
    CHECK(two.Send(3) == 1);
    two.Close();
    CHECK(Text(join.Err().Receive()) == "closed");
  }
  SECTION("Unsubscribe ends both") {
    join.Unsubscribe();
    CHECK(one.Send(4) == 0);
    CHECK(two.Send(5) == 0);
    CHECK(one.subscriber_count() == 0);
    CHECK(two.subscriber_count() == 0);
  }
  CHECK(first.TryReceive() == 1);
  CHECK(second.TryReceive() == 2);
}

TEST_CASE("U7: joins of joins") {
  std::vector<Puppet> puppets(4);
  const Subscription join = JoinSubscriptions(
      JoinSubscriptions(puppets[0].Subscribe(), puppets[1].Subscribe()),
      JoinSubscriptions(puppets[2].Subscribe()), puppets[3].Subscribe(),
      JoinSubscriptions());
  SECTION("an error deep inside ends all") {
    puppets[1].Fail("deep");
    CHECK(Text(join.Err().Receive()) == "deep");
  }
  SECTION("Unsubscribe ends all") { join.Unsubscribe(); }
  SECTION("all end well") {
    for (const Puppet& puppet : puppets) puppet.EndWell();
    CHECK(Text(join.Err().Receive()) == "closed");
  }
  for (const Puppet& puppet : puppets) CHECK(puppet.gone());
  CHECK(Text(join.Err().Receive()) == "closed");
}

TEST_CASE("U5 U7: foreign members are asked through what they have") {
  Foreign plain;
  ForeignWithRequest asking;
  const Subscription join =
      JoinSubscriptions(Subscription(plain), Subscription(asking));
  SECTION("Unsubscribe") {
    join.Unsubscribe();
    CHECK(plain.unsubscribed() >= 1);
    CHECK(asking.requested() == 1);
    CHECK(asking.unsubscribed() >= 1);
    CHECK(join.Err().drained());
  }
  SECTION("a failing one") {
    plain.Fail("foreign");
    CHECK(Text(join.Err().Receive()) == "foreign");
    CHECK(asking.unsubscribed() >= 1);
  }
}

TEST_CASE("P1 U7: a wrapper of a scope can be a member") {
  Puppet inside;
  Puppet beside;
  SubscriptionScope scope;
  const Subscription join =
      JoinSubscriptions(scope.Track(inside.Subscribe()), beside.Subscribe());
  SECTION("Unsubscribe removes it from the scope") {
    join.Unsubscribe();
    CHECK(inside.gone());
    CHECK(beside.gone());
    CHECK(scope.Count() == 0);
  }
  SECTION("closing the scope ends the member alone") {
    scope.Close();
    CHECK(inside.gone());
    CHECK(StaysFalse([&] { return join.Err().closed() || beside.gone(); }));
    beside.EndWell();
    CHECK(Text(join.Err().Receive()) == "closed");
  }
}

TEST_CASE("U7: a join of a hundred members") {
  std::vector<Puppet> puppets(100);
  std::vector<Subscription> members;
  for (Puppet& puppet : puppets) members.push_back(puppet.Subscribe());
  const Subscription join = JoinSubscriptions(std::move(members));
  puppets[57].Fail("number 57");
  CHECK(Text(join.Err().Receive()) == "number 57");
  CHECK(std::all_of(puppets.begin(), puppets.end(),
                    [](const Puppet& puppet) { return puppet.gone(); }));
}

TEST_CASE("U7: only subscriptions can be joined") {
  STATIC_REQUIRE(requires { JoinSubscriptions(Subscription()); });
  const auto joins = []<typename T>(std::type_identity<T>) {
    return requires(T value) { JoinSubscriptions(std::move(value)); };
  };
  CHECK_FALSE(joins(std::type_identity<int>()));
  CHECK_FALSE(joins(std::type_identity<Channel<int>>()));
}

TEST_CASE("U3 U7: a member that unsubscribes its join returns at once") {
  Held other;
  const Channel<Subscription*> handle;
  const Channel<int> returned;
  bool asked = false;
  const auto member = [&](std::stop_token stop) {
    (*handle.Receive())->Unsubscribe();
    WaitForStop(stop);
    asked = true;
    returned.Close();
  };
  SECTION("as the first") {
    Subscription join =
        JoinSubscriptions(other.Subscribe(), NewSubscription(member));
    handle.Send(&join);
    static_cast<void>(returned.Receive());
    CHECK_FALSE(join.Err().closed());  // the other one is held
    other.LetGo();
    CHECK(Text(join.Err().Receive()) == "closed");
  }
  SECTION("while another thread waits") {
    Subscription join =
        JoinSubscriptions(other.Subscribe(), NewSubscription(member));
    bool saw_end = false;
    std::jthread first([&] {
      join.Unsubscribe();
      saw_end = other.gone() && asked && join.Err().drained();
    });
    other.AwaitAsked();
    handle.Send(&join);
    static_cast<void>(returned.Receive());
    other.LetGo();
    first.join();
    CHECK(saw_end);
  }
  SECTION("inside of a join of joins") {
    Subscription join = JoinSubscriptions(
        JoinSubscriptions(JoinSubscriptions(NewSubscription(member))),
        other.Subscribe());
    other.LetGo();
    handle.Send(&join);
    CHECK(Text(join.Err().Receive()) == "closed");
  }
  CHECK(asked);
}

TEST_CASE("U3 U7: a member may drop the last handle of its join") {
  const Channel<Subscription> handle(1);
  bool asked = false;
  Puppet other;
  Subscription join = JoinSubscriptions(
      other.Subscribe(), NewSubscription([&](std::stop_token stop) {
        { const Subscription mine = *handle.Receive(); }
        WaitForStop(stop);
        asked = true;
      }));
  const auto err = join.Err();
  handle.Send(std::move(join));
  CHECK(Text(err.Receive()) == "closed");
  CHECK(asked);
  CHECK(other.gone());
}

TEST_CASE("U3 U7: a member of one join that ends another waits for it") {
  Held other;
  const Subscription other_join = JoinSubscriptions(other.Subscribe());
  std::atomic<bool> returned = false;
  bool saw_end = false;
  const Subscription join =
      JoinSubscriptions(NewSubscription([&](std::stop_token) {
        other_join.Unsubscribe();
        saw_end = other.gone();
        returned = true;
      }));
  other.AwaitAsked();
  CHECK(StaysFalse([&] { return returned.load(); }));
  other.LetGo();
  CHECK(Text(join.Err().Receive()) == "closed");
  CHECK(saw_end);
}

TEST_CASE("U3: a producer nested in a resubscription in a join in a scope") {
  SubscriptionScope scope;
  const Channel<std::function<void()>> work;
  std::atomic<int> ended = 0;
  Subscription wrapper = scope.Track(JoinSubscriptions(
      Resubscribe(std::chrono::hours(1), [&](std::stop_token) {
        return NewSubscription([&](std::stop_token stop) {
          // Returns from each call at once, or hangs.
          (*work.Receive())();
          WaitForStop(stop);
          ++ended;
        });
      })));
  AwaitThat([&] { return work.waiting_receivers() == 1; });
  SECTION("closes the scope") {
    work.Send([&] { scope.Close(); });
  }
  SECTION("unsubscribes the wrapper") {
    work.Send([&] { wrapper.Unsubscribe(); });
  }
  SECTION("does it while another thread waits for the scope") {
    std::jthread closing([&] { scope.Close(); });
    work.Send([&] {
      wrapper.Unsubscribe();
      scope.Close();
    });
  }
  SECTION("does it while another thread waits for the wrapper") {
    std::jthread closing([&] { wrapper.Unsubscribe(); });
    work.Send([&] {
      scope.Close();
      wrapper.Unsubscribe();
    });
  }
  CHECK(Text(wrapper.Err().Receive()) == "closed");
  CHECK(ended == 1);
  AwaitThat([&] { return scope.Count() == 0; });
}
