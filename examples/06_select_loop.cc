// SPDX-License-Identifier: MIT
//
// One thread that waits for several things at once: SelectLoop calls the
// handler of the source that is ready, again and again, until the subscription
// ends. The thread owns its state, so the state needs no mutex.

#include <cstdio>
#include <thread>

#include <fanfare/fanfare.h>

namespace {

// A question brings along the channel on which it is answered.
struct Query {
  fanfare::Sender<int> answer;
};

// Adds up the payments and answers queries, until the subscription has ended.
void KeepBalance(fanfare::Receiver<int> payments,
                 fanfare::Subscription subscription,
                 fanfare::Receiver<Query> queries) {
  int balance = 0;
  fanfare::SelectLoop(
      fanfare::OnReceive(payments, [&](int payment) { balance += payment; }),
      // TrySend: a thread that asks and does not wait must not block this one.
      fanfare::OnReceive(
          queries, [&](const Query& query) { query.answer.TrySend(balance); }),
      fanfare::OnEnd(subscription));
  std::printf("the balance at the end is %d\n", balance);
}

}  // namespace

int main() {
  // Two channels have no order between them. With capacity 0, Send() returns
  // when the payment has been received, so a later query includes it.
  const fanfare::Channel<int> payments(0);
  const fanfare::Channel<Query> queries(0);

  std::jthread account;  // Joined last, after the feed has ended it.
  fanfare::Feed<int> feed;
  account =
      std::jthread(KeepBalance, payments, feed.Subscribe(payments), queries);

  feed.Send(100);
  feed.Send(-30);
  const fanfare::Channel<int> answer(1);  // Room for the one answer.
  queries.Send(Query{answer});
  if (const auto balance = answer.Receive()) {
    std::printf("the balance is %d\n", *balance);
  }
  feed.Send(5);
}
