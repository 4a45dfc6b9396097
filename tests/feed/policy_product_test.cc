// SPDX-License-Identifier: MIT
//
// O1 to O7, N1: each policy, with each state of its patience, at several
// capacities, in each kind of Send, in each situation. A model says what is to
// come of the one Send that is tested; the program is the product.

#define FANFARE_PLATFORM ::FakeTime
#define FANFARE_ABI fake_clock

#include "support/fake_clock.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>
#include <fanfare/subscribe_options.h>

#include "support/await.h"
#include "support/catch.h"
#include "support/feeds.h"
#include "support/in_thread.h"
#include "support/policies.h"
#include "support/subscriptions.h"
#include "support/waiters.h"

namespace {

using namespace std::chrono_literals;
using fanfare::Channel;
using fanfare::Feed;
using fanfare::Overflow;
using fanfare::Subscription;
using std::chrono::nanoseconds;

// ---------------------------------------------------------------------------
// The rows
// ---------------------------------------------------------------------------

enum class Patience {
  kNone,
  kFresh,    // five seconds, and no Send has found the channel full yet
  kRunning,  // five seconds, of which two are over
  kRunOut,   // five seconds, which are over
};

enum class Kind {
  kSend,
  kTrySend,
  kSendReady,
  kSendForShort,  // gives up before any patience that has not run out
  kSendForLong,   // and after it
  kStop,          // a stop is requested once it is blocked
};

enum class Situation {
  kAlone,
  kOtherBlocks,    // another subscriber waits, with kWait
  kShared,         // others have filled the channel, and one more waits there
  kChannelClosed,  // while the Send is blocked
  kFeedClosed,
  kUnsubscribed,
  kReceive,
};

struct Row {
  Overflow overflow;
  Patience patience;
  std::size_t capacity;
  Kind kind;
  Situation situation;
};

const char* Name(Overflow overflow) {
  constexpr const char* kNames[] = {"wait", "drop newest", "drop oldest",
                                    "end"};
  return kNames[static_cast<std::size_t>(overflow)];
}
const char* Name(Patience patience) {
  constexpr const char* kNames[] = {"none", "fresh", "running", "run out"};
  return kNames[static_cast<std::size_t>(patience)];
}
const char* Name(Kind kind) {
  constexpr const char* kNames[] = {"Send",          "TrySend",
                                    "SendReady",     "SendFor, short",
                                    "SendFor, long", "Send with a stop"};
  return kNames[static_cast<std::size_t>(kind)];
}
const char* Name(Situation situation) {
  constexpr const char* kNames[] = {"alone",
                                    "another subscriber blocks",
                                    "the channel is shared",
                                    "channel closed",
                                    "feed closed",
                                    "unsubscribed",
                                    "a value received"};
  return kNames[static_cast<std::size_t>(situation)];
}

std::string Name(const Row& row) {
  return std::string(Name(row.kind)) + ", " + Name(row.overflow) +
         ", patience " + Name(row.patience) + ", capacity " +
         std::to_string(row.capacity) + ", " + Name(row.situation);
}

bool Possible(const Row& row) {
  if (row.overflow == Overflow::kDropOldest && row.capacity == 0) return false;
  // kWait with a patience is refused (O2).
  return row.overflow != Overflow::kWait || row.patience == Patience::kNone;
}

// ---------------------------------------------------------------------------
// The model
// ---------------------------------------------------------------------------

enum class Outcome {
  kTaken,     // there was room in the end
  kReplaced,  // the oldest value has made room
  kDropped,
  kEnded,
  kMissed,
  kNowhere,  // the subscription ended before it was decided
};

struct Prediction {
  bool waits = false;       // the Send is blocked on this channel
  nanoseconds sleep = 0ns;  // for how long at most; 0: for any time
  Outcome outcome = Outcome::kTaken;
  bool by_own_limit = false;  // which also ends the wait for others
  bool other_takes = false;   // the other subscriber, where there is one
};

bool MayWait(Kind kind) {
  return kind != Kind::kTrySend && kind != Kind::kSendReady;
}

Outcome Act(Overflow overflow) {
  switch (overflow) {
    case Overflow::kDropOldest:
      return Outcome::kReplaced;
    case Overflow::kEnd:
      return Outcome::kEnded;
    default:
      return Outcome::kDropped;
  }
}

nanoseconds Left(Patience patience) {
  return patience == Patience::kFresh     ? 5s
         : patience == Patience::kRunning ? 3s
                                          : 0s;
}

nanoseconds Limit(Kind kind) {
  return kind == Kind::kSendForShort  ? 1s
         : kind == Kind::kSendForLong ? 10s
                                      : nanoseconds::max();
}

// What becomes of the value while nothing but time passes.
Outcome Undisturbed(const Row& row, bool& by_own_limit) {
  const bool policy = row.overflow != Overflow::kWait;
  const bool stops = row.kind == Kind::kStop;
  const bool limited = Limit(row.kind) != nanoseconds::max();
  if (!stops && policy && (!limited || Left(row.patience) < Limit(row.kind)))
    return Act(row.overflow);
  by_own_limit = stops || limited;
  // Nothing ends it but its subscription.
  return by_own_limit ? Outcome::kMissed : Outcome::kNowhere;
}

Prediction Predict(const Row& row) {
  Prediction predicted;
  const bool policy = row.overflow != Overflow::kWait;
  const bool acts_at_once = policy && Left(row.patience) == 0ns;
  predicted.waits = !acts_at_once && MayWait(row.kind);
  if (predicted.waits) {
    const nanoseconds patience =
        policy ? Left(row.patience) : nanoseconds::max();
    const nanoseconds first = std::min(patience, Limit(row.kind));
    if (first != nanoseconds::max()) predicted.sleep = first;
  }
  if (acts_at_once) {
    predicted.outcome = Act(row.overflow);
  } else if (!predicted.waits) {
    predicted.outcome = Outcome::kMissed;
  } else if (row.situation == Situation::kReceive) {
    predicted.outcome = Outcome::kTaken;
  } else if (row.situation == Situation::kChannelClosed ||
             row.situation == Situation::kFeedClosed ||
             row.situation == Situation::kUnsubscribed) {
    predicted.outcome = Outcome::kNowhere;
  } else {
    predicted.outcome = Undisturbed(row, predicted.by_own_limit);
  }
  predicted.other_takes = row.situation == Situation::kOtherBlocks &&
                          MayWait(row.kind) && !predicted.by_own_limit;
  return predicted;
}

void Count(Outcome outcome, Tally& tally) {
  switch (outcome) {
    case Outcome::kTaken:
      ++tally.delivered;
      break;
    case Outcome::kReplaced:
      ++tally.delivered;
      ++tally.evicted;
      break;
    case Outcome::kDropped:
    case Outcome::kEnded:
      ++tally.dropped;
      break;
    case Outcome::kMissed:
      ++tally.missed;
      break;
    case Outcome::kNowhere:
      break;
  }
}

// ---------------------------------------------------------------------------
// The program
// ---------------------------------------------------------------------------

constexpr int kTested = 2;   // the value of the Send that is tested
constexpr int kOthers = 50;  // that of the send which waits in the channel
constexpr int kFirst = 101;  // the first of those that fill it
constexpr auto kPatience = 5s;

template <typename T>
std::size_t Deliver(Feed<T>& feed, Kind kind, const std::stop_token& stop) {
  const T value = Value<T>(kTested);
  switch (kind) {
    case Kind::kTrySend:
      return feed.TrySend(value);
    case Kind::kSendReady:
      return feed.SendReady(value);
    case Kind::kSendForShort:
    case Kind::kSendForLong:
      return feed.SendFor(value, Limit(kind));
    case Kind::kStop:
      return feed.Send(value, stop);
    default:
      return feed.Send(value);
  }
}

// How long the Send sleeps at most; 0 where it has returned instead.
nanoseconds Sleep(const Sending& sending) {
  std::optional<nanoseconds> rest;
  AwaitThat([&] {
    rest = FakeClock::Sleeper();
    return rest.has_value() || sending.returned();
  });
  return rest.value_or(0ns);
}

template <typename T>
class Program {
 public:
  explicit Program(const Row& row)
      : row_(row),
        predicted_(Predict(row)),
        channel_(row.capacity),
        subscription_(feed_.Subscribe(
            channel_,
            {.name = "tested",
             .overflow = row.overflow,
             .patience = row.patience == Patience::kNone ? nanoseconds(0)
                                                         : kPatience})) {}

  void Run() {
    FillUp();
    PassTime();
    const bool others = row_.situation == Situation::kOtherBlocks;
    if (others) other_subscription_ = feed_.Subscribe(other_);
    Sending sending(
        [this] { return Deliver(feed_, row_.kind, stop_.get_token()); });
    if (predicted_.waits) {
      AwaitThat([&] {
        return sending.returned() ||
               channel_.waiting_senders() == queued_.has_value() + 1U;
      });
      if (predicted_.sleep > 0ns) CHECK(Sleep(sending) == predicted_.sleep);
      CHECK_FALSE(sending.returned());
      CHECK(TallyOf(subscription_) == expected_);  // nothing is decided
      CHECK(subscription_.Stats()->blocks);
    } else if (!others || !MayWait(row_.kind)) {
      // Nothing is left to wait for: a Send that waits here is one that hangs.
      AwaitThat([&] { return sending.returned(); });
    }
    Disturb();
    if (predicted_.waits) GoOn(sending);
    Count(predicted_.outcome, expected_);
    if (others) Release(sending);
    const bool taken = predicted_.outcome == Outcome::kTaken ||
                       predicted_.outcome == Outcome::kReplaced;
    CHECK(sending.Get() ==
          (taken ? 1U : 0U) + (predicted_.other_takes ? 1U : 0U));
    Judge();
  }

 private:
  // The channel is full then.
  void FillUp() {
    const int last = kFirst + static_cast<int>(row_.capacity) - 1;
    if (row_.situation == Situation::kShared) {
      Fill(channel_, kFirst);
      queued_.emplace([channel = channel_] {
        return channel.Send(Value<T>(kOthers)) ? std::size_t{1} : 0;
      });
      AwaitSenders(channel_, 1);
    } else {
      for (int i = kFirst; i <= last; ++i) feed_.Send(Value<T>(i));
      expected_.delivered = row_.capacity;
    }
    content_ = Values<T>(kFirst, last);
  }

  // A Send that does not wait begins the patience, where it has to run.
  void PassTime() {
    if (row_.patience != Patience::kRunning &&
        row_.patience != Patience::kRunOut) {
      return;
    }
    CHECK(feed_.TrySend(Value<T>(1)) == 0);
    ++expected_.missed;
    FakeClock::Advance(kPatience - Left(row_.patience));
  }

  // What happens in the meantime; after the Send where it does not wait here.
  void Disturb() {
    switch (row_.situation) {
      case Situation::kChannelClosed:
        channel_.Close();
        break;
      case Situation::kFeedClosed:
        feed_.Close();
        break;
      case Situation::kUnsubscribed:
        subscription_.Unsubscribe();
        break;
      case Situation::kReceive:
        received_ = channel_.TryReceive();
        break;
      default:
        break;
    }
  }

  // Lets the Send come to its outcome if nothing has disturbed it.
  void GoOn(const Sending& sending) {
    if (row_.situation > Situation::kShared) return;
    if (row_.kind == Kind::kStop) {
      stop_.request_stop();
    } else if (predicted_.sleep > 0ns) {
      FakeClock::Advance(predicted_.sleep);
    } else {
      CHECK(StaysFalse([&] { return sending.returned(); }));
      subscription_.Unsubscribe();
    }
  }

  // The other subscriber takes its value, if it is to.
  void Release(const Sending& sending) {
    if (!predicted_.other_takes) return;
    AwaitThat([&] {
      return sending.returned() ||
             (other_.waiting_senders() == 1 && channel_.waiting_senders() == 0);
    });
    CHECK_FALSE(sending.returned());
    CHECK(other_.TryReceive() == Value<T>(kTested));
  }

  void Judge() {
    CHECK(TallyOf(subscription_) == expected_);
    CHECK_FALSE(subscription_.Stats()->blocks);
    JudgeEnd();
    if (row_.situation == Situation::kOtherBlocks) {
      CHECK(TallyOf(other_subscription_) == (predicted_.other_takes
                                                 ? Tally{.delivered = 1}
                                                 : Tally{.missed = 1}));
    }
    // What is, and was, in the channel.
    if (predicted_.outcome == Outcome::kReplaced) {
      content_.erase(content_.begin());
    }
    if (predicted_.outcome == Outcome::kTaken ||
        predicted_.outcome == Outcome::kReplaced) {
      content_.push_back(Value<T>(kTested));
    }
    const std::size_t left = channel_.size();
    if (queued_.has_value()) {
      content_.push_back(Value<T>(kOthers));
    } else {
      // N1, as the channel has this source alone.
      CHECK((received_.has_value() ? 1U : 0U) + left ==
            expected_.delivered - expected_.evicted);
    }
    std::vector<T> all;
    if (received_.has_value()) all.push_back(*received_);
    for (const T& value : Drain(channel_)) all.push_back(value);
    CHECK(all == content_);
    if (queued_.has_value()) CHECK(queued_->Get() == 1);
    CHECK(channel_.waiting_senders() == 0);
  }

  void JudgeEnd() {
    const bool slow = predicted_.outcome == Outcome::kEnded;
    const bool ended = slow || predicted_.outcome == Outcome::kNowhere ||
                       row_.situation == Situation::kFeedClosed ||
                       row_.situation == Situation::kUnsubscribed;
    CHECK(subscription_.ended() == ended);
    const auto told = AsSlow(subscription_.Err().TryReceive());
    CHECK(told.has_value() == slow);
    if (!slow || !told.has_value()) return;
    CHECK(told->name == "tested");
    CHECK(told->queued == row_.capacity);
    CHECK(told->waited ==
          (row_.patience == Patience::kNone ? nanoseconds(0) : kPatience));
  }

  const Row row_;
  const Prediction predicted_;
  Feed<T> feed_;
  const Channel<T> channel_;
  const Channel<T> other_;
  const Subscription subscription_;
  Subscription other_subscription_;
  std::stop_source stop_;
  std::optional<Sending> queued_;
  std::optional<T> received_;
  std::vector<T> content_;  // in the order of the receives
  Tally expected_;
};

}  // namespace

TEMPLATE_TEST_CASE(
    "O1 O3 O4 O5 O6 O7 N1: every policy, kind of Send and situation", "", int,
    std::string) {
  Row row{};
  row.overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest,
                          Overflow::kDropOldest, Overflow::kEnd);
  row.patience = GENERATE(Patience::kNone, Patience::kFresh, Patience::kRunning,
                          Patience::kRunOut);
  row.capacity = GENERATE(0U, 1U, 64U);
  for (const Kind kind :
       {Kind::kSend, Kind::kTrySend, Kind::kSendReady, Kind::kSendForShort,
        Kind::kSendForLong, Kind::kStop}) {
    for (const Situation situation :
         {Situation::kAlone, Situation::kOtherBlocks, Situation::kShared,
          Situation::kChannelClosed, Situation::kFeedClosed,
          Situation::kUnsubscribed, Situation::kReceive}) {
      row.kind = kind;
      row.situation = situation;
      if (!Possible(row)) continue;
      INFO(Name(row));
      Program<TestType>(row).Run();
    }
  }
}

// A copy that throws: whether one is made where the value finds no room is not
// said, but nothing is evicted nor delivered, and the counts are in balance.
TEST_CASE("O8 N1 F9: every policy where copies throw") {
  Row row{};
  row.overflow = GENERATE(Overflow::kWait, Overflow::kDropNewest,
                          Overflow::kDropOldest, Overflow::kEnd);
  row.patience = GENERATE(Patience::kNone, Patience::kFresh, Patience::kRunOut);
  row.capacity = GENERATE(0U, 1U, 64U);
  const int way = GENERATE(range(0, kWaysNotToWait + 1));
  if (!Possible(row)) return;
  INFO(Name(row) << ", way " << way);
  Ledger ledger;
  {
    Feed<Tracked> feed;
    const Channel<Tracked> channel(row.capacity);
    const Subscription subscription = feed.Subscribe(
        channel, {.overflow = row.overflow,
                  .patience = row.patience == Patience::kNone ? nanoseconds(0)
                                                              : kPatience});
    for (std::size_t i = 0; i < row.capacity; ++i) {
      CHECK(feed.Send(Tracked(ledger, kFirst + static_cast<int>(i))) == 1);
    }
    const Tracked value(ledger, kTested);
    if (row.patience == Patience::kRunOut) {
      CHECK(feed.TrySend(value) == 0);
      FakeClock::Advance(kPatience);
    }
    ledger.on_copy = [](int) { throw CopyFailed(); };
    try {
      const std::size_t taken = way < kWaysNotToWait
                                    ? SendWithoutWaiting(way, feed, value)
                                    : feed.SendReady(value);
      CHECK(taken == 0);
      // A replacement needs one.
      const bool replaces = row.overflow == Overflow::kDropOldest &&
                            row.patience != Patience::kFresh;
      CHECK_FALSE(replaces);
    } catch (const CopyFailed&) {
    }
    ledger.on_copy = nullptr;
    const Tally tally = TallyOf(subscription);
    CHECK(tally.unaccounted == 0);
    CHECK(tally.evicted == 0);
    CHECK(tally.delivered == row.capacity);
    for (std::size_t i = 0; i < row.capacity; ++i) {
      CHECK(Number(channel.TryReceive()) == kFirst + static_cast<int>(i));
    }
    // The feed and the subscription can still be used.
    if (row.capacity > 0 && !subscription.ended()) {
      CHECK(feed.Send(value) == 1);
      CHECK(Number(channel.TryReceive()) == kTested);
    }
  }
  CHECK(ledger.alive == 0);
}
