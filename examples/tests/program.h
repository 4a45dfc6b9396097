// SPDX-License-Identifier: MIT
//
// A program that a test runs, between two pipes. For POSIX.

#ifndef EXAMPLES_TESTS_PROGRAM_H_
#define EXAMPLES_TESTS_PROGRAM_H_

#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../stop_descriptor.h"
#include "check.h"

namespace check {

using posix::OrThrow;

// The running program. It is killed at the end of the scope unless it has ended
// before.
class Program {
 public:
  explicit Program(std::vector<std::string> command) {
    std::array<int, 2> in;
    std::array<int, 2> out;
    OrThrow(::pipe(in.data()), "pipe");
    OrThrow(::pipe(out.data()), "pipe");
    pid_ = OrThrow(::fork(), "fork");
    if (pid_ == 0) {
      // The caller of the tests may have told them to ignore the signals.
      ::signal(SIGINT, SIG_DFL);
      ::signal(SIGTERM, SIG_DFL);
      ::signal(SIGPIPE, SIG_DFL);
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      std::vector<char*> arguments;
      for (std::string& argument : command)
        arguments.push_back(argument.data());
      arguments.push_back(nullptr);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }

  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(in_);
    ::close(out_);
  }

  // Blocks while the pipe is full. False: the program has ended.
  bool Write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t size = ::write(in_, text.data(), text.size());
      if (size < 0 && errno == EPIPE) return false;
      text.remove_prefix(static_cast<std::size_t>(OrThrow(size, "write")));
    }
    return true;
  }

  void Signal(int signal) { OrThrow(::kill(pid_, signal), "kill"); }

  // Blocks until the program prints something.
  void WaitForOutput() {
    pollfd output{out_, POLLIN, 0};
    OrThrow(::poll(&output, 1, -1), "poll");
  }

  // All that it prints until its end.
  std::string Read() {
    std::string text;
    std::array<char, 4096> buffer;
    while (const ssize_t size =
               OrThrow(::read(out_, buffer.data(), buffer.size()), "read")) {
      text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return text;
  }

  // The next line that it prints, or what it prints until its end.
  std::string ReadLine() {
    std::string line;
    char c = 0;
    while (OrThrow(::read(out_, &c, 1), "read") == 1 && c != '\n') line += c;
    return line;
  }

  // Blocks until it ends; as waitpid() tells it.
  int Wait() {
    int status = 0;
    OrThrow(::waitpid(pid_, &status, 0), "waitpid");
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
};

}  // namespace check

#endif  // EXAMPLES_TESTS_PROGRAM_H_
