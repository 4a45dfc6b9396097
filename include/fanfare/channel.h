// SPDX-License-Identifier: MIT
#ifndef FANFARE_CHANNEL_H_
#define FANFARE_CHANNEL_H_

// Channel<T>: a bounded, blocking, first-in first-out queue of values between
// threads, with many senders and many receivers. It is the equivalent of Go's
// `chan T`. A Channel<T> is both a Sender<T> (`chan<- T`) and a Receiver<T>
// (`<-chan T`), the two ends of the channel.
//
//   Channel<int> channel(8);
//   std::jthread producer([channel] {
//     for (int i = 0; i < 100; ++i) channel.Send(i);
//     channel.Close();
//   });
//   // The loop ends once the channel is closed and empty.
//   for (int value : channel) Use(value);
//
// Send() blocks while the channel is full, and Receive() while it is empty.
// Each has an overload that takes a stop token, and variants with a timeout
// (…For), with a deadline (…Until) and without waiting (Try…). Close() closes
// the channel.
//
// Before it sleeps, a blocking call polls for 4 to 100 microseconds of its own
// time, and yields to other threads meanwhile. The time adapts to how far
// polling has paid off for the calling thread. Then the call sleeps on a
// condition variable and uses no processor time. A wake-up is issued only if
// the other side is asleep.
//
// Thread safety: all member functions may be called concurrently. A single
// handle object follows the rules of std::shared_ptr: assigning to it or
// destroying it must not race with another use of the same object. Every thread
// should therefore have a copy.
//
// The library is not async-signal-safe: a signal handler must not call it. If a
// program with several threads calls fork(), the child must not call the
// library before it calls exec. A lock that another thread held stays locked in
// the child.
//
// A pthread_cancel() of a thread that is blocked in the library takes effect
// after the call, at the thread's next cancellation point. To end the wait
// itself, use a stop token. Undefined: a thread that calls the library must not
// be cancelled with PTHREAD_CANCEL_ASYNCHRONOUS.
//
// Handles can be compared with ==, and hashed. Two handles, of whatever kind,
// are equal if they refer to the same channel or if both are nil. The functions
// that observe the channel of a handle (closed(), drained(), size(),
// capacity(), waiting_senders() and waiting_receivers()) are declared in
// detail/channel/handle.h.
//
// Memory ordering: a send happens before the receive that takes its value
// returns. The k-th receive happens before the (k + capacity)-th send returns.
// Close() happens before a call that reports the channel as closed returns.
// (C9)
//
// Differences from Go: sending on a closed channel returns false, and closing a
// closed channel has no effect. In Go, both panic.

#include <concepts>
#include <cstddef>
#include <iterator>  // with the GNU library, disable_sized_range as well
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
#include <fanfare/detail/wait/thread_waiter.h>
#include <fanfare/fwd.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// A Sender is the sending end of a channel: a reference-counted handle, the
/// size of one pointer. Copies send on the same channel.
///
/// Requirements on T (C8): T must be a cv-unqualified object type that is moved
/// and destroyed without throwing. While the library holds a lock, it runs no
/// user code but moves of T and the destruction of moved-from values. If T is
/// trivially copyable, it runs copies instead of moves. All other copies,
/// conversions and destructions run outside the locks, and may call anything.
///
/// Ordering (C7): values are received in the order in which they were sent.
/// None is lost, duplicated or torn. A queued send or receive is served in the
/// order of the queue, and before later calls on its side. (waiting_senders()
/// and waiting_receivers() count the queued calls.)
///
/// At capacity 0, a call that cannot go ahead is queued at once. At capacity 2
/// or more, it first yields and retries for up to 2.4 microseconds. In two
/// cases, a receive first spins for up to 4 microseconds instead, if a core is
/// free: at capacity 1, or if the values that its thread recently received came
/// one by one.
///
/// Arguments (C5): a send moves from an rvalue of type T only if the value was
/// delivered. The calling thread copies an lvalue of type T before anything is
/// sent. An argument of another type is converted to T at the call. If that
/// copy or conversion throws, the exception propagates, and nothing was sent.
///
/// \warning Deadlock: a move of T, and the destructor of a moved-from T, must
///     not call the library. (C8)
template <typename T>
class Sender : public detail::Handle<Sender<T>, T> {
  using Base = detail::Handle<Sender<T>, T>;

  // The functions that copy are templates. clang++ 14 checks the constraints of
  // other functions as soon as the class is named. T may be incomplete at that
  // point, because a struct may have a channel of itself.

 public:
  /// Constructs a nil sender, which has no channel. A moved-from sender is nil
  /// as well.
  ///
  /// On a nil sender, a blocking call waits for its stop or deadline and then
  /// returns false. Without either, the call blocks permanently. TrySend()
  /// returns false, and Close() has no effect.
  /// (C3)
  Sender() = default;

  /// Takes over the channel of `channel`, as its sending end.
  ///
  /// `channel` is nil afterwards, as any handle that was moved from.
  /// (C3)
  template <std::same_as<Channel<T>> Whole>
  Sender(Whole&& channel) noexcept  // NOLINT(google-explicit-constructor)
      : Base(static_cast<Base&&>(channel)) {}

  /// Sends `value`.
  ///
  /// Blocks until the channel has room or, at capacity 0, until a receive takes
  /// the value.
  /// \returns true if the value was delivered; false if the channel was closed
  ///     before or during the call.
  /// \throws what copying `value` throws. Nothing was sent then.
  /// \par Complexity
  /// The call costs an uncontended atomic exchange and a move; it allocates
  /// nothing.
  /// (C4, C5)
  template <std::copy_constructible = T>
  bool Send(const T& value) const {
    T copy(value);
    return Deliver(copy);
  }
  /// \overload
  bool Send(T&& value) const { return Deliver(value); }

  /// Sends `value`, unless `stop` is requested first.
  ///
  /// Blocks like Send(const T&), but at most until `stop` is requested. A send
  /// that can proceed at once does so even if the stop was requested before.
  /// \returns true if the value was delivered; false on a stop, or if the
  ///     channel was closed.
  /// \throws what copying `value` throws. Nothing was sent then.
  /// (C6)
  template <std::copy_constructible = T>
  bool Send(const T& value, const std::stop_token& stop) const {
    T copy(value);
    return Deliver(copy, detail::Deadline::Never(), stop);
  }
  /// \overload
  bool Send(T&& value, const std::stop_token& stop) const {
    return Deliver(value, detail::Deadline::Never(), stop);
  }

  /// Sends `value`, waiting for at most `duration`.
  ///
  /// Blocks like Send(const T&), but for at most `duration`, and at most until
  /// `stop` is requested. If `duration` is zero or negative, the call does not
  /// block. If it is duration::max(), the time is not limited.
  /// \returns true if the value was delivered; false on timeout, on a stop, or
  ///     if the channel was closed.
  /// \throws what copying `value` throws. Nothing was sent then.
  /// (C6)
  template <typename Rep, typename Period, std::copy_constructible = T>
  bool SendFor(const T& value, std::chrono::duration<Rep, Period> duration,
               const std::stop_token& stop = {}) const {
    T copy(value);
    return Deliver(copy, detail::Deadline::After(duration), stop);
  }
  /// \overload
  template <typename Rep, typename Period>
  bool SendFor(T&& value, std::chrono::duration<Rep, Period> duration,
               const std::stop_token& stop = {}) const {
    return Deliver(value, detail::Deadline::After(duration), stop);
  }

  /// Sends `value`, waiting until `deadline` at most.
  ///
  /// Blocks like Send(const T&), but at most until `deadline`, a time point of
  /// any clock, and at most until `stop` is requested. A clock that may be set
  /// is read again at least once a second. If the clock's now() throws, the
  /// call gives up.
  /// \returns true if the value was delivered; false at the deadline, on a
  ///     stop, or if the channel was closed.
  /// \throws what copying `value` throws and, unless the value was delivered,
  ///     what the clock's now() throws. Nothing was sent then.
  /// (C6)
  template <typename Clock, typename Duration, std::copy_constructible = T>
  bool SendUntil(const T& value,
                 std::chrono::time_point<Clock, Duration> deadline,
                 const std::stop_token& stop = {}) const {
    T copy(value);
    return DeliverUntil(copy, deadline, stop);
  }
  /// \overload
  template <typename Clock, typename Duration>
  bool SendUntil(T&& value, std::chrono::time_point<Clock, Duration> deadline,
                 const std::stop_token& stop = {}) const {
    return DeliverUntil(value, deadline, stop);
  }

  /// Sends `value` if that is possible at once: if the channel has room, or if
  /// a receive waits.
  ///
  /// Never blocks. If the call returns false, it has not copied an lvalue,
  /// unless another thread took the last room during the call.
  /// \returns true if the value was delivered; false if the channel is full,
  ///     closed or nil.
  /// \throws what copying `value` throws. Nothing was sent then.
  /// (C4, C5)
  template <std::copy_constructible = T>
  bool TrySend(const T& value) const {
    return core() != nullptr && core()->TrySendCopy(value);
  }
  /// \overload
  bool TrySend(T&& value) const {
    return core() != nullptr && core()->TrySend(value);
  }

  /// Closes the channel: from then on sends fail, while values that are in the
  /// channel can still be received.
  ///
  /// Wakes all blocked callers. Never blocks. A second call has no effect.
  /// \par Complexity
  /// Linear in the number of blocked calls; allocates nothing.
  /// (C4)
  void Close() const noexcept {
    if (core() != nullptr) core()->Close();
  }

 private:
  friend struct detail::Access;
  friend class Channel<T>;
  using Base::Base;
  using Base::core;

  // Moves from `value` only if it returns true. `limits` is empty, or a
  // deadline and a stop token.
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

/// A Receiver is the receiving end of a channel: a reference-counted handle,
/// the size of one pointer. Copies receive from the same channel, and each
/// value goes to one of them.
template <typename T>
class Receiver : public detail::Handle<Receiver<T>, T> {
  using Base = detail::Handle<Receiver<T>, T>;

 public:
  /// Constructs a nil receiver, which has no channel. A moved-from receiver is
  /// nil as well.
  ///
  /// On a nil receiver, a blocking call waits for its stop or deadline and then
  /// returns std::nullopt. Without either, the call blocks permanently.
  /// TryReceive() returns std::nullopt.
  /// (C3)
  Receiver() = default;

  /// Takes over the channel of `channel`, as its receiving end.
  ///
  /// `channel` is nil afterwards, as any handle that was moved from.
  /// (C3)
  template <std::same_as<Channel<T>> Whole>
  Receiver(Whole&& channel) noexcept  // NOLINT(google-explicit-constructor)
      : Base(static_cast<Base&&>(channel)) {}

  /// Receives the oldest value.
  ///
  /// Blocks until there is a value, or until the channel is closed.
  /// \returns the value; std::nullopt once the channel is closed and empty.
  /// \par Complexity
  /// The call allocates nothing.
  /// (C4)
  [[nodiscard("the received value is lost")]] std::optional<T> Receive() const {
    return Take();
  }

  /// Receives the oldest value, unless `stop` is requested first.
  ///
  /// Blocks like Receive(), but at most until `stop` is requested. A value that
  /// is available is received even if the stop was requested before.
  /// \returns the value; std::nullopt on a stop, or once the channel is closed
  ///     and empty.
  /// (C6)
  [[nodiscard("the received value is lost")]] std::optional<T> Receive(
      const std::stop_token& stop) const {
    return Take(detail::Deadline::Never(), stop);
  }

  /// Receives the oldest value, waiting for at most `duration`.
  ///
  /// Blocks like Receive(), but for at most `duration`, and at most until
  /// `stop` is requested. If `duration` is zero or negative, the call does not
  /// block. If it is duration::max(), the time is not limited.
  /// \returns the value; std::nullopt on timeout, on a stop, or once the
  ///     channel is closed and empty.
  /// (C6)
  template <typename Rep, typename Period>
  [[nodiscard("the received value is lost")]] std::optional<T> ReceiveFor(
      std::chrono::duration<Rep, Period> duration,
      const std::stop_token& stop = {}) const {
    return Take(detail::Deadline::After(duration), stop);
  }

  /// Receives the oldest value, waiting until `deadline` at most.
  ///
  /// Blocks like Receive(), but at most until `deadline`, a time point of any
  /// clock, and at most until `stop` is requested. A clock that may be set is
  /// read again at least once a second. If the clock's now() throws, the call
  /// gives up.
  /// \returns the value; std::nullopt at the deadline, on a stop, or once the
  ///     channel is closed and empty.
  /// \throws what the clock's now() throws, unless a value was received.
  /// (C6)
  template <typename Clock, typename Duration>
  [[nodiscard("the received value is lost")]] std::optional<T> ReceiveUntil(
      std::chrono::time_point<Clock, Duration> deadline,
      const std::stop_token& stop = {}) const {
    return detail::WaitUntil(
        deadline, [&](const detail::Deadline& end) { return Take(end, stop); });
  }

  /// Receives the oldest value if there is one.
  ///
  /// Never blocks.
  /// \returns the value; std::nullopt if there is none, or if the receiver is
  ///     nil.
  [[nodiscard("the received value is lost")]] std::optional<T> TryReceive()
      const;  // defined below

  /// Begins an input range of the values still to be received, which ends once
  /// the channel is closed and empty.
  ///
  /// begin() and end() never block. An iterator receives a value when the value
  /// is accessed for the first time: by a comparison with end(), by * or by ->.
  /// That access blocks as Receive() does.
  ///
  /// A value that was not accessed stays in the channel. For example,
  /// `channel | std::views::take(3)` takes three values and ends. ++ drops the
  /// value at which the iterator stands. If that value was not accessed, ++
  /// receives it first.
  ///
  /// A view that searches accesses more values: take_while accesses the value
  /// that ends it, and filter accesses values up to the next match.
  /// (C4)
  [[nodiscard]] detail::ReceiveIterator<T> begin() const noexcept {
    return detail::ReceiveIterator<T>(*this);
  }
  /// Returns the end of that range. Never blocks.
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend struct detail::Access;
  friend class Channel<T>;
  using Base::Base;
  using Base::core;

  // `limits` is empty, or a deadline and a stop token.
  template <typename... Limits>
  std::optional<T> Take(const Limits&... limits) const;
  // This function is out of line, so that Receive() is small enough to be
  // inlined.
  template <typename... Limits>
  FANFARE_COLD static void TakeNothing(const Limits&... limits) {
    detail::WaitForNothing(limits...);
  }
};

/// A Channel is both ends of one channel in one handle. Copies of the handle
/// share the channel.
///
/// The last handle of any kind frees the channel, with the values that are
/// still in it. It calls their destructors, first to last, and blocks if a
/// destructor blocks. The same is true if the last handle is assigned to.
///
/// Values may own channels, which hold values that own channels, and so on. If
/// such a chain is longer than 32 channels, the destructors do not nest deeper:
/// the values of the other channels are destroyed after the destructor of the
/// 32nd has returned. No chain is therefore too long for the stack. (C1, C2)
///
/// Assigning to one of the two ends, through a reference to it, assigns to the
/// whole handle. Moving from one end moves from the whole handle. (C2)
template <typename T>
class Channel : public Sender<T>, public Receiver<T> {
  using Part = typename detail::Handle<Sender<T>, T>::Part;
  using Core = detail::ChannelCore<T>;

 public:
  /// The type of the values.
  using value_type = T;

  /// Creates a channel with room for `capacity` values.
  ///
  /// A channel of capacity 0 is unbuffered (a rendezvous): a send completes
  /// only together with a receive. Unlike a default-constructed Sender or
  /// Receiver, a default-constructed Channel is not nil.
  /// \throws std::bad_alloc if there is too little memory.
  /// \par Complexity
  /// The constructor allocates all memory of the channel.
  explicit Channel(std::size_t capacity = 0);

  /// Shares the channel of `other`.
  Channel(const Channel& other) noexcept : Channel(other.Share()) {}
  /// Takes over the channel of `other`, which is nil afterwards. (C3)
  Channel(Channel&& other) noexcept : Channel(other.Release()) {}
  /// Shares the channel of `other`, and releases the one that this handle had.
  /// Blocks if that frees a channel and the destructor of a value blocks. (C1)
  Channel& operator=(const Channel& other) noexcept {
    Sender<T>::operator=(other);
    return *this;
  }
  /// Takes over the channel of `other`, which is nil afterwards, and releases
  /// the one that this handle had. Blocks as copy assignment does. (C1, C3)
  Channel& operator=(Channel&& other) noexcept {
    Sender<T>::operator=(static_cast<Sender<T>&&>(other));
    return *this;
  }
  /// Releases the channel. Blocks if that frees the channel and the destructor
  /// of a value blocks. (C1)
  ~Channel() { Release().reset(); }

  // Both bases have these functions.
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

  // Takes over the reference, for both parts.
  explicit Channel(detail::Ref<Core> shared) noexcept;

  void PointParts(Core* to) noexcept;
};

/// Returns whether two handles, of whatever kind, refer to the same channel, or
/// are both nil.
template <typename A, typename B>
  requires detail::Comparable<A, B>
[[nodiscard]] bool operator==(const A& a, const B& b) noexcept {
  return detail::Access::Core(a) == detail::Access::Core(b);
}

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

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

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

/// \cond
// size() is not the number of values still to be received, so a view must not
// rely on it.
template <typename T>
inline constexpr bool std::ranges::disable_sized_range<fanfare::Receiver<T>> =
    true;
template <typename T>
inline constexpr bool std::ranges::disable_sized_range<fanfare::Channel<T>> =
    true;

/// Hashes a Sender by its channel.
template <typename T>
struct std::hash<fanfare::Sender<T>>
    : fanfare::detail::HashOfHandle<fanfare::Sender<T>> {};
/// Hashes a Receiver by its channel.
template <typename T>
struct std::hash<fanfare::Receiver<T>>
    : fanfare::detail::HashOfHandle<fanfare::Receiver<T>> {};
/// Hashes a Channel by its channel.
template <typename T>
struct std::hash<fanfare::Channel<T>>
    : fanfare::detail::HashOfHandle<fanfare::Channel<T>> {};
/// \endcond

#endif  // FANFARE_CHANNEL_H_
