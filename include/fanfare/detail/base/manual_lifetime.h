// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_MANUAL_LIFETIME_H_
#define FANFARE_DETAIL_BASE_MANUAL_LIFETIME_H_

// A ManualLifetime is memory for one T that is constructed and destroyed
// explicitly.

#include <cstddef>

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

template <typename T>
class ManualLifetime {
 public:
  ManualLifetime() noexcept {
  }  // not "= default": that would clear the memory of `ManualLifetime{}`
  ManualLifetime(const ManualLifetime&) = delete;
  ManualLifetime& operator=(const ManualLifetime&) = delete;
  [[nodiscard]] T* get() noexcept {
    return static_cast<T*>(static_cast<void*>(bytes_));
  }

 private:
  alignas(T) std::byte bytes_[sizeof(T)];
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_MANUAL_LIFETIME_H_
