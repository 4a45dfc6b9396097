// SPDX-License-Identifier: MIT
//
// What the subscribers of the demo do with the lines. There is no lock and no
// atomic in here: each analysis belongs to the one thread that feeds it, until
// that thread is joined and the result is printed.

#ifndef EXAMPLES_LINES_ANALYSES_H_
#define EXAMPLES_LINES_ANALYSES_H_

#include <regex.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <memory>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "batch.h"

namespace lines {

// 1234567 as 1,234,567.
inline std::string Grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t end = digits.size(); end > 3;) {
    digits.insert(end -= 3, ",");
  }
  return digits;
}

// 1234567 as 1.2 MB.
inline std::string Bytes(double number) {
  constexpr std::array<const char*, 4> kUnits = {" B", " kB", " MB", " GB"};
  std::size_t unit = 0;
  for (; number >= 999.5 && unit + 1 < kUnits.size(); ++unit) number /= 1000;
  std::ostringstream out;
  out << std::fixed << std::setprecision(unit == 0 || number >= 99.95 ? 0 : 1)
      << number << kUnits[unit];
  return out.str();
}

class Analysis {
 public:
  virtual ~Analysis() = default;

  virtual std::string_view name() const = 0;
  virtual void Add(const Batch& batch) = 0;

  // For people; the name of the analysis is in front of it already.
  virtual void Print(std::ostream& out) const = 0;

  // For programs: lines of fields that are separated by tabs, without anything
  // that differs from one run to the next.
  virtual void PrintPlain(std::ostream& out) const = 0;
};

// Lines, bytes, and how fast they came.
class Count final : public Analysis {
 public:
  std::string_view name() const override { return "count"; }

  void Add(const Batch& batch) override {
    lines_ += batch.lines().size();
    bytes_ += batch.text().size();
    end_ = Clock::now();
  }

  void Print(std::ostream& out) const override {
    const double seconds =
        std::max(1e-6, std::chrono::duration<double>(end_ - start_).count());
    const double lines_per_second = static_cast<double>(lines_) / seconds;
    out << Grouped(lines_) << " lines, " << Grouped(bytes_) << " bytes in "
        << std::fixed << std::setprecision(2) << seconds
        << " s: " << Grouped(static_cast<std::uint64_t>(lines_per_second))
        << " lines/s, " << Bytes(static_cast<double>(bytes_) / seconds)
        << "/s\n";
  }

  void PrintPlain(std::ostream& out) const override {
    out << "lines\t" << lines_ << "\nbytes\t" << bytes_ << '\n';
  }

 private:
  using Clock = std::chrono::steady_clock;

  std::uint64_t lines_ = 0;
  std::uint64_t bytes_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point end_ = start_;
};

// The longest line in bytes, and where it is; the first one of equals.
class Longest final : public Analysis {
 public:
  std::string_view name() const override { return "longest"; }

  void Add(const Batch& batch) override {
    for (std::size_t i = 0; i < batch.lines().size(); ++i) {
      if (batch.lines()[i].size() > size_ || line_ == 0) {
        size_ = batch.lines()[i].size();
        file_ = batch.name();
        line_ = batch.first_line() + i;
      }
    }
  }

  void Print(std::ostream& out) const override {
    if (line_ == 0) {
      out << "no line at all\n";
    } else {
      out << Grouped(size_) << " bytes at " << file_ << ':' << line_ << '\n';
    }
  }

  void PrintPlain(std::ostream& out) const override {
    out << "longest\t" << size_ << '\t' << file_ << '\t' << line_ << '\n';
  }

 private:
  std::size_t size_ = 0;
  std::string file_;
  std::uint64_t line_ = 0;
};

// Lines that match an extended regular expression, as `grep -cE` counts them.
// POSIX, not std::regex: libstdc++'s recurses for every character of a match,
// and so crashes on lines that are long enough.
class Match final : public Analysis {
 public:
  explicit Match(std::string pattern) : pattern_(std::move(pattern)) {
    auto compiled = std::make_unique<regex_t>();
    const int error =
        regcomp(compiled.get(), pattern_.c_str(), REG_EXTENDED | REG_NOSUB);
    if (error != 0) {
      std::array<char, 128> text;
      regerror(error, compiled.get(), text.data(), text.size());
      throw std::invalid_argument("'" + pattern_ + "': " + text.data());
    }
    regex_.reset(compiled.release());
  }

  std::string_view name() const override { return "match"; }

  void Add(const Batch& batch) override {
    for (const std::string_view line : batch.lines()) {
      line_ = line;  // regexec() needs a NUL at the end.
      if (regexec(regex_.get(), line_.c_str(), 0, nullptr, 0) == 0) ++matches_;
    }
    lines_ += batch.lines().size();
  }

  void Print(std::ostream& out) const override {
    const double percent =
        100.0 * static_cast<double>(matches_) /
        static_cast<double>(std::max<std::uint64_t>(lines_, 1));
    out << Grouped(matches_) << " lines match " << pattern_ << " ("
        << std::fixed << std::setprecision(1) << percent << " %)\n";
  }

  void PrintPlain(std::ostream& out) const override {
    out << "matches\t" << matches_ << '\n';
  }

 private:
  struct Free {
    void operator()(regex_t* regex) const {
      regfree(regex);
      delete regex;
    }
  };

  const std::string pattern_;
  std::unique_ptr<regex_t, Free> regex_;
  std::string line_;
  std::uint64_t lines_ = 0;
  std::uint64_t matches_ = 0;
};

// The most frequent words. A word is a run of ASCII letters in lower case.
class Words final : public Analysis {
 public:
  explicit Words(std::size_t top) : top_(top) {}

  std::string_view name() const override { return "words"; }

  void Add(const Batch& batch) override {
    // A batch consists of whole lines, so no word reaches beyond it.
    std::string word;
    for (const char c : batch.text()) {
      if (const char letter = kLetters[static_cast<unsigned char>(c)]) {
        word += letter;
      } else if (!word.empty()) {
        ++counts_[word];
        word.clear();
      }
    }
    if (!word.empty()) ++counts_[word];
  }

  void Print(std::ostream& out) const override {
    constexpr std::size_t kBarWidth = 40;
    const std::vector<Entry> top = Top();
    out << Grouped(counts_.size()) << " different ones";
    if (!top.empty()) out << ", most often:";
    out << '\n';
    for (const auto& [word, count] : top) {
      out << std::setw(9) << "" << std::left << std::setw(16) << word
          << std::right << std::setw(12) << Grouped(count) << "  ";
      const std::uint64_t bar =
          (count * kBarWidth + top.front().second - 1) / top.front().second;
      for (std::uint64_t i = 0; i < bar; ++i) out << "▄";
      out << '\n';
    }
  }

  void PrintPlain(std::ostream& out) const override {
    out << "words\t" << counts_.size() << '\n';
    for (const auto& [word, count] : Top()) {
      out << "word\t" << word << '\t' << count << '\n';
    }
  }

 private:
  using Entry = std::pair<std::string_view, std::uint64_t>;

  // Every byte's letter in lower case; 0 for what is not a letter.
  static constexpr std::array<char, 256> kLetters = [] {
    std::array<char, 256> letters{};
    for (char c = 'a'; c <= 'z'; ++c) {
      letters[static_cast<unsigned char>(c)] = c;
      letters[static_cast<unsigned char>(c - 'a' + 'A')] = c;
    }
    return letters;
  }();

  // By count, and words that are equally frequent alphabetically.
  std::vector<Entry> Top() const {
    std::vector<Entry> entries(counts_.begin(), counts_.end());
    const auto end = entries.begin() + static_cast<std::ptrdiff_t>(
                                           std::min(top_, entries.size()));
    std::partial_sort(entries.begin(), end, entries.end(),
                      [](const Entry& a, const Entry& b) {
                        return a.second != b.second ? a.second > b.second
                                                    : a.first < b.first;
                      });
    entries.erase(end, entries.end());
    return entries;
  }

  const std::size_t top_;
  std::unordered_map<std::string, std::uint64_t> counts_;
};

}  // namespace lines

#endif  // EXAMPLES_LINES_ANALYSES_H_
