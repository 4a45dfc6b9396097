// SPDX-License-Identifier: MIT
//
// R1: what a resubscription calls.

#include <chrono>
#include <exception>
#include <stop_token>

#include <fanfare/resubscribe.h>

inline fanfare::Subscription GoodCode() {
  return fanfare::Resubscribe(std::chrono::seconds(1), [](std::stop_token) {
    return fanfare::Subscription();
  });
}

// Functions of their own namespace are not found instead of the library's.
namespace elsewhere {
struct Function {
  fanfare::Subscription operator()(std::stop_token, std::exception_ptr) {
    return {};
  }
};
void Establish(Function&, const std::stop_token&,
               const std::exception_ptr&) = delete;

inline fanfare::Subscription GoodCode() {
  return fanfare::ResubscribeErr(std::chrono::seconds(1), Function());
}
}  // namespace elsewhere

#ifdef DROPPED_RESULT
// expect: a Subscription that is dropped unsubscribes
void Case() {
  fanfare::Resubscribe(std::chrono::seconds(1),
                       [](std::stop_token) { return fanfare::Subscription(); });
}
#endif

#ifdef DROPPED_RESULT_WITH_ERROR
// expect: a Subscription that is dropped unsubscribes
void Case() {
  fanfare::ResubscribeErr(std::chrono::seconds(1),
                          [](std::stop_token, std::exception_ptr) {
                            return fanfare::Subscription();
                          });
}
#endif

#ifdef FUNCTION_WITHOUT_STOP
// expect: no matching function for call to 'Resubscribe
fanfare::Subscription Case() {
  return fanfare::Resubscribe(std::chrono::seconds(1),
                              [] { return fanfare::Subscription(); });
}
#endif

#ifdef FUNCTION_WITHOUT_SUBSCRIPTION
// expect: no matching function for call to 'Resubscribe
fanfare::Subscription Case() {
  return fanfare::Resubscribe(std::chrono::seconds(1), [](std::stop_token) {});
}
#endif

#ifdef FUNCTION_WITHOUT_ERROR
// expect: no matching function for call to 'ResubscribeErr
fanfare::Subscription Case() {
  return fanfare::ResubscribeErr(std::chrono::seconds(1), [](std::stop_token) {
    return fanfare::Subscription();
  });
}
#endif
