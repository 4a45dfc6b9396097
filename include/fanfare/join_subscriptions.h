// SPDX-License-Identifier: MIT
#ifndef FANFARE_JOIN_SUBSCRIPTIONS_H_
#define FANFARE_JOIN_SUBSCRIPTIONS_H_

// JoinSubscriptions: makes several subscriptions one, which ends them together.
//
//   Subscription both = JoinSubscriptions(heads.Subscribe(head_channel),
//                                         logs.Subscribe(log_channel));
//
// Thread safety: as any Subscription.
//
// Unlike Go: a join ends when all of its members have ended well, a join of
// nothing at once, and an error is told when all members have ended.

#include <concepts>
#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

#include <fanfare/select.h>
#include <fanfare/subscription.h>

namespace fanfare { inline namespace FANFARE_ABI {

// The first error of any member asks all to end, and is received from Err()
// when they have; if all end well, so does the join. Unsubscribe asks all to
// end, then waits for them. Empty members count as ended. Throws
// std::system_error if there can be no thread, and std::bad_alloc; the members
// are unsubscribed then. If there is too little memory to wait for them all,
// std::bad_alloc is the join's error. Cost: a thread, unless no member is left;
// time quadratic in the number of members if they end one by one. (U7)
//
// A template of nothing, as some functions below, so that a program which does
// not call it does not spend time to compile it.
template <typename = void>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
JoinSubscriptions(std::vector<Subscription> members);

template <std::convertible_to<Subscription>... Members>
[[nodiscard("a Subscription that is dropped unsubscribes")]] Subscription
JoinSubscriptions(Members... members);

// ---------------------------------------------------------------------------
// Implementation details follow.
// ---------------------------------------------------------------------------

namespace detail {

// Waits until all members have ended, one has failed, or a stop is requested.
// Returns the failure. (What depends on no type that is a parameter would be
// compiled in every program.)
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

// The members, which end together with this at the latest. (A vector of
// Subscription.)
template <typename Members>
class JoinedMembers {
 public:
  explicit JoinedMembers(Members members) noexcept
      : members_(std::move(members)) {}
  JoinedMembers(JoinedMembers&&) = default;
  // Asks all to end, then waits for them.
  ~JoinedMembers() {
    for (const Subscription& member : members_) member.RequestUnsubscribe();
    for (const Subscription& member : members_) member.Unsubscribe();
  }

  [[nodiscard]] const Members& get() const noexcept { return members_; }

 private:
  Members members_;
};

// Ends what was not made a member, if it is a thing that ends.
template <typename Member>
void EndForeign(Member& member) noexcept {
  if constexpr (requires { member.Unsubscribe(); }) member.Unsubscribe();
}

// All in one; where there is no memory for that, all end.
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

// (Members: a vector of Subscription, too.)
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
  // The members end when the producer is destroyed: before its failure is told.
  auto join = detail::MakeProducer(
      [joined = std::move(joined)](const std::stop_token& stop) {
        return detail::WatchMembers(joined.get(), stop);
      });
  join->Start();
  // Last: a join that could not start has no family. Nobody knows it before it
  // is returned.
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

}}  // namespace fanfare::FANFARE_ABI

#endif  // FANFARE_JOIN_SUBSCRIPTIONS_H_
