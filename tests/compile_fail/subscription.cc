// SPDX-License-Identifier: MIT
//
// U4, U6, S9: a Subscription has one owner, a producer a way to be stopped, and
// an end a case.

#include <exception>
#include <stop_token>
#include <utility>

#include <fanfare/select.h>
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

inline void GoodCode(const fanfare::Subscription& one) {
  fanfare::Select(OnEnd(one), OnEnd(one, [] {}),
                  OnEnd(one, [](std::exception_ptr) {}));
}

#ifdef TYPED_HANDLER_OF_ERR
// expect: use OnEnd(subscription, handler)
void Case(const fanfare::Subscription& one) {
  fanfare::Select(OnReceive(one.Err(), [](std::exception_ptr) {}));
}
#endif

#ifdef END_HANDLER_OF_ANOTHER_TYPE
// expect: fanfare: the handler of OnEnd must take nothing or a
// std::exception_ptr
void Case(const fanfare::Subscription& one) {
  fanfare::Select(OnEnd(one, [](int) {}));
}
#endif

#ifdef END_OF_A_TEMPORARY
// expect: no matching function for call to 'OnEnd | cannot bind non-const
// lvalue
fanfare::Subscription Made();
void Case() {
  fanfare::Select(fanfare::OnEnd(Made(), [] {}));
}
#endif

#ifdef END_WITHOUT_SELECT
// expect: pass the case to Select
void Case(const fanfare::Subscription& one) { OnEnd(one); }
#endif

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
