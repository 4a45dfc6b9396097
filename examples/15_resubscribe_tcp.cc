// SPDX-License-Identifier: MIT
//
// A subscription to the lines of a TCP server that outlives the server:
// Resubscribe connects again for as long as it takes. Unsubscribe() ends it at
// once, whether it is connecting, reading or waiting. tcp.h has the sockets.

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <fanfare/fanfare.h>

#include "stop_descriptor.h"
#include "tcp.h"

namespace {

using posix::Connect;
using posix::File;
using posix::OrThrow;
using posix::Server;
using posix::StopDescriptor;

// Sends every line that comes from `socket` to `lines`, until stop is
// requested. Throws when the connection is lost.
void ReadLines(const File& socket, const fanfare::Sender<std::string>& lines,
               std::stop_token stop) {
  const StopDescriptor stop_descriptor(stop);
  std::string line;
  std::array<char, 4096> buffer;
  while (stop_descriptor.Await(socket.fd(), POLLIN)) {
    const ssize_t size = ::recv(socket.fd(), buffer.data(), buffer.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (OrThrow(size, "recv") == 0) {
      throw std::runtime_error("connection closed by the server");
    }
    const std::string_view news(buffer.data(), static_cast<std::size_t>(size));
    for (const char c : news) {
      if (c != '\n') {
        line += c;
      } else if (!lines.Send(std::exchange(line, {}), stop)) {
        return;
      }
    }
  }
}

// Subscribes to the lines of the server at `port`. Throws when there is none,
// or `stop` is requested before it has answered; the subscription fails when
// the connection is lost.
fanfare::Subscription SubscribeLines(std::stop_token stop, std::uint16_t port,
                                     fanfare::Sender<std::string> lines) {
  // The subscription has a stop token of its own, which Unsubscribe() requests.
  return fanfare::NewSubscription(
      [socket = Connect(stop, port), lines](std::stop_token unsubscribed) {
        ReadLines(socket, lines, unsubscribed);
      });
}

std::string Describe(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  }
}

}  // namespace

int main() {
  fanfare::Channel<std::string> lines;
  fanfare::Channel<std::string> failures(2);

  std::optional<Server> server(std::in_place, std::uint16_t{0});
  const std::uint16_t port = server->port();

  fanfare::Subscription subscription = fanfare::ResubscribeErr(
      std::chrono::milliseconds(100),
      [=](std::stop_token stop, std::exception_ptr last_error) {
        // Never blocks: failures for which there is no room are dropped.
        if (last_error) failures.TrySend(Describe(last_error));
        return SubscribeLines(stop, port, lines);
      });

  server->Accept();
  server->Write("one\ntwo\nthree\n");
  for (int i = 0; i < 3; ++i) std::puts(lines.Receive()->c_str());

  std::puts("-- the server is killed");
  server.reset();
  for (int i = 0; i < 2; ++i) std::puts(failures.Receive()->c_str());

  std::puts("-- the server is back");
  server.emplace(port);
  server->Accept();
  server->Write("four\nfi");  // A line may well come in two pieces.
  server->Write("ve\n");
  for (int i = 0; i < 2; ++i) std::puts(lines.Receive()->c_str());

  // The client waits for more lines now; Unsubscribe() wakes it and waits for
  // its end.
  subscription.Unsubscribe();
  std::puts("-- unsubscribed");
}
