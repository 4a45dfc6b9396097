// SPDX-License-Identifier: MIT
//
// lines_signals_test <program>: interrupts the demo in the middle of endless
// input and checks that it ends in good order, with the results so far; and
// that a second signal kills it. Waits for what the program has done, never for
// a time.

#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

template <typename Result>
Result OrThrow(Result result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

void Check(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

// The running demo between two pipes. It is killed at the end of the scope
// unless it has ended before.
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

constexpr std::string_view kLine = "Stop me if you have heard this before\n";

// Far more than a pipe holds: once it is written, the program must have begun
// to read, and before that it has prepared for signals.
constexpr std::uint64_t kManyLines = 100'000;

// Standard input never ends, so nothing but the signal can have ended it.
void TestInterrupted(const std::string& path, int signal) {
  Program program({path, "--plain", "--match", "heard", "--top", "1"});
  std::uint64_t written = 0;
  while (program.Write(kLine)) {
    if (++written == kManyLines) program.Signal(signal);
  }
  const std::string output = program.Read();
  const int status = program.Wait();
  Check(WIFEXITED(status) && WEXITSTATUS(status) == 128 + signal,
        "the wait status is " + std::to_string(status));

  // Partial, but of a piece: all subscribers have seen the same lines.
  std::uint64_t lines = 0;
  std::istringstream(output).ignore(6) >> lines;
  Check(lines > 0 && lines <= written, output);
  const std::string count = std::to_string(lines);
  const std::string bytes = std::to_string(lines * kLine.size());
  Check(output == "lines\t" + count + "\nbytes\t" + bytes +
                      "\nlongest\t37\tstandard input\t1\nmatches\t" + count +
                      "\nwords\t8\nword\tbefore\t" + count +
                      "\nfiles\t0\nbinary\t0\nunreadable\t0\n",
        output);
}

// Standard input is open, but nothing more comes.
void TestInterruptedWhileIdle(const std::string& path) {
  Program program({path, "--plain"});
  for (std::uint64_t i = 0; i < kManyLines; ++i) program.Write(kLine);
  program.Signal(SIGINT);
  const std::string output = program.Read();
  const int status = program.Wait();
  Check(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGINT,
        "the wait status is " + std::to_string(status));
  Check(output.starts_with("lines\t"), output);
}

// It has so much to print that the pipe is full before its end; and that it
// prints tells that the first signal has come.
void TestKilledByTheSecond(const std::string& path) {
  Program program({path, "--plain", "--top", "100000"});
  for (std::uint64_t i = 0; i < kManyLines; ++i) {
    std::string word;
    for (std::uint64_t rest = i; word.size() < 20; rest /= 26) {
      word += static_cast<char>('a' + rest % 26);
    }
    program.Write(word + '\n');
  }
  program.Signal(SIGINT);
  program.WaitForOutput();
  program.Signal(SIGINT);
  const int status = program.Wait();
  Check(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT,
        "the wait status is " + std::to_string(status));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: lines_signals_test <path of lines>\n";
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);  // write() says EPIPE instead.
  try {
    TestInterrupted(argv[1], SIGINT);
    TestInterrupted(argv[1], SIGTERM);
    TestInterruptedWhileIdle(argv[1]);
    TestKilledByTheSecond(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << "lines_signals_test: " << error.what() << '\n';
    return 1;
  }
}
