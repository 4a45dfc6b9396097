// SPDX-License-Identifier: MIT
#ifndef FANFARE_STATE_H_
#define FANFARE_STATE_H_

// State<T>: one value that is always there, and a feed of its changes. A
// subscriber receives the value at once, and then the latest change.
//
//   State<Config> config(Load());
//   Channel<std::shared_ptr<const Config>> changes(1);
//   Subscription subscription = config.Subscribe(changes);
//   Apply(**changes.Receive());  // the value now
//   config.Update([](Config& c) { c.level = 3; });
//
// Thread safety: all member functions may be called concurrently, but every
// call must have returned before the destructor begins.
//
// Memory ordering: what a thread did before Set() or Update() happens before a
// Get() or a receive that returns the new value.
//
// Differences from Go: there is no equivalent in Go.

#include <concepts>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/detail/base/platform.h>
#include <fanfare/feed.h>
#include <fanfare/feed_options.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Holds a value that changes, and delivers the changes to subscribers.
///
/// T must be an object type that can be moved; Update() copies it. Each change
/// makes a new immutable object, which all readers share. (V2)
template <typename T>
class State {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                "fanfare: the T of a State<T> must be an object type");

 public:
  /// The type of the value.
  using value_type = T;
  /// What Get() returns and subscribers receive.
  using Pointer = std::shared_ptr<const T>;

  /// Creates a state with its first value.
  ///
  /// \throws std::bad_alloc, and what moving `initial` throws.
  explicit State(T initial)
      : feed_(FeedOptions{.replay = 1}),
        value_(std::make_shared<const T>(std::move(initial))) {
    feed_.Send(value_);
  }
  /// A state cannot be copied.
  State(const State&) = delete;
  /// A state cannot be assigned to.
  State& operator=(const State&) = delete;
  /// Ends all subscriptions.
  ///
  /// Never blocks.
  /// \warning Undefined: no other call may be in progress.
  ~State() = default;

  /// Returns the value.
  ///
  /// Never waits for a Set() or an Update(), beyond the exchange of a pointer.
  /// \par Complexity
  /// Constant; allocates nothing.
  /// (V2)
  [[nodiscard]] Pointer Get() const noexcept {
    const std::lock_guard lock(value_mutex_);
    return value_;
  }

  /// Sets the value and delivers it to all subscribers, even if it is equal to
  /// the value before.
  ///
  /// Blocks until the changes before it have been made, but never for a
  /// subscriber.
  /// \throws std::bad_alloc, and what moving `value` throws. The value is
  ///     unchanged then.
  /// \warning Deadlock: T's destructor must not change the same state, or
  ///     subscribe to it, because it may run under a lock of the state.
  /// \par Complexity
  /// Constant for each subscriber.
  /// (V2)
  void Set(T value) {
    Pointer next = std::make_shared<const T>(std::move(value));
    const std::lock_guard lock(change_mutex_);
    Publish(next);
  }

  /// Changes the value: calls `change` with a copy of it, and sets the copy.
  ///
  /// `change` takes a T&. If it returns false, the value is not set, and
  /// nothing is delivered. It may return nothing, which counts as true.
  ///
  /// Blocks until the changes before it have been made, but never for a
  /// subscriber. Calls of `change` run one at a time, under a lock of the
  /// state.
  /// \returns whether the value was set.
  /// \throws std::bad_alloc, what copying T throws, and what `change` throws.
  ///     The value is unchanged then.
  /// \warning Deadlock: `change`, and T's copy constructor and destructor, must
  ///     not change the same state. They may call Get(). T's destructor must
  ///     not subscribe to the state.
  /// \par Complexity
  /// One copy of T, and constant for each subscriber.
  /// (V2)
  template <std::invocable<T&> Change>
  bool Update(Change&& change) {
    Pointer next;  // destroyed without the lock
    const std::lock_guard lock(change_mutex_);
    auto changed = std::make_shared<T>(*Get());
    if constexpr (std::is_void_v<std::invoke_result_t<Change&, T&>>) {
      change(*changed);
    } else if (!static_cast<bool>(change(*changed))) {
      return false;
    }
    next = std::move(changed);
    Publish(next);
    return true;
  }

  /// Subscribes a channel: it gets the present value first, and then each
  /// change. If the channel is full, the oldest value in it makes room. So on a
  /// channel of capacity 1, the subscriber receives the latest value only.
  ///
  /// Of `options`, `name` and `close_channel` are used. With the latter, a loop
  /// over the channel ends when the state is destroyed.
  ///
  /// The present value is not older than what Get() returned before the call.
  ///
  /// Blocks while a change is delivered, but never for a subscriber, and not
  /// while the function of an Update() runs.
  /// \returns the subscription. It ends when the state is destroyed.
  /// \throws std::invalid_argument if `channel` is nil or has no buffer, or if
  ///     another option is set; and std::bad_alloc. Nothing is subscribed then.
  /// (V2, O2, O7)
  [[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
  Subscribe(const Sender<Pointer>& channel, SubscribeOptions options = {},
            CallSite where = CallSite::Here()) {
    if (options.overflow != Overflow::kWait || options.replay != 0 ||
        options.patience != options.patience.zero()) {
      throw std::invalid_argument(
          "fanfare: Subscribe of a State takes a name and close_channel only");
    }
    options.overflow = Overflow::kDropOldest;
    options.replay = 1;
    const std::lock_guard lock(publish_mutex_);
    return feed_.Subscribe(channel, std::move(options), where);
  }

  /// Returns the number of subscriptions that have not ended. Never blocks.
  [[nodiscard]] std::size_t subscriber_count() const noexcept {
    return feed_.subscriber_count();
  }
  /// Reports on each subscription, as Feed::Report() does. Never blocks for a
  /// subscriber.
  /// \throws std::bad_alloc
  /// (N1, N2)
  [[nodiscard]] std::vector<SubscriberReport> Report() const {
    return feed_.Report();
  }

 private:
  // Sets the value, and sets `next` to the one before. The caller must hold
  // change_mutex_.
  void Publish(Pointer& next) {
    const std::lock_guard publishing(publish_mutex_);
    {
      const std::lock_guard lock(value_mutex_);
      value_.swap(next);
    }
    feed_.Send(value_);
  }

  Feed<Pointer> feed_;
  detail::Platform::Mutex change_mutex_;  // one change at a time
  // Get() and the feed agree while it is free. Locked after change_mutex_.
  detail::Platform::Mutex publish_mutex_;
  mutable detail::Platform::Lock value_mutex_;
  Pointer value_;  // guarded by value_mutex_; changed under both
};

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_STATE_H_
