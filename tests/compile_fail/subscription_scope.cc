// SPDX-License-Identifier: MIT
//
// P1: a scope owns what it tracks, and stays where it is.

#include <utility>

#include <fanfare/subscription_scope.h>

inline void GoodCode(fanfare::SubscriptionScope& scope,
                     fanfare::Subscription one) {
  scope.Track(std::move(one));  // the wrapper may be dropped
}

#ifdef COPY
// expect: use of deleted function | call to deleted constructor
void Case(const fanfare::SubscriptionScope& scope) {
  fanfare::SubscriptionScope copy(scope);
}
#endif

#ifdef MOVE
// expect: use of deleted function | call to deleted constructor
void Case(fanfare::SubscriptionScope& scope) {
  fanfare::SubscriptionScope other(std::move(scope));
}
#endif

#ifdef TRACK_OF_A_COPY
// expect: use of deleted function | call to implicitly-deleted copy constructor
void Case(fanfare::SubscriptionScope& scope, const fanfare::Subscription& one) {
  scope.Track(one);
}
#endif
