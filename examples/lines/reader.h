// SPDX-License-Identifier: MIT
//
// The producer of the demo: reads files, folders and standard input, and sends
// what it reads through a feed, in batches of whole lines.

#ifndef EXAMPLES_LINES_READER_H_
#define EXAMPLES_LINES_READER_H_

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "../stop_descriptor.h"
#include "batch.h"

namespace lines {

class Reader {
 public:
  // Sends to `feed` until `stop` is requested.
  Reader(fanfare::Feed<SharedBatch>& feed, std::stop_token stop)
      : feed_(feed), stop_(stop), stop_descriptor_(stop) {}

  // Reads a file, or all text files below a folder, in alphabetical order. What
  // cannot be read is noted in errors(). Blocks until all of it is sent or a
  // stop is requested.
  void Read(const std::filesystem::path& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      ReadFolder(path);
    } else {
      ReadFile(path);
    }
  }

  // The same for standard input, whatever it contains.
  void ReadStandardInput() {
    ReadAll(STDIN_FILENO, "standard input", Accept::kAnything);
  }

  // These may be called at any time from any thread.
  std::uint64_t lines() const { return lines_; }
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t files() const { return files_; }

  // These belong to the reading thread: the files that were skipped because a
  // NUL byte near their beginning tells that they are not text, and a line for
  // each that could not be read.
  std::uint64_t binary_files() const { return binary_files_; }
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  enum class Accept { kText, kAnything };

  static constexpr std::size_t kBlockSize = 64 * 1024;

  void ReadFolder(const std::filesystem::path& folder) {
    namespace fs = std::filesystem;
    std::error_code error;
    std::vector<fs::directory_entry> entries;
    // After an error the iterator is at its end.
    for (fs::directory_iterator it(folder, error);
         it != fs::directory_iterator(); it.increment(error)) {
      entries.push_back(*it);
    }
    if (error) Note(folder, error);
    std::sort(entries.begin(), entries.end());

    for (const fs::directory_entry& entry : entries) {
      if (stop_.stop_requested()) return;
      // Links are not followed: what they lead to is found by itself, or does
      // not belong to the folder.
      const fs::file_status status = entry.symlink_status(error);
      if (error) {
        Note(entry.path(), error);
      } else if (fs::is_directory(status)) {
        ReadFolder(entry.path());
      } else if (fs::is_regular_file(status)) {
        ReadFile(entry.path());
      }
    }
  }

  void ReadFile(const std::filesystem::path& path) {
    const posix::File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.fd() < 0) {
      Note(path, std::error_code(errno, std::generic_category()));
    } else {
      ReadAll(file.fd(), path.string(), Accept::kText);
    }
  }

  void ReadAll(int fd, const std::string& name, Accept accept) {
    std::uint64_t next_line = 1;
    std::string text;  // Read, but not yet sent.
    for (bool first = true;; first = false) {
      const std::size_t old_size = text.size();
      text.resize(old_size + kBlockSize);
      const ssize_t size = ReadSome(fd, text.data() + old_size);
      if (size < 0) {
        // An unfinished line is dropped after a stop, which is no error.
        if (errno != ECANCELED) {
          Note(name, std::error_code(errno, std::generic_category()));
        }
        return;
      }
      text.resize(old_size + static_cast<std::size_t>(size));

      const std::string_view news = std::string_view(text).substr(old_size);
      if (first && accept == Accept::kText &&
          news.find('\0') != std::string_view::npos) {
        ++binary_files_;
        return;
      }
      if (news.empty()) break;

      // Sends the whole lines and keeps the beginning of the next one.
      const std::size_t end = news.rfind('\n');
      if (end == std::string_view::npos) continue;
      std::string rest(news.substr(end + 1));
      text.resize(old_size + end + 1);
      next_line += Send(name, next_line, std::exchange(text, std::move(rest)));
    }
    if (!text.empty()) Send(name, next_line, std::move(text));
    ++files_;
  }

  // Like read(), but fails with ECANCELED when a stop is requested.
  ssize_t ReadSome(int fd, char* buffer) {
    for (;;) {
      if (!stop_descriptor_.Await(fd, POLLIN)) {
        errno = ECANCELED;
        return -1;
      }
      const ssize_t size = ::read(fd, buffer, kBlockSize);
      if (size >= 0 || errno != EINTR) return size;
    }
  }

  std::uint64_t Send(const std::string& name, std::uint64_t first_line,
                     std::string text) {
    const auto batch =
        std::make_shared<const Batch>(name, first_line, std::move(text));
    // Not Send(batch, stop_): the subscribers read on until they are told that
    // nothing more comes, and all of them shall have seen the same lines.
    feed_.Send(batch);
    lines_ += batch->lines().size();
    bytes_ += batch->text().size();
    return batch->lines().size();
  }

  void Note(const std::filesystem::path& path, std::error_code error) {
    errors_.push_back(path.string() + ": " + error.message());
  }

  fanfare::Feed<SharedBatch>& feed_;
  const std::stop_token stop_;
  const posix::StopDescriptor stop_descriptor_;

  std::atomic<std::uint64_t> lines_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> files_ = 0;
  std::uint64_t binary_files_ = 0;
  std::vector<std::string> errors_;
};

}  // namespace lines

#endif  // EXAMPLES_LINES_READER_H_
