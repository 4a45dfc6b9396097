// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_CHANNEL_ACCESS_H_
#define FANFARE_DETAIL_CHANNEL_ACCESS_H_

// Access lets the library's other headers reach behind the handle of a channel.

#include <utility>

#include <fanfare/detail/base/platform.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

struct Access {
  template <typename Handle>
  static auto Core(const Handle& handle) noexcept -> decltype(handle.core()) {
    return handle.core();
  }
  template <typename Handle>
  static auto Share(const Handle& handle) noexcept {
    return handle.Share();
  }
  template <typename View, typename Core>
  static View Make(Core core) noexcept {
    return View(std::move(core));
  }
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_CHANNEL_ACCESS_H_
