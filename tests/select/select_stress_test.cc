// SPDX-License-Identifier: MIT
//
// Many Selects on common channels for a while: what was sent is what was
// received and what is left over. FANFARE_STRESS_SECONDS tells for how long.

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

#include <fanfare/select.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/stress.h"

namespace {

using fanfare::Channel;
using fanfare::kNoCase;
using fanfare::OnDefault;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::Sender;
using namespace std::chrono_literals;

using Value = std::uint64_t;
using Numbers = Channel<Value>;

// What one thread has sent and received.
struct Balance {
  Account sent;
  Account received;
  [[nodiscard]] std::uint64_t values() const {
    return sent.count + received.count;
  }
  Balance& operator+=(const Balance& other) {
    sent += other.sent;
    received += other.received;
    return *this;
  }
};

Account LeftOver(const Receiver<Value>& receiver) {
  Account account;
  while (const auto value = receiver.TryReceive()) account.Add(*value);
  return account;
}

template <typename Channels>
bool NobodyWaits(const Channels& channels) {
  for (const auto& channel : channels) {
    if (channel.waiting_senders() + channel.waiting_receivers() != 0) {
      return false;
    }
  }
  return true;
}

TEST_CASE("S6 stress: Selects that are crossed in both directions meet") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const std::size_t threads = GENERATE(2U, 5U);
  const StressTimer timer(6);
  const std::array channels{Numbers(capacity), Numbers(capacity),
                            Numbers(capacity)};
  Crowd crowd(threads, [&](std::size_t i) {
    Balance balance;
    const Numbers& a = channels[i % 3];
    const Numbers& b = channels[(i + 1) % 3];
    for (Value n = 1; !timer.over(); ++n) {
      const Value value = (Value{i} << 32) + n;
      // The timeout is for the moment when all want the same.
      Select(OnSend(a, value, [&] { balance.sent.Add(value); }),
             OnReceive(b, [&](Value got) { balance.received.Add(got); }),
             OnReceive(a, [&](Value got) { balance.received.Add(got); }),
             OnSend(b, value, [&] { balance.sent.Add(value); }),
             OnTimeout(1ms));
    }
    return balance;
  });
  Balance balance = crowd.Sum();
  for (const auto& channel : channels) balance.received += LeftOver(channel);
  CHECK(balance.sent == balance.received);
  CHECK(balance.sent.count > 0);
  CHECK(NobodyWaits(channels));
}

TEST_CASE("S6 stress: Selects that send and receive on one channel") {
  const StressTimer timer(1);
  const Numbers channel;
  Crowd crowd(6, [&](std::size_t i) {
    Balance balance;
    for (Value n = 1; !timer.over(); ++n) {
      const Value value = (Value{i} << 32) + n;
      Select(OnReceive(channel,
                       [&](Value got) {
                         if (got >> 32 == i) ++balance.received.errors;
                         balance.received.Add(got);
                       }),
             OnSend(channel, value, [&] { balance.sent.Add(value); }),
             OnTimeout(1ms));
    }
    return balance;
  });
  const Balance balance = crowd.Sum();
  CHECK(balance.received.errors == 0);  // a Select has met itself
  CHECK(balance.sent == balance.received);
  CHECK(balance.sent.count > 0);
  CHECK(channel.waiting_senders() == 0);
  CHECK(channel.waiting_receivers() == 0);
}

TEST_CASE("S3 stress: timeouts and stops race with the hand-over") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  using Owner = std::unique_ptr<Value>;
  const StressTimer timer(3);
  const std::array channels{Channel<Owner>(capacity), Channel<Owner>(capacity)};
  // Stops are requested by somebody else at about the same time.
  const Channel<std::stop_source> stops(4);
  InThread stopping([&] {
    for (std::stop_source& stop : stops) stop.request_stop();
  });
  Crowd crowd(4, [&](std::size_t i) {
    Balance balance;
    Dice dice(static_cast<std::uint32_t>(i) + 1);
    for (Value n = 1; !timer.over(); ++n) {
      const std::array<Value, 2> values{(Value{i} << 33) + 2 * n,
                                        (Value{i} << 33) + 2 * n + 1};
      std::array<Owner, 2> owners{std::make_unique<Value>(values[0]),
                                  std::make_unique<Value>(values[1])};
      std::stop_source stop;
      if (dice(2) == 0) stops.Send(stop);
      const auto receive = [&](Owner owner) {
        if (owner == nullptr) {
          ++balance.received.errors;
        } else {
          balance.received.Add(*owner);
        }
      };
      const std::chrono::nanoseconds timeout(dice(20000));
      std::size_t index = 0;
      if (i % 2 == 0) {
        index = Select(OnSend(channels[0], std::move(owners[0])),
                       OnSend(channels[1], std::move(owners[1])),
                       OnTimeout(timeout), OnStop(stop.get_token()));
      } else {
        index = Select(OnSend(channels[0], std::move(owners[0])),
                       OnTimeout(timeout), OnReceive(channels[1], receive),
                       OnStop(stop.get_token()),
                       OnReceive(channels[0], receive)) == 0
                    ? 0
                    : 2;
      }
      for (std::size_t k = 0; k < 2; ++k) {
        // NOLINTNEXTLINE(bugprone-use-after-move): this is what is tested.
        if ((owners[k] == nullptr) != (index == k)) ++balance.sent.errors;
        if (index == k) balance.sent.Add(values[k]);
      }
    }
    return balance;
  });
  Balance balance = crowd.Sum();
  stops.Close();
  stopping.Get();
  for (const auto& channel : channels) {
    while (auto owner = channel.TryReceive()) balance.received.Add(**owner);
  }
  CHECK(balance.sent.errors == 0);
  CHECK(balance.received.errors == 0);
  CHECK(balance.sent == balance.received);
  CHECK(NobodyWaits(channels));
}

TEST_CASE("S2 stress: channels are closed while Selects wait for them") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  const StressTimer timer(3);
  do {
    const std::array channels{Numbers(capacity), Numbers(capacity),
                              Numbers(capacity)};
    std::atomic<std::uint64_t> received{0};
    Crowd producers(3, [&](std::size_t i) {
      Account account;
      for (Value n = 1;; ++n) {
        const Value value = (Value{i} << 32) + n;
        if (Select(OnSend(channels[0], value), OnSend(channels[1], value),
                   OnSend(channels[2], value)) == kNoCase) {
          return account;
        }
        account.Add(value);
      }
    });
    Crowd consumers(3, [&](std::size_t i) {
      Account account;
      const auto take = [&](Value value) {
        account.Add(value);
        ++received;
      };
      bool ended = false;
      const auto note = [&](std::optional<Value> value) {
        value ? take(*value) : void(ended = true);
      };
      if (i == 0) {
        // Is told of the end of one of them, and goes on with the others.
        while (!ended) {
          Select(OnReceive(channels[0], note), OnReceive(channels[1], take),
                 OnReceive(channels[2], take));
        }
      }
      while (Select(OnReceive(channels[0], take), OnReceive(channels[1], take),
                    OnReceive(channels[2], take)) != kNoCase) {
      }
      return account;
    });
    for (std::size_t k = 0; k < 3; ++k) {
      AwaitThat([&] { return received > 200 * (k + 1); });
      channels[k].Close();
    }
    const Account sent = producers.Sum();
    const Account taken = consumers.Sum();
    CHECK(sent == taken);
    CHECK(NobodyWaits(channels));
  } while (!timer.over());
}

TEST_CASE("S1 stress: two hundred threads, with Select and without") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  constexpr Value kValues = 30;
  const StressTimer timer(3);
  do {
    const std::array channels{Numbers(capacity), Numbers(capacity),
                              Numbers(capacity), Numbers(capacity)};
    Crowd consumers(100, [&](std::size_t i) {
      Account account;
      const auto take = [&](Value value) { account.Add(value); };
      if (i < 4) {
        for (const Value value : channels[i]) take(value);
        return account;
      }
      while (Select(OnReceive(channels[0], take), OnReceive(channels[1], take),
                    OnReceive(channels[2], take),
                    OnReceive(channels[3], take)) != kNoCase) {
      }
      return account;
    });
    Crowd producers(100, [&](std::size_t i) {
      Account account;
      for (Value n = 1; n <= kValues; ++n) {
        const Value value = (Value{i} << 32) + n;
        const bool sent = i < 50 ? channels[i % 4].Send(value)
                                 : Select(OnSend(channels[0], value),
                                          OnSend(channels[i % 4], value)) < 2;
        if (sent) account.Add(value);
      }
      return account;
    });
    const Account sent = producers.Sum();
    for (const auto& channel : channels) channel.Close();
    const Account taken = consumers.Sum();
    CHECK(sent.count == 100 * kValues);
    CHECK(sent == taken);
    CHECK(NobodyWaits(channels));
  } while (!timer.over());
}

TEST_CASE("S7 stress: spans of cases, made at run time and used again") {
  const std::size_t capacity = GENERATE(0U, 1U, 64U);
  constexpr std::size_t kChannels = 8;
  const StressTimer timer(3);
  std::vector<Numbers> channels;
  for (std::size_t i = 0; i < kChannels; ++i) channels.emplace_back(capacity);
  Crowd crowd(4, [&](std::size_t i) {
    Balance balance;
    std::vector<SelectCase> cases(2 * kChannels + 1);
    for (std::size_t k = 0; k < kChannels; ++k) {
      cases[k] = OnReceive(channels[k],
                           [&](Value value) { balance.received.Add(value); });
    }
    cases[2 * kChannels] = OnTimeout(1ms);
    Value next = Value{i} << 32;
    while (!timer.over()) {
      for (std::size_t k = 0; k < kChannels; ++k) {
        // As many sends as the threads do not receive themselves.
        if ((i + k) % 2 == 0) continue;
        const Value value = ++next;
        cases[kChannels + k] =
            OnSend(channels[k], value, [&, value] { balance.sent.Add(value); });
      }
      if (Select(cases) == kNoCase) break;
    }
    return balance;
  });
  Balance balance = crowd.Sum();
  for (const auto& channel : channels) balance.received += LeftOver(channel);
  CHECK(balance.sent == balance.received);
  CHECK(balance.sent.count > 0);
  CHECK(NobodyWaits(channels));
}

}  // namespace
