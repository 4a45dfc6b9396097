// SPDX-License-Identifier: MIT
//
// Lets poll() wait for a std::stop_token beside a file or a socket, so that a
// thread which reads, writes or connects can be told to stop. For POSIX.

#ifndef EXAMPLES_STOP_DESCRIPTOR_H_
#define EXAMPLES_STOP_DESCRIPTOR_H_

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <optional>
#include <stop_token>
#include <system_error>
#include <utility>

namespace posix {

// Passes on what a system call returned, unless that is a failure.
template <typename Result>
Result OrThrow(Result result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

// An open file or socket, closed at the end of its scope.
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }

  int fd() const { return fd_; }

 private:
  int fd_;
};

// A file descriptor that becomes readable once a stop has been requested.
class StopDescriptor {
 public:
  explicit StopDescriptor(std::stop_token stop)
      : ends_(MakePipe()),
        read_end_(ends_[0]),
        write_end_(ends_[1]),
        // The end of the pipe is its message.
        wake_(std::move(stop), [this] { write_end_.reset(); }) {}

  // Blocks until `fd` is ready for `events` (POLLIN, POLLOUT), which includes
  // that it has failed, or a stop is requested. Returns false on a stop.
  bool Await(int fd, short events) const {
    std::array<pollfd, 2> either{
        {{fd, events, 0}, {read_end_.fd(), POLLIN, 0}}};
    while (::poll(either.data(), either.size(), -1) < 0) {
      if (errno != EINTR) OrThrow(-1, "poll");
    }
    return either[1].revents == 0;
  }

 private:
  static std::array<int, 2> MakePipe() {
    std::array<int, 2> ends;
    OrThrow(::pipe(ends.data()), "pipe");
    return ends;
  }

  const std::array<int, 2> ends_;
  const File read_end_;
  std::optional<File> write_end_;
  const std::stop_callback<std::function<void()>> wake_;
};

}  // namespace posix

#endif  // EXAMPLES_STOP_DESCRIPTOR_H_
