// SPDX-License-Identifier: MIT
//
// 30_metrics_test <program> <expected answer> [<curl>]: asks example 30 once
// for its metrics, with curl or with a socket, compares the answer, and stops
// the program.

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <stop_token>
#include <string>
#include <string_view>

#include "../prometheus.h"
#include "../tcp.h"
#include "program.h"

namespace {

using check::Check;
using check::OrThrow;
using check::Program;

std::string AskWithCurl(const std::string& curl, const std::string& url) {
  Program program({curl, "-q", "--silent", "--show-error", "--fail",
                   "--max-time", "30", "--noproxy", "*", url});
  const std::string body = program.Read();
  const int status = program.Wait();
  Check(status == 0, "curl ended with " + std::to_string(status));
  return body;
}

std::string AskWithSocket(const std::string& url) {
  const std::string port = url.substr(url.rfind(':') + 1);
  const posix::StopDescriptor never{std::stop_token()};
  const posix::File socket =
      posix::Connect({}, static_cast<std::uint16_t>(std::stoi(port)));
  constexpr std::string_view kRequest = "GET /metrics HTTP/1.1\r\n\r\n";
  never.Await(socket.fd(), POLLOUT);
  Check(::send(socket.fd(), kRequest.data(), kRequest.size(), 0) ==
            static_cast<ssize_t>(kRequest.size()),
        "the request was not sent");
  std::string answer;
  std::array<char, 1024> buffer;
  for (;;) {
    never.Await(socket.fd(), POLLIN);
    const ssize_t size =
        OrThrow(::recv(socket.fd(), buffer.data(), buffer.size(), 0), "recv");
    if (size == 0) break;
    answer.append(buffer.data(), static_cast<std::size_t>(size));
  }
  Check(answer.starts_with("HTTP/1.1 200 OK\r\n"), answer);
  const std::size_t end = answer.find("\r\n\r\n");
  Check(end != std::string::npos, answer);
  const std::string body = answer.substr(end + 4);
  Check(answer.find("\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\n") < end,
        answer);
  return body;
}

// Replaces the time of the Send that waits, which must be above 0.
std::string WithoutTheTime(std::string body) {
  const std::string label =
      "blocking_seconds{feed=\"ticks\",subscriber=\"archive\"} ";
  const std::size_t found = body.find(label);
  Check(found != std::string::npos, body);
  const std::size_t begin = found + label.size();
  const std::size_t end = body.find('\n', begin);
  Check(std::stod(body.substr(begin, end - begin)) > 0, body);
  return body.replace(begin, end - begin, "<time>");
}

template <typename Ask>
void TestTheAnswerIsTheReport(const std::string& path,
                              const std::string& expected, Ask ask) {
  Program program({path});
  const std::string url = program.ReadLine();
  Check(url.starts_with("http://127.0.0.1:"), url);
  const std::string body = WithoutTheTime(ask(url));
  Check(body == expected, body);
  program.Signal(SIGINT);
  const std::string rest = program.Read();
  Check(rest == "stopped\n", rest);
  const int status = program.Wait();
  Check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
        "the wait status is " + std::to_string(status));
}

// A client that leaves without a request does not end the server.
void TestAClientThatLeavesDoesNoHarm(const std::string& path) {
  Program program({path});
  const std::string url = program.ReadLine();
  const std::string port = url.substr(url.rfind(':') + 1);
  for (int i = 0; i < 3; ++i) {
    posix::Connect({}, static_cast<std::uint16_t>(std::stoi(port)));
  }
  Check(!AskWithSocket(url).empty(), "there is no answer");
}

void TestLabelsAreEscaped() {
  const std::string quoted = prometheus::Quoted("a\\b \"c\"\nd");
  Check(quoted == R"("a\\b \"c\"\nd")", quoted);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  ::signal(SIGPIPE, SIG_IGN);
  try {
    std::ifstream file(argv[2]);
    const std::string expected{std::istreambuf_iterator<char>(file), {}};
    TestLabelsAreEscaped();
    TestTheAnswerIsTheReport(argv[1], expected, AskWithSocket);
    TestAClientThatLeavesDoesNoHarm(argv[1]);
    if (argc > 3) {
      TestTheAnswerIsTheReport(argv[1], expected, [&](const std::string& url) {
        return AskWithCurl(argv[3], url);
      });
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
