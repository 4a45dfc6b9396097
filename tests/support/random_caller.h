// SPDX-License-Identifier: MIT
//
// A thread of a random program: how it sends, receives and selects.
#ifndef FANFARE_TESTS_SUPPORT_RANDOM_CALLER_H_
#define FANFARE_TESTS_SUPPORT_RANDOM_CALLER_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "random_program.h"
#include "random_record.h"
#include "random_values.h"
#include "stress.h"

// The calls that send and receive: it makes each in some way, and writes down
// what came of it.
class Caller {
 public:
  Caller(Shared& shared, Sends& sends, std::size_t number, std::uint32_t seed)
      : sends_(&sends), number_(number), dice_(seed) {
    WithParts([&](auto& part) {
      using P = std::decay_t<decltype(part)>;
      part.world =
          &std::get<std::remove_pointer_t<decltype(P::world)>>(shared.worlds);
    });
    for (std::size_t i = 0; i < 16; ++i) stops_.emplace_back();
  }

  template <typename F>
  void WithParts(F f) {
    std::apply([&](auto&... part) { (f(part), ...); }, parts_);
  }

  template <typename T>
  Part<T>& part() {
    return std::get<Part<T>>(parts_);
  }

  template <typename F>
  void InWorld(F f) {
    switch (dice_(3)) {
      case 0:
        return f(std::get<0>(parts_));
      case 1:
        return f(std::get<1>(parts_));
      default:
        return f(std::get<2>(parts_));
    }
  }

  template <typename T>
  Place<T>& Any(Part<T>& part) {
    auto& places = part.world->places;
    return places[dice_(static_cast<std::uint32_t>(places.size()))];
  }

  // Null: it has let go of all.
  template <typename T>
  SharedFeed<T> AnyFeed(Part<T>& part) {
    if (part.feeds.empty()) return nullptr;
    return part.feeds[dice_(static_cast<std::uint32_t>(part.feeds.size()))];
  }

  template <typename T>
  void SendOn(const SharedFeed<T>& feed) {
    Sent& sent = sends_->New(number_);
    sent.feed = feed->record;
    Send(sent, feed->feed, part<T>());
  }

  // Waits for no more than a moment.
  template <typename T>
  void SendBriefly(const SharedFeed<T>& feed) {
    Sent& sent = sends_->New(number_);
    sent.feed = feed->record;
    sent.began = Now();
    sent.result =
        feed->feed.SendFor(T(sent), std::chrono::microseconds(dice_(200)));
    sent.returned = Now();
  }

  template <typename T>
  void SendOn(Place<T>& place) {
    Sent& sent = sends_->New(number_);
    sent.channel = &place.record;
    Send(sent, place.channel, part<T>());
  }

  // Sends to a channel if that is possible at once.
  template <typename T>
  bool TrySendOn(Place<T>& place) {
    Sent& sent = sends_->New(number_);
    sent.channel = &place.record;
    sent.began = Now();
    sent.result = place.channel.TrySend(T(sent)) ? 1 : 0;
    sent.returned = Now();
    return sent.result != 0;
  }

  template <typename T>
  void Receive(Place<T>& place, bool may_block = true) {
    const auto moment = std::chrono::microseconds(dice_(200));
    const Stamp began = Now();
    const auto& channel = place.channel;
    switch (dice_(may_block ? 8 : 5)) {
      case 0:
        return Take(place, began, channel.TryReceive());
      case 1:
        return Take(place, began, channel.ReceiveFor(moment));
      case 2:
        return Take(
            place, began,
            channel.ReceiveUntil(std::chrono::steady_clock::now() + moment));
      case 3:
        return Take(
            place, began,
            channel.ReceiveUntil(std::chrono::system_clock::now() + moment));
      case 4:
        return Take(place, began, channel.Receive(Stop()));
      case 5: {
        auto value = channel.Receive();
        if (!value.has_value()) Expect(channel.drained(), "Receive gave none");
        return Take(place, began, std::move(value));
      }
      default:
        return ReceiveRange(place);
    }
  }

  // Takes what the channel holds.
  template <typename T>
  void Drain(Place<T>& place) {
    for (;;) {
      const Stamp began = Now();
      auto value = place.channel.TryReceive();
      if (!value.has_value()) return;
      Log(place, began, *std::move(value));
    }
  }

  // Two receive cases, one of another world, and one that sends; besides, what
  // limits it.
  template <typename T>
  void SelectOf(Part<T>& mine) {
    auto& first = Any(mine);
    auto& second = Any(part<Number>());
    auto& to = Any(mine);
    Sent& sent = sends_->New(number_);
    sent.channel = &to.record;
    T value(sent);
    const Stamp began = Now();
    sent.began = began;
    const auto select = [&](auto... limit) {
      return fanfare::Select(
          fanfare::OnReceive(first.channel,
                             [&](T got) { Log(first, began, std::move(got)); }),
          fanfare::OnReceive(
              second.channel,
              [&](Number got) { Log(second, began, std::move(got)); }, [] {}),
          fanfare::OnSend(to.channel, std::move(value)), limit()...);
    };
    std::size_t chosen = 0;
    switch (dice_(4)) {
      case 0:
        chosen = select([] { return fanfare::OnDefault(); });
        break;
      case 1:
        chosen = select([this] {
          return fanfare::OnTimeout(std::chrono::microseconds(dice_(200)));
        });
        break;
      case 2:
        chosen = select([this] { return fanfare::OnStop(Stop()); });
        break;
      default:
        chosen = select();
    }
    sent.result = chosen == 2 ? 1 : 0;
    sent.returned = Now();
    Expect(chosen == 2 || value.id() == sent.id,
           "a value was moved from and not sent");
  }

  template <typename T>
  void SelectFromSpan(Part<T>& mine) {
    std::vector<fanfare::SelectCase> cases;
    Stamp began = Now();
    for (std::uint32_t i = dice_(4); i > 0; --i) {
      auto& place = Any(mine);
      cases.emplace_back(fanfare::OnReceive(
          place.channel,
          [&](std::optional<T> got) { Take(place, began, std::move(got)); }));
    }
    cases.emplace_back(
        fanfare::OnTimeout(std::chrono::microseconds(dice_(200))));
    cases.emplace_back(fanfare::OnStop(Stop()));
    // The same cases again, now and then.
    for (std::uint32_t i = dice_(3); i > 0; --i) {
      began = Now();
      Expect(fanfare::Select(cases) < cases.size(), "a Select chose no case");
    }
    auto& to = Any(mine);
    Sent& sent = sends_->New(number_);
    sent.channel = &to.record;
    began = Now();
    sent.began = began;
    cases.push_back(fanfare::OnSend(to.channel, T(sent)));
    sent.result = fanfare::Select(cases) + 1 == cases.size() ? 1 : 0;
    sent.returned = Now();
    const auto unsent = cases.back().template TakeUnsent<T>();
    Expect(unsent.has_value() == (sent.result == 0),
           "TakeUnsent is wrong about what was sent");
    Expect(!unsent.has_value() || unsent->id() == sent.id,
           "TakeUnsent gave another value");
  }

  // Frees a thread that is blocked on `place`, if one is; says whether it did.
  template <typename T>
  bool Help(Place<T>& place) {
    if (place.channel.waiting_senders() > 0) {
      const Stamp began = Now();
      auto value = place.channel.TryReceive();
      const bool helped = value.has_value();
      Take(place, began, std::move(value));
      return helped;
    }
    return place.channel.waiting_receivers() > 0 && TrySendOn(place);
  }

  // From any thread: stops what this one does.
  void RequestStop() {
    stops_[stop_.load(std::memory_order_relaxed)].request_stop();
  }

  // Whether it is in a call that ends once its stop was requested.
  [[nodiscard]] bool stoppable() const {
    return stoppable_.load(std::memory_order_relaxed);
  }
  void Returned() { stoppable_.store(false, std::memory_order_relaxed); }

  void Expect(bool good, const char* what) {
    if (!good) wrong_.emplace_back(what);
  }

  [[nodiscard]] const auto& receipts() const { return receipts_; }
  [[nodiscard]] const auto& wrong() const { return wrong_; }

 private:
  // Sends on a feed or a channel, in some way.
  template <typename To, typename T>
  void Send(Sent& sent, To& to, Part<T>& part) {
    sent.lvalue = dice_(2) == 0;
    if (!sent.lvalue) return Send(sent, to, T(sent));
    T& argument = part.arguments.emplace_back(sent);
    sent.argument = &argument;
    Send(sent, to, argument);
    ChangeArgument<T>(sent);
  }

  template <typename To, typename U>
  void Send(Sent& sent, To& to, U&& value) {
    const auto moment = std::chrono::microseconds(dice_(200));
    const std::uint32_t way = dice_(10);
    sent.patient = way > 6;
    sent.began = Now();
    switch (way) {
      case 0:
        sent.result = to.TrySend(std::forward<U>(value));
        break;
      case 1:
        sent.result = to.SendFor(std::forward<U>(value), moment);
        break;
      case 2:
        sent.result = to.SendUntil(std::forward<U>(value),
                                   std::chrono::steady_clock::now() + moment);
        break;
      case 3:
        sent.result = to.SendUntil(std::forward<U>(value),
                                   std::chrono::system_clock::now() + moment);
        break;
      case 4:
        sent.result = to.Send(std::forward<U>(value), Stop());
        break;
      case 5:
      case 6:
        if constexpr (requires { to.SendReady(std::forward<U>(value)); }) {
          sent.result =
              way == 5 ? to.SendReady(std::forward<U>(value))
                       : to.SendFor(std::forward<U>(value), moment, Stop());
        } else {
          sent.result = to.TrySend(std::forward<U>(value));
        }
        break;
      case 7:
        sent.result =
            to.SendFor(std::forward<U>(value), std::chrono::hours(24));
        break;
      default:
        sent.result = to.Send(std::forward<U>(value));
    }
    sent.returned = Now();
  }

  template <typename T>
  void ReceiveRange(Place<T>& place) {
    std::uint32_t rest = 1 + dice_(5);
    Stamp began = Now();
    for (T& value : place.channel) {
      Log(place, began, std::move(value));
      if (--rest == 0) break;
      began = Now();
    }
  }

  // A stop that another thread may request; a new one once it was.
  std::stop_token Stop() {
    stoppable_.store(true, std::memory_order_relaxed);
    const std::size_t now = stop_.load(std::memory_order_relaxed);
    if (stops_[now].stop_requested() && now + 1 < stops_.size()) {
      stop_.store(now + 1, std::memory_order_relaxed);
    }
    return stops_[stop_.load(std::memory_order_relaxed)].get_token();
  }

  template <typename T>
  void Take(const Place<T>& place, Stamp began, std::optional<T> value) {
    if (value.has_value()) Log(place, began, *std::move(value));
  }

  template <typename T>
  void Log(const Place<T>& place, Stamp began, T value) {
    const std::uint32_t id = value.id();
    receipts_.push_back({id, &place.record, began, Now()});
    Expect(id != 0, "a value is torn");
    Sent* const sent = sends_->Find(id);
    if (sent == nullptr) return Expect(false, "a value was never sent");
    // It is the receiver's own, and the sender's is no longer looked at.
    value.Spoil();
    if (sent->argument != nullptr && dice_(2) == 0) ChangeArgument<T>(*sent);
  }

  template <typename T>
  void ChangeArgument(Sent& sent) {
    if (sent.argument_changed.exchange(true, std::memory_order_relaxed)) return;
    static_cast<T*>(sent.argument)->Spoil();
  }

  Sends* sends_;
  std::size_t number_;
  Dice dice_;
  std::tuple<Part<Number>, Part<Sentence>, Part<Block>> parts_;
  std::vector<Receipt> receipts_;
  std::deque<std::stop_source> stops_;
  std::atomic<std::size_t> stop_ = 0;
  std::atomic<bool> stoppable_ = false;
  std::vector<std::string> wrong_;
};

#endif  // FANFARE_TESTS_SUPPORT_RANDOM_CALLER_H_
