// SPDX-License-Identifier: MIT
#ifndef FANFARE_JOIN_SUBSCRIPTIONS_H_
#define FANFARE_JOIN_SUBSCRIPTIONS_H_

// JoinSubscriptions: combines several subscriptions into one, which ends them
// together.
//
//   Subscription both = JoinSubscriptions(heads.Subscribe(head_channel),
//                                         logs.Subscribe(log_channel));
//
// Thread safety: all member functions may be called concurrently. A single
// handle object follows the rules of std::shared_ptr: assigning to it or
// destroying it must not race with another use of the same object.
// (The handle is the Subscription that is returned.)
//
// Differences from Go: a join ends when all of its members have ended without
// an error. A join without members ends at once. An error is reported when all
// members have ended.

#include <concepts>
#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

#include <fanfare/select.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

/// Returns a subscription that ends when all `members` have ended.
///
/// As soon as one member ends with an error, the join requests the end of all
/// members. Err() delivers that first error when all have ended. If all members
/// end without an error, so does the join. An empty member counts as ended.
///
/// Never blocks, except where the call throws. Unsubscribe() on the result
/// requests the end of all members, then waits for them.
///
/// If memory is missing to wait for all members, Err() delivers std::bad_alloc.
///
/// \throws std::system_error if no thread can be started, and std::bad_alloc.
/// The members are unsubscribed then.
/// \par Complexity
/// Starts one thread, unless all members are empty. The time is quadratic in
/// the number of members if they end one at a time.
/// (U7)
//
// This is a template, as some functions below are, so that a program that does
// not call it does not spend time to compile it.
template <typename = void>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
JoinSubscriptions(std::vector<Subscription> members);

/// \overload
template <std::convertible_to<Subscription>... Members>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
JoinSubscriptions(Members... members);

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------
/// \cond

namespace detail {

// Waits until all members have ended, one has ended with an error, or a stop is
// requested. Returns the error or null. (StopToken and Cases are parameters
// only because code that depends on no parameter is compiled in every program.)
template <typename StopToken, typename Cases = std::vector<SelectCase>>
std::exception_ptr WatchMembers(const std::vector<Subscription>& members,
                                const StopToken& stop) {
  std::exception_ptr failure;
  Cases cases;
  cases.reserve(members.size() + 1);
  cases.emplace_back(OnStop(stop));
  for (const Subscription& member : members) {
    cases.emplace_back(OnEnd(
        member, [&](std::exception_ptr error) { failure = std::move(error); }));
  }
  while (cases.size() > 1 && failure == nullptr) {
    const std::size_t chosen = Select(cases);
    if (chosen == 0) break;  // the stop
    std::swap(cases[chosen], cases.back());
    cases.pop_back();
  }
  return failure;
}

// Owns the members, a vector of Subscription, and ends them in its destructor.
template <typename Members>
class JoinedMembers {
 public:
  explicit JoinedMembers(Members members) noexcept
      : members_(std::move(members)) {}
  JoinedMembers(JoinedMembers&&) = default;
  // Requests the end of all members, then waits for them.
  ~JoinedMembers() {
    for (const Subscription& member : members_) member.RequestUnsubscribe();
    for (const Subscription& member : members_) member.Unsubscribe();
  }

  [[nodiscard]] const Members& get() const noexcept { return members_; }

 private:
  Members members_;
};

// Unsubscribes an argument that has not become a member, if it has an
// Unsubscribe().
template <typename Member>
void EndForeign(Member& member) noexcept {
  if constexpr (requires { member.Unsubscribe(); }) member.Unsubscribe();
}

// Collects all members in one vector. If memory runs out, unsubscribes all of
// them and rethrows.
template <typename All, typename... Members>
All Gather(Members&... members) {
  All all;
  std::size_t taken = 0;
  try {
    all.reserve(sizeof...(members));
    ((++taken, all.push_back(std::move(members))), ...);
  } catch (...) {
    const JoinedMembers joined(std::move(all));
    std::size_t place = 0;
    ((place++ < taken ? void() : detail::EndForeign(members)), ...);
    throw;
  }
  return all;
}

// Joins `members`, a vector of Subscription.
template <typename Members,
          typename States = std::vector<Ref<SubscriptionState>>>
Subscription Join(Members members) {
  std::erase_if(members,
                [](const Subscription& member) noexcept { return !member; });
  JoinedMembers joined(std::move(members));
  if (joined.get().empty()) {
    return SubscriptionAccess::Make(Ref<EndedSubscription>::Make());
  }
  States states;
  for (const Subscription& member : joined.get()) {
    states.push_back(SubscriptionAccess::Share(member));
  }
  // The members end when this lambda is destroyed, which is before Err()
  // delivers the error.
  auto join = detail::MakeProducer(
      [joined = std::move(joined)](const std::stop_token& stop) {
        return detail::WatchMembers(joined.get(), stop);
      });
  join->Start();
  // The parents are set last, so that a join that could not start has no
  // members. No other thread can use the join before it is returned.
  for (const auto& state : states) state->SetParent(join);
  return SubscriptionAccess::Make(std::move(join));
}

}  // namespace detail

template <std::convertible_to<Subscription>... Members>
Subscription JoinSubscriptions(Members... members) {
  return detail::Join(detail::Gather<std::vector<Subscription>>(members...));
}

template <typename>
Subscription JoinSubscriptions(std::vector<Subscription> members) {
  return detail::Join(std::move(members));
}

/// \endcond

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_JOIN_SUBSCRIPTIONS_H_
