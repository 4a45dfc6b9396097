// SPDX-License-Identifier: MIT
//
// Metrics for Prometheus: an HTTP server that answers each request with the
// counters of a feed's Report(). It runs until Ctrl-C. A consumer is stuck, and
// the metrics have its name:
//
//   curl -s <the address that it prints> | grep blocking_seconds
//
// prometheus.h writes the text, tcp.h has the sockets. For POSIX.

#include <cstdint>
#include <cstdio>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>

#include <fanfare/fanfare.h>

#include "lines/signals.h"
#include "prometheus.h"
#include "stop_descriptor.h"
#include "tcp.h"

namespace {

// Answers one client after the other until the stop.
void Serve(std::stop_token stop, posix::Server& server,
           const fanfare::Feed<int>& feed) {
  const posix::StopDescriptor stop_descriptor(stop);
  while (server.Accept(stop_descriptor)) {
    try {
      server.ReadUntil("\r\n\r\n", stop_descriptor);
      // Report() never waits for a Send, not even for one that is blocked.
      const std::string body = prometheus::Format("ticks", feed.Report());
      server.Write(
          "HTTP/1.1 200 OK\r\n"
          "Content-Type: text/plain; version=0.0.4\r\n"
          "Connection: close\r\n"
          "Content-Length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body);
    } catch (const std::system_error& error) {  // The client has left.
      std::fprintf(stderr, "%s\n", error.what());
    }
  }
}

}  // namespace

int main() {
  const lines::SignalWatcher signals;  // Before any other thread.
  fanfare::Feed<int> feed;

  const fanfare::Channel<int> log(16);
  const fanfare::Channel<int> display(1);
  const fanfare::Channel<int> filter(4);
  const fanfare::Channel<int> archive(10);  // No thread receives from it.
  const fanfare::Subscription logging = feed.Subscribe(log, {.name = "log"});
  const fanfare::Subscription showing = feed.Subscribe(
      display, {.name = "display", .overflow = fanfare::Overflow::kDropOldest});
  const fanfare::Subscription filtering = feed.Subscribe(
      filter, {.name = "filter \"a\\b\"",  // A name may have any characters.
               .overflow = fanfare::Overflow::kDropNewest});
  const fanfare::Subscription archiving =
      feed.Subscribe(archive, {.name = "archive"});
  for (int tick = 1; tick <= 10; ++tick) feed.Send(tick);
  std::jthread sender([&](std::stop_token stop) { feed.Send(11, stop); });
  // Once that Send waits, all answers are the same.
  while (archive.waiting_senders() == 0) std::this_thread::yield();

  posix::Server server(0);  // The system chooses a port.
  std::printf("http://127.0.0.1:%u/metrics\n", unsigned{server.port()});
  std::fflush(stdout);
  Serve(signals.stop_token(), server, feed);
  std::puts("stopped");
}
