// SPDX-License-Identifier: MIT
//
// lines_signals_test <program>: interrupts the demo in the middle of endless
// input and checks that it ends in good order, with the results so far; and
// that a second signal kills it. Waits for what the program has done, never for
// a time.

#include <signal.h>
#include <sys/wait.h>

#include <cstdint>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "../tests/program.h"

namespace {

using check::Check;
using check::Program;

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
