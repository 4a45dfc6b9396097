// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_FEED_DEADLOCK_WATCH_H_
#define FANFARE_DETAIL_FEED_DEADLOCK_WATCH_H_

// A DeadlockWatch finds Sends of one feed that wait for their own thread: for a
// receive from a full channel that only the handler could make that calls Send
// (listen.h), or for their turn behind a Send that waits for such a receive.

#include <cstdio>
#include <mutex>
#include <stdexcept>

#include <fanfare/detail/base/intrusive_list.h>
#include <fanfare/detail/base/ref.h>
#include <fanfare/detail/channel/channel_ends.h>
#include <fanfare/detail/feed/member.h>
#include <fanfare/detail/feed/pending_offers.h>
#include <fanfare/detail/feed/policy.h>
#include <fanfare/detail/feed/queued_send.h>
#include <fanfare/detail/feed/turnstile.h>
#include <fanfare/detail/subscription/owner_tree.h>
#include <fanfare/detail/wait/operation.h>
#include <fanfare/detail/wait/wait_queue.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class DeadlockWatch {
 public:
  explicit DeadlockWatch(Turnstile& turnstile) noexcept
      : turnstile_(turnstile) {}

  // The first three functions are for the holder of the turn.

  // Throws because the Send in progress would wait for its own thread, unless
  // the subscription has ended, which ends the wait.
  FANFARE_COLD void ThrowIfListed(const Member& member) const {
    Place where{};
    {
      const std::lock_guard lock(turnstile_.mutex());
      if (!member.listed) return;
      where = member.where();
    }
    Throw(member, where);
  }

  // Begins and ends a part of a wait for the channels of `pending` that nothing
  // but their receivers can end. Such a receiver may wait for its turn to send:
  // that Send is refused, whichever of the two began to wait first.
  FANFARE_COLD void Begin(const PendingOffers& pending) noexcept {
    IntrusiveList<Operation> refused;
    {
      const std::lock_guard lock(turnstile_.mutex());
      waits_for_ = &pending;
      if (handlers_send_) {
        turnstile_.RefuseIf(refused, [this](Operation& queued) {
          return Finds(static_cast<QueuedSend&>(queued));
        });
      }
    }
    CompleteAll(refused);
  }
  FANFARE_COLD void End() noexcept {
    const std::lock_guard lock(turnstile_.mutex());
    waits_for_ = nullptr;
  }

  // For a Send that is about to wait for its turn, or waits for it. Returns
  // whether the holder waits, without a limit, for a receive that only the
  // thread of `send` could make, and notes the member. Called with the mutex
  // held. (A Send in the queue that has no limit is unclaimed, so that it is
  // refused if this returns true. To look at the channel takes its locks, which
  // are biased to no feed: only this one knows a listener's channel, and its
  // holder has revoked all biases before it waits.)
  FANFARE_COLD bool Finds(QueuedSend& send) noexcept {
    if (send.runs == nullptr) return false;
    handlers_send_ = true;
    if (waits_for_ == nullptr) return false;
    for (Member* m = waits_for_->first(); m != nullptr; m = m->next_pending) {
      if (m->listed && RunningScope::Consumes(send.runs, m->channel()) &&
          !m->policy_will_act() && m->channel().Look(m->offer()).queued) {
        send.deadlocked = Ref<Member>::Share(m);
        send.where = m->where();
        return true;
      }
    }
    return false;
  }
  [[noreturn]] FANFARE_COLD static void Throw(const Member& member,
                                              const Place& where) {
    char text[400];  // where std::string would cost each user's compiler
    constexpr const char* kText =
        "fanfare: Send() waits for its own thread, the only one that can "
        "receive from the full channel of ";
    const Policy* const policy = member.policy();
    if (policy != nullptr && !policy->name.empty()) {
      std::snprintf(text, sizeof(text), "%s%s", kText, policy->name.c_str());
    } else {
      std::snprintf(text, sizeof(text), "%s%s:%u", kText, where.file_name(),
                    static_cast<unsigned>(where.line));
    }
    throw std::logic_error(text);
  }

 private:
  Turnstile& turnstile_;
  // The next two are guarded by its mutex.
  // What the holder waits for, if without a limit.
  const PendingOffers* waits_for_ = nullptr;
  // Whether a Send has ever waited for its turn inside a handler. Otherwise no
  // wait looks through the queue.
  bool handlers_send_ = false;
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_FEED_DEADLOCK_WATCH_H_
