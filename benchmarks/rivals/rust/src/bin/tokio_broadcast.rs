// SPDX-License-Identifier: MIT

//! tokio's broadcast channel, with consumers in threads.
//!
//! It overwrites what a slow receiver has not seen yet. To lose nothing, as in
//! the other programs, the sender yields while a receiver lags by the capacity.
//! Debian's version has no Sender::len() yet, so the receivers count.

use std::fmt::Display;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use fanfare_rivals::harness::{self, fail};
use fanfare_rivals::scenarios::{self, Value};
use tokio::sync::broadcast;

struct TokioBroadcast;

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

/// Wakes a thread that is parked.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

fn this_thread() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}

/// What blocking_recv() does, which Debian's version does not have yet.
fn block_on<F: Future>(future: F, waker: &Waker) -> F::Output {
    tokio::pin!(future);
    let mut context = Context::from_waker(waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn main() {
    harness::main(scenarios::common::<TokioBroadcast>());
}
