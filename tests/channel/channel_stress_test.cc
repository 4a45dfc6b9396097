// SPDX-License-Identifier: MIT
//
// Many threads on one channel for a while: what was sent is what was received
// and what is left over. FANFARE_STRESS_SECONDS tells for how long.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include <fanfare/channel.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/stress.h"

namespace {

using fanfare::Channel;
using fanfare::Receiver;
using fanfare::Sender;
using namespace std::chrono_literals;

// Wide enough to be torn, and telling where it comes from.
struct Parcel {
  explicit Parcel(std::uint64_t from, std::uint64_t number)
      : value(from << 32 | number) {
    copies.fill(value);
  }
  [[nodiscard]] std::uint64_t from() const { return value >> 32; }
  [[nodiscard]] bool whole() const {
    for (const std::uint64_t copy : copies) {
      if (copy != value) return false;
    }
    return true;
  }

  std::uint64_t value;
  std::array<std::uint64_t, 7> copies{};
};

// Watches that the values of each sender come in the order sent.
class OrderWatch {
 public:
  explicit OrderWatch(std::size_t senders) : last_(senders, 0) {}
  void Take(const Parcel& parcel, Account& account) {
    std::uint64_t& last = last_[static_cast<std::size_t>(parcel.from())];
    if (!parcel.whole() || parcel.value <= last) ++account.errors;
    last = parcel.value;
    account.Add(parcel.value);
  }

 private:
  std::vector<std::uint64_t> last_;
};

Account LeftOver(const Receiver<Parcel>& receiver) {
  Account account;
  while (const auto parcel = receiver.TryReceive()) account.Add(parcel->value);
  return account;
}

TEST_CASE(
    "C7 stress: producers and consumers of every kind, closed meanwhile") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  constexpr std::size_t kEach = 4;
  const StressTimer timer(3);
  std::uint64_t total = 0;
  do {
    const Channel<Parcel> channel(capacity);
    std::atomic<std::uint64_t> received{0};
    const auto produce = [&](std::size_t i) {
      Account account;
      std::stop_source never;
      for (std::uint64_t n = 1; !channel.closed(); ++n) {
        const Parcel parcel(i, n);
        bool sent = false;
        switch (n % 5) {
          case 0:
            sent = channel.Send(parcel);
            break;
          case 1:
            sent = channel.TrySend(parcel);
            break;
          case 2:
            sent = channel.SendFor(parcel, 1us * (n % 50));
            break;
          case 3:
            sent = channel.Send(parcel, never.get_token());
            break;
          default:
            sent = channel.SendUntil(parcel,
                                     std::chrono::system_clock::now() + 10us);
        }
        if (sent) account.Add(parcel.value);
      }
      return account;
    };
    const auto consume = [&](std::size_t i) {
      Account account;
      OrderWatch watch(kEach);
      std::stop_source never;
      for (std::uint64_t n = i; !channel.drained(); ++n) {
        std::optional<Parcel> parcel;
        const auto take = [&](std::optional<Parcel> taken) {
          if (taken) parcel.emplace(*taken);
        };
        switch (n % 5) {
          case 0:
            take(channel.Receive());
            break;
          case 1:
            take(channel.TryReceive());
            break;
          case 2:
            take(channel.ReceiveFor(1us * (n % 50)));
            break;
          case 3:
            take(channel.Receive(never.get_token()));
            break;
          default:
            take(channel.ReceiveUntil(std::chrono::system_clock::now() + 10us));
        }
        if (!parcel) continue;
        watch.Take(*parcel, account);
        ++received;
      }
      return account;
    };
    Crowd consumers(kEach, consume);
    Crowd producers(kEach, produce);
    AwaitThat([&] { return received > 2000; });
    channel.Close();
    const Account sent = producers.Sum();
    const Account taken = consumers.Sum();
    total += sent.count;
    CHECK(taken.errors == 0);
    CHECK(sent == taken);
    CHECK(channel.waiting_senders() == 0);
    CHECK(channel.waiting_receivers() == 0);
  } while (!timer.over());
  CHECK(total > 0);
}

TEST_CASE("C7 stress: values are left over when the consumers leave first") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const StressTimer timer(3);
  do {
    const Channel<Parcel> channel(capacity);
    Crowd producers(3, [&](std::size_t i) {
      Account account;
      for (std::uint64_t n = 1; channel.Send(Parcel(i, n)); ++n) {
        account.Add(Parcel(i, n).value);
      }
      return account;
    });
    Crowd consumers(2, [&](std::size_t) {
      Account account;
      OrderWatch watch(3);
      while (account.count < 300) watch.Take(*channel.Receive(), account);
      return account;
    });
    Account taken = consumers.Sum();
    channel.Close();
    const Account sent = producers.Sum();
    taken += LeftOver(channel);
    CHECK(taken.errors == 0);
    CHECK(sent == taken);
    CHECK(channel.drained());
  } while (!timer.over());
}

TEST_CASE("C5 stress: a deadline races with the hand-over, nothing is lost") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  using Owner = std::unique_ptr<std::uint64_t>;
  const StressTimer timer(3);
  const Channel<Owner> channel(capacity);
  Crowd producers(2, [&](std::size_t i) {
    Account account;
    Dice dice(static_cast<std::uint32_t>(i) + 1);
    for (std::uint64_t n = 1; !timer.over(); ++n) {
      const std::uint64_t value = (std::uint64_t{i} << 32) + n;
      auto owner = std::make_unique<std::uint64_t>(value);
      const bool sent = channel.SendFor(std::move(owner),
                                        std::chrono::nanoseconds(dice(20000)));
      // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
      if (sent != (owner == nullptr)) ++account.errors;
      if (sent) account.Add(value);
    }
    return account;
  });
  Crowd consumers(2, [&](std::size_t i) {
    Account account;
    Dice dice(static_cast<std::uint32_t>(i) + 100);
    while (!timer.over()) {
      if (auto owner =
              channel.ReceiveFor(std::chrono::nanoseconds(dice(20000)))) {
        account.Add(**owner);
      }
    }
    return account;
  });
  Account sent = producers.Sum();
  Account taken = consumers.Sum();
  while (auto owner = channel.TryReceive()) taken.Add(**owner);
  CHECK(sent.errors == 0);
  CHECK(sent == taken);
  CHECK(channel.waiting_senders() == 0);
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("C5 stress: a stop races with the hand-over, nothing is lost") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const StressTimer timer(3);
  const Channel<std::unique_ptr<std::uint64_t>> channel(capacity);
  Account sent, taken;
  // The stop of each wait is requested by somebody else at about the same time
  // as its counterpart comes.
  const Channel<std::stop_source> stops(1);
  InThread stopping([&] {
    for (std::stop_source& stop : stops) stop.request_stop();
  });
  InThread producing([&] {
    Account account;
    for (std::uint64_t n = 1; !timer.over(); ++n) {
      std::stop_source stop;
      stops.Send(stop);
      auto owner = std::make_unique<std::uint64_t>(n);
      const bool delivered = channel.Send(std::move(owner), stop.get_token());
      // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
      if (delivered != (owner == nullptr)) ++account.errors;
      if (delivered) account.Add(n);
    }
    return account;
  });
  InThread consuming([&] {
    Account account;
    while (!timer.over()) {
      std::stop_source stop;
      stops.Send(stop);
      if (auto owner = channel.Receive(stop.get_token())) account.Add(**owner);
    }
    return account;
  });
  sent = producing.Get();
  taken = consuming.Get();
  stops.Close();
  stopping.Get();
  while (auto owner = channel.TryReceive()) taken.Add(**owner);
  tried_values += sent.count + taken.count;
  CHECK(sent.errors == 0);
  CHECK(sent == taken);
  CHECK(channel.waiting_senders() == 0);
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("C4 stress: everybody returns when a channel is closed") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const StressTimer timer(3);
  do {
    // The last handles are dropped by those who return.
    std::optional<Channel<Parcel>> channel(capacity);
    Crowd producers(3, [sender = Sender<Parcel>(*channel)](std::size_t i) {
      Account account;
      for (std::uint64_t n = 1; sender.Send(Parcel(i, n)); ++n) {
        account.Add(Parcel(i, n).value);
      }
      return account;
    });
    Crowd consumers(3, [receiver = Receiver<Parcel>(*channel)](std::size_t) {
      Account account;
      OrderWatch watch(3);
      for (const Parcel& parcel : receiver) watch.Take(parcel, account);
      return account;
    });
    channel->Close();
    channel.reset();
    const Account sent = producers.Sum();
    const Account taken = consumers.Sum();
    CHECK(taken.errors == 0);
    CHECK(sent == taken);
  } while (!timer.over());
}

TEST_CASE("C1 stress: two hundred threads on one channel") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  constexpr std::uint64_t kValues = 50;
  const StressTimer timer(3);
  do {
    const Channel<Parcel> channel(capacity);
    Crowd consumers(100, [&](std::size_t) {
      Account account;
      OrderWatch watch(100);
      for (const Parcel& parcel : channel) watch.Take(parcel, account);
      return account;
    });
    Crowd producers(100, [&](std::size_t i) {
      Account account;
      for (std::uint64_t n = 1; n <= kValues; ++n) {
        if (channel.Send(Parcel(i, n))) account.Add(Parcel(i, n).value);
      }
      return account;
    });
    const Account sent = producers.Sum();
    channel.Close();
    const Account taken = consumers.Sum();
    CHECK(sent.count == 100 * kValues);
    CHECK(taken.errors == 0);
    CHECK(sent == taken);
  } while (!timer.over());
}

}  // namespace
