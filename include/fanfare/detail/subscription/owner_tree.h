// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SUBSCRIPTION_OWNER_TREE_H_
#define FANFARE_DETAIL_SUBSCRIPTION_OWNER_TREE_H_

// The owner tree says what is part of what, so that no thread waits for itself.
//
// A producer may end its own subscription, or the scope, join or resubscription
// that its subscription is part of. Before a call waits for such an end, it
// checks whether the calling thread runs inside it. If so, the call does not
// wait.

#include <fanfare/detail/base/platform.h>
#include <fanfare/detail/base/ref.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

class ChannelEnds;

// An OwnerNode is anything that is waited for, or that contains what is waited
// for.
class OwnerNode : public RefCounted {
 public:
  virtual ~OwnerNode() {
    if (OwnerNode* parent = parent_.load(std::memory_order_relaxed)) {
      Ref<OwnerNode>::Adopt(parent).reset();
    }
  }

  // Makes this a part of `parent`. Must be called once at most.
  virtual void SetParent(Ref<OwnerNode> parent) noexcept {
    parent_.store(parent.Release(), std::memory_order_release);
  }

  // Returns whether this is `whole` or a part of it, at any depth.
  [[nodiscard]] virtual bool IsPartOf(const OwnerNode& whole) const noexcept {
    if (this == &whole) return true;
    return parent() != nullptr && parent()->IsPartOf(whole);
  }

  // Returns whether this alone receives from the channel, and not before what
  // runs inside it has returned. Another thread may call it, with the mutex of
  // a feed held.
  [[nodiscard]] virtual bool Consumes(
      const ChannelEnds& /*channel*/) const noexcept {
    return false;
  }

 protected:
  [[nodiscard]] OwnerNode* parent() const noexcept {
    return parent_.load(std::memory_order_acquire);
  }

 private:
  Platform::Atomic<OwnerNode*> parent_{nullptr};  // a counted reference
};

// RunningScopes say what the calling thread is running, innermost first. A
// RunningScope lives on the stack of the thread that runs it.
class RunningScope {
 public:
  enum class Kind {
    kRuns,         // the function or the handler of `running`
    kCallsBack,    // another callback of `running`
    kEstablishes,  // what will become a part of `running`
  };

  explicit RunningScope(OwnerNode& running, Kind kind = Kind::kRuns) noexcept
      : running_(running),
        kind_(kind),
        outer_(static_cast<RunningScope*>(Platform::ThreadSlot())) {
    Platform::ThreadSlot() = this;
  }
  ~RunningScope() { Platform::ThreadSlot() = outer_; }
  RunningScope(const RunningScope&) = delete;
  RunningScope& operator=(const RunningScope&) = delete;

  // Returns whether the calling thread runs inside `whole`.
  [[nodiscard]] static bool IsInside(const OwnerNode& whole) noexcept {
    for (const RunningScope* a = Innermost(); a != nullptr; a = a->outer_) {
      if (a->running_.IsPartOf(whole)) return true;
    }
    return false;
  }

  // Returns what the calling thread runs, or null. Valid for as long as it runs
  // that.
  [[nodiscard]] static const RunningScope* Innermost() noexcept {
    return static_cast<RunningScope*>(Platform::ThreadSlot());
  }
  // Returns whether nothing is received from the channel until `innermost` and
  // what it runs inside have returned.
  [[nodiscard]] static bool Consumes(const RunningScope* innermost,
                                     const ChannelEnds& channel) noexcept {
    for (const RunningScope* a = innermost; a != nullptr; a = a->outer_) {
      if (a->kind_ == Kind::kRuns && a->running_.Consumes(channel)) return true;
    }
    return false;
  }

  // Returns what the calling thread runs.
  [[nodiscard]] static OwnerNode& Current() noexcept {
    return Innermost()->running_;
  }

  // Returns what a producer that is started now will be a part of, or null if
  // that is not known yet.
  [[nodiscard]] static Ref<const OwnerNode> Establishes() noexcept {
    const RunningScope* innermost = Innermost();
    if (innermost == nullptr || innermost->kind_ != Kind::kEstablishes) {
      return {};
    }
    return Ref<const OwnerNode>::Share(&innermost->running_);
  }

 private:
  OwnerNode& running_;
  const Kind kind_;
  RunningScope* const outer_;
};

// Returns whether certainly no other thread receives from the channel before
// what the calling thread runs has returned.
inline bool NoOtherThreadReceives(const ChannelEnds& channel) noexcept {
  return Platform::IsOnlyThread() ||
         RunningScope::Consumes(RunningScope::Innermost(), channel);
}
// Returns whether the function above may return true for any channel.
inline bool MayBeTheOnlyReceiver() noexcept {
  return Platform::IsOnlyThread() || RunningScope::Innermost() != nullptr;
}

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SUBSCRIPTION_OWNER_TREE_H_
