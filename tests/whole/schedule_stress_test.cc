// SPDX-License-Identifier: MIT
//
// Threads that the system does not treat alike: some are polite and some must
// be served first, all on one processor; some stop at any moment, inside a
// signal handler; and some are just slow. Nothing is lost, and nobody is kept
// from going on: what was sent = what was received + what is left over.
// FANFARE_STRESS_SECONDS says for how long each case runs.

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/in_thread.h"
#include "support/stress.h"

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::NewSubscription;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::Select;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

// The threads that are started meanwhile run on one processor.
class OneProcessor {
 public:
  OneProcessor() {
    good_ = sched_getaffinity(0, sizeof(before_), &before_) == 0;
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
      if (CPU_ISSET(i, &before_)) CPU_SET(i, &one);
    }
    good_ = good_ && sched_setaffinity(0, sizeof(one), &one) == 0;
  }
  ~OneProcessor() { sched_setaffinity(0, sizeof(before_), &before_); }
  OneProcessor(const OneProcessor&) = delete;
  OneProcessor& operator=(const OneProcessor&) = delete;
  [[nodiscard]] bool good() const { return good_; }

 private:
  cpu_set_t before_;
  bool good_ = false;
};

// How the calling thread is to be treated.
enum class Rank { kNormal, kPolite, kFirst, kIdle };
constexpr std::size_t kRanks = 4;

// Whether that is permitted; else the thread stays as it is.
bool Become(Rank rank) {
  sched_param param{};
  switch (rank) {
    case Rank::kNormal:
      return true;
    case Rank::kPolite:
      return setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)),
                         19) == 0;
    case Rank::kFirst:
      param.sched_priority = 1;
      return pthread_setschedparam(pthread_self(), SCHED_FIFO, &param) == 0;
    case Rank::kIdle:
      return pthread_setschedparam(pthread_self(), SCHED_IDLE, &param) == 0;
  }
  return false;
}

void WarnIfRanksAreForbidden() {
  bool permitted = true;
  std::thread([&] {
    for (const Rank rank : {Rank::kPolite, Rank::kFirst, Rank::kIdle}) {
      permitted = permitted && Become(rank);
    }
  }).join();
  if (!permitted) WARN("Not all priorities are permitted: try as root.");
}

// Leaves the processors to the others for a while.
void WaitFor(std::chrono::microseconds duration) {
  static_cast<void>(Receiver<int>().ReceiveFor(duration));
}

// Sends signals to the threads of a test at random moments; each stays in the
// handler for a millisecond.
class Tormentor {
 public:
  explicit Tormentor(std::size_t threads) : threads_(threads) {
    struct sigaction action {};
    action.sa_handler = [](int) {
      const int error = errno;
      const timespec a_while{0, 1'000'000};
      nanosleep(&a_while, nullptr);
      ++held_up;
      errno = error;
    };
    sigaction(SIGUSR1, &action, &before_);
  }
  ~Tormentor() { sigaction(SIGUSR1, &before_, nullptr); }
  Tormentor(const Tormentor&) = delete;
  Tormentor& operator=(const Tormentor&) = delete;

  // The calling thread is number `i` from here on, until Leave.
  void Enter(std::size_t i) {
    threads_[i] = pthread_self();
    ++entered_;
  }
  // Blocks until no more signals come.
  void Leave() const {
    while (!over_) WaitFor(100us);
  }
  // Torments them until the time is over, a few times at least.
  void Run(const StressTimer& timer) {
    Dice dice(1);
    AwaitThat([&] { return entered_ == threads_.size(); });
    const int enough = held_up + 10;
    while (!timer.over() || held_up < enough) {
      const auto i = dice(static_cast<std::uint32_t>(threads_.size()));
      pthread_kill(threads_[i], SIGUSR1);
      WaitFor(std::chrono::microseconds(dice(500)));
    }
    over_ = true;
  }

  [[nodiscard]] bool over() const { return over_; }

 private:
  static inline std::atomic<int> held_up = 0;

  std::vector<pthread_t> threads_;
  std::atomic<std::size_t> entered_ = 0;
  std::atomic<bool> over_ = false;
  struct sigaction before_ {};
};

}  // namespace

TEST_CASE("C7: senders and receivers of every rank on one processor") {
  const std::size_t capacity = GENERATE(0U, 1U, 16U);
  CAPTURE(capacity);
  const OneProcessor pinned;
  REQUIRE(pinned.good());
  WarnIfRanksAreForbidden();
  const Channel<std::uint64_t> channel(capacity);
  Crowd receivers(2 * kRanks, [&](std::size_t i) {
    Become(static_cast<Rank>(i % kRanks));
    Account account;
    for (const std::uint64_t value : channel) account.Add(value);
    return account;
  });
  const StressTimer timer(3);
  const Account sent =
      Crowd(2 * kRanks, [&](std::size_t i) {
        Become(static_cast<Rank>(i % kRanks));
        Account account;
        for (std::uint64_t n = i; n == i || !timer.over(); n += 2 * kRanks) {
          if (!channel.Send(n)) ++account.errors;
          account.Add(n);
        }
        return account;
      }).Sum();
  channel.Close();
  CHECK(sent.count > 0);
  CHECK(sent.errors == 0);
  CHECK(receivers.Sum() == sent);
}

TEST_CASE("F4 S1: a feed, its senders and its subscribers of every rank") {
  const std::size_t capacity = GENERATE(0U, 1U, 16U);
  CAPTURE(capacity);
  const OneProcessor pinned;
  REQUIRE(pinned.good());
  WarnIfRanksAreForbidden();
  Feed<std::uint64_t> feed;
  std::vector<Channel<std::uint64_t>> channels;
  std::vector<Subscription> subscriptions;
  for (std::size_t i = 0; i < 2 * kRanks; ++i) {
    channels.emplace_back(capacity);
    subscriptions.push_back(feed.Subscribe(channels.back()));
  }
  // Each waits for two channels and shares them with its neighbours.
  Crowd receivers(2 * kRanks, [&](std::size_t i) {
    Become(static_cast<Rank>(i % kRanks));
    Account account;
    int open = 2;
    std::array<Receiver<std::uint64_t>, 2> mine = {
        channels[i], channels[(i + 1) % channels.size()]};
    const auto add = [&](std::uint64_t value) { account.Add(value); };
    while (open > 0) {
      Select(OnReceive(mine[0], add, [&] { mine[0] = {}, --open; }),
             OnReceive(mine[1], add, [&] { mine[1] = {}, --open; }));
    }
    return account;
  });
  const StressTimer timer(3);
  const Account sent =
      Crowd(kRanks, [&](std::size_t i) {
        Become(static_cast<Rank>(i));
        Account account;
        for (std::uint64_t n = i; n == i || !timer.over(); n += kRanks) {
          if (feed.Send(n) != 2 * kRanks) ++account.errors;
          account.Add(n);
        }
        return account;
      }).Sum();
  for (const auto& channel : channels) channel.Close();
  Account expected;
  for (std::size_t i = 0; i < 2 * kRanks; ++i) expected += sent;
  CHECK(sent.count > 0);
  CHECK(sent.errors == 0);
  CHECK(receivers.Sum() == expected);
}

TEST_CASE("C7 F2: threads that are held up inside a signal handler") {
  const std::size_t capacity = GENERATE(0U, 1U, 16U);
  CAPTURE(capacity);
  constexpr std::size_t kEach = 3;
  Tormentor tormentor(4 * kEach);
  Feed<std::uint64_t> feed;
  std::vector<Channel<std::uint64_t>> channels;
  std::vector<Subscription> subscriptions;
  for (std::size_t i = 0; i < kEach; ++i) {
    channels.emplace_back(capacity);
    subscriptions.push_back(feed.Subscribe(channels.back()));
  }
  const Channel<std::uint64_t> between(capacity);
  const StressTimer timer(3);

  // Receives what was fed and sends it on, both in one Select.
  Crowd forwarders(kEach, [&](std::size_t i) {
    tormentor.Enter(i);
    Account account;
    for (bool open = true; open;) {
      std::optional<std::uint64_t> next;
      Select(OnReceive(channels[i], [&](std::optional<std::uint64_t> value) {
        next = value;
        open = value.has_value();
      }));
      if (!next) continue;
      account.Add(*next);
      if (Select(OnSend(between, *next)) != 0) break;
    }
    tormentor.Leave();
    return account;
  });
  Crowd receivers(kEach, [&](std::size_t i) {
    tormentor.Enter(kEach + i);
    Account account;
    for (const std::uint64_t value : between) account.Add(value);
    tormentor.Leave();
    return account;
  });
  // Some are patient; what the others took back was not delivered.
  std::atomic<std::uint64_t> delivered = 0;
  Crowd senders(2 * kEach, [&](std::size_t i) {
    tormentor.Enter(2 * kEach + i);
    Account account;
    Dice dice(static_cast<std::uint32_t>(i));
    for (std::uint64_t n = i; n == i || !tormentor.over(); n += 2 * kEach) {
      if (i < kEach) {
        const std::size_t served = feed.Send(n);
        if (served != kEach) ++account.errors;
        for (std::size_t k = 0; k < served; ++k) account.Add(n);
      } else if (between.SendFor(n, std::chrono::microseconds(dice(300)))) {
        account.Add(n);
        ++delivered;
      }
    }
    tormentor.Leave();
    return account;
  });
  InThread tormenting([&] { tormentor.Run(timer); });
  tormenting.Get();
  const Account sent = senders.Sum();
  for (const auto& channel : channels) channel.Close();
  const Account forwarded = forwarders.Sum();
  between.Close();
  const Account received = receivers.Sum();
  CHECK(sent.errors == 0);
  CHECK(sent == received);
  CHECK(received.count == forwarded.count + delivered);
  CHECK(forwarded.count > 0);
}

TEST_CASE("F2 F7 P2 R1: everything comes and goes, and some are slow") {
  constexpr std::size_t kSenders = 2;
  constexpr std::size_t kSubscribers = 3;
  const StressTimer timer(1);
  Feed<std::uint64_t> feed;
  const Channel<std::uint64_t> results(4);
  std::atomic<bool> over{false};
  std::atomic<std::size_t> late{0};

  InThread reading([&] {
    Account account;
    for (const std::uint64_t value : results) account.Add(value);
    return account;
  });
  struct Taken {
    Account results;
    std::uint64_t received = 0;
    std::uint64_t left_over = 0;
    std::uint64_t lives = 0;
    Taken& operator+=(const Taken& other) {
      results += other.results;
      received += other.received;
      left_over += other.left_over;
      lives += other.lives;
      return *this;
    }
  };
  // Keeps a channel subscribed, by a resubscription that fails now and then and
  // that a scope tracks; receives for a while, slowly at times; passes the sum
  // of what it has received on; ends all of it; and begins again.
  Crowd subscribers(kSubscribers, [&](std::size_t i) {
    Taken taken;
    Dice dice(static_cast<std::uint32_t>(i));
    do {
      const Channel<std::uint64_t> channel(dice(4));
      {
        const SubscriptionScope scope;
        std::uint32_t calls = dice(4);
        const Subscription kept =
            scope.Track(Resubscribe(50us, [&, calls](std::stop_token) mutable {
              switch (calls++ % 4) {
                case 0:
                  throw std::runtime_error("not now");
                case 1:
                  return feed.Subscribe(channel);
                case 2:
                  return JoinSubscriptions(
                      feed.Subscribe(channel),
                      NewSubscription([](std::stop_token stop) {
                        static_cast<void>(Receiver<int>().ReceiveFor(200us));
                        static_cast<void>(stop);
                        throw std::runtime_error("no more");
                      }));
                default:
                  return scope.Track(feed.Subscribe(channel));
              }
            }));
        std::uint64_t sum = 0;
        const bool slow = dice(3) == 0;
        for (std::uint32_t n = 1 + dice(50); n > 0 && !over; --n) {
          Select(OnReceive(channel,
                           [&](std::uint64_t value) {
                             sum += value;
                             ++taken.received;
                           }),
                 OnTimeout(1ms));
          if (slow) WaitFor(200us);
        }
        Select(OnSend(results, sum, [&] { taken.results.Add(sum); }),
               OnTimeout(5ms));
        if (dice(2) == 0) kept.Unsubscribe();
      }
      // What is in the channel stays there, and nothing comes any more.
      const std::size_t size = channel.size();
      for (std::uint32_t n = dice(20); n > 0; --n) std::this_thread::yield();
      if (channel.size() != size || channel.waiting_senders() != 0) ++late;
      taken.left_over += size;
      ++taken.lives;
    } while (!over);
    return taken;
  });
  Crowd senders(kSenders, [&](std::size_t i) {
    std::uint64_t served = 0;
    Dice dice(static_cast<std::uint32_t>(100 + i));
    for (std::uint64_t n = i; !timer.over() || served == 0; n += kSenders) {
      const std::chrono::microseconds moment(dice(100));
      switch (dice(3)) {
        case 0:
          served += feed.TrySend(n);
          break;
        case 1:
          served += feed.SendFor(n, moment);
          break;
        default:
          served += feed.SendFor(n, 100 * moment);
      }
    }
    return served;
  });
  const std::uint64_t served = senders.Sum();
  over = true;
  const Taken taken = subscribers.Sum();
  results.Close();
  CHECK(served == taken.received + taken.left_over);
  CHECK(late == 0);
  CHECK(reading.Get() == taken.results);
  CHECK(feed.subscriber_count() == 0);
  CHECK(taken.lives >= kSubscribers);
}

#endif  // defined(__linux__)
