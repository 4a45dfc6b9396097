// SPDX-License-Identifier: MIT
//
// The values to come as a range, with the standard's algorithms and views:
// exactly what was looked at leaves the channel. Clause C4.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <utility>
#include <vector>

#include <fanfare/channel.h>

#include "support/catch.h"
#include "support/in_thread.h"
#include "support/values.h"
#include "support/waiters.h"

namespace {

using fanfare::Channel;
using fanfare::Receiver;

// A channel in which 1, 2, …, count are.
Channel<int> Holding(int count, std::size_t more = 0) {
  Channel<int> channel(static_cast<std::size_t>(count) + more);
  for (int i = 1; i <= count; ++i) channel.TrySend(i);
  return channel;
}

std::vector<int> Rest(const Receiver<int>& receiver) {
  std::vector<int> rest;
  while (const auto value = receiver.TryReceive()) rest.push_back(*value);
  return rest;
}

using Ints = std::vector<int>;

TEST_CASE("C4: begin takes nothing and does not wait") {
  const Channel<int> empty;
  STATIC_REQUIRE(noexcept(empty.begin()));
  (void)empty.begin();
  const auto channel = Holding(2);
  { const auto never_looked_at = channel.begin(); }
  CHECK(Rest(channel) == Ints{1, 2});
}

TEST_CASE("C4: the size of a channel is not that of the values to come") {
  // Not static: mutants/run.py takes a fault that does not build for a mistake.
  CHECK_FALSE(std::ranges::sized_range<Channel<int>>);
  CHECK_FALSE(std::ranges::sized_range<const Channel<int>&>);
  CHECK_FALSE(std::ranges::sized_range<Receiver<int>>);
}

TEST_CASE("C4: to look again takes no other value") {
  const auto channel = Holding(3);
  const auto it = channel.begin();
  CHECK_FALSE((it == channel.end()));
  CHECK_FALSE((it == channel.end()));
  CHECK(*it == 1);
  CHECK(*it == 1);
  CHECK_FALSE((channel.end() == it));
  CHECK(channel.size() == 2);
}

TEST_CASE("C4: ++ takes what was not looked at, and no more") {
  const auto channel = Holding(5);
  auto it = channel.begin();
  ++it;
  CHECK(channel.size() == 4);
  it++;
  CHECK(channel.size() == 3);
  CHECK(*it == 3);
  CHECK(channel.size() == 2);
  ++it;
  CHECK(channel.size() == 2);
  CHECK(*it == 4);
}

TEST_CASE("C4: the end stays the end") {
  const auto channel = Holding(1);
  channel.Close();
  auto it = channel.begin();
  CHECK(*it == 1);
  ++it;
  CHECK((it == channel.end()));
  CHECK((it == channel.end()));
}

TEST_CASE("C4: a loop that breaks has taken what it saw") {
  const auto channel = Holding(4);
  for (const int value : channel) {
    if (value == 2) break;
  }
  CHECK(Rest(channel) == Ints{3, 4});
}

TEST_CASE("C4: an iterator moved before it is looked at takes its value once") {
  const auto channel = Holding(3);
  auto it = channel.begin();
  auto moved = std::move(it);
  CHECK(channel.size() == 3);
  CHECK(*moved == 1);
  auto again = std::move(moved);
  CHECK(*again == 1);
  CHECK(channel.size() == 2);
  again = channel.begin();
  CHECK(*again == 2);
}

TEST_CASE("C4: a range blocks where it is looked at and not before") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const Channel<int> channel(capacity);
  auto it = channel.begin();
  const auto check = [&](auto look) {
    InThread looking([&] { return look(); });
    AwaitReceivers(channel, 1);
    CHECK(channel.Send(7));
    CHECK(looking.Get() == 7);
    ++it;  // the value was looked at: this does not block
  };
  check([&] { return *it; });
  check([&] { return *it.operator->(); });
  check([&] { return it == channel.end() ? 0 : *it; });
  // ++ takes a value that was not looked at.
  InThread skipping([&] { ++it; });
  AwaitReceivers(channel, 1);
  CHECK(channel.Send(8));
  skipping.Get();
  InThread looking([&] { return it == channel.end(); });
  AwaitReceivers(channel, 1);
  channel.Close();
  CHECK(looking.Get());
}

TEST_CASE("C4: copy_n takes exactly n values and waits for no other") {
  const auto channel = Holding(4);
  Ints copied;
  std::ranges::copy_n(channel.begin(), 3, std::back_inserter(copied));
  CHECK(copied == Ints{1, 2, 3});
  CHECK(Rest(channel) == Ints{4});
}

TEST_CASE("C4: a counted iterator takes exactly its count") {
  const auto channel = Holding(4);
  const auto count = GENERATE(0, 1, 3, 4);
  Ints seen;
  std::ranges::for_each(std::counted_iterator(channel.begin(), count),
                        std::default_sentinel,
                        [&](int value) { seen.push_back(value); });
  CHECK(static_cast<int>(seen.size()) == count);
  CHECK(static_cast<int>(channel.size()) == 4 - count);
}

TEST_CASE("C4: for_each, find and advance take what they look at") {
  const auto channel = Holding(6);
  CHECK(*std::ranges::find(channel, 2) == 2);
  CHECK(channel.size() == 4);
  auto it = channel.begin();
  std::ranges::advance(it, 2);
  CHECK(*it == 5);
  channel.Close();
  int sum = 0;
  std::ranges::for_each(channel, [&](int value) { sum += value; });
  CHECK(sum == 6);
}

// With the views of libstdc++ older clang++ cannot do anything.
#if !defined(__clang__) || __clang_major__ >= 16

TEST_CASE("C4: take takes exactly so many values of an open channel") {
  const auto channel = Holding(3);
  const int count = GENERATE(0, 1, 2, 3);
  Ints taken;
  for (const int value : channel | std::views::take(count)) {
    taken.push_back(value);
  }
  CHECK(static_cast<int>(taken.size()) == count);
  CHECK(static_cast<int>(channel.size()) == 3 - count);
}

TEST_CASE("C4: take after take loses nothing, to the end of the channel") {
  const auto channel = Holding(5);
  channel.Close();
  std::vector<Ints> batches;
  for (int batch = 0; batch < 3; ++batch) {
    batches.emplace_back();
    for (const int value : channel | std::views::take(3)) {
      batches.back().push_back(value);
    }
  }
  CHECK(batches == std::vector<Ints>{{1, 2, 3}, {4, 5}, {}});
}

TEST_CASE("C4: a rendezvous with take ends with its last value") {
  const Channel<int> requests, replies;
  InThread serving([&] {
    for (const int value : requests | std::views::take(3)) {
      replies.Send(2 * value);
    }
  });
  for (const int value : {1, 2, 3}) {
    CHECK(requests.Send(value));
    CHECK(replies.Receive() == 2 * value);
  }
  serving.Get();  // although no fourth request comes
}

TEST_CASE("C4: drop takes what it drops, and take what follows") {
  const auto channel = Holding(6);
  Ints seen;
  for (const int value : channel | std::views::drop(2) | std::views::take(2)) {
    seen.push_back(value);
  }
  CHECK(seen == Ints{3, 4});
  CHECK(Rest(channel) == Ints{5, 6});
}

TEST_CASE("C4: take_while looks at the value that ends it") {
  const auto channel = Holding(5);
  Ints seen;
  for (const int value : channel | std::views::take_while(
                                       [](int number) { return number < 3; })) {
    seen.push_back(value);
  }
  CHECK(seen == Ints{1, 2});
  CHECK(Rest(channel) == Ints{4, 5});
}

TEST_CASE("C4: filter, transform and drop_while go over the values to come") {
  const auto channel = Holding(6);
  Ints seen;
  for (const int value :
       channel | std::views::drop_while([](int number) { return number < 2; }) |
           std::views::filter([](int number) { return number % 2 == 0; }) |
           std::views::transform([](int number) { return 10 * number; }) |
           std::views::take(2)) {
    seen.push_back(value);
  }
  CHECK(seen == Ints{20, 40});
  CHECK(Rest(channel) == Ints{});  // filter looks for its next value
}

TEST_CASE("C4: take moves owners out of the channel, and no other ones") {
  const Channel<MoveOnly> channel(3);
  for (const int number : {1, 2, 3}) channel.Send(Own(number));
  std::vector<MoveOnly> owners;
  for (MoveOnly& owner : channel | std::views::take(2)) {
    owners.push_back(std::move(owner));
  }
  CHECK(*owners.back() == 2);
  CHECK(channel.size() == 1);
}

#endif

}  // namespace
