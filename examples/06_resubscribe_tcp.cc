// SPDX-License-Identifier: MIT
//
// A subscription to the lines of a TCP server that outlives the server:
// ResubscribeErr() connects again, with growing waits, for as long as it takes.
// Here main() plays the server on the loopback interface, is killed and comes
// back. Error handling is real: nothing that can fail goes unchecked.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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

namespace {

// Passes on what a system call returned, unless that is a failure.
template <typename Result>
Result OrThrow(Result result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

// A socket that is closed at the end of its scope.
class Socket {
 public:
  Socket() : Socket(OrThrow(::socket(AF_INET, SOCK_STREAM, 0), "socket")) {}
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }

  int fd() const { return fd_; }

 private:
  int fd_;
};

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// --- The client: the part to copy. -------------------------------------------

// Sends every line that comes from `socket` to `lines`, until stop is
// requested. Throws when the connection is lost.
void ReadLines(const Socket& socket, const fanfare::Sender<std::string>& lines,
               std::stop_token stop) {
  // A blocked recv() knows nothing of stop tokens, but it returns when its
  // socket is shut down.
  const std::stop_callback wake(stop,
                                [&] { ::shutdown(socket.fd(), SHUT_RDWR); });

  std::string line;
  std::array<char, 4096> buffer;
  while (const ssize_t size = OrThrow(
             ::recv(socket.fd(), buffer.data(), buffer.size(), 0), "recv")) {
    const std::string_view news(buffer.data(), static_cast<std::size_t>(size));
    for (const char c : news) {
      if (c != '\n') {
        line += c;
      } else if (!lines.Send(std::exchange(line, {}), stop)) {
        return;
      }
    }
  }
  // After Unsubscribe() nobody sees this: it is a failure only before.
  throw std::runtime_error("connection closed by the server");
}

// Subscribes to the lines of the server at `port`. Throws when there is none;
// the subscription fails when the connection is lost.
fanfare::Subscription SubscribeLines(std::uint16_t port,
                                     fanfare::Sender<std::string> lines) {
  Socket socket;
  const sockaddr_in address = Loopback(port);
  OrThrow(::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof address),
          "connect");
  return fanfare::NewSubscription(
      [socket = std::move(socket), lines](std::stop_token stop) {
        ReadLines(socket, lines, stop);
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
  std::optional<Socket> client_;
  Socket listener_;  // Closed first: nobody connects to a server that goes.
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
      [=](std::stop_token, std::exception_ptr last_error) {
        // Never blocks: failures that nobody is there to read about are lost.
        if (last_error) failures.TrySend(Describe(last_error));
        return SubscribeLines(port, lines);
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

  // The client is blocked in recv() now; Unsubscribe() wakes it and waits.
  subscription.Unsubscribe();
  std::puts("-- unsubscribed");
}
