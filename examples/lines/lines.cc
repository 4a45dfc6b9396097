// SPDX-License-Identifier: MIT
//
// Reads text from files, folders or standard input and fans it out through one
// Feed to analyses that work in parallel, each in a thread and at a pace of its
// own. Their channels are bounded: when one lags it slows the reader down
// instead of filling the memory, and the progress line shows which one it is.

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "analyses.h"
#include "batch.h"
#include "reader.h"
#include "signals.h"

namespace {

using lines::Analysis;
using lines::Bytes;
using lines::Grouped;
using lines::Reader;
using lines::SharedBatch;

constexpr std::string_view kUsage =
    R"(usage: lines [--match REGEX] [--top N] [--plain] [FILE or FOLDER]...

Counts the lines of text files, finds the longest one, those that match and the
most frequent words, all at the same time. Folders are read with all that is
below them, links and binary files left out. Reads standard input when there is
no FILE, or where it is '-'. Ctrl-C ends it with the results so far.

  --match REGEX  counts the lines that match, as 'grep -cE' does
  --top N        prints the N most frequent words (default 10)
  --plain        prints fields separated by tabs, for programs to read
  --help         prints this

exit status: 0: all was read; 1: something could not be read; 2: bad option;
130: ended by Ctrl-C
)";

struct Options {
  std::optional<std::string> match;
  std::size_t top = 10;
  bool plain = false;
  bool help = false;
  std::vector<std::string> paths;
};

// Throws std::invalid_argument with a line for the user.
Options ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  bool only_paths = false;
  for (auto it = arguments.begin(); it != arguments.end(); ++it) {
    // Both `--name value` and `--name=value`.
    const std::string name = it->substr(0, it->find('='));
    const auto value = [&]() -> std::string {
      if (name.size() < it->size()) return it->substr(name.size() + 1);
      if (++it == arguments.end()) {
        throw std::invalid_argument(name + " needs a value");
      }
      return *it;
    };

    if (only_paths || !it->starts_with('-') || *it == "-") {
      options.paths.push_back(*it);
    } else if (*it == "--") {
      only_paths = true;
    } else if (name == "--match") {
      options.match = value();
    } else if (name == "--top") {
      const std::string number = value();
      const char* const end = number.data() + number.size();
      const auto [rest, error] =
          std::from_chars(number.data(), end, options.top);
      if (error != std::errc() || rest != end) {
        throw std::invalid_argument("--top needs a number, not '" + number +
                                    "'");
      }
    } else if (*it == "--plain") {
      options.plain = true;
    } else if (*it == "--help") {
      options.help = true;
    } else {
      throw std::invalid_argument("unknown option '" + *it + "'");
    }
  }
  return options;
}

// A subscriber: an analysis, its thread and the channel that leads to it.
class Worker {
 public:
  Worker(fanfare::Feed<SharedBatch>& feed, std::unique_ptr<Analysis> analysis)
      : analysis_(std::move(analysis)),
        subscription_(feed.Subscribe(batches_)),
        thread_([this] {
          for (const SharedBatch& batch : batches_) analysis_->Add(*batch);
        }) {}

  ~Worker() { batches_.Close(); }

  // Closes the worker's channel and waits until it has processed the batches
  // that were left in it.
  const Analysis& Finish() {
    batches_.Close();
    if (thread_.joinable()) thread_.join();
    return *analysis_;
  }

  // "count 3": the batches that wait for it.
  std::string Backlog() const {
    return std::string(analysis_->name()) + ' ' +
           std::to_string(batches_.size());
  }

 private:
  // Enough for the reader to run ahead while another worker lags; more would
  // only be more memory.
  static constexpr std::size_t kCapacity = 16;

  const std::unique_ptr<Analysis> analysis_;
  const fanfare::Channel<SharedBatch> batches_{kCapacity};
  const fanfare::Subscription subscription_;
  std::jthread thread_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

Workers StartWorkers(fanfare::Feed<SharedBatch>& feed, const Options& options) {
  std::vector<std::unique_ptr<Analysis>> analyses;
  analyses.push_back(std::make_unique<lines::Count>());
  analyses.push_back(std::make_unique<lines::Longest>());
  if (options.match) {
    analyses.push_back(std::make_unique<lines::Match>(*options.match));
  }
  analyses.push_back(std::make_unique<lines::Words>(options.top));

  Workers workers;
  for (std::unique_ptr<Analysis>& analysis : analyses) {
    workers.push_back(std::make_unique<Worker>(feed, std::move(analysis)));
  }
  return workers;
}

// Redraws one line of the terminal ten times a second, until told to stop.
void ShowProgress(std::stop_token stop, const Reader& reader,
                  const Workers& workers) {
  constexpr std::string_view kClearLine = "\r\033[K";
  // Select returns the index of the case that went ahead: 0 is the timeout.
  while (fanfare::Select(fanfare::OnTimeout(std::chrono::milliseconds(100)),
                         fanfare::OnStop(stop)) == 0) {
    std::ostringstream line;
    line << kClearLine << Grouped(reader.lines()) << " lines, "
         << Bytes(static_cast<double>(reader.bytes())) << ", waiting:";
    for (const auto& worker : workers) line << "  " << worker->Backlog();
    std::cerr << line.str() << std::flush;
  }
  std::cerr << kClearLine << std::flush;
}

void PrintResults(const Options& options, const Reader& reader,
                  const Workers& workers) {
  for (const auto& worker : workers) {
    const Analysis& analysis = worker->Finish();
    if (options.plain) {
      analysis.PrintPlain(std::cout);
    } else {
      std::cout << std::left << std::setw(9) << analysis.name() << std::right;
      analysis.Print(std::cout);
    }
  }

  const std::size_t unreadable = reader.errors().size();
  if (options.plain) {
    std::cout << "files\t" << reader.files() << "\nbinary\t"
              << reader.binary_files() << "\nunreadable\t" << unreadable
              << '\n';
  } else {
    std::cout << "files    " << Grouped(reader.files()) << " read, "
              << Grouped(reader.binary_files()) << " skipped as binary, "
              << Grouped(unreadable) << " unreadable\n";
  }
}

int Run(const Options& options) {
  const lines::SignalWatcher signals;  // Before any other thread.

  fanfare::Feed<SharedBatch> feed;
  const Workers workers = StartWorkers(feed, options);
  Reader reader(feed, signals.stop_token());

  std::jthread progress;
  if (::isatty(STDERR_FILENO) != 0) {
    progress =
        std::jthread(ShowProgress, std::cref(reader), std::cref(workers));
  }
  if (options.paths.empty()) reader.ReadStandardInput();
  for (const std::string& path : options.paths) {
    if (path == "-") {
      reader.ReadStandardInput();
    } else {
      reader.Read(path);
    }
  }
  progress = {};  // Stops and joins it: the terminal is free for the results.

  for (const std::string& error : reader.errors()) {
    std::cerr << "lines: " << error << '\n';
  }
  const int signal = signals.signal();
  if (signal != 0) {
    std::cerr << "lines: interrupted, these are the results so far\n";
  }
  PrintResults(options, reader, workers);
  if (!std::cout.flush()) throw std::runtime_error("cannot write the results");

  if (signal != 0) return 128 + signal;
  return reader.errors().empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = ParseOptions({argv + 1, argv + argc});
    if (options.help) {
      std::cout << kUsage;
      return EXIT_SUCCESS;
    }
    return Run(options);
  } catch (const std::invalid_argument& error) {
    std::cerr << "lines: " << error.what() << " (see --help)\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "lines: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
