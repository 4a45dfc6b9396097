// SPDX-License-Identifier: MIT
//
// The subscription of example 15 can be ended in each of its states, and loses
// no line of a server that ends.

#include "check.h"

#define main ExampleMain
#include "../15_resubscribe_tcp.cc"
#undef main

#include <cstddef>
#include <fstream>
#include <iomanip>
#include <sstream>
#include <thread>

namespace {

using check::Check;
using posix::Loopback;

// A server that does not answer: its queue of connections is full.
class SilentServer {
 public:
  SilentServer() {
    sockaddr_in address = Loopback(0);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    OrThrow(::bind(listener_.fd(), generic, length), "bind");
    OrThrow(::listen(listener_.fd(), 0), "listen");
    OrThrow(::getsockname(listener_.fd(), generic, &length), "getsockname");
    port_ = ntohs(address.sin_port);
    OrThrow(::connect(client_.fd(), generic, length), "connect");
    pollfd queue{listener_.fd(), POLLIN, 0};
    OrThrow(::poll(&queue, 1, -1), "poll");
  }

  std::uint16_t port() const { return port_; }

 private:
  File listener_{OrThrow(::socket(AF_INET, SOCK_STREAM, 0), "socket")};
  File client_{OrThrow(::socket(AF_INET, SOCK_STREAM, 0), "socket")};
  std::uint16_t port_ = 0;
};

// Blocks until a connection to `port` is on its way (02 is SYN_SENT). Returns
// at once where the system does not tell.
void AwaitConnecting(std::uint16_t port) {
  std::ostringstream wanted;
  wanted << ':' << std::uppercase << std::hex << std::setw(4)
         << std::setfill('0') << port << " 02 ";
  for (;;) {
    std::ifstream file("/proc/net/tcp");
    if (!file) return;
    std::ostringstream connections;
    connections << file.rdbuf();
    if (connections.str().find(wanted.str()) != std::string::npos) return;
    std::this_thread::yield();
  }
}

void TestUnsubscribeInterruptsConnecting(std::size_t capacity) {
  const SilentServer server;
  const fanfare::Channel<std::string> lines(capacity);
  const fanfare::Subscription subscription =
      fanfare::Resubscribe(std::chrono::hours(1), [&](std::stop_token stop) {
        return SubscribeLines(stop, server.port(), lines);
      });
  AwaitConnecting(server.port());
  subscription.Unsubscribe();
  Check(subscription.Err().drained(), "the subscription has not ended");
}

void TestAStopThatCameBeforeInterruptsConnecting(std::size_t) {
  const SilentServer server;
  std::stop_source stop;
  stop.request_stop();
  std::error_code error;
  try {
    Connect(stop.get_token(), server.port());
  } catch (const std::system_error& caught) {
    error = caught.code();
  }
  Check(error == std::errc::operation_canceled, error.message());
}

void TestUnsubscribeInterruptsReading(std::size_t capacity) {
  Server server(0);
  const fanfare::Channel<std::string> lines(capacity);
  const fanfare::Subscription subscription =
      SubscribeLines({}, server.port(), lines);
  server.Accept();
  server.Write("one\ntwo");
  Check(lines.Receive() == "one", "another line came first");
  subscription.Unsubscribe();
  Check(!lines.TryReceive(), "a line came in two pieces");
}

void TestUnsubscribeInterruptsSending(std::size_t capacity) {
  Server server(0);
  const fanfare::Channel<std::string> lines(capacity);
  const fanfare::Subscription subscription =
      SubscribeLines({}, server.port(), lines);
  server.Accept();
  for (std::size_t i = 0; i <= capacity; ++i) server.Write("line\n");
  while (lines.waiting_senders() == 0) std::this_thread::yield();
  subscription.Unsubscribe();
  Check(lines.size() == capacity, "a line was lost");
}

void TestAllLinesComeBeforeTheFailure(std::size_t capacity) {
  constexpr int kLines = 2000;
  std::optional<Server> server(std::in_place, std::uint16_t{0});
  const fanfare::Channel<std::string> lines(capacity);
  const fanfare::Subscription subscription =
      SubscribeLines({}, server->port(), lines);
  server->Accept();
  for (int i = 0; i < kLines; ++i) server->Write(std::to_string(i) + '\n');
  server.reset();

  int next = 0;
  const auto on_line = [&](const std::string& line) {
    Check(line == std::to_string(next), line);
    ++next;
  };
  std::string failure;
  bool subscribed = true;
  while (subscribed) {
    fanfare::Select(
        fanfare::OnReceive(lines, on_line),
        fanfare::OnReceive(subscription.Err(),
                           [&](std::optional<std::exception_ptr> error) {
                             if (error) failure = Describe(*error);
                             subscribed = false;
                           }));
  }
  while (const auto line = lines.TryReceive()) on_line(*line);
  Check(next == kLines, std::to_string(next) + " lines");
  Check(failure == "connection closed by the server", failure);
}

}  // namespace

int main() {
  return check::Run(TestUnsubscribeInterruptsConnecting,
                    TestAStopThatCameBeforeInterruptsConnecting,
                    TestUnsubscribeInterruptsReading,
                    TestUnsubscribeInterruptsSending,
                    TestAllLinesComeBeforeTheFailure);
}
