// SPDX-License-Identifier: MIT
//
// Uses everything of the library once, as a user's program does, for values of
// several kinds: what a compiler warns of in the headers is seen here. It is
// run, too, for what a sanitizer finds in passing.

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <fanfare/fanfare.h>

namespace {

using fanfare::Channel;
using fanfare::Feed;
using fanfare::JoinSubscriptions;
using fanfare::Loop;
using fanfare::NewSubscription;
using fanfare::OnDefault;
using fanfare::OnEnd;
using fanfare::OnReceive;
using fanfare::OnSend;
using fanfare::OnStop;
using fanfare::OnTimeout;
using fanfare::Receiver;
using fanfare::Resubscribe;
using fanfare::ResubscribeErr;
using fanfare::Select;
using fanfare::SelectCase;
using fanfare::SelectLoop;
using fanfare::Sender;
using fanfare::Subscription;
using fanfare::SubscriptionScope;

constexpr std::chrono::milliseconds kSoon(1);

struct Kilobyte {
  std::array<std::byte, 1024> bytes;
};

template <typename T>
T Value() {
  return T{};
}
template <>
std::unique_ptr<int> Value() {
  return std::make_unique<int>(7);
}

// How often something came about, so that nothing is optimized away.
std::size_t count = 0;

template <typename T>
void Count(const T& happened) {
  if (happened) ++count;
}

std::stop_token Stopped() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

std::chrono::steady_clock::time_point Soon() {
  return std::chrono::steady_clock::now() + kSoon;
}

template <typename Handle>
void UseCounts(const Handle& handle) {
  Count(handle);
  Count(handle.closed());
  Count(handle.drained());
  Count(handle.size());
  Count(handle.capacity());
  Count(handle.waiting_senders());
  Count(handle.waiting_receivers());
}

template <typename T>
void UseChannel(std::size_t capacity) {
  const Channel<T> channel(capacity);
  const Sender<T> sender = channel;
  const Receiver<T> receiver = channel;
  UseCounts(channel);
  UseCounts(sender);
  UseCounts(receiver);
  if (capacity > 0) {
    Count(channel.Send(Value<T>()));
    Count(channel.Receive());
  }
  Count(sender.Send(Value<T>(), Stopped()));
  Count(receiver.Receive(Stopped()));
  Count(sender.SendFor(Value<T>(), kSoon));
  Count(receiver.ReceiveFor(kSoon));
  Count(sender.SendUntil(Value<T>(), Soon()));
  Count(receiver.ReceiveUntil(Soon()));
  Count(sender.SendUntil(Value<T>(), std::chrono::system_clock::now()));
  Count(receiver.ReceiveUntil(std::chrono::system_clock::now()));
  Count(sender.TrySend(Value<T>()));
  Count(receiver.TryReceive());
  if constexpr (std::is_copy_constructible_v<T>) {
    const T value = Value<T>();
    T other = value;
    Count(sender.TrySend(value));
    Count(receiver.TryReceive());
    Count(sender.Send(value, Stopped()));
    Count(receiver.Receive(Stopped()));
    Count(sender.SendFor(other, kSoon));
    Count(receiver.ReceiveFor(kSoon));
    Count(sender.SendUntil(other, Soon()));
    Count(receiver.ReceiveUntil(Soon()));
  }
  Count(sender.SendFor(Value<T>(), kSoon, Stopped()));
  Count(receiver.ReceiveFor(kSoon, Stopped()));
  Count(sender.SendUntil(Value<T>(), Soon(), Stopped()));
  Count(receiver.ReceiveUntil(Soon(), Stopped()));
  Count(channel == sender && sender != receiver);
  Count(std::hash<Channel<T>>()(channel) == std::hash<Sender<T>>()(sender));
  Count(sender.TrySend(Value<T>()));
  sender.Close();
  for (const T& value : channel) Count(&value);
  Channel<T> moved = channel;
  Channel<T> assigned;
  assigned = std::move(moved);
  UseCounts(assigned);
  const Sender<T> nil_sender;
  const Receiver<T> nil_receiver;
  UseCounts(nil_sender);
  UseCounts(nil_receiver);
  Count(nil_sender.SendFor(Value<T>(), kSoon));
  Count(nil_receiver.ReceiveFor(kSoon));
}

template <typename T>
void UseSelect(std::size_t capacity) {
  const Channel<T> channel(capacity);
  const Channel<T> closed(capacity);
  closed.Close();
  const auto on_value = [](const T&) { ++count; };
  const auto on_optional = [](const std::optional<T>& value) { Count(value); };
  const auto on_event = [] { ++count; };
  Count(Select(OnReceive(channel, on_value), OnSend(channel, Value<T>()),
               OnTimeout(kSoon), OnStop(std::stop_token())));
  Count(Select(OnReceive(channel, on_optional),
               OnSend(channel, Value<T>(), on_event),
               OnTimeout(kSoon, on_event), OnStop(Stopped(), on_event)));
  Count(Select(OnReceive(channel, on_value, on_event), OnDefault()));
  Count(Select(OnReceive(closed, on_value, on_event), OnDefault(on_event)));
  Count(Select(OnReceive(channel, on_value), OnTimeout(kSoon)));
  Count(Select(OnReceive(closed, on_value), OnSend(closed, Value<T>())));
  Count(Select());
  Count(Select(OnTimeout(std::chrono::steady_clock::now(), on_event)));
  Count(Select(OnTimeout(std::chrono::system_clock::now())));
  const Subscription empty;
  Count(Select(OnEnd(empty), OnEnd(empty, on_event),
               OnEnd(empty, [](std::exception_ptr error) { Count(error); })));
  Count(SelectLoop(OnReceive(channel, on_value), OnSend(channel, Value<T>()),
                   OnTimeout(kSoon, [] { return Loop::kBreak; }), OnEnd(empty),
                   OnStop(Stopped())));
  T value = Value<T>();
  std::vector<SelectCase> cases;
  cases.reserve(4);
  cases.push_back(OnReceive(closed, on_value));
  cases.push_back(OnSend(closed, std::move(value)));
  cases.emplace_back(OnTimeout(kSoon));
  cases.emplace_back();
  Count(Select(cases));
  Count(Select(std::span<SelectCase>(cases).first(1)));
  Count(cases[1].template TakeUnsent<T>());
}

template <typename T>
void UseFeed(std::size_t capacity) {
  Feed<T> feed;
  const Channel<T> channel(capacity);
  const Channel<T> other(capacity);
  const Subscription subscription = feed.Subscribe(channel);
  const Subscription second = feed.Subscribe(other);
  Count(feed.subscriber_count());
  Count(feed.waiting_senders());
  const T value = Value<T>();
  T changing = value;
  const auto drain = [&] {
    while (channel.TryReceive()) ++count;
    while (other.TryReceive()) ++count;
  };
  if (capacity > 0) {
    Count(feed.Send(value));
    drain();
  }
  Count(feed.Send(Value<T>(), Stopped()));
  Count(feed.Send(value, Stopped()));
  drain();
  Count(feed.SendFor(changing, kSoon));
  Count(feed.SendFor(Value<T>(), kSoon));
  drain();
  Count(feed.SendUntil(changing, Soon()));
  Count(feed.SendUntil(Value<T>(), std::chrono::system_clock::now()));
  drain();
  Count(feed.TrySend(value));
  Count(feed.TrySend(Value<T>()));
  drain();
  Count(feed.SendReady(value));
  Count(feed.SendReady(Value<T>(), Stopped()));
  drain();
  Count(feed.SendFor(value, kSoon, Stopped()));
  Count(feed.SendUntil(value, Soon(), Stopped()));
  drain();
  second.Unsubscribe();
  Count(subscription.Err());
  channel.Close();
  Count(feed.TrySend(Value<T>()));
  Count(subscription.Err().Receive());
  feed.Close();
}

// A subscription of a user's own.
class Source {
 public:
  Source() { err_.Close(); }
  [[nodiscard]] Receiver<std::exception_ptr> Err() const { return err_; }
  void Unsubscribe() const { err_.Close(); }
  void RequestUnsubscribe() const { err_.Close(); }

 private:
  Channel<std::exception_ptr> err_;
};

void UseSubscriptions() {
  Feed<int> feed;
  const Channel<int> channel(1);
  Subscription subscription = NewSubscription(
      [](std::stop_token stop) { Count(Channel<int>().Receive(stop)); });
  subscription.RequestUnsubscribe();
  subscription.Unsubscribe();
  subscription = NewSubscription([](const Receiver<std::monostate>& quit) {
    Count(quit.Receive());
    return std::error_code();
  });
  Subscription moved = std::move(subscription);
  moved.Unsubscribe();
  moved = NewSubscription([](std::stop_token) { return std::exception_ptr(); });
  Count(moved.Err().Receive());
  moved = Subscription(Source());
  Count(Subscription().Err().Receive());

  const SubscriptionScope scope;
  const Subscription wrapper = scope.Track(feed.Subscribe(channel));
  Count(scope.Track(Source()));
  Count(scope.Count());
  Count(wrapper.Err());
  scope.Close();

  const Subscription join =
      JoinSubscriptions(feed.Subscribe(channel), Subscription(Source()));
  std::vector<Subscription> members;
  members.push_back(feed.Subscribe(channel));
  const Subscription many = JoinSubscriptions(std::move(members));
  join.Unsubscribe();
  Count(many);

  const Subscription kept = Resubscribe(
      kSoon,
      [&](std::stop_token) -> Subscription { return feed.Subscribe(channel); });
  const Subscription told = ResubscribeErr(
      kSoon, [&](std::stop_token stop, const std::exception_ptr& error) {
        Count(error);
        if (!stop.stop_requested() && error == nullptr) {
          throw std::system_error(std::error_code());
        }
        return feed.Subscribe(channel);
      });
  const Subscription listener = Listen(feed, [](int) {}, {.capacity = 1});
  const Subscription in_tasks =
      Listen([](const auto& task) { task(); }, feed,
             [](const int& value, const std::stop_token& stop) {
               Count(value);
               Count(stop.stop_requested());
             });
  Count(feed.TrySend(1));
  feed.Close();
  Count(listener.Err().Receive());
  Count(in_tasks.ended());
  Count(kept.Err());
  Count(told.Err());
}

}  // namespace

int main() {
  for (const std::size_t capacity : {0U, 1U, 64U}) {
    UseChannel<int>(capacity);
    UseChannel<std::string>(capacity);
    UseChannel<std::unique_ptr<int>>(capacity);
    UseChannel<Kilobyte>(capacity);
    UseSelect<int>(capacity);
    UseSelect<std::string>(capacity);
    UseSelect<std::unique_ptr<int>>(capacity);
    UseSelect<Kilobyte>(capacity);
    UseFeed<int>(capacity);
    UseFeed<std::string>(capacity);
    UseFeed<Kilobyte>(capacity);
  }
  UseSubscriptions();
  return count > 0 ? 0 : 1;
}
