// SPDX-License-Identifier: MIT
//
// U4, U6: a Subscription has one owner, and a producer a way to be stopped.

#include <exception>
#include <stop_token>
#include <utility>

#include <fanfare/subscription.h>

inline fanfare::Subscription GoodCode() {
  fanfare::Subscription one = fanfare::NewSubscription([](std::stop_token) {});
  fanfare::Subscription other = std::move(one);
  return other;
}

// Functions of a producer's own namespace are not found instead of the
// library's.
namespace elsewhere {
struct Producer {
  std::exception_ptr operator()(std::stop_token) { return nullptr; }
};
void CallProducer(Producer&, const std::stop_token&) = delete;

inline fanfare::Subscription GoodCode() {
  return fanfare::NewSubscription(Producer());
}
}  // namespace elsewhere

#ifdef COPY
// expect: use of deleted function | call to implicitly-deleted copy constructor
fanfare::Subscription Case(const fanfare::Subscription& one) { return one; }
#endif

#ifdef DROPPED_RESULT
// expect: a Subscription that is dropped unsubscribes
void Case() {
  fanfare::NewSubscription([](std::stop_token) {});
}
#endif

#ifdef PRODUCER_WITHOUT_STOP
// expect: fanfare: a producer takes a std::stop_token or a
// Receiver<std::monostate>
fanfare::Subscription Case() {
  return fanfare::NewSubscription([] {});
}
#endif

#ifdef IMMOVABLE_SOURCE
// expect: fanfare: a source that a Subscription wraps must be movable
struct Immovable {
  Immovable() = default;
  Immovable(Immovable&&) = delete;
  fanfare::Receiver<std::exception_ptr> Err() const { return {}; }
  void Unsubscribe() noexcept {}
};
fanfare::Subscription Case() { return fanfare::Subscription(Immovable()); }
#endif

#ifdef SOURCE_WITHOUT_ERR
// expect: no matching function for call to | no matching conversion for
struct Silent {
  void Unsubscribe() noexcept {}
};
fanfare::Subscription Case() { return fanfare::Subscription(Silent()); }
#endif
