// SPDX-License-Identifier: MIT
//
// A feed in an epoll loop: one thread handles its values and another
// descriptor. The executor queues tasks and wakes the loop through an eventfd.
// The end handler tells the loop that no more values will come. For Linux.

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "stop_descriptor.h"  // posix::File, posix::OrThrow

namespace {

// Tasks for the thread of the loop.
class TaskQueue {
 public:
  // Is readable when a task was posted.
  int fd() const { return event_.fd(); }

  // Called by any thread.
  void Post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    const std::uint64_t one = 1;
    posix::OrThrow(::write(fd(), &one, sizeof one), "write");
  }

  // Runs what was posted before. What these tasks post is for the next round,
  // so that other descriptors come in between.
  void Run() {
    std::uint64_t count;
    posix::OrThrow(::read(fd(), &count, sizeof count), "read");
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const std::function<void()>& task : tasks) task();
  }

 private:
  const posix::File event_{
      posix::OrThrow(::eventfd(0, EFD_CLOEXEC), "eventfd")};
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
};

void Watch(const posix::File& epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  posix::OrThrow(::epoll_ctl(epoll.fd(), EPOLL_CTL_ADD, fd, &event),
                 "epoll_ctl");
}

// Blocks until a descriptor is ready, and returns it.
int Await(const posix::File& epoll) {
  epoll_event event{};
  while (::epoll_wait(epoll.fd(), &event, 1, -1) < 0) {
    if (errno != EINTR) posix::OrThrow(-1, "epoll_wait");
  }
  return event.data.fd;
}

}  // namespace

int main() {
  std::array<int, 2> ends;
  posix::OrThrow(::pipe(ends.data()), "pipe");
  const posix::File pipe(ends[0]);  // Stands for a connection.
  TaskQueue tasks;
  const posix::File epoll(
      posix::OrThrow(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  Watch(epoll, tasks.fd());
  Watch(epoll, pipe.fd());
  fanfare::Feed<int> payments;

  // Only the thread of the loop uses these, so they need no mutex.
  int balance = 0;
  std::size_t bytes = 0;
  int open = 2;  // The feed, and the pipe.

  const auto executor = [&](auto task) { tasks.Post(std::move(task)); };
  const fanfare::Subscription adding = fanfare::Listen(
      executor, payments, [&](int payment) { balance += payment; },
      {.on_end = [&](std::exception_ptr) { --open; }});

  const std::jthread paying([&] {
    for (int payment = 1; payment <= 1000; ++payment) payments.Send(payment);
    payments.Close();
  });
  const std::jthread writing([end = posix::File(ends[1])] {
    posix::OrThrow(::write(end.fd(), "hello", 5), "write");
  });

  while (open > 0) {
    const int ready = Await(epoll);
    if (ready == tasks.fd()) {
      tasks.Run();
      continue;
    }
    std::array<char, 64> buffer;
    const auto size = static_cast<std::size_t>(posix::OrThrow(
        ::read(pipe.fd(), buffer.data(), buffer.size()), "read"));
    bytes += size;
    if (size > 0) continue;
    --open;
    posix::OrThrow(::epoll_ctl(epoll.fd(), EPOLL_CTL_DEL, pipe.fd(), nullptr),
                   "epoll_ctl");
  }
  std::printf("the balance is %d\n", balance);
  std::printf("the pipe had %zu bytes\n", bytes);
}
