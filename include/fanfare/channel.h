// SPDX-License-Identifier: MIT
#ifndef FANFARE_CHANNEL_H_
#define FANFARE_CHANNEL_H_

// Channel<T>: a bounded first-in first-out queue of values between threads,
// with many senders and many receivers; Go's `chan T`. A Channel<T> is a
// Sender<T> (`chan<- T`) and a Receiver<T> (`<-chan T`).
//
//   Channel<int> channel(8);
//   std::jthread producer([channel] {
//     for (int i = 0; i < 100; ++i) channel.Send(i);
//     channel.Close();
//   });
//   for (int value : channel) Use(value);  // ends once closed and empty
//
// Send blocks for room, Receive for a value; both come with a stop token, a
// duration, a point in time, and as Try…, which never blocks. Close ends it.
//
// A call that blocks looks again for a few microseconds, more or fewer as that
// pays off for its thread, and lets other threads run meanwhile; then it
// sleeps, on a condition variable, and uses no processor time. Only who sleeps
// has to be woken.
//
// Thread safety: everything may be called from any thread at any time, except
// that one handle is not assigned to or destroyed while it is used; give every
// thread a copy. Not async-signal-safe: call nothing of it in a signal handler,
// nor in the child of a fork() of a program with several threads, before it
// calls exec: a lock that another thread held stays locked there.
//
// A pthread_cancel of a thread that is blocked in the library takes effect
// after the call, at the thread's next cancellation point. To end the wait
// itself, use a stop token. Undefined: PTHREAD_CANCEL_ASYNCHRONOUS.
//
// Memory ordering: a send happens before its receive returns; the k-th receive
// before the send k + capacity returns; Close before a closed result. (C9)
//
// Unlike Go, where both panic, sending on a closed channel returns false, and
// closing it twice does nothing.

#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/access.h>
#include <fanfare/detail/channel_core.h>
#include <fanfare/detail/landing.h>
#include <fanfare/detail/receive_iterator.h>

namespace fanfare::inline FANFARE_ABI {

// The sending view: a handle, one pointer. Copies send on the same channel.
//
// C8: T is an object type that is moved and destroyed without throwing. No user
// code but such moves (for a trivially copyable T, copies) runs under a lock of
// the library; copies, conversions and the destruction of values that were not
// moved from run outside, and may call anything.
//
// C7: values arrive in the order sent; none is lost, doubled or torn. A send or
// receive that is queued (waiting_senders() and waiting_receivers() count it)
// is served in the order of the queue and before any newcomer on its side.
// Before that, it lets others run and looks again, up to four times.
template <typename T>
class Sender {
 public:
  using value_type = T;

  // A nil sender, as a moved-from one is (C3): blocking calls wait for their
  // stop or deadline, forever without; TrySend fails; Close does nothing.
  Sender() = default;

  // False: nil.
  explicit operator bool() const noexcept { return static_cast<bool>(core_); }

  // Sends `value`. Blocks until there is room in the channel or, at capacity 0,
  // until a receive takes it. Returns true: delivered; false: the channel is
  // closed, before or meanwhile. An rvalue of type T is moved from only if it
  // was delivered; an argument of another type is converted first (C5). Throws
  // what that conversion or copy throws, before anything is sent. Cost: an
  // uncontended atomic exchange and a move; allocates nothing. (C4)
  template <typename U = T>
    requires std::is_convertible_v<U&&, T>
  bool Send(U&& value) const {
    return Deliver(std::forward<U>(value), detail::Deadline::Never(), {});
  }

  // As Send, but blocks no longer than until `stop` is requested; returns false
  // then. A send that can go ahead at once does so even if the stop was
  // requested before (C6).
  template <typename U = T>
    requires std::is_convertible_v<U&&, T>
  bool Send(U&& value, const std::stop_token& stop) const {
    return Deliver(std::forward<U>(value), detail::Deadline::Never(), stop);
  }

  // As Send, but blocks for at most `duration` (none if it is zero or negative,
  // for ever if it is duration::max()); returns false once it is over. (C6)
  template <typename U = T, typename Rep, typename Period>
    requires std::is_convertible_v<U&&, T>
  bool SendFor(U&& value, std::chrono::duration<Rep, Period> duration) const {
    return Deliver(std::forward<U>(value), detail::Deadline::After(duration),
                   {});
  }

  // As Send, but blocks until `moment`, of any clock, at most; returns false
  // then. The clock may be set: it is asked again at least once a second. If
  // its now() throws, the call gives up, and throws that if nothing was sent.
  // (C6)
  template <typename U = T, typename Clock, typename Duration>
    requires std::is_convertible_v<U&&, T>
  bool SendUntil(U&& value,
                 std::chrono::time_point<Clock, Duration> moment) const {
    return detail::WaitUntil(moment, [&](const detail::Deadline& end) {
      return Deliver(std::forward<U>(value), end, {});
    });
  }

  // Sends if that is possible at once: there is room or a receive waits. Never
  // blocks. Returns false if the channel is full or closed.
  template <typename U = T>
    requires std::is_convertible_v<U&&, T>
  bool TrySend(U&& value) const;  // defined below

  // Closes the channel: sends fail from now on, values that are in it can still
  // be received. Wakes everybody. Never blocks, allocates nothing, may be
  // called again. (C4)
  void Close() const noexcept {
    if (core_) core_->Close();
  }

  // Each as of some moment during the call; never blocks. On a nil handle
  // false and 0. (C4)
  [[nodiscard]] bool closed() const noexcept {
    return core_ && core_->closed();
  }
  [[nodiscard]] bool drained() const noexcept {  // closed and empty: for good
    return core_ && core_->drained();
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return core_ ? core_->size() : 0;
  }
  [[nodiscard]] std::size_t capacity() const noexcept {
    return core_ ? core_->capacity() : 0;
  }
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    return core_ ? core_->waiting_senders() : 0;
  }
  [[nodiscard]] std::size_t waiting_receivers() const noexcept {
    return core_ ? core_->waiting_receivers() : 0;
  }

 private:
  friend struct detail::Access;
  explicit Sender(detail::Ref<detail::ChannelCore<T>> core) noexcept
      : core_(std::move(core)) {}

  template <typename U>
  bool Deliver(U&& value, const detail::Deadline& deadline,
               const std::stop_token& stop) const;

  detail::Ref<detail::ChannelCore<T>> core_;
};

// The receiving view: a handle, one pointer. Copies receive from the same
// channel; each value goes to one of them.
template <typename T>
class Receiver {
 public:
  using value_type = T;

  // A nil receiver, as a moved-from one is (C3): blocking calls wait for their
  // stop or deadline, forever without; TryReceive fails.
  Receiver() = default;

  // False: nil.
  explicit operator bool() const noexcept { return static_cast<bool>(core_); }

  // Receives a value. Blocks until there is one; returns std::nullopt once the
  // channel is closed and empty. Allocates nothing. (C4)
  [[nodiscard("the received value is lost")]] FANFARE_ALWAYS std::optional<T>
  Receive() const {
    return Take();
  }

  // As Receive, but blocks no longer than until `stop` is requested; returns
  // std::nullopt then. A value that is there is received even if the stop was
  // requested before (C6).
  [[nodiscard("the received value is lost")]] std::optional<T> Receive(
      const std::stop_token& stop) const {
    return Take(detail::Deadline::Never(), stop);
  }

  // As Receive, but blocks for at most `duration` (none if it is zero or
  // negative, for ever if it is duration::max()).
  template <typename Rep, typename Period>
  [[nodiscard("the received value is lost")]] std::optional<T> ReceiveFor(
      std::chrono::duration<Rep, Period> duration) const {
    return Take(detail::Deadline::After(duration));
  }

  // As Receive, but blocks until `moment`, of any clock, at most; returns
  // std::nullopt then. The clock may be set: it is asked again at least once a
  // second. If its now() throws, the call gives up, and throws that if nothing
  // was received. (C6)
  template <typename Clock, typename Duration>
  [[nodiscard("the received value is lost")]] std::optional<T> ReceiveUntil(
      std::chrono::time_point<Clock, Duration> moment) const {
    return detail::WaitUntil(
        moment, [this](const detail::Deadline& end) { return Take(end); });
  }

  // Receives a value if there is one. Never blocks.
  [[nodiscard("the received value is lost")]] std::optional<T> TryReceive()
      const;  // defined below

  // Each as of some moment during the call; never blocks. On a nil handle
  // false and 0. (C4)
  [[nodiscard]] bool closed() const noexcept {
    return core_ && core_->closed();
  }
  [[nodiscard]] bool drained() const noexcept {  // closed and empty: for good
    return core_ && core_->drained();
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return core_ ? core_->size() : 0;
  }
  [[nodiscard]] std::size_t capacity() const noexcept {
    return core_ ? core_->capacity() : 0;
  }
  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    return core_ ? core_->waiting_senders() : 0;
  }
  [[nodiscard]] std::size_t waiting_receivers() const noexcept {
    return core_ ? core_->waiting_receivers() : 0;
  }

  // An input range of the values to come, until the channel is closed and
  // empty. begin() and ++ block as Receive does. (C4)
  [[nodiscard]] detail::ReceiveIterator<T> begin() const;
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend struct detail::Access;
  explicit Receiver(detail::Ref<detail::ChannelCore<T>> core) noexcept
      : core_(std::move(core)) {}

  // `limits`: none, a deadline, or a deadline and a stop token.
  template <typename... Limits>
  std::optional<T> Take(const Limits&... limits) const;

  detail::Ref<detail::ChannelCore<T>> core_;
};

// Both views of one channel. Copying the handle shares the channel, the last
// handle of any kind frees it, with the values that are still in it. (C1, C2)
template <typename T>
class Channel : public Sender<T>, public Receiver<T> {
 public:
  using value_type = T;

  // A channel with room for `capacity` values. Capacity 0 is a rendezvous: a
  // send completes only together with a receive. Allocates all of its memory
  // now; throws std::bad_alloc if there is too little.
  explicit Channel(std::size_t capacity = 0);

  using Sender<T>::operator bool;
  using Sender<T>::closed;
  using Sender<T>::drained;
  using Sender<T>::size;
  using Sender<T>::capacity;
  using Sender<T>::waiting_senders;
  using Sender<T>::waiting_receivers;

 private:
  explicit Channel(const detail::Ref<detail::ChannelCore<T>>& core);
};

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------

template <typename T>
template <typename U>
bool Sender<T>::Deliver(U&& value, const detail::Deadline& deadline,
                        const std::stop_token& stop) const {
  if constexpr (!std::is_same_v<U, T>) {
    return Deliver(static_cast<T>(std::forward<U>(value)), deadline, stop);
  } else if (core_) {
    return core_->Send(value, deadline, stop);
  } else {
    detail::WaitForNothing(deadline, stop);
    return false;
  }
}

template <typename T>
template <typename U>
  requires std::is_convertible_v<U&&, T>
bool Sender<T>::TrySend(U&& value) const {
  if constexpr (!std::is_same_v<U, T>) {
    return TrySend(static_cast<T>(std::forward<U>(value)));
  } else {
    return core_ && core_->TrySend(value);
  }
}

template <typename T>
template <typename... Limits>
FANFARE_ALWAYS std::optional<T> Receiver<T>::Take(
    const Limits&... limits) const {
  std::optional<T> value = detail::Nothing<T>();
  detail::Landing<T> landing(value);
  if (core_) {
    core_->ReceiveAt(landing, limits...);
  } else {
    detail::WaitForNothing(limits...);
  }
  landing.Done(value);
  return value;
}

template <typename T>
std::optional<T> Receiver<T>::TryReceive() const {
  std::optional<T> value = detail::Nothing<T>();
  detail::Landing<T> landing(value);
  if (core_) core_->TryReceiveAt(landing);
  landing.Done(value);
  return value;
}

template <typename T>
detail::ReceiveIterator<T> Receiver<T>::begin() const {
  return detail::ReceiveIterator<T>(*this);
}

template <typename T>
Channel<T>::Channel(std::size_t room)
    : Channel(detail::ChannelCore<T>::Make(room)) {}

template <typename T>
Channel<T>::Channel(const detail::Ref<detail::ChannelCore<T>>& core)
    : Sender<T>(detail::Access::Make<Sender<T>>(core)),
      Receiver<T>(detail::Access::Make<Receiver<T>>(core)) {}

}  // namespace fanfare::inline FANFARE_ABI

#endif  // FANFARE_CHANNEL_H_
