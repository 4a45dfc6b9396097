// SPDX-License-Identifier: MIT
//
// L1, L3: what a handler and an executor must take.

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include <fanfare/listen.h>

inline void GoodCode(fanfare::Feed<int>& feed) {
  const auto executor = [](auto task) { task(); };
  auto one = fanfare::Listen(feed, [](int) {});
  auto other = Listen(feed, [](long, const std::stop_token&) {}, {});
  one = Listen(executor, feed, [](const int&) {}, {.capacity = 1});
  one = Listen([](const std::function<void()>&) {}, feed, [](auto&&...) {});
}

#ifdef HANDLER_OF_ANOTHER_TYPE
// expect: fanfare: the handler of Listen must take a T, or a T and a
// std::stop_token
void Case(fanfare::Feed<int>& feed) {
  auto subscription = fanfare::Listen(feed, [](std::string) {});
}
#endif

#ifdef HANDLER_OF_A_REFERENCE
// expect: fanfare: the handler of Listen must take a T, or a T and a
// std::stop_token
void Case(fanfare::Feed<int>& feed) {
  auto subscription = fanfare::Listen(feed, [](int&) {});
}
#endif

#ifdef HANDLER_OF_NOTHING_IN_TASKS
// expect: fanfare: the handler of Listen must take a T, or a T and a
// std::stop_token
void Case(fanfare::Feed<int>& feed) {
  auto subscription = fanfare::Listen([](auto task) { task(); }, feed, [] {});
}
#endif

#ifdef EXECUTOR_OF_ANOTHER_TASK
// expect: fanfare: the executor of Listen must take a void() task
void Case(fanfare::Feed<int>& feed) {
  auto subscription =
      fanfare::Listen([](std::function<void(int)>) {}, feed, [](int) {});
}
#endif

#ifdef MOVE_ONLY_FEED
// expect: fanfare: the T of a Feed<T> must be copy-constructible
void Case() {
  fanfare::Feed<std::unique_ptr<int>> feed;
  auto subscription = fanfare::Listen(feed, [](std::unique_ptr<int>) {});
}
#endif

#ifdef DROPPED_RESULT
// expect: a Subscription that is dropped unsubscribes
void Case(fanfare::Feed<int>& feed) {
  fanfare::Listen(feed, [](int) {});
}
#endif

#ifdef DROPPED_RESULT_IN_TASKS
// expect: a Subscription that is dropped unsubscribes
void Case(fanfare::Feed<int>& feed) {
  fanfare::Listen([](auto task) { task(); }, feed, [](int) {});
}
#endif
