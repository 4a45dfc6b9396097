// SPDX-License-Identifier: MIT

//! W17 and W18: what a sender does that never waits for its receivers.

use std::sync::Arc;
use std::time::Instant;

use crate::harness::{expect, fail, Case, Latch, Outcome};
use crate::scenarios::{spawn, Feed, Value, Word};

/// A feed whose send replaces the oldest value of a receiver that is full.
pub trait Lossy: 'static {
    type Feed: Feed<Word>;
    type Receiver;

    fn open(n: usize, capacity: usize) -> (Self::Feed, Vec<Self::Receiver>);
    fn try_receive(receiver: &mut Self::Receiver) -> Option<Word>;
}

/// W17, for 10 and 100 receivers of capacity 1 and 64.
pub fn drop_oldest<R: Lossy>() -> Vec<Case> {
    let mut cases = Vec::new();
    for capacity in [1, 64] {
        for n in [10, 100] {
            let name =
                format!("W17_DropOldest/capacity:{capacity}/subscribers:{n}");
            cases.push(Case::new(name, move |i| replace::<R>(n, capacity, i)));
        }
    }
    cases
}

/// Fills all receivers, and sends without a receive. Then each receiver has the
/// latest values, and no others.
fn replace<R: Lossy>(n: usize, capacity: usize, sends: u64) -> Outcome {
    let (mut feed, mut receivers) = R::open(n, capacity);
    let capacity = capacity as u64;
    for number in 0..capacity {
        feed.send(Word::new(number));
    }
    let end = capacity + sends;
    let start = Instant::now();
    for number in capacity..end {
        feed.send(Word::new(number));
    }
    let elapsed = start.elapsed();
    for receiver in &mut receivers {
        for number in end - capacity..end {
            match R::try_receive(receiver) {
                Some(value) => expect(value.number(), number),
                None => fail("a value was lost"),
            }
        }
        if R::try_receive(receiver).is_some() {
            fail("a value too many");
        }
    }
    Outcome::new(elapsed, sends * n as u64)
}

/// One value, which a writer sets.
pub trait Latest: 'static {
    type Writer: Feed<Word>;
    type Subscriber: Send + 'static;

    /// The value is 0 at first, and all subscribers have seen that.
    fn open(n: usize) -> (Self::Writer, Vec<Self::Subscriber>);
    /// Blocks until there is a value that the subscriber has not seen.
    fn next(subscriber: &mut Self::Subscriber) -> Word;
}

/// W18, for 1, 10 and 100 subscribers.
pub fn latest<R: Latest>() -> Vec<Case> {
    let case = |n| {
        let name = format!("W18_SetLatest/subscribers:{n}");
        Case::new(name, move |i| set_latest::<R>(n, i))
    };
    [1, 10, 100].map(case).into()
}

/// Times the writer. Each subscriber sees ever later values, and the last one.
fn set_latest<R: Latest>(n: usize, sets: u64) -> Outcome {
    let (mut writer, subscribers) = R::open(n);
    let ready = Arc::new(Latch::new(n));
    let start_thread = |mut subscriber| {
        let ready = ready.clone();
        spawn(move || {
            ready.arrive();
            let mut seen = 0;
            while seen < sets {
                let next = R::next(&mut subscriber).number();
                if next <= seen || next > sets {
                    fail(format!("received {next} after {seen}"));
                }
                seen = next;
            }
        })
    };
    let threads: Vec<_> = subscribers.into_iter().map(start_thread).collect();
    ready.wait();
    let start = Instant::now();
    for number in 1..=sets {
        writer.send(Word::new(number));
    }
    let elapsed = start.elapsed();
    for thread in threads {
        thread.join().unwrap();
    }
    Outcome::new(elapsed, sets)
}
