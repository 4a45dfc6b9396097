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
// A call that blocks polls for 4 to 100 microseconds of its own time, as long
// as that has paid off for its thread, and yields to other threads meanwhile.
// Then it sleeps on a condition variable and uses no processor time. A wake-up
// is issued only if the other side is asleep.
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
// Handles are compared with ==, and hashed: equal are those of one channel, of
// whatever kind, and nil equals nil. What every handle tells about its channel
// (closed(), drained(), size(), capacity(), waiting_senders() and
// waiting_receivers()) stands in detail/channel/handle.h.
//
// Memory ordering: a send happens before its receive returns; the k-th receive
// before the send k + capacity returns; Close before a closed result. (C9)
//
// Unlike Go, where both panic, sending on a closed channel returns false, and
// closing it twice does nothing.

#include <concepts>
#include <cstddef>
#include <iterator>  // and with the GNU library disable_sized_range
#include <optional>
#include <utility>
#if !defined(__GLIBCXX__)
#include <ranges>
#endif

#include <fanfare/detail/channel/access.h>
#include <fanfare/detail/channel/blocking.h>
#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/channel/handle.h>
#include <fanfare/detail/channel/receive_iterator.h>
#include <fanfare/detail/channel/result_slot.h>
#include <fanfare/fwd.h>

namespace fanfare { inline namespace FANFARE_ABI {

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
// Before it queues, it yields and tries again for up to 2.4 microseconds. A
// receive spins instead, for up to 4, if the channel has room for one value or
// the values that its thread received of late came one by one.
//
// C5: what a send does with its argument. An rvalue of type T is moved from
// only if it was delivered. An lvalue of type T is copied by the caller before
// anything is sent. An argument of another type is converted to T at the call.
// What a copy or conversion throws, the send throws; nothing was sent then.
template <typename T>
class Sender : public detail::Handle<Sender<T>, T> {
  using Base = detail::Handle<Sender<T>, T>;

  // What copies is a template, because clang++ 14 looks at the constraints of
  // other functions as soon as the class is named, when T may be incomplete: a
  // struct that has a channel of itself.

 public:
  // A nil sender, as a moved-from one is (C3): blocking calls wait for their
  // stop or deadline, forever without; TrySend fails; Close does nothing.
  Sender() = default;

  // Takes one direction of a channel, which is nil afterwards, as any handle
  // that was moved from. (C3)
  template <std::same_as<Channel<T>> Whole>
  Sender(Whole&& channel) noexcept  // NOLINT(google-explicit-constructor)
      : Base(static_cast<Base&&>(channel)) {}

  // Sends `value`. Blocks until there is room in the channel or, at capacity 0,
  // until a receive takes the value. Returns true if it was delivered, and
  // false if the channel is closed, before or meanwhile. Cost: an uncontended
  // atomic exchange and a move; allocates nothing. (C4, C5)
  template <std::copy_constructible = T>
  bool Send(const T& value) const {
    T copy(value);
    return Deliver(copy);
  }
  bool Send(T&& value) const { return Deliver(value); }

  // Sends `value` as above, but blocks no longer than until `stop` is
  // requested; returns false then. A send that can go ahead at once does so
  // even if the stop was requested before. (C6)
  template <std::copy_constructible = T>
  bool Send(const T& value, const std::stop_token& stop) const {
    T copy(value);
    return Deliver(copy, detail::Deadline::Never(), stop);
  }
  bool Send(T&& value, const std::stop_token& stop) const {
    return Deliver(value, detail::Deadline::Never(), stop);
  }

  // Sends `value` as above, but blocks for at most `duration` (not at all if it
  // is zero or negative, without a limit if it is duration::max()), and no
  // longer than until `stop` is requested; returns false then. (C6)
  template <typename Rep, typename Period, std::copy_constructible = T>
  bool SendFor(const T& value, std::chrono::duration<Rep, Period> duration,
               const std::stop_token& stop = {}) const {
    T copy(value);
    return Deliver(copy, detail::Deadline::After(duration), stop);
  }
  template <typename Rep, typename Period>
  bool SendFor(T&& value, std::chrono::duration<Rep, Period> duration,
               const std::stop_token& stop = {}) const {
    return Deliver(value, detail::Deadline::After(duration), stop);
  }

  // Sends `value` as above, but blocks no longer than until `deadline`, of any
  // clock, nor than until `stop` is requested; returns false then. The clock
  // may be set: it is asked again at least once a second. If its now() throws,
  // the call gives up, and throws that if nothing was sent. (C6)
  template <typename Clock, typename Duration, std::copy_constructible = T>
  bool SendUntil(const T& value,
                 std::chrono::time_point<Clock, Duration> deadline,
                 const std::stop_token& stop = {}) const {
    T copy(value);
    return DeliverUntil(copy, deadline, stop);
  }
  template <typename Clock, typename Duration>
  bool SendUntil(T&& value, std::chrono::time_point<Clock, Duration> deadline,
                 const std::stop_token& stop = {}) const {
    return DeliverUntil(value, deadline, stop);
  }

  // Sends `value` if that is possible at once: there is room, or a receive
  // waits. Never blocks. Returns false if the channel is full or closed; an
  // lvalue is not copied then, unless the last room was lost to another thread
  // meanwhile. (C4, C5)
  template <std::copy_constructible = T>
  bool TrySend(const T& value) const {
    return core() != nullptr && core()->TrySendCopy(value);
  }
  bool TrySend(T&& value) const {
    return core() != nullptr && core()->TrySend(value);
  }

  // Closes the channel: sends fail from now on, values that are in it can still
  // be received. Wakes everybody. Never blocks, allocates nothing, may be
  // called again. (C4)
  void Close() const noexcept {
    if (core() != nullptr) core()->Close();
  }

 private:
  friend struct detail::Access;
  friend class Channel<T>;
  using Base::Base;
  using Base::core;

  // Moves from `value` only if it returns true. `limits`: none, or a deadline
  // and a stop token.
  template <typename... Limits>
  bool Deliver(T& value, const Limits&... limits) const {
    if (core() != nullptr) {
      return detail::SendBlocking(*core(), value, limits...);
    }
    detail::WaitForNothing(limits...);
    return false;
  }
  template <typename Clock, typename Duration>
  bool DeliverUntil(T& value, std::chrono::time_point<Clock, Duration> deadline,
                    const std::stop_token& stop) const {
    return detail::WaitUntil(deadline, [&](const detail::Deadline& end) {
      return Deliver(value, end, stop);
    });
  }
};

// The receiving view: a handle, one pointer. Copies receive from the same
// channel; each value goes to one of them.
template <typename T>
class Receiver : public detail::Handle<Receiver<T>, T> {
  using Base = detail::Handle<Receiver<T>, T>;

 public:
  // A nil receiver, as a moved-from one is (C3): blocking calls wait for their
  // stop or deadline, forever without; TryReceive fails.
  Receiver() = default;

  // Takes one direction of a channel, which is nil afterwards, as any handle
  // that was moved from. (C3)
  template <std::same_as<Channel<T>> Whole>
  Receiver(Whole&& channel) noexcept  // NOLINT(google-explicit-constructor)
      : Base(static_cast<Base&&>(channel)) {}

  // Receives a value. Blocks until there is one; returns std::nullopt once the
  // channel is closed and empty. Allocates nothing. (C4)
  [[nodiscard("the received value is lost")]] std::optional<T> Receive() const {
    return Take();
  }

  // Receives a value as above, but blocks no longer than until `stop` is
  // requested; returns std::nullopt then. A value that is there is received
  // even if the stop was requested before. (C6)
  [[nodiscard("the received value is lost")]] std::optional<T> Receive(
      const std::stop_token& stop) const {
    return Take(detail::Deadline::Never(), stop);
  }

  // Receives a value as above, but blocks for at most `duration` (not at all if
  // it is zero or negative, without a limit if it is duration::max()), and no
  // longer than until `stop` is requested; returns std::nullopt then. (C6)
  template <typename Rep, typename Period>
  [[nodiscard("the received value is lost")]] std::optional<T> ReceiveFor(
      std::chrono::duration<Rep, Period> duration,
      const std::stop_token& stop = {}) const {
    return Take(detail::Deadline::After(duration), stop);
  }

  // Receives a value as above, but blocks no longer than until `deadline`, of
  // any clock, nor than until `stop` is requested; returns std::nullopt then.
  // The clock may be set: it is asked again at least once a second. If its
  // now() throws, the call gives up, and throws that if nothing was received.
  // (C6)
  template <typename Clock, typename Duration>
  [[nodiscard("the received value is lost")]] std::optional<T> ReceiveUntil(
      std::chrono::time_point<Clock, Duration> deadline,
      const std::stop_token& stop = {}) const {
    return detail::WaitUntil(
        deadline, [&](const detail::Deadline& end) { return Take(end, stop); });
  }

  // Receives a value if there is one. Never blocks.
  [[nodiscard("the received value is lost")]] std::optional<T> TryReceive()
      const;  // defined below

  // An input range of the values to come, until the channel is closed and
  // empty. begin() and end() never block. An iterator receives a value, and
  // blocks for it as Receive does, when the value is looked at for the first
  // time: by a comparison with end(), by * or by ->. What was not looked at
  // stays in the channel: `channel | std::views::take(3)` takes three values
  // and ends. ++ drops the value at which the iterator stands, and receives it
  // first if it was not looked at. A view that searches looks at more:
  // take_while at the value that ends it, filter at the next value that fits.
  // (C4)
  [[nodiscard]] detail::ReceiveIterator<T> begin() const noexcept {
    return detail::ReceiveIterator<T>(*this);
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend struct detail::Access;
  friend class Channel<T>;
  using Base::Base;
  using Base::core;

  // `limits`: none, or a deadline and a stop token.
  template <typename... Limits>
  std::optional<T> Take(const Limits&... limits) const;
  // Out of line, so that a Receive is small enough to be inlined.
  template <typename... Limits>
  FANFARE_COLD static void TakeNothing(const Limits&... limits) {
    detail::WaitForNothing(limits...);
  }
};

// Both views of one channel. Copying the handle shares the channel. The last
// handle of any kind frees it, with the values that are still in it: it calls
// their destructors, first to last, and blocks if they do, as does a handle
// that is assigned to. Where values own channels that own values, and so on for
// more than 32 channels, those of the others are destroyed after that of the
// 32nd has returned, so that no chain is too long for the stack. (C1, C2)
//
// To assign to one of the two views, through a reference to it, assigns to the
// whole handle, and to move from one moves from the whole. (C2)
template <typename T>
class Channel : public Sender<T>, public Receiver<T> {
  using Part = typename detail::Handle<Sender<T>, T>::Part;
  using Core = detail::ChannelCore<T>;

 public:
  using value_type = T;

  // A channel with room for `capacity` values. Capacity 0 is a rendezvous: a
  // send completes only together with a receive. Allocates all of its memory
  // now; throws std::bad_alloc if there is too little.
  explicit Channel(std::size_t capacity = 0);

  Channel(const Channel& other) noexcept : Channel(other.Share()) {}
  Channel(Channel&& other) noexcept : Channel(other.Release()) {}
  Channel& operator=(const Channel& other) noexcept {
    Sender<T>::operator=(other);
    return *this;
  }
  Channel& operator=(Channel&& other) noexcept {
    Sender<T>::operator=(static_cast<Sender<T>&&>(other));
    return *this;
  }
  ~Channel() { Release().reset(); }

  using Sender<T>::operator bool;
  using Sender<T>::closed;
  using Sender<T>::drained;
  using Sender<T>::size;
  using Sender<T>::capacity;
  using Sender<T>::waiting_senders;
  using Sender<T>::waiting_receivers;

 private:
  friend struct detail::Access;
  friend class detail::Handle<Sender<T>, T>;
  friend class detail::Handle<Receiver<T>, T>;
  using Sender<T>::core;
  using Sender<T>::Release;
  using Sender<T>::Share;

  // Takes the reference over, for both parts.
  explicit Channel(detail::Ref<Core> shared) noexcept;

  void PointParts(Core* to) noexcept;
};

// Whether two handles, of whatever kind, are of one channel, or both nil.
template <typename A, typename B>
  requires detail::Comparable<A, B>
[[nodiscard]] bool operator==(const A& a, const B& b) noexcept {
  return detail::Access::Core(a) == detail::Access::Core(b);
}

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------

template <typename T>
template <typename... Limits>
FANFARE_ALWAYS_INLINE std::optional<T> Receiver<T>::Take(
    const Limits&... limits) const {
  std::optional<T> value = detail::EmptyOptional<T>();
  detail::ResultSlot<T> slot(value);
  if (core() != nullptr) {
    detail::ReceiveBlocking(*core(), slot, limits...);
  } else {
    TakeNothing(limits...);
  }
  slot.Done(value);
  return value;
}

template <typename T>
std::optional<T> Receiver<T>::TryReceive() const {
  std::optional<T> value = detail::EmptyOptional<T>();
  detail::ResultSlot<T> slot(value);
  if (core() != nullptr) detail::TryReceive(*core(), slot);
  slot.Done(value);
  return value;
}

template <typename T>
Channel<T>::Channel(std::size_t room) : Channel(Core::Make(room)) {}

template <typename T>
Channel<T>::Channel(detail::Ref<Core> shared) noexcept
    : Sender<T>(shared.get(), Part()), Receiver<T>(shared.Release(), {}) {}

template <typename T>
void Channel<T>::PointParts(Core* to) noexcept {
  using Sending = detail::Handle<Sender<T>, T>;
  using Receiving = detail::Handle<Receiver<T>, T>;
  Sending::word_ = Receiving::word_ = Sending::Word(to) | Sending::kPart;
}

}}  // namespace fanfare::FANFARE_ABI

// size() is not how many values are to come: a view must not rely on it.
template <typename T>
inline constexpr bool std::ranges::disable_sized_range<fanfare::Receiver<T>> =
    true;
template <typename T>
inline constexpr bool std::ranges::disable_sized_range<fanfare::Channel<T>> =
    true;

template <typename T>
struct std::hash<fanfare::Sender<T>>
    : fanfare::detail::HashOfHandle<fanfare::Sender<T>> {};
template <typename T>
struct std::hash<fanfare::Receiver<T>>
    : fanfare::detail::HashOfHandle<fanfare::Receiver<T>> {};
template <typename T>
struct std::hash<fanfare::Channel<T>>
    : fanfare::detail::HashOfHandle<fanfare::Channel<T>> {};

#endif  // FANFARE_CHANNEL_H_
