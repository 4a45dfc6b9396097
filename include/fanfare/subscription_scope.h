// SPDX-License-Identifier: MIT
#ifndef FANFARE_SUBSCRIPTION_SCOPE_H_
#define FANFARE_SUBSCRIPTION_SCOPE_H_

// SubscriptionScope: ends many subscriptions at once, for instance all that a
// server has given out.
//
//   Subscription Server::SubscribeToResults(Sender<Result> channel) {
//     return scope_.Track(results_.Subscribe(channel));
//   }
//   void Server::Stop() { scope_.Close(); }
//
// Thread safety: everything may be called from any thread at any time, from
// inside the producers of tracked subscriptions, too.
//
// Unlike Go: a closed scope ends what it is given and returns an empty
// Subscription, which is safe to use, instead of a nil that is not; a
// subscription that has ended by itself is forgotten; Close holds no lock while
// it waits, so a producer may use the scope meanwhile.

#include <cassert>
#include <cstddef>
#include <utility>

#include <fanfare/detail/subscription/scope_core.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

class SubscriptionScope {
 public:
  // Empty. May throw std::bad_alloc.
  SubscriptionScope() = default;
  SubscriptionScope(const SubscriptionScope&) = delete;
  SubscriptionScope& operator=(const SubscriptionScope&) = delete;
  // Closes, and blocks as Close() does. From inside of what is tracked, too, it
  // unsubscribes the foreign ones that are left, which nobody else would.
  ~SubscriptionScope() { core().CloseForGood(); }

  // Takes ownership of `subscription` and returns a wrapper of it, which may
  // be dropped: unsubscribing the wrapper ends the subscription and removes it
  // from the scope, destroying the wrapper does neither. The wrapper may
  // outlive the scope. An empty subscription comes back empty. After Close it
  // unsubscribes its argument, as Unsubscribe does, and returns an empty one;
  // else it blocks only where a foreign type that has ended by itself, of which
  // it lets go, blocks in its Unsubscribe. May throw std::bad_alloc; the
  // argument is unsubscribed then. Cost: constant, and a look at each tracked
  // wrapper or foreign type. (P1, P2)
  Subscription Track(Subscription subscription) const {
    using Access = detail::SubscriptionAccess;
    if (!subscription) return {};
    // Said in so many words: the handle of a wrapper would not.
    const detail::Unsubscriber unless_taken(subscription);
    const auto tracked = Access::Share(subscription);
    auto wrapper = detail::Ref<detail::ScopeWrapper>::Make(core_, tracked);
    if (!core().Add(wrapper->entry(), tracked)) return {};
    // The scope's own from here on: the handle lets go without unsubscribing.
    static_cast<void>(Access::Release(std::move(subscription)));
    return Access::Make(std::move(wrapper));
  }

  // How many are tracked and have not ended. Blocks as little as Track. (P1)
  [[nodiscard]] std::size_t Count() const noexcept { return core().Count(); }

  // Asks all tracked subscriptions to end, then waits until they have; refuses
  // new ones from now on. Blocks until the last has ended; a second caller
  // does, too. Called from inside of one of them, it returns once it has asked;
  // but two producers that each close the scope of the other wait for each
  // other. Can be called again. (P2, P3, U3)
  void Close() const noexcept { core().Close(); }

 private:
  // As Feed's.
  detail::ScopeCore& core() const noexcept {
    assert(core_ &&
           "fanfare: a call on a SubscriptionScope that was destroyed");
    return *core_;
  }

  detail::Ref<detail::ScopeCore> core_ = detail::Ref<detail::ScopeCore>::Make();
};

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SUBSCRIPTION_SCOPE_H_
