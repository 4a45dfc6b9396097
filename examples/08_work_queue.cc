// SPDX-License-Identifier: MIT
//
// A channel without a feed is a queue: each value goes to one of its receivers.
// Here three workers share the jobs. Close() ends them once no job is left.

#include <cstdio>
#include <thread>
#include <vector>

#include <fanfare/fanfare.h>

namespace {

// Sends the square of each of the jobs to `results`, until `jobs` is closed and
// empty.
void Work(fanfare::Receiver<int> jobs, fanfare::Sender<int> results) {
  for (const int job : jobs) results.Send(job * job);
}

}  // namespace

int main() {
  const fanfare::Channel<int> jobs(4);
  const fanfare::Channel<int> results(4);

  std::vector<std::jthread> workers;
  for (int i = 0; i < 3; ++i) workers.emplace_back(Work, jobs, results);

  // In another thread, because this one must take results meanwhile: once both
  // channels are full, the next job waits for room.
  const std::jthread producer([&] {
    for (int job = 1; job <= 100; ++job) jobs.Send(job);
    jobs.Close();
    // No more results come once all workers have ended.
    for (std::jthread& worker : workers) worker.join();
    results.Close();
  });

  int count = 0;
  int sum = 0;
  for (const int result : results) {
    ++count;
    sum += result;
  }
  std::printf("%d results, their sum is %d\n", count, sum);
}
