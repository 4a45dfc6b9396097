// SPDX-License-Identifier: MIT

//! tokio's broadcast channel, with consumers in threads.
//!
//! It overwrites what a slow receiver has not seen yet. To lose nothing, as in
//! the other programs, the sender yields while a receiver lags by the capacity.
//! Debian's version has no Sender::len() yet, so the receivers count. In W17 it
//! overwrites. It has no replay, so there is no W19.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::task::Waker;
use std::thread;

use fanfare_rivals::blocking::{block_on, this_thread};
use fanfare_rivals::full::{self, Lossy};
use fanfare_rivals::harness::{self, fail};
use fanfare_rivals::scenarios::{self, Value, Word};
use tokio::sync::broadcast::{self, error::TryRecvError};

struct TokioBroadcast;
struct Overwrite;

/// How many values a receiver has received, in a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Progress(AtomicU64);

struct Feed<V> {
    sender: broadcast::Sender<V>,
    capacity: u64,
    progress: Vec<Arc<Progress>>,
    sent: u64,
    /// Up to here there is room for certain.
    limit: u64,
}

impl<V: Value> Feed<V> {
    fn slowest(&self) -> u64 {
        let received = |p: &Arc<Progress>| p.0.load(Ordering::Acquire);
        self.progress.iter().map(received).min().unwrap()
    }
}

impl<V: Value> scenarios::Feed<V> for Feed<V> {
    fn send(&mut self, value: V) {
        if self.sent == self.limit {
            self.limit = self.slowest() + self.capacity;
            while self.sent == self.limit {
                thread::yield_now();
                self.limit = self.slowest() + self.capacity;
            }
        }
        self.sent += 1;
        if self.sender.send(value).is_err() {
            fail("no receivers");
        }
    }
}

struct Receiver<V> {
    receiver: broadcast::Receiver<V>,
    progress: Arc<Progress>,
    received: u64,
    waker: Option<Waker>,
}

impl<V: Value> scenarios::Receiver<V> for Receiver<V> {
    fn receive(&mut self) -> V {
        let waker = self.waker.get_or_insert_with(this_thread);
        let result = block_on(self.receiver.recv(), waker);
        self.take(result)
    }

    fn try_receive(&mut self) -> V {
        let result = self.receiver.try_recv();
        self.take(result)
    }
}

impl<V> Receiver<V> {
    /// Makes room for one more. An error is also that the receiver lagged:
    /// then values were lost.
    fn take<E: Display>(&mut self, result: Result<V, E>) -> V {
        let value = result.unwrap_or_else(|error| fail(error));
        self.received += 1;
        self.progress.0.store(self.received, Ordering::Release);
        value
    }
}

impl<V: Value> scenarios::Rival<V> for TokioBroadcast {
    type Feed = Feed<V>;
    type Receiver = Receiver<V>;
    type Sender = Feed<V>;

    fn open(n: usize, capacity: usize) -> (Feed<V>, Vec<Receiver<V>>) {
        let (sender, first) = broadcast::channel(capacity);
        drop(first);
        let open_one = |_| {
            let receiver = sender.subscribe();
            let progress = Arc::default();
            Receiver { receiver, progress, received: 0, waker: None }
        };
        let receivers: Vec<Receiver<V>> = (0..n).map(open_one).collect();
        let progress = receivers.iter().map(|r| r.progress.clone()).collect();
        let capacity = capacity as u64;
        (Feed { sender, capacity, progress, sent: 0, limit: 0 }, receivers)
    }

    fn channel(capacity: usize) -> (Feed<V>, Receiver<V>) {
        let (feed, mut receivers) = Self::open(1, capacity);
        (feed, receivers.remove(0))
    }
}

/// W17: the broadcast as it is. A receiver that lags learns how many values it
/// has missed, and goes on with the oldest that is there.
impl Lossy for Overwrite {
    type Feed = Overwriting;
    type Receiver = broadcast::Receiver<Word>;

    fn open(n: usize, capacity: usize) -> (Overwriting, Vec<Self::Receiver>) {
        let (sender, first) = broadcast::channel(capacity);
        drop(first);
        let receivers = (0..n).map(|_| sender.subscribe()).collect();
        (Overwriting(sender), receivers)
    }

    fn try_receive(receiver: &mut Self::Receiver) -> Option<Word> {
        loop {
            match receiver.try_recv() {
                Ok(value) => return Some(value),
                Err(TryRecvError::Lagged(_)) => {}
                Err(_) => return None,
            }
        }
    }
}

struct Overwriting(broadcast::Sender<Word>);

impl scenarios::Feed<Word> for Overwriting {
    fn send(&mut self, value: Word) {
        if self.0.send(value).is_err() {
            fail("no receivers");
        }
    }
}

fn main() {
    let mut cases = scenarios::common::<TokioBroadcast>();
    cases.extend(full::drop_oldest::<Overwrite>());
    harness::main(cases);
}
