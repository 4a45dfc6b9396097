// SPDX-License-Identifier: MIT
//
// V2: what a State cannot hold, and what cannot change it.

#include <memory>
#include <string>

#include <fanfare/state.h>

inline void GoodCode(fanfare::State<std::string>& text,
                     fanfare::State<std::unique_ptr<int>>& movable) {
  text.Set("good");
  text.Update([](std::string& value) { value += '!'; });
  text.Update([](std::string& value) { return value.empty(); });
  movable.Set(nullptr);
}

#ifdef STATE_OF_A_REFERENCE
// expect: fanfare: the T of a State<T> must be an object type
fanfare::State<int&>* Case();
auto size = sizeof(*Case());
#endif

#ifdef STATE_OF_A_CONST_TYPE
// expect: fanfare: the T of a State<T> must be an object type
auto size = sizeof(fanfare::State<const int>);
#endif

#ifdef UPDATE_OF_ANOTHER_TYPE
// expect: no matching | constraints not satisfied
void Case(fanfare::State<int>& number) {
  number.Update([](std::string& text) { text.clear(); });
}
#endif
