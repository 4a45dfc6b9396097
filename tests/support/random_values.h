// SPDX-License-Identifier: MIT
//
// The values of a random program. Each names the send that it was made for, and
// tells when it was torn or changed.
#ifndef FANFARE_TESTS_SUPPORT_RANDOM_VALUES_H_
#define FANFARE_TESTS_SUPPORT_RANDOM_VALUES_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "random_record.h"

// A number: eight bytes, trivially copyable.
class Number {
 public:
  explicit Number(Sent& sent) : word_(Word(sent.id)) {}

  // The id of its send; 0 if the value is not as it was made.
  [[nodiscard]] std::uint32_t id() const {
    const auto id = static_cast<std::uint32_t>(word_);
    return word_ == Word(id) ? id : 0;
  }
  void Spoil() { word_ = ~word_; }

 private:
  static std::uint64_t Word(std::uint32_t id) {
    return id | std::uint64_t{id * 2654435761U} << 32U;
  }

  std::uint64_t word_;
};

// A kibibyte, trivially copyable. Every word of it names the send.
class Block {
 public:
  explicit Block(Sent& sent) {
    for (std::size_t i = 0; i < words_.size(); ++i)
      words_[i] = Word(sent.id, i);
  }

  [[nodiscard]] std::uint32_t id() const {
    const auto id = static_cast<std::uint32_t>(words_[0]);
    for (std::size_t i = 0; i < words_.size(); ++i) {
      if (words_[i] != Word(id, i)) return 0;
    }
    return id;
  }
  void Spoil() { words_.fill(0); }

 private:
  static std::uint64_t Word(std::uint32_t id, std::size_t place) {
    return id + place * 0x9e3779b97f4a7c15U;
  }

  std::array<std::uint64_t, 128> words_;
};

// A string. Counts how many of it there are, and how often each was copied.
class Sentence {
 public:
  explicit Sentence(Sent& sent) : sent_(&sent), text_(Words(sent.id)) {
    ++alive;
  }
  Sentence(const Sentence& other) : sent_(other.sent_), text_(other.text_) {
    sent_->copies.fetch_add(1, std::memory_order_relaxed);
    alive.fetch_add(1, std::memory_order_relaxed);
  }
  Sentence(Sentence&& other) noexcept
      : sent_(other.sent_), text_(std::move(other.text_)) {
    alive.fetch_add(1, std::memory_order_relaxed);
  }
  Sentence& operator=(const Sentence&) = delete;
  ~Sentence() { alive.fetch_sub(1, std::memory_order_relaxed); }

  [[nodiscard]] std::uint32_t id() const {
    return text_ == Words(sent_->id) ? sent_->id : 0;
  }
  void Spoil() { text_.assign(100, '#'); }

  static inline std::atomic<long> alive = 0;  // moved-from ones included

 private:
  static std::string Words(std::uint32_t id) {
    return "a text that is too long for its own place: " + std::to_string(id);
  }

  Sent* sent_;
  std::string text_;
};

#endif  // FANFARE_TESTS_SUPPORT_RANDOM_VALUES_H_
