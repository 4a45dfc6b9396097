// SPDX-License-Identifier: MIT
//
// What the demo sends through its feed: not single lines but batches of them,
// cut once and shared by all subscribers. A batch costs what a single line
// would, and holds a thousand: that is what makes the example fast.

#ifndef EXAMPLES_LINES_BATCH_H_
#define EXAMPLES_LINES_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lines {

// Some lines of one file, immutable. Its views refer to its own text, so it
// stays where it was made.
class Batch {
 public:
  // The first line of `text` is line `first_line` of the file `name`.
  Batch(std::string name, std::uint64_t first_line, std::string text)
      : name_(std::move(name)),
        first_line_(first_line),
        text_(std::move(text)) {
    std::string_view rest = text_;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      lines_.push_back(rest.substr(0, end));
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }

  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t first_line() const { return first_line_; }

  // All bytes as they were read, and the lines without their '\n'.
  std::string_view text() const { return text_; }
  const std::vector<std::string_view>& lines() const { return lines_; }

 private:
  const std::string name_;
  const std::uint64_t first_line_;
  const std::string text_;
  std::vector<std::string_view> lines_;
};

using SharedBatch = std::shared_ptr<const Batch>;

}  // namespace lines

#endif  // EXAMPLES_LINES_BATCH_H_
