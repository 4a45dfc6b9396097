// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_
#define FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_

// What a channel does: sends and receives that go ahead at once, that wait, and
// that meet. (What it is made of: channel_memory.h.)
//
// It offers a few verbs to any waiter (Try, Start, Cancel, and Retire for a
// feed) and does not know who it is. Invariants, whenever both locks are free,
// and leaving out the operations that have lost their claim, or that belong to
// a Select which is just starting its cases:
//   - a receive waits only while the ring is empty and no send waits;
//   - a send waits only while the ring is full;
//   - nothing waits in a closed channel.
// So the front of a queue is always served before a newcomer on its side.
//
// Each end of the ring has a lock. Who holds one alone may use that end, and
// that is all that most operations do. What concerns both ends (to wait, to
// meet one that waits, to close) takes both locks, the front's first. The
// receives that wait are kept with the back's lock, and the sends with the
// front's: one lock tells whether there is anybody on the other side to serve.
// No thread ever holds the locks of two channels; but the back's can be lent to
// a feed, which then needs none (biased_lock.h).

#include <cstddef>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_memory.h>
#include <fanfare/detail/channel/result_slot.h>
#include <fanfare/detail/wait/adaptive_spin.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/parker.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class ChannelCore final : public ChannelMemory<T> {
  using Base = ChannelMemory<T>;

 public:
  // Throws std::bad_alloc (std::bad_array_new_length where the bytes cannot
  // even be counted).
  [[nodiscard]] static Ref<ChannelCore> Make(std::size_t capacity) {
    return Ref<ChannelCore>::Adopt(new (Slots{capacity}) ChannelCore(capacity));
  }

  // The values of a channel may own channels, whose values own channels, and so
  // on: a chain that would be destroyed by as many nested calls. So from some
  // depth on a channel is only listed, and the call above destroys it.
  static void Destroy(ChannelCore* core) noexcept {
    constexpr int kDeepest = 32;
    if (std::is_trivially_destructible_v<T> || core->used() == 0) {
      delete core;
      return;
    }
    Dying& dying = Platform::Local<Dying>();
    if (dying.depth == kDeepest) {
      core->LinkTo(dying.listed);
      dying.listed = core;
      return;
    }
    ++dying.depth;
    delete core;
    while ((core = dying.listed) != nullptr) {
      dying.listed = static_cast<ChannelCore*>(core->linked());
      delete core;
    }
    --dying.depth;
  }

  // Completes the operation if that needs no waiting, else returns kPending
  // and has done nothing.
  Outcome TrySend(Operation& send) noexcept {
    return TrySend(send, *static_cast<T*>(send.value));
  }
  // The same for an operation whose value is not set: for a feed, which does
  // not write to the memory of a subscriber that is ready.
  Outcome TrySend(Operation& send, T& value) noexcept {
    {
      const LockGuard lock(back_.lock);
      const Outcome outcome = SendAtBack(send, value);
      if (outcome != kCounterpartWaits) return outcome;
    }
    send.value = std::addressof(value);
    return UnderBothLocks<&ChannelCore::SendNow>(send, nullptr, nullptr);
  }

  // The same by who has the turn of a feed, which may_bias the back now and
  // then if it `may_bias` (biased_lock.h). kBiasedElsewhere: another feed has
  // borrowed it.
  static constexpr Outcome kBiasedElsewhere{0xfe};
  FANFARE_ALWAYS_INLINE Outcome TrySend(Turnstile& turn, bool may_bias,
                                        Operation& send, T& value) noexcept {
    if (back_.lock.BiasedTo(turn)) {
      // It is not closed, and nobody waits for a value: the loan would be over.
      if (back_.refuses && send.revoked) return Outcome::kClosed;
      if (back_.end.HasRoom(front_.end)) [[likely]] {
        Store(send, value);
        return Outcome::kDone;
      }
      back_.lock.Unbias(turn);
      return Outcome::kPending;
    }
    {
      const std::unique_lock lock(back_.lock, std::try_to_lock);
      if (!lock) [[unlikely]]
        return kBiasedElsewhere;
      const Outcome outcome = SendAtBack(send, value);
      if (outcome == Outcome::kDone && may_bias &&
          back_.end.passed() % Platform::kBiasEvery == 0) {
        back_.lock.Bias(turn);
      }
      if (outcome != kCounterpartWaits) return outcome;
    }
    send.value = std::addressof(value);
    return UnderBothLocks<&ChannelCore::SendNow>(send, nullptr, nullptr,
                                                 std::try_to_lock);
  }
  void Unbias(Turnstile& turn) noexcept { back_.lock.Unbias(turn); }

  Outcome TryReceive(Operation& receive) noexcept {
    const Outcome outcome = ReceiveAtFront(Target(receive));
    return outcome == kCounterpartWaits ? MatchSender(receive) : outcome;
  }

  // Completes the operation or, where it returns kPending, queues it. An
  // operation with a claim is claimed when it completes; kLost says that its
  // waiter was claimed for another operation meanwhile. kClosed claims nothing.
  Outcome StartSend(Operation& send) noexcept {
    return UnderBothLocks<&ChannelCore::SendNow>(send, send.claim,
                                                 &front_.waiting);
  }
  Outcome StartReceive(Operation& receive) noexcept {
    return UnderBothLocks<&ChannelCore::ReceiveNow>(receive, receive.claim,
                                                    &back_.waiting);
  }

  // Takes a started operation back; false: it was not in the queue any more.
  bool CancelSend(Operation& send) noexcept {
    const BothLocks locked(*this);
    return Remove(front_.waiting, send);
  }
  bool CancelReceive(Operation& receive) noexcept {
    const BothLocks locked(*this);
    return Remove(back_.waiting, receive);
  }

  // As CancelSend; besides, every later attempt returns kClosed.
  bool RevokeSend(Operation& send) noexcept {
    const BothLocks locked(*this);
    send.revoked = back_.refuses = true;
    return Remove(front_.waiting, send);
  }

  // The calls of a thread. Send moves from `value` only if it returns true.
  bool TrySend(T& value) noexcept {
    Operation send;
    send.value = std::addressof(value);
    return TrySend(send) == Outcome::kDone;
  }
  // The same of a value that is the caller's: copies it once there is room.
  bool TrySendCopy(const T& value) {
    if constexpr (kCopies) {
      return TrySend(const_cast<T&>(value));  // which copies it, and no more
    } else {
      if (!MayTake()) return false;
      T copy(value);
      return TrySend(copy);
    }
  }
  // The receives put the value into a ResultSlot.
  FANFARE_ALWAYS_INLINE void TryReceiveAt(ResultSlot<T>& target) noexcept {
    if (ReceiveAtFront(target) == kCounterpartWaits)
      Put(ReceiveFromSender(), target);
  }
  // `limits`: none, or a deadline and a stop token.
  template <typename... Limits>
  bool Send(T& value, const Limits&... limits) {
    Operation send;
    send.value = std::addressof(value);
    Outcome outcome = TrySend(send);
    if (outcome == Outcome::kPending) outcome = AwaitRoom(send, limits...);
    return outcome == Outcome::kDone;
  }
  template <typename... Limits>
  FANFARE_ALWAYS_INLINE void ReceiveAt(ResultSlot<T>& target,
                                       const Limits&... limits) {
    const Outcome outcome = ReceiveAtFront(target);
    if (outcome != Outcome::kDone && outcome != Outcome::kClosed) {
      Put(AwaitValue(outcome, limits...), target);
    }
  }

  void Close() noexcept {
    OperationQueue refused;
    {
      const BothLocks locked(*this);
      if (front_.closed) return;
      front_.closed = back_.closed = back_.refuses = true;
      CloseAll(front_.waiting, refused);
      CloseAll(back_.waiting, refused);
    }
    while (Operation* operation = refused.PopFront()) {
      operation->waker->Completed(Outcome::kClosed);
    }
  }

  [[nodiscard]] bool closed() const noexcept {
    const std::lock_guard lock(front_.lock);
    return front_.closed;
  }
  [[nodiscard]] bool drained() const noexcept {
    const BothLocks locked(*this);
    return front_.closed && used() == 0;
  }
  [[nodiscard]] std::size_t size() const noexcept {
    const BothLocks locked(*this);
    return used();
  }
  [[nodiscard]] std::size_t capacity() const noexcept {
    return front_.end.capacity();
  }
  // Whether values gather while the other side is away. Who finds such a
  // channel not ready lets others run, and looks again a few times, before it
  // queues: then it finds many values, or much room, and queues seldom.
  [[nodiscard]] bool batches() const noexcept { return capacity() > 1; }

  [[nodiscard]] std::size_t waiting_senders() const noexcept {
    const std::lock_guard lock(front_.lock);
    return front_.waiting.size();
  }
  [[nodiscard]] std::size_t waiting_receivers() const noexcept {
    const std::lock_guard lock(back_.lock);
    return back_.waiting.size();
  }

 private:
  using Base::back_, Base::front_, Base::HandOver, Base::kCopies,
      Base::PopFront, Base::SlotAt, Base::Store, Base::Target, Base::used;
  using typename Base::BothLocks, typename Base::Slots;

  explicit ChannelCore(std::size_t capacity) noexcept : Base(capacity) {}

  // The channels of this T that the calling thread is destroying. Trivial, so
  // that the destructors of other thread_local objects can use it.
  struct Dying {
    int depth = 0;
    ChannelCore* listed = nullptr;
  };

  // What only an operation at one end can come to: somebody waits on the other
  // side, whom to meet takes both locks. (An optional Outcome would be two
  // bytes of one register to g++.)
  static constexpr Outcome kCounterpartWaits{0xff};

  // A send that concerns the back alone, with its lock held.
  FANFARE_ALWAYS_INLINE Outcome SendAtBack(Operation& send, T& value) noexcept {
    if (back_.refuses && (back_.closed || send.revoked)) {
      return Outcome::kClosed;
    }
    if (!back_.waiting.empty()) [[unlikely]]
      return kCounterpartWaits;
    if (!back_.end.HasRoom(front_.end)) return Outcome::kPending;
    Store(send, value);
    return Outcome::kDone;
  }

  // A receive that concerns the front alone. kPending: the ring is empty and no
  // send waits for room. kCounterpartWaits: a send waits, and the front is
  // still locked, for MatchSender.
  template <typename Target>
  FANFARE_ALWAYS_INLINE Outcome ReceiveAtFront(Target& target) noexcept {
    front_.lock.lock();
    if (!front_.waiting.empty()) return kCounterpartWaits;
    const LockGuard lock(front_.lock, std::adopt_lock);
    if (!front_.end.HasValue(back_.end)) {
      return front_.closed ? Outcome::kClosed : Outcome::kPending;
    }
    target.emplace(std::move(*SlotAt(front_.end)));
    PopFront();
    return Outcome::kDone;
  }

  Outcome MatchSender(Operation& receive) noexcept {
    return UnderBothLocks<&ChannelCore::ReceiveNow>(receive, nullptr, nullptr,
                                                    std::adopt_lock);
  }
  FANFARE_COLD std::optional<T> ReceiveFromSender() noexcept {
    std::optional<T> value = EmptyOptional<T>();
    Operation receive;
    receive.value = &value;
    MatchSender(receive);
    return value;
  }
  // Inlined, or else the ResultSlot would be in memory.
  FANFARE_ALWAYS_INLINE static void Put(std::optional<T>&& value,
                                        ResultSlot<T>& target) noexcept {
    if (value) target.emplace(std::move(*value));
  }

  // Whether a send would go ahead now.
  [[nodiscard]] bool MayTake() noexcept {
    const LockGuard lock(back_.lock);
    return !back_.closed &&
           (!back_.waiting.empty() || back_.end.HasRoom(front_.end));
  }

  FANFARE_COLD Outcome AwaitRoom(Operation& send,
                                 const Deadline& deadline = Deadline::Never(),
                                 const std::stop_token& stop = {}) {
    if (batches()) {
      const Outcome outcome =
          PollBeforeQueueing(deadline, stop, [&] { return TrySend(send); });
      if (outcome != Outcome::kPending) return outcome;
    }
    return WaitFor(
        send, deadline, stop, [this](Operation& o) { return StartSend(o); },
        [this](Operation& o) { CancelSend(o); });
  }

  // How many values are in the ring, read without its locks. The front first:
  // it never overtakes the back.
  [[nodiscard]] std::size_t LeftAbout() const noexcept {
    const std::size_t front = front_.end.passed();
    const std::size_t back = back_.end.passed();
    return back > front ? back - front : 0;
  }

  // What ReceiveAtFront has not done. (Without default arguments, which would
  // be made where a receive is inlined.)
  FANFARE_COLD std::optional<T> AwaitValue(Outcome outcome) {
    return AwaitValue(outcome, Deadline::Never(), {});
  }
  FANFARE_COLD std::optional<T> AwaitValue(Outcome outcome,
                                           const Deadline& deadline,
                                           const std::stop_token& stop) {
    std::optional<T> value = EmptyOptional<T>();
    Operation receive;
    receive.value = &value;
    if (outcome == kCounterpartWaits) outcome = MatchSender(receive);
    if (outcome == Outcome::kPending && capacity() > 0) {
      const auto attempt = [&] { return TryReceive(receive); };
      outcome = batches() ? PollForValues(deadline, stop, attempt,
                                          [this] { return LeftAbout(); })
                          : SpinBeforeQueueing(deadline, stop, attempt);
    }
    if (outcome == Outcome::kPending) {
      WaitFor(
          receive, deadline, stop,
          [this](Operation& o) { return StartReceive(o); },
          [this](Operation& o) { CancelReceive(o); });
    }
    return value;
  }

  // One attempt under both locks, then the wake-up of the counterpart outside.
  // `how` is an argument of BothLocks, or none. kBiasedElsewhere: the back is
  // lent, and `how` is std::try_to_lock.
  template <auto kAttempt, typename... How>
  FANFARE_COLD Outcome UnderBothLocks(Operation& operation, Claim* claim,
                                      OperationQueue* queue,
                                      How... how) noexcept {
    Operation* partner = nullptr;
    Outcome outcome;
    {
      const BothLocks locked(*this, how...);
      if (sizeof...(How) > 0 && !locked.held()) return kBiasedElsewhere;
      outcome = (this->*kAttempt)(operation, claim, partner);
      operation.outcome = outcome;
      if (outcome == Outcome::kPending && queue != nullptr) {
        queue->PushBack(operation);
        operation.queued = true;
      }
    }
    if (partner != nullptr) partner->waker->Completed(Outcome::kDone);
    return outcome;
  }

  // Hands the value to the first receive that waits, else puts it into the
  // ring. As all that follow, called with both locks held.
  Outcome SendNow(Operation& send, Claim* claim, Operation*& partner) noexcept {
    if (back_.closed || send.revoked) return Outcome::kClosed;
    const Outcome matched = Match(back_.waiting, send, claim, partner);
    if (matched == Outcome::kDone) HandOver(send, *partner);
    if (matched != Outcome::kPending) return matched;
    if (!back_.end.HasRoom(front_.end)) return Outcome::kPending;
    if (claim != nullptr && !claim->Try(send)) return Outcome::kLost;
    Store(send);
    return Outcome::kDone;
  }

  // Takes the ring's front, whose room goes to the first send that waits; with
  // an empty ring, takes the value of that send.
  Outcome ReceiveNow(Operation& receive, Claim* claim,
                     Operation*& partner) noexcept {
    if (!front_.end.HasValue(back_.end)) {
      const Outcome matched = Match(front_.waiting, receive, claim, partner);
      if (matched == Outcome::kDone) HandOver(*partner, receive);
      return matched == Outcome::kPending && front_.closed ? Outcome::kClosed
                                                           : matched;
    }
    if (claim != nullptr && !claim->Try(receive)) return Outcome::kLost;
    Target(receive).emplace(std::move(*SlotAt(front_.end)));
    PopFront();
    if (Match(front_.waiting, receive, nullptr, partner) == Outcome::kDone) {
      Store(*partner);
    }
    return Outcome::kDone;
  }
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_CHANNEL_CORE_H_
