// SPDX-License-Identifier: MIT
//
// The handles of a channel as objects: both views of one Channel agree whatever
// is done to one of them, handles are compared and hashed, and the last one
// frees any chain of channels. Clauses C1 to C3.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/catch.h"
#include "support/values.h"

namespace {

using fanfare::Channel;
using fanfare::Receiver;
using fanfare::Sender;

// ---------------------------------------------------------------------------
// C2: both views of a Channel are of one channel
// ---------------------------------------------------------------------------

// Both views of `handle` are those of `expected`, or nil like it.
template <typename Expected>
void CheckBothAre(const Channel<int>& handle, const Expected& expected) {
  const Sender<int>& sender = handle;
  const Receiver<int>& receiver = handle;
  CHECK(static_cast<bool>(handle) == static_cast<bool>(expected));
  CHECK(sender == expected);
  CHECK(receiver == expected);
  CHECK(handle == expected);
  if (!expected) {
    CHECK_FALSE(handle.TrySend(1));
    CHECK_FALSE(handle.TryReceive());
    CHECK(sender.capacity() == 0);
    CHECK(receiver.capacity() == 0);
    return;
  }
  // What goes in at one view comes out of the other.
  const std::size_t before = handle.size();
  if (before == handle.capacity()) return;
  CHECK(handle.TrySend(1));
  CHECK(receiver.size() == before + 1);
  CHECK(handle.TryReceive());
  CHECK(sender.size() == before);
}

TEST_CASE("C2 C3: a view that is made by moving takes the whole channel") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Channel<int> channel(capacity);
  const Channel<int> same = channel;
  const auto check = [&](const auto& view) {
    CheckBothAre(channel, Sender<int>());
    CHECK(view == same);
    CHECK(view.capacity() == capacity);
  };
  SECTION("a sender") {
    const Sender<int> sender = std::move(channel);
    check(sender);
  }
  SECTION("a receiver") {
    const Receiver<int> receiver = std::move(channel);
    check(receiver);
  }
  SECTION("a sender, by a reference to that view") {
    Sender<int>& view = channel;
    const Sender<int> sender = std::move(view);
    check(sender);
  }
  SECTION("a receiver, by a reference to that view") {
    Receiver<int>& view = channel;
    const Receiver<int> receiver = std::move(view);
    check(receiver);
  }
  SECTION("a sender that is assigned to") {
    Sender<int> sender = Channel<int>();
    sender = std::move(channel);
    check(sender);
  }
  SECTION("a receiver that is assigned to") {
    Receiver<int> receiver = Channel<int>();
    receiver = std::move(channel);
    check(receiver);
  }
  SECTION("by std::exchange") {
    Sender<int>& view = channel;
    check(std::exchange(view, Sender<int>()));
  }
  SECTION("the views of containers") {
    std::vector<Receiver<int>> receivers;
    receivers.push_back(std::move(channel));
    receivers.reserve(100);
    check(receivers.front());
  }
}

TEST_CASE("C2: a view that is made by copying leaves the channel whole") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  const Sender<int>& view = channel;
  const Sender<int> sender = view;
  const std::vector<Receiver<int>> receivers{channel, channel};
  CHECK(sender == channel);
  CHECK(receivers.back() == channel);
  CheckBothAre(channel, channel);
}

TEST_CASE("C2: to assign to one view of a channel assigns to both") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Channel<int> channel(capacity);
  const Channel<int> other(capacity);
  Sender<int>& sending = channel;
  Receiver<int>& receiving = channel;
  SECTION("a copy of a sender") {
    const Sender<int> sender = other;
    sending = sender;
    CHECK(sender == other);
    CheckBothAre(channel, other);
  }
  SECTION("a copy of a receiver") {
    const Receiver<int> receiver = other;
    receiving = receiver;
    CHECK(receiver == other);
    CheckBothAre(channel, other);
  }
  SECTION("a moved sender") {
    Sender<int> sender = other;
    sending = std::move(sender);
    CHECK_FALSE(sender);  // NOLINT(bugprone-use-after-move)
    CheckBothAre(channel, other);
  }
  SECTION("a moved receiver") {
    Receiver<int> receiver = other;
    receiving = std::move(receiver);
    CHECK_FALSE(receiver);  // NOLINT(bugprone-use-after-move)
    CheckBothAre(channel, other);
  }
  SECTION("a channel") {
    sending = other;
    CheckBothAre(channel, other);
  }
  SECTION("a channel that is moved") {
    Channel<int> moved = other;
    receiving = std::move(moved);
    CheckBothAre(channel, other);
    CheckBothAre(moved, Sender<int>());  // NOLINT(bugprone-use-after-move)
  }
  SECTION("a view of a channel that is moved") {
    Channel<int> moved = other;
    Sender<int>& view = moved;
    sending = std::move(view);
    CheckBothAre(channel, other);
    CheckBothAre(moved, Sender<int>());
  }
  SECTION("nil, and a channel again") {
    sending = {};
    CheckBothAre(channel, Sender<int>());
    receiving = other;
    CheckBothAre(channel, other);
  }
  SECTION("itself") {
    const Channel<int> same = channel;
    const Sender<int>& view = channel;
    sending = view;
    Sender<int>& again = sending;
    sending = std::move(again);
    receiving = channel;
    CheckBothAre(channel, same);
  }
}

TEST_CASE("C2: to swap views of channels swaps the channels") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  Channel<int> a(capacity), b(capacity);
  const Channel<int> was_a = a, was_b = b;
  SECTION("senders") {
    std::swap(static_cast<Sender<int>&>(a), static_cast<Sender<int>&>(b));
  }
  SECTION("receivers") {
    std::swap(static_cast<Receiver<int>&>(a), static_cast<Receiver<int>&>(b));
  }
  SECTION("channels") { std::swap(a, b); }
  CheckBothAre(a, was_b);
  CheckBothAre(b, was_a);
}

TEST_CASE("C2: to swap a view of a channel with a view swaps both its views") {
  Channel<int> channel(1);
  const Channel<int> was = channel, other(1);
  Sender<int> sender = other;
  std::swap(static_cast<Sender<int>&>(channel), sender);
  CheckBothAre(channel, other);
  CHECK(sender == was);
}

TEST_CASE("C1 C2: views that come and go leave no reference behind") {
  int live = 0;
  {
    Channel<Counted> channel(1);
    channel.TrySend(Counted(1, &live));
    Channel<Counted> second = channel;
    Sender<Counted>& view = second;
    view = Channel<Counted>(1);
    view = channel;
    Sender<Counted> sender = std::move(view);
    second = std::move(channel);
    channel = second;
    sender = std::move(second);
    CHECK(live == 1);
    channel = Channel<Counted>();
    CHECK(live == 1);
    sender = {};
    CHECK(live == 0);
  }
  CHECK(live == 0);
}

TEST_CASE("C2: a channel is no larger than its two views") {
  STATIC_REQUIRE(sizeof(Channel<int>) == 2 * sizeof(void*));
  STATIC_REQUIRE(std::is_nothrow_move_assignable_v<Channel<int>>);
  STATIC_REQUIRE(std::is_nothrow_copy_assignable_v<Channel<int>>);
  STATIC_REQUIRE(std::is_nothrow_constructible_v<Sender<int>, Channel<int>>);
  STATIC_REQUIRE(std::is_nothrow_constructible_v<Receiver<int>, Channel<int>>);
}

// ---------------------------------------------------------------------------
// C1: comparison and hashing
// ---------------------------------------------------------------------------

TEST_CASE("C1: handles are equal if they are of one channel") {
  const Channel<int> channel, other;
  const Channel<int> copy = channel;
  const Sender<int> sender = channel, other_sender = other;
  const Receiver<int> receiver = channel, other_receiver = other;
  CHECK(channel == copy);
  CHECK(channel != other);
  CHECK(sender == Sender<int>(copy));
  CHECK(sender != other_sender);
  CHECK(receiver == Receiver<int>(copy));
  CHECK(receiver != other_receiver);
  CHECK(sender == receiver);
  CHECK(receiver == sender);
  CHECK(sender != other_receiver);
  CHECK(channel == sender);
  CHECK(receiver == channel);
  CHECK(channel != other_sender);
  CHECK(other_receiver != channel);
  STATIC_REQUIRE(noexcept(channel == sender));
}

TEST_CASE("C1 C3: nil handles are equal, and no other is equal to them") {
  Channel<int> channel;
  CHECK(Sender<int>() == Sender<int>());
  CHECK(Sender<int>() == Receiver<int>());
  CHECK(Sender<int>() != channel);
  const Channel<int> moved = std::move(channel);
  CHECK(channel == Receiver<int>());  // NOLINT(bugprone-use-after-move)
  CHECK(moved != channel);            // NOLINT(bugprone-use-after-move)
}

template <typename A, typename B>
concept CanCompare = requires(const A& a, const B& b) {
  a == b;
};

TEST_CASE("C1: only handles of one element type are compared") {
  STATIC_REQUIRE(std::equality_comparable<Channel<MoveOnly>>);
  STATIC_REQUIRE(std::regular<Sender<MoveOnly>>);
  STATIC_REQUIRE(CanCompare<Sender<int>, Channel<int>>);
  STATIC_REQUIRE_FALSE(CanCompare<Sender<int>, Sender<long>>);
  STATIC_REQUIRE_FALSE(CanCompare<Channel<int>, Receiver<long>>);
  STATIC_REQUIRE_FALSE(CanCompare<Channel<int>, int>);
  STATIC_REQUIRE_FALSE(CanCompare<Channel<int>, std::nullptr_t>);
  STATIC_REQUIRE_FALSE(CanCompare<fanfare::Feed<int>, fanfare::Feed<int>>);
  STATIC_REQUIRE_FALSE(
      CanCompare<fanfare::Subscription, fanfare::Subscription>);
}

TEST_CASE("C1: handles are keys of unordered containers") {
  std::vector<Channel<int>> channels(100);
  for (auto& channel : channels) channel = Channel<int>();
  std::unordered_set<Channel<int>> set(channels.begin(), channels.end());
  CHECK(set.size() == 100);
  CHECK(set.contains(channels[42]));
  CHECK_FALSE(set.contains(Channel<int>()));
  std::unordered_map<Sender<int>, int> map;
  for (int i = 0; i < 100; ++i) {
    map[channels[static_cast<std::size_t>(i)]] = i;
  }
  CHECK(map.at(channels[42]) == 42);
  std::unordered_set<Receiver<int>> receivers{channels[0], channels[0]};
  CHECK(receivers.size() == 1);
}

TEST_CASE("C1: equal handles have one hash, and others seldom") {
  const Channel<int> channel;
  const auto hash = std::hash<Channel<int>>()(channel);
  CHECK(std::hash<Sender<int>>()(channel) == hash);
  CHECK(std::hash<Receiver<int>>()(channel) == hash);
  std::vector<Channel<int>> alive;
  std::set<std::size_t> hashes, low_bits;
  for (int i = 0; i < 100; ++i) {
    alive.emplace_back();
    const auto one = std::hash<Channel<int>>()(alive.back());
    hashes.insert(one);
    low_bits.insert(one % 64);
  }
  CHECK(hashes.size() == 100);
  CHECK(low_bits.size() > 1);
}

// ---------------------------------------------------------------------------
// C1: chains of channels
// ---------------------------------------------------------------------------

constexpr int kLong = 1'000'000;

struct Link {
  Channel<Link> next;
};

TEST_CASE("C1: a chain of channels within channels is freed, however long") {
  Channel<Link> head(1);
  for (int i = 0; i < kLong; ++i) {
    Channel<Link> outer(1);
    outer.TrySend(Link{std::move(head)});
    head = std::move(outer);
  }
  head = Channel<Link>();
  CHECK(head.size() == 0);
}

// Links of two types, through pointers, optionals and containers.
struct Other;
struct Wrapped {
  std::unique_ptr<std::vector<Sender<Other>>> next;
  Counted counted;
};
struct Other {
  std::optional<Receiver<Wrapped>> next;
};

TEST_CASE("C1: a chain of channels of several types is freed to its end") {
  int live = 0;
  {
    std::optional<Receiver<Wrapped>> head;
    for (int i = 0; i < kLong / 10; ++i) {
      const Channel<Other> others(2);
      const Channel<Wrapped> wrapped(1);
      others.TrySend(Other{std::move(head)});
      wrapped.TrySend(
          Wrapped{std::make_unique<std::vector<Sender<Other>>>(2, others),
                  Counted(i, &live)});
      head = wrapped;
    }
    CHECK(live == kLong / 10);
  }
  CHECK(live == 0);
}

struct Tree {
  std::vector<Channel<Tree>> branches;
  Counted counted;
};

TEST_CASE("C1: all branches of a tree of channels are freed") {
  int live = 0;
  {
    // Deep, and with two leaves at each joint.
    Channel<Tree> root(3);
    for (int i = 0; i < 1000; ++i) {
      Channel<Tree> outer(3);
      outer.TrySend(Tree{{}, Counted(i, &live)});
      outer.TrySend(Tree{{root, root}, Counted(i, &live)});
      outer.TrySend(Tree{{}, Counted(i, &live)});
      root = std::move(outer);
    }
    CHECK(live == 3000);
  }
  CHECK(live == 0);
}

// Reports its destruction.
struct Reporter {
  Reporter(int n, std::vector<int>* to) : number(n), order(to) {}
  Reporter(Reporter&& other) noexcept
      : number(other.number), order(std::exchange(other.order, nullptr)) {}
  ~Reporter() {
    if (order != nullptr) order->push_back(number);
  }
  int number;
  std::vector<int>* order;
};

TEST_CASE("C1: the values of a channel are destroyed from first to last") {
  std::vector<int> order;
  {
    const Channel<Reporter> channel(4);
    for (const int number : {1, 2, 3}) {
      channel.TrySend(Reporter(number, &order));
    }
    (void)channel.TryReceive();
    channel.TrySend(Reporter(4, &order));
    order.clear();
  }
  CHECK(order == std::vector{2, 3, 4});
}

// As it dies it drops a channel of its own, and looks whether that is gone.
struct Dropper {
  Dropper(std::optional<Channel<Dropper>> c, int* l)
      : inner(std::move(c)), late(l) {}
  Dropper(Dropper&& other) noexcept
      : inner(std::move(other.inner)),
        late(std::exchange(other.late, nullptr)) {}
  ~Dropper() {
    if (late == nullptr) return;
    ++*late;
    const int before = *late;
    const bool had_inner = inner.has_value();
    inner.reset();
    if (had_inner && *late == before) *late = -1000;
  }
  std::optional<Channel<Dropper>> inner;
  int* late;
};

TEST_CASE(
    "C1: a few channels within channels are freed by the time it returns") {
  int late = 0;
  std::optional<Channel<Dropper>> head;
  for (int i = 0; i < 30; ++i) {
    Channel<Dropper> outer(1);
    outer.TrySend(Dropper(std::move(head), &late));
    head = std::move(outer);
  }
  head.reset();
  CHECK(late == 30);
}

// Uses channels of its own type as it dies.
struct User {
  explicit User(Channel<User> n, int* l) : next(std::move(n)), live(l) {
    if (live != nullptr) ++*live;
  }
  User(User&& other) noexcept
      : next(std::move(other.next)), live(std::exchange(other.live, nullptr)) {}
  ~User() {
    if (live == nullptr) return;
    --*live;
    const Channel<User> made(1);
    made.TrySend(User(Channel<User>(), nullptr));
    (void)made.TryReceive();
    made.TrySend(User(Channel<User>(), nullptr));
  }
  Channel<User> next;
  int* live;
};

TEST_CASE("C1: values that use channels as they die do so in any depth") {
  int live = 0;
  {
    Channel<User> head(1);
    for (int i = 0; i < 1000; ++i) {
      Channel<User> outer(1);
      outer.TrySend(User(std::move(head), &live));
      head = std::move(outer);
    }
    CHECK(live == 1000);
  }
  CHECK(live == 0);
}

TEST_CASE("C1: a chain that a thread_local owns is freed as the thread ends") {
  int live = 0;
  std::thread([&] {
    static thread_local Channel<User> kept(1);
    for (int i = 0; i < 1000; ++i) {
      Channel<User> outer(1);
      outer.TrySend(User(std::move(kept), &live));
      kept = std::move(outer);
    }
  }).join();
  CHECK(live == 0);
}

}  // namespace
