// SPDX-License-Identifier: MIT
#ifndef FANFARE_SUBSCRIPTION_SCOPE_H_
#define FANFARE_SUBSCRIPTION_SCOPE_H_

// SubscriptionScope: ends a group of subscriptions together, for instance all
// that a server has handed out.
//
//   Subscription Server::SubscribeToResults(Sender<Result> channel) {
//     return scope_.Track(results_.Subscribe(channel));
//   }
//   void Server::Stop() { scope_.Close(); }
//
// Thread safety: all member functions may be called concurrently, but no call
// may begin once the destructor has begun, except from the producers of tracked
// subscriptions, for which the destructor waits.
//
// Differences from Go: Track() on a closed scope unsubscribes its argument and
// returns an empty Subscription, which is safe to use, instead of an unsafe
// nil. A subscription that ends without being unsubscribed is removed from the
// scope. Close() holds no lock while it waits, so a producer may use the scope
// meanwhile.

#include <cassert>
#include <cstddef>
#include <utility>

#include <fanfare/detail/subscription/scope_core.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Owns a group of subscriptions and ends them together.
class SubscriptionScope {
 public:
  /// Creates an open scope that tracks nothing.
  ///
  /// \throws std::bad_alloc if memory runs out.
  SubscriptionScope() = default;
  SubscriptionScope(const SubscriptionScope&) = delete;
  SubscriptionScope& operator=(const SubscriptionScope&) = delete;
  /// Closes the scope.
  ///
  /// Blocks as Close() does. The destructor may run inside a tracked producer.
  /// Then it still unsubscribes the remaining user-defined subscriptions,
  /// because nothing else would.
  ~SubscriptionScope() { core().CloseForGood(); }

  /// Takes ownership of `subscription` and returns a wrapper of it.
  ///
  /// Unsubscribing the wrapper ends the subscription and removes it from the
  /// scope; destroying the wrapper does neither. The wrapper may outlive the
  /// scope.
  ///
  /// On an open scope, never blocks, with one exception. The call releases
  /// user-defined subscriptions that have already ended, and their
  /// Unsubscribe() may block.
  ///
  /// On a closed scope, unsubscribes `subscription`, and blocks as
  /// Subscription::Unsubscribe() does.
  ///
  /// \returns The wrapper; an empty handle if `subscription` is empty or the
  /// scope is closed.
  /// \throws std::bad_alloc if memory runs out. `subscription` is unsubscribed
  /// then.
  /// \par Complexity
  /// Takes constant time, and polls each tracked wrapper or user-defined type.
  /// (P1, P2)
  Subscription Track(Subscription subscription) const {
    using Access = detail::SubscriptionAccess;
    if (!subscription) return {};
    // Explicit, because the destructor of a handle that Track() returned does
    // not unsubscribe.
    const detail::Unsubscriber unless_taken(subscription);
    const auto tracked = Access::Share(subscription);
    auto wrapper = detail::Ref<detail::ScopeWrapper>::Make(core_, tracked);
    if (!core().Add(wrapper->entry(), tracked)) return {};
    // The scope owns the subscription from here on, so the handle releases it
    // without unsubscribing.
    static_cast<void>(Access::Release(std::move(subscription)));
    return Access::Make(std::move(wrapper));
  }

  /// Returns the number of tracked subscriptions that have not ended.
  ///
  /// Blocks no more than Track() on an open scope does. (P1)
  [[nodiscard]] std::size_t Count() const noexcept { return core().Count(); }

  /// Closes the scope: requests the end of all tracked subscriptions, then
  /// waits until they have ended.
  ///
  /// Blocks until the last subscription has ended; a second caller blocks as
  /// well. From now on, Track() refuses new subscriptions. The function may be
  /// called again.
  ///
  /// A call from inside a tracked producer returns once it has requested the
  /// end of all subscriptions.
  ///
  /// \warning Deadlock: two producers must not each close the scope of the
  /// other, because they would wait for each other.
  /// (P2, P3, U3)
  void Close() const noexcept { core().Close(); }

 private:
  // Makes the same check as Feed::core().
  detail::ScopeCore& core() const noexcept {
    assert(core_ &&
           "fanfare: a call on a SubscriptionScope that was destroyed");
    return *core_;
  }

  detail::Ref<detail::ScopeCore> core_ = detail::Ref<detail::ScopeCore>::Make();
};

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_SUBSCRIPTION_SCOPE_H_
