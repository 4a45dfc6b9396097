// SPDX-License-Identifier: MIT
//
// S1, S2, S3, S9, S10: what Select refuses.

#include <any>
#include <chrono>
#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <fanfare/select.h>
#include <fanfare/subscription.h>

inline void GoodCode(fanfare::Receiver<std::any> any,
                     fanfare::Receiver<int> number) {
  fanfare::Select(fanfare::OnReceive(
                      any, [](std::any) {}, [] {}),
                  fanfare::OnReceive(number, [](std::optional<int>) {}),
                  fanfare::OnDefault([] {}));
}

// Select is found by its arguments.
inline void FoundByArgument(fanfare::Receiver<int> number,
                            fanfare::Sender<std::string> text) {
  while (Select(OnReceive(number, [](int) {})) != fanfare::kNoCase) {
  }
  SelectLoop(OnReceive(number, [](int) {}), OnSend(text, std::string()));
  std::vector<fanfare::SelectCase> cases;
  cases.push_back(OnSend(text, std::string()));
  cases.emplace_back(OnReceive(number, [](int) {}));
  while (Select(cases) != fanfare::kNoCase) {
  }
}

// Statements: one of the cases lasts longer than its channels, or tells of the
// end, or no channel is used.
inline void Statements(fanfare::Receiver<int> number,
                       fanfare::Sender<int> sender,
                       fanfare::Subscription& numbers, std::stop_token stop) {
  using namespace fanfare;
  Select(OnReceive(number, [](std::optional<int>) {}));
  Select(OnReceive(
      number, [](int) {}, [] {}));
  Select(OnTimeout(std::chrono::seconds(1)));
  Select(OnTimeout(std::chrono::steady_clock::now()));
  Select(OnStop(stop));
  Select(OnEnd(numbers));
  Select(OnEnd(numbers), OnEnd(numbers, [] {}));
  Select(OnEnd(numbers), OnTimeout(std::chrono::seconds(1)));
  Select(OnEnd(numbers), OnStop(stop));
  Select(OnReceive(number, [](int) {}), OnEnd(numbers, [] {}));
  Select(OnDefault());
  Select(OnReceive(number, [](int) {}), OnSend(sender, 1), OnStop(stop));
  Select(OnDefault(), OnReceive(number, [](int) {}));
}

// An error can be received as any value.
inline void GoodCode(fanfare::Receiver<std::exception_ptr> err) {
  Select(OnReceive(err, [](std::optional<std::exception_ptr>) {}));
  Select(OnReceive(
      err, [](std::exception_ptr) {}, [] {}));
}

#ifdef HANDLER_THAT_IS_NOT_TOLD_OF_THE_END
// expect: fanfare: this handler would not be told of the end of a subscription:
// use OnEnd(subscription, handler)
void Case(fanfare::Receiver<std::exception_ptr> err) {
  Select(OnReceive(err, [](std::exception_ptr) {}));
}
#endif

#ifdef AMBIGUOUS_HANDLER
// expect: fanfare: whether this handler takes a T or an optional<T> is
// ambiguous: use OnReceive(receiver, on_value, on_closed)
void Case(fanfare::Receiver<std::any> any) {
  fanfare::Select(fanfare::OnReceive(any, [](std::any) {}));
}
#endif

#ifdef TWO_DEFAULTS
// expect: fanfare: a Select takes at most one OnDefault
void Case() {
  fanfare::Select(fanfare::OnDefault([] {}), fanfare::OnDefault([] {}));
}
#endif

#ifdef TWO_DEFAULTS_BESIDE_AN_END
// expect: fanfare: a Select takes at most one OnDefault
void Case(fanfare::Receiver<int> number, fanfare::Subscription& numbers) {
  static_cast<void>(fanfare::Select(
      fanfare::OnReceive(number, [](int) {}), fanfare::OnEnd(numbers),
      fanfare::OnDefault([] {}), fanfare::OnDefault([] {})));
}
#endif

#ifdef HANDLER_OF_ANOTHER_TYPE
// expect: fanfare: the handler of OnReceive must take a T or a std::optional<T>
void Case(fanfare::Receiver<int> number) {
  fanfare::Select(fanfare::OnReceive(number, [](const char*) {}));
}
#endif

#ifdef HANDLER_THAT_IS_A_MEMBER
// expect: fanfare: the handler of OnReceive must take a T or a std::optional<T>
struct Point {
  int x;
};
void Case(fanfare::Receiver<Point> point) {
  fanfare::Select(fanfare::OnReceive(point, &Point::x));
}
#endif

#ifdef SEND_TO_RECEIVER
// expect: no matching function for call to 'OnSend
void Case(fanfare::Receiver<int> number) {
  fanfare::Select(fanfare::OnSend(number, 1, [] {}));
}
#endif

#ifdef HANDLERS_OF_ANOTHER_TYPE
// expect: fanfare: the handlers of OnReceive must take a T and nothing
void Case(fanfare::Receiver<int> number) {
  fanfare::Select(fanfare::OnReceive(
      number, [](int) {}, [](int) {}));
}
#endif

#ifdef CASE_WITHOUT_SELECT
// expect: pass the case to Select
void Case() { fanfare::OnDefault(); }
#endif

#ifdef RECEIVE_WITHOUT_SELECT
// expect: pass the case to Select
void Case(fanfare::Receiver<int> number) {
  fanfare::OnReceive(number, [](int) {});
}
#endif

#ifdef RECEIVE_OR_CLOSED_WITHOUT_SELECT
// expect: pass the case to Select
void Case(fanfare::Receiver<int> number) {
  fanfare::OnReceive(
      number, [](int) {}, [] {});
}
#endif

#ifdef SEND_WITHOUT_SELECT
// expect: pass the case to Select
void Case(fanfare::Sender<int> number) { fanfare::OnSend(number, 1); }
#endif

#ifdef TIMEOUT_WITHOUT_SELECT
// expect: pass the case to Select
void Case() { fanfare::OnTimeout(std::chrono::seconds(1)); }
#endif

#ifdef STOP_WITHOUT_SELECT
// expect: pass the case to Select
void Case(std::stop_token stop) { fanfare::OnStop(stop); }
#endif

#ifdef LOOP_THAT_WOULD_SPIN
// expect: a loop must end at kNoCase and OnEnd, or be a SelectLoop
void Case(fanfare::Receiver<int> number, const bool& running) {
  while (running) fanfare::Select(fanfare::OnReceive(number, [](int) {}));
}
#endif

#ifdef LOOP_UP_TO_AN_END_THAT_WOULD_SPIN
// expect: a loop must end at kNoCase and OnEnd, or be a SelectLoop
void Case(fanfare::Receiver<int> number, fanfare::Subscription& numbers,
          const bool& running) {
  while (running) {
    fanfare::Select(fanfare::OnReceive(number, [](int) {}),
                    fanfare::OnEnd(numbers));
  }
}
#endif

#ifdef LOOP_WITH_A_TIMEOUT_THAT_WOULD_SPIN
// expect: a loop must end at kNoCase and OnEnd, or be a SelectLoop
void Case(fanfare::Receiver<int> number, fanfare::Subscription& numbers,
          const bool& running) {
  while (running) {
    fanfare::Select(fanfare::OnReceive(number, [](int) {}),
                    fanfare::OnEnd(numbers),
                    fanfare::OnTimeout(std::chrono::seconds(1), [] {}));
  }
}
#endif

#ifdef LOOP_WITH_A_HANDLED_END_THAT_WOULD_SPIN
// expect: a loop must end at kNoCase and OnEnd, or be a SelectLoop
void Case(fanfare::Receiver<int> number, fanfare::Subscription& numbers,
          fanfare::Subscription& others, const bool& running) {
  while (running) {
    fanfare::Select(fanfare::OnReceive(number, [](std::optional<int>) {}),
                    fanfare::OnEnd(others, [] {}), fanfare::OnEnd(numbers));
  }
}
#endif

#ifdef LOOP_OF_SENDS_THAT_WOULD_SPIN
// expect: a loop must end at kNoCase and OnEnd, or be a SelectLoop
void Case(fanfare::Sender<std::string> text, const bool& running) {
  const std::string kept;
  while (running) {
    fanfare::Select(fanfare::OnSend(text, std::string()),
                    fanfare::OnSend(text, kept), fanfare::OnSend(text, "a"));
  }
}
#endif

#ifdef LOOP_OF_KEPT_CASES_THAT_MIGHT_SPIN
// expect: a loop must end at kNoCase
void Case(std::vector<fanfare::SelectCase>& cases, const bool& running) {
  while (running) fanfare::Select(cases);
}
#endif

#ifdef CASE_OUTSIDE_OF_SELECT
// expect: use of deleted function | call to implicitly-deleted copy constructor
void Case(fanfare::Sender<int> number) {
  auto one = fanfare::OnSend(number, 1);
  fanfare::Select(one);
}
#endif

#ifdef KEPT_SEND_OF_A_TEMPORARY
// expect: use of deleted function | call to implicitly-deleted copy constructor
void Case(fanfare::Sender<std::string> text) {
  auto one = fanfare::OnSend(text, std::string("gone"));
  fanfare::Select(std::move(one));
}
#endif

#ifdef KEPT_SEND_IN_A_LOOP
// expect: use of deleted function | call to implicitly-deleted copy constructor
void Case(fanfare::Sender<std::string> text) {
  auto one = fanfare::OnSend(text, std::string("gone"));
  fanfare::SelectLoop(std::move(one));
}
#endif

#ifdef KEPT_SEND_MADE_A_SELECT_CASE
// expect: use of deleted function | call to implicitly-deleted copy constructor
fanfare::SelectCase Case(fanfare::Sender<std::string> text) {
  auto one = fanfare::OnSend(text, std::string("gone"));
  return fanfare::SelectCase(std::move(one));
}
#endif

#ifdef KEPT_RECEIVE
// expect: use of deleted function | call to implicitly-deleted copy constructor
void Case(fanfare::Receiver<int> number) {
  auto one = fanfare::OnReceive(number, [](int) {});
  fanfare::Select(std::move(one));
}
#endif

#ifdef LOOP_WITH_A_DEFAULT
// expect: fanfare: a SelectLoop takes no OnDefault: it would not block
void Case() {
  fanfare::SelectLoop(fanfare::OnDefault([] {}));
}
#endif

#ifdef RECEIVE_FROM_SENDER
// expect: no matching function for call to 'OnReceive
void Case(fanfare::Sender<int> number) {
  fanfare::Select(fanfare::OnReceive(number, [](int) {}));
}
#endif

#ifdef SEND_HANDLER_OF_A_VALUE
// expect: fanfare: the handler of OnSend must take nothing
void Case(fanfare::Sender<int> number) {
  fanfare::Select(fanfare::OnSend(number, 1, [](int) {}));
}
#endif

#ifdef TIMEOUT_HANDLER_OF_A_VALUE
// expect: fanfare: the handler of OnTimeout must take nothing
void Case() {
  fanfare::Select(fanfare::OnTimeout(std::chrono::seconds(1), [](int) {}));
}
#endif

#ifdef STOP_HANDLER_OF_A_VALUE
// expect: fanfare: the handler of OnStop must take nothing
void Case(std::stop_token stop) {
  fanfare::Select(fanfare::OnStop(stop, [](int) {}));
}
#endif

#ifdef DEFAULT_HANDLER_OF_A_VALUE
// expect: fanfare: the handler of OnDefault must take nothing
void Case() {
  fanfare::Select(fanfare::OnDefault([](int) {}));
}
#endif

#ifdef UNSENT_VALUE_DROPPED
// expect: the unsent value is lost
void Case(fanfare::SelectCase& one) { one.TakeUnsent<int>(); }
#endif
