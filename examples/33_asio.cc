// SPDX-License-Identifier: MIT
//
// A feed in an io_context of Asio: the thread that runs it handles the values,
// beside a timer. The end handler lets run() return. It is built where Asio's
// header asio.hpp is found.

#include <chrono>
#include <cstdio>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>

#define ASIO_STANDALONE
#include <asio.hpp>
#include <fanfare/fanfare.h>

int main() {
  asio::io_context io;
  // An idle listener has no task. Without this, run() could return before the
  // feed has ended.
  auto work = asio::make_work_guard(io);
  fanfare::Feed<int> payments;

  bool expired = false;
  asio::steady_timer timer(io, std::chrono::milliseconds(1));
  timer.async_wait([&](const std::error_code& error) { expired = !error; });

  int balance = 0;
  const auto executor = [&](auto task) { asio::post(io, std::move(task)); };
  const fanfare::Subscription adding = fanfare::Listen(
      executor, payments, [&](int payment) { balance += payment; },
      {.on_end = [&](std::exception_ptr) { work.reset(); }});

  const std::jthread paying([&] {
    for (int payment = 1; payment <= 1000; ++payment) payments.Send(payment);
    payments.Close();
  });

  io.run();
  std::printf("the balance is %d\n", balance);
  std::puts(expired ? "the timer has expired" : "the timer has failed");
}
