// SPDX-License-Identifier: MIT
//
// R2: the waits between attempts, as a function of how long these lasted.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <fanfare/fanfare.h>

#include "support/catch.h"

using fanfare::detail::Backoff;
using std::chrono::nanoseconds;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

namespace {

// The waits after attempts that lasted so long.
std::vector<nanoseconds> Waits(Backoff backoff,
                               const std::vector<nanoseconds>& lasted) {
  std::vector<nanoseconds> waits;
  for (const nanoseconds one : lasted) {
    waits.push_back(backoff.AfterFailure(one));
  }
  return waits;
}

using Times = std::vector<nanoseconds>;

}  // namespace

TEST_CASE("R2: the wait starts at a tenth and doubles up to the maximum") {
  CHECK(Waits(Backoff(10s), Times(7, 0ns)) ==
        Times{1s, 2s, 4s, 8s, 10s, 10s, 10s});
  CHECK(Waits(Backoff(1000ns), Times(6, 0ns)) ==
        Times{100ns, 200ns, 400ns, 800ns, 1000ns, 1000ns});
}

TEST_CASE("R2: an attempt that lasted longer than the maximum starts anew") {
  CHECK(Waits(Backoff(10s), {0s, 0s, 0s, 11s, 0s, 0s}) ==
        Times{1s, 2s, 4s, 1s, 2s, 4s});
  SECTION("at the maximum") {
    CHECK(Waits(Backoff(10s), {0s, 0s, 0s, 0s, 0s, 11s, 11s, 0s}) ==
          Times{1s, 2s, 4s, 8s, 10s, 1s, 1s, 2s});
  }
  SECTION("the first attempt") {
    CHECK(Waits(Backoff(10s), {1h, 0s}) == Times{1s, 2s});
  }
}

TEST_CASE("R2: an attempt that lasted as long as the maximum does not") {
  CHECK(Waits(Backoff(10s), {0s, 0s, 10s, 0s}) == Times{1s, 2s, 4s, 8s});
  CHECK(Waits(Backoff(10s), {0s, 0s, 10s + 1ns, 0s}) == Times{1s, 2s, 1s, 2s});
  // Nor do several that are longer together.
  CHECK(Waits(Backoff(10s), {9s, 9s, 9s, 9s}) == Times{1s, 2s, 4s, 8s});
}

TEST_CASE("R2: the wait never exceeds the maximum nor is it nothing") {
  for (const std::int64_t count :
       {1LL, 2LL, 3LL, 7LL, 9LL, 10LL, 11LL, 15LL, 19LL, 99LL, 101LL, 12345LL,
        1'000'000'007LL, std::numeric_limits<long long>::max()}) {
    const nanoseconds longest(count);
    INFO(count << " ns");
    const Times waits = Waits(Backoff(longest), Times(12, 0ns));
    CHECK(waits.front() == std::max(longest / 10, 1ns));
    CHECK(waits.back() == longest);
    CHECK(std::is_sorted(waits.begin(), waits.end()));
    for (std::size_t i = 1; i < waits.size(); ++i) {
      const bool doubled = waits[i - 1] <= longest / 2
                               ? waits[i] == 2 * waits[i - 1]
                               : waits[i] == longest;
      CHECK(doubled);
    }
  }
}

TEST_CASE("R2: a maximum that is not positive is refused") {
  CHECK_THROWS_AS(Backoff(0s), std::invalid_argument);
  CHECK_THROWS_WITH(Backoff(0s), "fanfare: backoff_max must be positive");
  CHECK_THROWS_AS(Backoff(-1ns), std::invalid_argument);
  CHECK_THROWS_AS(Backoff(nanoseconds::min()), std::invalid_argument);
  CHECK_THROWS_AS(Backoff(std::chrono::hours::min()), std::invalid_argument);
  CHECK_THROWS_AS(Backoff(std::chrono::duration<double>(0.0)),
                  std::invalid_argument);
  CHECK_THROWS_AS(Backoff(std::chrono::duration<double>(
                      std::numeric_limits<double>::quiet_NaN())),
                  std::invalid_argument);
  CHECK_NOTHROW(Backoff(1ns));
}

TEST_CASE("R2: a maximum of any unit counts") {
  using std::chrono::duration;
  CHECK(Backoff(duration<double>(0.5)).AfterFailure(0ns) == 50ms);
  CHECK(Backoff(duration<double>(1e-12)).AfterFailure(0ns) == 1ns);
  CHECK(Backoff(std::chrono::hours(10)).AfterFailure(0ns) == 1h);
  using Ticks = duration<std::int64_t, std::ratio<1, 1193182>>;
  CHECK(Backoff(Ticks(1193182) * 36000).AfterFailure(0ns) == 1h);
  // What is longer than can be counted lasts as long as can be.
  const nanoseconds tenth = nanoseconds::max() / 10;
  CHECK(Backoff(std::chrono::hours::max()).AfterFailure(0ns) == tenth);
  CHECK(Backoff(duration<double>(std::numeric_limits<double>::infinity()))
            .AfterFailure(0ns) == tenth);
  CHECK(Backoff(nanoseconds::max()).AfterFailure(nanoseconds::max()) == tenth);
}
