// SPDX-License-Identifier: MIT
//
// TCP on the loopback interface, as little as an example needs of it. Every
// call that can fail is checked. For POSIX.

#ifndef EXAMPLES_TCP_H_
#define EXAMPLES_TCP_H_

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>

#include "stop_descriptor.h"

namespace posix {

inline sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// Connects to the server at `port`. Throws when that fails or a stop is
// requested.
inline File Connect(std::stop_token stop, std::uint16_t port) {
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

  // Blocks until a client connects or a stop is requested. Returns false on a
  // stop.
  bool Accept(const StopDescriptor& stop) {
    client_.reset();
    if (!stop.Await(listener_.fd(), POLLIN)) return false;
    Accept();
    return true;
  }
  // Blocks until a client connects.
  void Accept() {
    client_.emplace(
        OrThrow(::accept(listener_.fd(), nullptr, nullptr), "accept"));
  }

  // Returns what the client sends until it has sent `end`, has left, or a stop
  // is requested.
  std::string ReadUntil(std::string_view end, const StopDescriptor& stop) {
    std::string text;
    std::array<char, 1024> buffer;
    while (text.find(end) == std::string::npos &&
           stop.Await(client_->fd(), POLLIN)) {
      const ssize_t size = OrThrow(
          ::recv(client_->fd(), buffer.data(), buffer.size(), 0), "recv");
      if (size == 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return text;
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

}  // namespace posix

#endif  // EXAMPLES_TCP_H_
