// SPDX-License-Identifier: MIT
//
// A subscription to the lines of a TCP server that outlives the server:
// ResubscribeErr() connects again, with growing waits, for as long as it takes.
// Unsubscribe() ends it at once, whether it is connecting, reading or waiting.
// main() also runs the server, on the loopback interface, stops it and restarts
// it. Every call that can fail is checked.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
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
#include <system_error>
#include <utility>

#include <fanfare/fanfare.h>

#include "stop_descriptor.h"

namespace {

using posix::File;
using posix::OrThrow;
using posix::StopDescriptor;

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// --- The client: the part to copy. -------------------------------------------

// Connects to the server at `port`. Throws when that fails or a stop is
// requested.
File Connect(std::stop_token stop, std::uint16_t port) {
  File socket(OrThrow(::socket(AF_INET, SOCK_STREAM, 0), "socket"));
  // A connect() that blocks would know nothing of stop tokens, and a server
  // that does not answer would block it for minutes.
  OrThrow(::fcntl(socket.fd(), F_SETFL, O_NONBLOCK), "fcntl");
  const sockaddr_in address = Loopback(port);
  if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address),
                sizeof address) == 0) {
    return socket;
  }
  // In both of these cases the system goes on connecting.
  if (errno != EINPROGRESS && errno != EINTR) OrThrow(-1, "connect");
  if (!StopDescriptor(stop).Await(socket.fd(), POLLOUT)) {
    throw std::system_error(std::make_error_code(std::errc::operation_canceled),
                            "connect");
  }
  int error = 0;
  socklen_t length = sizeof error;
  OrThrow(::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &error, &length),
          "getsockopt");
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "connect");
  }
  return socket;
}

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

// --- The server. -------------------------------------------------------------

// Listens for one client at a time, on `port` or, if that is 0, on a free one.
class Server {
 public:
  explicit Server(std::uint16_t port) {
    const int yes = 1;  // So that it can come back to the same port at once.
    OrThrow(::setsockopt(listener_.fd(), SOL_SOCKET, SO_REUSEADDR, &yes,
                         sizeof yes),
            "setsockopt");
    sockaddr_in address = Loopback(port);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    OrThrow(::bind(listener_.fd(), generic, length), "bind");
    OrThrow(::listen(listener_.fd(), 1), "listen");
    OrThrow(::getsockname(listener_.fd(), generic, &length), "getsockname");
    port_ = ntohs(address.sin_port);
  }

  std::uint16_t port() const { return port_; }

  // Blocks until a client connects.
  void Accept() {
    client_.emplace(
        OrThrow(::accept(listener_.fd(), nullptr, nullptr), "accept"));
  }

  void Write(std::string_view text) {
    while (!text.empty()) {
      // MSG_NOSIGNAL: a client that is gone is an error here, not a SIGPIPE.
      const ssize_t sent =
          OrThrow(::send(client_->fd(), text.data(), text.size(), MSG_NOSIGNAL),
                  "send");
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

 private:
  std::optional<File> client_;
  // Closed first, so that no client connects during the shutdown.
  File listener_{OrThrow(::socket(AF_INET, SOCK_STREAM, 0), "socket")};
  std::uint16_t port_ = 0;
};

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
