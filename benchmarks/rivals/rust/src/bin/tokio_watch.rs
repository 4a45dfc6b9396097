// SPDX-License-Identifier: MIT

//! tokio's watch channel, with subscribers in threads: W18 alone.

use std::task::Waker;

use fanfare_rivals::blocking::{block_on, this_thread};
use fanfare_rivals::full::{self, Latest};
use fanfare_rivals::harness;
use fanfare_rivals::scenarios::{Feed, Value, Word};
use tokio::sync::watch;

struct TokioWatch;
struct Writer(watch::Sender<Word>);

struct Subscriber {
    receiver: watch::Receiver<Word>,
    waker: Option<Waker>,
}

impl Feed<Word> for Writer {
    fn send(&mut self, value: Word) {
        // An error is that all subscribers have seen the last value.
        let _ = self.0.send(value);
    }
}

impl Latest for TokioWatch {
    type Writer = Writer;
    type Subscriber = Subscriber;

    fn open(n: usize) -> (Writer, Vec<Subscriber>) {
        let (sender, receiver) = watch::channel(Word::new(0));
        let open_one =
            |_| Subscriber { receiver: receiver.clone(), waker: None };
        let subscribers = (0..n).map(open_one).collect();
        (Writer(sender), subscribers)
    }

    fn next(subscriber: &mut Subscriber) -> Word {
        let waker = subscriber.waker.get_or_insert_with(this_thread);
        block_on(subscriber.receiver.changed(), waker).unwrap();
        *subscriber.receiver.borrow_and_update()
    }
}

fn main() {
    harness::main(full::latest::<TokioWatch>());
}
