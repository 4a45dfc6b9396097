// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_BASE_UNCANCELLED_H_
#define FANFARE_DETAIL_BASE_UNCANCELLED_H_

// An Uncancelled defers a pthread_cancel of the calling thread while the
// library sleeps. An unwinding from there would lose values that are on their
// way, and would run into functions that do not throw.

#include <thread>  // includes <pthread.h> where its threads are POSIX's

#include <fanfare/detail/base/config.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class Uncancelled {
 public:
#if defined(PTHREAD_CANCEL_DISABLE)
  Uncancelled() noexcept {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_);
  }
  ~Uncancelled() {
    int disabled;
    pthread_setcancelstate(before_, &disabled);
  }
#else
  Uncancelled() noexcept {}
#endif
  Uncancelled(const Uncancelled&) = delete;
  Uncancelled& operator=(const Uncancelled&) = delete;

#if defined(PTHREAD_CANCEL_DISABLE)
 private:
  int before_;
#endif
};

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_BASE_UNCANCELLED_H_
