// SPDX-License-Identifier: MIT
//
// S1, S2: what Select refuses.

#include <any>
#include <optional>

#include <fanfare/select.h>

inline void GoodCode(fanfare::Receiver<std::any> any,
                     fanfare::Receiver<int> number) {
  fanfare::Select(fanfare::OnReceive(
                      any, [](std::any) {}, [] {}),
                  fanfare::OnReceive(number, [](std::optional<int>) {}),
                  fanfare::OnDefault([] {}));
}

#ifdef AMBIGUOUS_HANDLER
// expect: use OnReceive(receiver, on_value, on_closed)
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

#ifdef HANDLER_OF_ANOTHER_TYPE
// expect: fanfare: the handler of OnReceive must take a T or a std::optional<T>
void Case(fanfare::Receiver<int> number) {
  fanfare::Select(fanfare::OnReceive(number, [](const char*) {}));
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
