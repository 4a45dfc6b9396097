// SPDX-License-Identifier: MIT
//
// U7: a join takes what a Subscription can be made of, and owns it.

#include <utility>
#include <vector>

#include <fanfare/join_subscriptions.h>

inline fanfare::Subscription GoodCode(fanfare::Subscription one) {
  return fanfare::JoinSubscriptions(std::move(one), fanfare::Subscription());
}

#ifdef DROPPED_RESULT
// expect: a Subscription that is dropped unsubscribes
void Case() { fanfare::JoinSubscriptions(fanfare::Subscription()); }
#endif

#ifdef DROPPED_RESULT_OF_VECTOR
// expect: a Subscription that is dropped unsubscribes
void Case(std::vector<fanfare::Subscription> all) {
  fanfare::JoinSubscriptions(std::move(all));
}
#endif

#ifdef JOIN_OF_NUMBERS
// expect: no matching function for call to 'JoinSubscriptions
fanfare::Subscription Case() { return fanfare::JoinSubscriptions(1, 2); }
#endif

#ifdef JOIN_OF_A_COPY
// expect: use of deleted function | call to implicitly-deleted copy constructor
fanfare::Subscription Case(const fanfare::Subscription& one) {
  return fanfare::JoinSubscriptions(one);
}
#endif
