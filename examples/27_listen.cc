// SPDX-License-Identifier: MIT
//
// Listen() calls a function for each value of a feed: in a thread of its own,
// or in tasks of an executor. An executor is any function that passes on tasks.

#include <cstdio>
#include <functional>
#include <thread>
#include <utility>

#include <fanfare/fanfare.h>

namespace {

// Stands for the event loop of a program: one thread that runs tasks.
class EventLoop {
 public:
  EventLoop() = default;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;
  ~EventLoop() { tasks_.Close(); }  // What was posted before is still run.

  // Each listener has one task at a time, so this does not block.
  void Post(std::function<void()> task) const { tasks_.Send(std::move(task)); }

 private:
  const fanfare::Channel<std::function<void()>> tasks_{64};
  const std::jthread thread_{[tasks = tasks_] {
    for (const std::function<void()>& task : tasks) task();
  }};
};

}  // namespace

int main() {
  fanfare::Feed<int> deposits;
  fanfare::Feed<int> withdrawals;

  // A new thread calls this function. If it is more than 64 values behind, a
  // Send waits.
  const fanfare::Subscription printing = fanfare::Listen(
      deposits, [](int amount) { std::printf("deposit of %d\n", amount); });

  // The thread of the event loop calls these two, so the balance needs no
  // mutex.
  int balance = 0;
  const EventLoop loop;
  const auto executor = [&](auto task) { loop.Post(std::move(task)); };
  const fanfare::Subscription adding = fanfare::Listen(
      executor, deposits, [&](int amount) { balance += amount; });
  const fanfare::Subscription subtracting = fanfare::Listen(
      executor, withdrawals, [&](int amount) { balance -= amount; });

  for (const int amount : {100, 50, 25}) {
    deposits.Send(amount);
    withdrawals.Send(amount / 5);
  }

  // The end of a listener comes after its last call. (Unsubscribe() would not
  // wait for the values that are queued.)
  deposits.Close();
  withdrawals.Close();
  for (const auto* each : {&printing, &adding, &subtracting}) {
    fanfare::Select(fanfare::OnEnd(*each));
  }
  std::printf("the balance is %d\n", balance);
}
