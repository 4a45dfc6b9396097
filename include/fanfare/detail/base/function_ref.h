// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_FUNCTION_REF_H_
#define FANFARE_DETAIL_BASE_FUNCTION_REF_H_

// A FunctionRef is a reference to a function object of the caller, for use as a
// parameter. The function that takes it is compiled once, whatever it calls.
// (C++26 has std::function_ref.)

#include <memory>
#include <type_traits>

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename Signature>
class FunctionRef;

template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  // Refers to `function`, which must live as long as the FunctionRef is used.
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& function)
  noexcept  // NOLINT(google-explicit-constructor)
      : function_(const_cast<void*>(
            static_cast<const void*>(std::addressof(function)))),
        call_([](void* called, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(called))(args...);
        }) {}

  R operator()(Args... args) const { return call_(function_, args...); }

 private:
  void* function_;
  R (*call_)(void*, Args...);
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_FUNCTION_REF_H_
