// SPDX-License-Identifier: MIT
//
// A function that runs beside the test and whose result the test compares.
#ifndef FANFARE_TESTS_SUPPORT_IN_THREAD_H_
#define FANFARE_TESTS_SUPPORT_IN_THREAD_H_

#include <exception>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

// Runs `function` in a thread of its own:
//
//   InThread sending([&] { return channel.Send(1); });
//   …
//   CHECK(sending.Get());
//
// The destructor waits for the function to return.
template <typename F>
class InThread {
 public:
  explicit InThread(F function)
      : function_(std::move(function)), thread_([this] { Run(); }) {}
  ~InThread() {
    if (thread_.joinable()) thread_.join();
  }
  InThread(const InThread&) = delete;
  InThread& operator=(const InThread&) = delete;

  // Blocks until the function has returned, then returns what it returned or
  // throws what it threw. To be called once.
  std::invoke_result_t<F&> Get() {
    thread_.join();
    if (exception_) std::rethrow_exception(exception_);
    if constexpr (!kIsVoid) return *std::move(result_);
  }

 private:
  static constexpr bool kIsVoid = std::is_void_v<std::invoke_result_t<F&>>;
  using Result =
      typename std::conditional_t<kIsVoid, std::type_identity<std::monostate>,
                                  std::invoke_result<F&>>::type;

  void Run() noexcept {
    try {
      if constexpr (kIsVoid) {
        function_();
      } else {
        result_.emplace(function_());
      }
    } catch (...) {
      exception_ = std::current_exception();
    }
  }

  F function_;
  std::optional<Result> result_;
  std::exception_ptr exception_;
  std::thread thread_;  // last: it uses what is above
};

#endif  // FANFARE_TESTS_SUPPORT_IN_THREAD_H_
