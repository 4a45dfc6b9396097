// SPDX-License-Identifier: MIT
#ifndef FANFARE_DETAIL_SELECT_CASES_H_
#define FANFARE_DETAIL_SELECT_CASES_H_

// These are the kinds of cases that a Select can have: receive, send, end,
// timeout, stop and default.

#include <concepts>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <fanfare/detail/channel/channel_core.h>
#include <fanfare/detail/select/engine.h>

namespace fanfare { inline namespace FANFARE_ABI { namespace detail {

// The address of kType<T> stands for the type T. (It is not a constant, because
// constants with the same contents may be merged.)
template <typename T>
FANFARE_SHARED inline char kType = 0;

// Satisfied if `handler(args...)` is a call. A pointer to a member, which
// std::invocable accepts, does not satisfy this.
template <typename Handler, typename... Args>
concept CalledWith = requires(Handler handler, Args&&... args) {
  handler(std::forward<Args>(args)...);
};

struct NoHandler {
  template <typename... Args>
  void operator()(Args&&...) const noexcept {}
};

// Says what a handler returns to a SelectLoop.
enum class Loop { kContinue, kBreak };

// Calls a handler. The handler's result counts only if it is a Loop.
template <typename Handler, typename... Args>
After Call(Handler& handler, Args&&... args) {
  using Result = decltype(handler(std::forward<Args>(args)...));
  if constexpr (std::is_same_v<std::remove_cvref_t<Result>, Loop>) {
    return handler(std::forward<Args>(args)...) == Loop::kBreak
               ? After::kBreak
               : After::kContinue;
  } else {
    static_cast<void>(handler(std::forward<Args>(args)...));
    return After::kContinue;
  }
}

// Says what a receive case does when its channel is closed and empty.
enum class OnClosedChannel {
  kPassNullopt,  // the handler gets the std::nullopt
  kCallOther,    // a second handler is called
  kPassNull,     // the handler of an end gets a null std::exception_ptr
  kNever,        // nothing: the case is never ready
};

// OnValue and OnClosed are references if the handler was an lvalue.
template <typename T, OnClosedChannel kOnClosed, typename OnValue,
          typename OnClosed>
class ReceiveCase final : public Case {
  static constexpr bool kIsEnd = kOnClosed == OnClosedChannel::kPassNull;
  static constexpr bool kMayReportEnd = std::is_same_v<T, std::exception_ptr>;

 public:
  ReceiveCase(Ref<ChannelCore<T>> core, OnValue&& on_value,
              OnClosed&& on_closed)
      : Case(KindOf(core)),
        core_(std::move(core)),
        on_value_(std::forward<OnValue>(on_value)),
        on_closed_(std::forward<OnClosed>(on_closed)) {
    value = &received_;
  }

  // Returns the same case with handlers that it owns.
  [[nodiscard]] std::unique_ptr<Case> Own() && {
    using Owned = ReceiveCase<T, kOnClosed, std::decay_t<OnValue>,
                              std::decay_t<OnClosed>>;
    return std::make_unique<Owned>(
        std::move(core_),
        std::decay_t<OnValue>(std::forward<OnValue>(on_value_)),
        std::decay_t<OnClosed>(std::forward<OnClosed>(on_closed_)));
  }

  // An end that comes while the receives are tried is not seen before they are
  // queued.
  void Arm() override {
    if constexpr (kMayReportEnd) {
      over_ = reports_end() && core_ &&
              (core_->closed() || core_->size() != 0 ||
               core_->waiting_senders() != 0);
    }
  }
  State Try() override {
    if (!core_) return State::kNever;
    if (kMayReportEnd && reports_end() && !over_) return State::kWaiting;
    return Judge(core_->TryReceive(*this, core_->kMoves), nullptr);
  }
  State Start(Waiter& waiter) override {
    waiter.Attach(*this);
    return Judge(core_->StartReceive(*this, core_->kMoves), &waiter.claim);
  }
  void Cancel() noexcept override { core_->CancelReceive(*this); }
  bool CanRun() const noexcept override {
    return kOnClosed != OnClosedChannel::kNever || outcome == Outcome::kDone;
  }
  After Run() override {
    // A case that is kept and used again must not keep the value.
    std::optional<T> received = std::move(received_);
    received_.reset();
    const bool open = received.has_value();
    const After after = Handle(received);
    return after == After::kContinue && !open ? After::kDrop : after;
  }

 private:
  static Kind KindOf(const Ref<ChannelCore<T>>& core) noexcept {
    if (kIsEnd) return Kind::kEnd;
    if (kMayReportEnd && core && core->reports_end()) return Kind::kErr;
    return Kind::kReceive;
  }

  State Judge(Outcome now, Claim* mine) noexcept {
    switch (now) {
      case Outcome::kDone:
        return State::kReady;
      case Outcome::kPending:
        return State::kWaiting;
      case Outcome::kLost:
        return State::kLost;
      case Outcome::kClosed:
      case Outcome::kCounterpartWaits:  // a channel returns neither of these
      case Outcome::kBiasedElsewhere:
        break;
    }
    if (kOnClosed == OnClosedChannel::kNever) return State::kNever;
    return mine == nullptr || mine->Try(*this) ? State::kReady : State::kLost;
  }

  After Handle(std::optional<T>& received) {
    if constexpr (kIsEnd) {
      if constexpr (CalledWith<OnValue&, T>) {
        return detail::Call(on_value_, received ? *std::move(received) : T());
      } else {
        return detail::Call(on_value_);
      }
    } else if constexpr (kOnClosed == OnClosedChannel::kPassNullopt) {
      return detail::Call(on_value_, std::move(received));
    } else if (received.has_value()) {
      return detail::Call(on_value_, *std::move(received));
    } else {
      return detail::Call(on_closed_);
    }
  }

  Ref<ChannelCore<T>> core_;
  OnValue on_value_;
  OnClosed on_closed_;
  std::optional<T> received_;
  bool over_ = false;  // reports_end(): it had come when the Select started
};

// Value is T& if the case refers to the caller's value, which is left alone
// unless it is sent. Value is T if the case owns the value.
template <typename T, typename Value, typename Handler>
class SendCase final : public Case {
 public:
  SendCase(Ref<ChannelCore<T>> core, Value&& sent, Handler&& handler)
      : Case(Kind::kSend),
        core_(std::move(core)),
        handler_(std::forward<Handler>(handler)),
        sent_(std::forward<Value>(sent)) {
    value = std::addressof(sent_);
  }

  // Returns the same case with a value and a handler that it owns.
  [[nodiscard]] std::unique_ptr<Case> Own() && {
    using Owned = SendCase<T, T, std::decay_t<Handler>>;
    return std::make_unique<Owned>(
        std::move(core_), std::move(sent_),
        std::decay_t<Handler>(std::forward<Handler>(handler_)));
  }

  State Try() override {
    return core_ && !spent_ ? Judge(core_->TrySend(*this, core_->kMoves))
                            : State::kNever;
  }
  State Start(Waiter& waiter) override {
    waiter.Attach(*this);
    return Judge(core_->StartSend(*this, core_->kMoves));
  }
  void Cancel() noexcept override { core_->CancelSend(*this); }
  bool CanRun() const noexcept override { return outcome == Outcome::kDone; }
  After Run() override {
    spent_ = true;
    return detail::Call(handler_);
  }
  void* TakeUnsent(const void* type) noexcept override {
    if (spent_ || type != &kType<T>) return nullptr;
    spent_ = true;
    return std::addressof(sent_);
  }

 private:
  static State Judge(Outcome now) noexcept {
    switch (now) {
      case Outcome::kDone:
        return State::kReady;
      case Outcome::kPending:
        return State::kWaiting;
      case Outcome::kLost:
        return State::kLost;
      case Outcome::kClosed:
      case Outcome::kCounterpartWaits:  // a channel returns neither of these
      case Outcome::kBiasedElsewhere:
        break;
    }
    return State::kNever;
  }

  Ref<ChannelCore<T>> core_;
  Handler handler_;
  Value sent_;          // after handler_: moving a handler may throw
  bool spent_ = false;  // the value was sent or given up
};

template <typename Duration, typename Handler>
class TimeoutCase final : public Case {
 public:
  TimeoutCase(Duration duration, Handler&& handler)
      : Case(Kind::kTimeout),
        duration_(duration),
        handler_(std::forward<Handler>(handler)) {}

  [[nodiscard]] std::unique_ptr<Case> Own() && {
    return std::make_unique<TimeoutCase<Duration, std::decay_t<Handler>>>(
        duration_, std::decay_t<Handler>(std::forward<Handler>(handler_)));
  }

  void Arm() override { deadline_ = Deadline::After(duration_); }
  State Try() override {
    return deadline_.Expired() ? State::kReady : State::kWaiting;
  }
  State Start(Waiter&) override { return State::kWaiting; }
  void Cancel() noexcept override {}
  After Run() override { return detail::Call(handler_); }
  Deadline deadline() const override { return deadline_; }

 private:
  Duration duration_;
  Handler handler_;
  Deadline deadline_ = Deadline::Never();
};

template <typename Clock, typename Duration, typename Handler>
class DeadlineCase final : public Case {
  using Time = std::chrono::time_point<Clock, Duration>;

 public:
  DeadlineCase(const Time& time, Handler&& handler)
      : Case(Kind::kDeadline),
        time_(time),
        handler_(std::forward<Handler>(handler)) {}

  [[nodiscard]] std::unique_ptr<Case> Own() && {
    using Owned = DeadlineCase<Clock, Duration, std::decay_t<Handler>>;
    return std::make_unique<Owned>(
        time_, std::decay_t<Handler>(std::forward<Handler>(handler_)));
  }

  void Arm() override {
    end_.emplace(time_);
    again_ = Deadline::After(Platform::Clock::duration::zero());
  }
  State Try() override {
    if (!again_.Expired()) return State::kWaiting;
    const auto left = end_->Left();
    again_ = Deadline::After(left);
    return left == left.zero() ? State::kReady : State::kWaiting;
  }
  State Start(Waiter&) override { return State::kWaiting; }
  void Cancel() noexcept override {}
  After Run() override {
    end_->Rethrow();
    return detail::Call(handler_);
  }
  Deadline deadline() const override { return again_; }

 private:
  Time time_;
  Handler handler_;
  std::optional<TimePoint<Clock, Duration>> end_;
  Deadline again_ = Deadline::Never();  // when to read the clock again
};

template <typename Handler>
class StopCase final : public Case {
 public:
  StopCase(std::stop_token token, Handler&& handler)
      : Case(Kind::kStop),
        token_(std::move(token)),
        handler_(std::forward<Handler>(handler)) {}

  [[nodiscard]] std::unique_ptr<Case> Own() && {
    return std::make_unique<StopCase<std::decay_t<Handler>>>(
        std::move(token_),
        std::decay_t<Handler>(std::forward<Handler>(handler_)));
  }

  State Try() override {
    if (token_.stop_requested()) return State::kReady;
    return token_.stop_possible() ? State::kWaiting : State::kNever;
  }
  State Start(Waiter& waiter) override {
    on_stop_.emplace(token_, Interrupt{waiter, *this});
    return State::kWaiting;
  }
  void Cancel() noexcept override { on_stop_.reset(); }
  After Run() override { return detail::Call(handler_); }

 private:
  struct Interrupt {
    void operator()() const noexcept { waiter.Interrupt(self); }
    Waiter& waiter;
    Operation& self;
  };

  std::stop_token token_;
  Handler handler_;
  std::optional<std::stop_callback<Interrupt>> on_stop_;
};

template <typename Handler>
class DefaultCase final : public Case {
 public:
  explicit DefaultCase(Handler&& handler)
      : Case(Kind::kDefault), handler_(std::forward<Handler>(handler)) {}

  [[nodiscard]] std::unique_ptr<Case> Own() && {
    return std::make_unique<DefaultCase<std::decay_t<Handler>>>(
        std::decay_t<Handler>(std::forward<Handler>(handler_)));
  }

  State Try() override { return State::kReady; }
  State Start(Waiter&) override { return State::kReady; }
  void Cancel() noexcept override {}
  After Run() override { return detail::Call(handler_); }

 private:
  Handler handler_;
};

template <typename C>
inline constexpr bool kIsDefaultCase = false;
template <typename Handler>
inline constexpr bool kIsDefaultCase<DefaultCase<Handler>> = true;

// True for an OnEnd without a handler.
template <typename C>
inline constexpr bool kIsSilentEnd = false;
template <typename T, typename OnClosed>
inline constexpr bool kIsSilentEnd<
    ReceiveCase<T, OnClosedChannel::kPassNull, NoHandler, OnClosed>> = true;

// True for an OnReceive and an OnSend; false for an OnEnd.
template <typename C>
inline constexpr bool kUsesChannel = false;
template <typename T, OnClosedChannel kOnClosed, typename OnValue,
          typename OnClosed>
inline constexpr bool
    kUsesChannel<ReceiveCase<T, kOnClosed, OnValue, OnClosed>> =
        kOnClosed != OnClosedChannel::kPassNull;
template <typename T, typename Value, typename Handler>
inline constexpr bool kUsesChannel<SendCase<T, Value, Handler>> = true;

// False for an OnReceive or an OnSend that calls no handler at the end of its
// channel. True for every other kind of case.
template <typename C>
inline constexpr bool kLasts = true;
template <typename T, typename OnValue, typename OnClosed>
inline constexpr bool
    kLasts<ReceiveCase<T, OnClosedChannel::kNever, OnValue, OnClosed>> = false;
template <typename T, typename Value, typename Handler>
inline constexpr bool kLasts<SendCase<T, Value, Handler>> = false;

// Whether a Select of these cases may be a statement. It may wait once for an
// end, perhaps with a timeout. If it uses channels, it is probably in a loop,
// and a handler must be called at each end.
template <typename... Cases>
inline constexpr bool kMayIgnoreResult = sizeof...(Cases) > 0 &&
                                         (!(kUsesChannel<Cases> || ...) ||
                                          ((kLasts<Cases> || ...) &&
                                           !(kIsSilentEnd<Cases> || ...)));

template <typename... Cases>
concept SelectsForHandlers =
    (std::derived_from<Cases, Case> && ...) && kMayIgnoreResult<Cases...>;
template <typename... Cases>
concept SelectsForResult = (std::derived_from<Cases, Case> && ...) &&
                           !kMayIgnoreResult<Cases...>;

// True for a case that refers to an rvalue of the caller, which the case leaves
// alone unless it is sent. Undefined: such a case must not outlive the
// expression that made it.
template <typename C>
inline constexpr bool kRefersToRvalue = false;
template <typename T, typename Handler>
inline constexpr bool kRefersToRvalue<SendCase<T, T&, Handler>> = true;
template <typename C>
concept PassingCase = std::derived_from<C, Case> && kRefersToRvalue<C>;
template <typename C>
concept KeepableCase = std::derived_from<C, Case> && !kRefersToRvalue<C>;

}}}  // namespace fanfare::FANFARE_ABI::detail

#endif  // FANFARE_DETAIL_SELECT_CASES_H_
