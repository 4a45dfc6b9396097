// SPDX-License-Identifier: MIT
//
// A random program over the whole API: threads send on feeds and channels in
// every way, receive in every way, subscribe, join, resubscribe, track and end
// all that, close and destroy. A seed says what each thread does; how they meet
// is left to the machine. Each writes down what it did, and in the end the
// records are judged (support/random_record.h): no value is lost, doubled,
// torn, or delivered outside of a subscription's life, all are seen in one
// order, everything ends, and nothing is left.
//
// FANFARE_SEED=17 repeats the program of that seed, 200 times. When nothing
// goes on for half a minute, the test says which program that was, and aborts.

#include "support/unsteady_platform.h"
// The platform comes first.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/linearizability.h"
#include "support/random_actor.h"
#include "support/random_program.h"
#include "support/random_record.h"
#include "support/random_values.h"
#include "support/stress.h"
#include "support/tried.h"

namespace {

constexpr std::uint64_t kPrograms = 60;
constexpr std::size_t kCrowd = 1100;  // more than are delivered to in one go
constexpr std::size_t kInLine = 20;   // more than a Send serves
constexpr std::size_t kRoom = 256;    // for all that a crowd is ever sent

// A program: what it is, its run, and its judgement.
class Program {
 public:
  explicit Program(std::uint64_t seed)
      : shared_(Plan(seed)), sends_(MostSends(shared_.plan)) {
    Plan& plan = shared_.plan;
    const auto seed32 = static_cast<std::uint32_t>(seed) * 64;
    for (std::uint32_t i = 0; i < 1 + plan.threads; ++i) {
      actors_.emplace_back(shared_, sends_, i, seed32 + i);
    }
    for (Actor& actor : actors_) {
      if (&actor != &main()) main().others.push_back(&actor);
    }
    for (Actor& actor : actors_) actor.others = main().others;
    main().calls().WithParts([&](auto& part) { MakeWorld(*part.world, part); });
  }

  // The records' errors; none: it is right.
  std::vector<std::string> Run() {
    RunActors();
    main().calls().WithParts([&](auto& part) { FormLine(part); });
    Rest();
    EndAll();
    Judge();
    return std::move(wrong_);
  }

  // What its threads do, for the message about one that hangs.
  void Tell() const {
    for (const Actor& actor : actors_) {
      std::fprintf(stderr, "a thread %s\n", actor.doing());
    }
  }
  [[nodiscard]] std::uint64_t progress() const {
    std::uint64_t sum = steps_;
    for (const auto& one : shared_.progress) sum += one;
    return sum;
  }
  [[nodiscard]] std::uint64_t values() const { return values_; }

 private:
  // The test's own thread, which frees the others; those; those in line.
  static std::vector<std::size_t> MostSends(const Plan& plan) {
    std::vector<std::size_t> most{std::size_t{16} * plan.threads * plan.calls};
    most.resize(1 + plan.threads, 4 * plan.calls);
    most.resize(1 + plan.threads + kInLine, 3 * plan.feeds);
    return most;
  }

  Actor& main() { return actors_.front(); }

  template <typename T>
  void MakeWorld(World<T>& world, Part<T>& part) {
    constexpr std::array<std::size_t, 5> kCapacities = {0, 0, 1, 2, 64};
    Plan& plan = shared_.plan;
    for (std::uint32_t i = 0; i < plan.channels; ++i) {
      world.places.emplace_back(i, kCapacities[plan.dice(5)]);
    }
    for (std::uint32_t i = 0; i < plan.feeds; ++i) {
      world.feed_records.emplace_back().number = i;
      if (i == 0) world.feed_records.back().history = plan.history;
      part.feeds.push_back(
          std::make_shared<OwnFeed<T>>(world.feed_records.back()));
    }
    for (Actor& actor : actors_) {
      if (&actor != &main()) actor.calls().part<T>().feeds = part.feeds;
    }
    // Of the last one, the threads' handles are the only ones.
    if (plan.drops_feeds) part.feeds.pop_back();
    if (!std::is_same_v<T, Number> || !plan.crowded || part.feeds.empty()) {
      return;
    }
    Holding* holding = nullptr;
    for (std::size_t i = 0; i < kCrowd; ++i) {
      auto& place = world.crowd.emplace_back(100 + i, kRoom);
      holding = &main().NewHolding();
      main().Subscribe(part.feeds.front(), place, *holding);
    }
  }

  void RunActors() {
    std::atomic<std::uint32_t> running = shared_.plan.threads;
    std::deque<std::thread> threads;
    for (Actor* const actor : main().others) {
      threads.emplace_back([actor, &running] {
        actor->Run();
        --running;
      });
    }
    HelpUntil([&] { return running == 0; });
    for (std::thread& thread : threads) thread.join();
  }

  // Frees those that are blocked whenever nothing goes on, until `done()`. To
  // do so is a step, too.
  template <typename F>
  void HelpUntil(F done) {
    std::uint64_t before = 0;
    std::uint32_t still = 0;
    while (!done()) {
      const std::uint64_t now = progress();
      still = now == before ? still + 1 : 0;
      before = now;
      if (still >= shared_.plan.patience) {
        Help();
        still = 0;
      }
      std::this_thread::yield();
    }
  }

  void Help() {
    // A call that is stopped needs no other help.
    for (Actor* const actor : main().others) {
      Caller& calls = actor->calls();
      AwaitThat([&] {
        if (calls.stoppable()) calls.RequestStop();
        return !calls.stoppable();
      });
    }
    main().calls().WithParts([&](auto& part) {
      for (auto& place : part.world->places) Help(place);
    });
  }

  template <typename T>
  void Help(Place<T>& place) {
    if (main().calls().Help(place)) ++steps_;
  }

  // One Send, or more in line than one serves. The first is blocked on a
  // channel which then is emptied, unsubscribed or closed, or the feed is
  // closed or destroyed.
  template <typename T>
  void FormLine(Part<T>& part) {
    for (std::size_t f = part.feeds.size(); f-- > 0;) {
      SharedFeed<T>& feed = part.feeds[f];
      Dice& dice = shared_.plan.dice;
      if (dice(3) != 0 || feed->record->end.begun.get() != kNever) continue;
      auto& gate = part.guests.emplace_back(500 + f, 0);
      Holding& holding = main().NewHolding();
      main().Subscribe(feed, gate, holding);
      const std::size_t sends = dice(2) == 0 ? 1 : kInLine;
      std::atomic<std::size_t> returned = 0;
      std::deque<std::thread> line;
      for (std::size_t i = 0; i < sends; ++i) {
        line.emplace_back([&, i, &to = feed->feed, record = feed->record] {
          Sent& sent = sends_.New(1 + shared_.plan.threads + i);
          sent.feed = record;
          sent.patient = true;
          T value(sent);
          sent.began = Now();
          sent.result = to.Send(std::move(value));
          sent.returned = Now();
          ++steps_;
          ++returned;
        });
      }
      AwaitThat([&] {
        return gate.channel.waiting_senders() == 1 &&
               feed->feed.waiting_senders() == sends - 1;
      });
      Holding& newcomer = main().NewHolding();
      if (dice(2) == 0) {
        main().Subscribe(feed, part.world->places.front(), newcomer);
      }
      switch (dice(5)) {
        case 0:
          main().Unsubscribe(holding);
          break;
        case 1:
          gate.record.end.During([&] { gate.channel.Close(); });
          break;
        case 2:
          feed->record->end.During([&] { feed->feed.Close(); });
          break;
        case 3:
          // A resubscription may have another handle.
          if (feed.use_count() > 1) break;
          feed->record->end.During([&] { feed.reset(); });
          break;
        default:
          break;
      }
      HelpUntil([&] {
        Help(gate);
        return returned == sends;
      });
      for (std::thread& thread : line) thread.join();
    }
    std::erase(part.feeds, nullptr);
  }

  // What has not ended though nothing goes on any more.
  void Rest() {
    for (const Actor& actor : actors_) {
      for (const auto& holding : actor.holdings()) {
        if (!holding->plain || holding->lives.empty()) continue;
        const Life& life = holding->lives.front();
        main().calls().Expect(
            life.feed->end.over.get() == kNever || holding->err.closed(),
            "a subscription outlives its feed");
        const auto stats = holding->handle.Stats();
        main().calls().Expect(!life.may_end() || !stats.has_value() ||
                                  stats->dropped == 0 || holding->err.closed(),
                              "a slow subscription goes on");
        if (life.left_alone() && !holding->err.closed()) {
          record_.alive_at_rest.push_back(&life);
        }
      }
    }
  }

  void EndAll() {
    for (Scope& scope : shared_.scopes) {
      scope.end.During([&] { scope.scope->Close(); });
      main().calls().Expect(scope.scope->Count() == 0,
                            "a closed scope counts some");
    }
    for (Actor& actor : actors_) {
      for (const auto& holding : actor.holdings()) {
        main().Unsubscribe(*holding);
        ++steps_;
      }
    }
    main().calls().WithParts([&](auto& part) {
      for (const auto& feed : part.feeds) {
        main().calls().Expect(feed->feed.subscriber_count() == 0,
                              "a feed counts subscribers that have ended");
        main().calls().Expect(feed->feed.waiting_senders() == 0,
                              "a feed counts Sends that have returned");
      }
      part.feeds.clear();
      Empty(part.world->places);
      Empty(part.world->crowd);
    });
    for (Actor& actor : actors_) {
      actor.calls().WithParts([&](auto& part) {
        for (const auto& [guest, size] : part.left_over) {
          main().calls().Expect(guest->channel.size() == size,
                                "a channel got a value after its Unsubscribe");
        }
        Empty(part.guests);
        part.arguments.clear();
      });
    }
    main().calls().Expect(Sentence::alive == 0,
                          "values were leaked, or destroyed twice");
  }

  template <typename Places>
  void Empty(Places& places) {
    for (auto& place : places) {
      main().calls().Expect(place.channel.waiting_senders() == 0 &&
                                place.channel.waiting_receivers() == 0,
                            "a channel counts calls that have returned");
      main().calls().Drain(place);
    }
  }

  void Judge() {
    for (std::size_t thread = 0; thread < actors_.size() + kInLine; ++thread) {
      for (std::size_t n = 1; n <= sends_.count(thread); ++n) {
        record_.sents.push_back(
            sends_.Find(static_cast<std::uint32_t>(thread << 16U | n)));
      }
    }
    for (Actor& actor : actors_) {
      record_.logs.push_back(&actor.calls().receipts());
      values_ += actor.calls().receipts().size();
      for (const auto& holding : actor.holdings()) {
        for (const Life& life : holding->lives) record_.lives.push_back(&life);
        const auto stats = holding->handle.Stats();
        if (!holding->plain || holding->lives.empty() || !stats) continue;
        record_.numbers.push_back({&holding->lives.front(), *stats});
      }
      wrong_.insert(wrong_.end(), actor.calls().wrong().begin(),
                    actor.calls().wrong().end());
    }
    const auto more = record_.Judge();
    wrong_.insert(wrong_.end(), more.begin(), more.end());
  }

  Shared shared_;
  Sends sends_;
  std::deque<Actor> actors_;  // the first is the test's own thread
  Record record_;
  std::vector<std::string> wrong_;
  std::atomic<std::uint64_t> steps_ = 0;
  std::uint64_t values_ = 0;
};

// Aborts the test, and says which program it was, if that stands still.
class Watchdog {
 public:
  Watchdog() : thread_([this] { Watch(); }) {}
  ~Watchdog() {
    Watch(nullptr, 0);
    over_ = true;
    changed_.notify_one();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void Watch(const Program* program, std::uint64_t seed) {
    const std::lock_guard lock(mutex_);
    program_ = program;
    seed_ = seed;
  }

 private:
  void Watch() {
    std::unique_lock lock(mutex_);
    std::pair<std::uint64_t, std::uint64_t> before;
    int seconds = 0;
    while (!changed_.wait_for(lock, std::chrono::seconds(1),
                              [&] { return over_.load(); })) {
      const std::pair now(seed_,
                          program_ == nullptr ? 0 : program_->progress());
      seconds = now == before ? seconds + 1 : 0;
      before = now;
      if (program_ == nullptr || seconds < 30) continue;
      std::fprintf(stderr, "Nothing goes on any more; FANFARE_SEED=%llu\n",
                   static_cast<unsigned long long>(seed_));
      program_->Tell();
      std::abort();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> over_ = false;
  const Program* program_ = nullptr;  // guarded by mutex_
  std::uint64_t seed_ = 0;            // as it
  std::thread thread_;                // last: it uses what is above
};

}  // namespace

TEST_CASE(
    "C4 C5 C7 F2 F3 F5 F6 F8 S1 S3 U2 U7 R1 R4 P2 P3: random programs lose, "
    "double and reorder nothing") {
  const Seeds seeds(kPrograms);
  // Its threads meet in another way each time.
  const std::uint64_t times = std::getenv("FANFARE_SEED") == nullptr ? 1 : 200;
  std::uint64_t values = 0;
  Watchdog watchdog;
  for (std::uint64_t seed = seeds.first; seed <= seeds.last; ++seed) {
    for (std::uint64_t i = 0; i < times; ++i) {
      unsteady::on = (seed + i) % 2 == 0;
      Program program(seed);
      watchdog.Watch(&program, seed);
      const auto wrong = program.Run();
      watchdog.Watch(nullptr, seed);
      values += program.values();
      tried_values += program.values();
      tried_rounds += 1;
      std::string text;
      for (std::size_t w = 0; w < std::min<std::size_t>(wrong.size(), 8); ++w) {
        text += "\n  " + wrong[w];
      }
      if (!wrong.empty()) {
        FAIL("FANFARE_SEED=" << seed << " repeats this program, in which"
                             << text);
      }
    }
  }
  CHECK(values > 0);
}
