// SPDX-License-Identifier: MIT
//
// 29_drain_on_sigint_test <program>: interrupts example 29 while its numbers do
// not end, and checks that all stages have ended without a loss.

#include <signal.h>
#include <sys/wait.h>

#include <cstdio>
#include <exception>
#include <string>

#include "program.h"

namespace {

using check::Check;
using check::Program;

void TestTheSignalDrainsThePipeline(const std::string& path) {
  Program program({path, "1000000000000000"});
  const std::string first = program.ReadLine();
  Check(first == "running", first);
  program.Signal(SIGINT);
  const std::string rest = program.Read();
  Check(rest == "interrupted\nnothing was lost\n", rest);
  const int status = program.Wait();
  Check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
        "the wait status is " + std::to_string(status));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    TestTheSignalDrainsThePipeline(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
