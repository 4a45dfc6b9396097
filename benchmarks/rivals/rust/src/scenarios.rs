// SPDX-License-Identifier: MIT

//! The scenarios, over any rival that can open a feed with its receivers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{expect, fail, processor_time, Case, Latch, Outcome};

/// Values are copied to every receiver and hold a number to check.
pub trait Value: Copy + Send + 'static {
    fn new(number: u64) -> Self;
    fn number(&self) -> u64;
}

#[derive(Clone, Copy)]
pub struct Word(u64);

impl Value for Word {
    fn new(number: u64) -> Self {
        Word(number)
    }

    #[inline]
    fn number(&self) -> u64 {
        self.0
    }
}

/// 1 KiB with the number at both ends.
#[derive(Clone, Copy)]
pub struct Kilobyte([u64; 128]);

impl Value for Kilobyte {
    fn new(number: u64) -> Self {
        let mut words = [0; 128];
        words[0] = number;
        words[127] = number;
        Kilobyte(words)
    }

    #[inline]
    fn number(&self) -> u64 {
        if self.0[0] != self.0[127] {
            fail("a value was torn");
        }
        self.0[0]
    }
}

/// A number with the time at which it was sent, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Stamped {
    number: u64,
    sent: u64,
}

impl Value for Stamped {
    fn new(number: u64) -> Self {
        Stamped { number, sent: 0 }
    }

    #[inline]
    fn number(&self) -> u64 {
        self.number
    }
}

/// The sending side: blocks while a receiver lags by the capacity.
pub trait Feed<V>: Send + 'static {
    fn send(&mut self, value: V);
}

/// One receiver's side.
pub trait Receiver<V>: Send + 'static {
    /// Blocks until there is a value.
    fn receive(&mut self) -> V;
    /// Ends the program with an error if there is none.
    fn try_receive(&mut self) -> V;
}

/// What an adapter has to provide for one type of value.
pub trait Rival<V>: 'static {
    type Feed: Feed<V>;
    type Receiver: Receiver<V>;

    /// One channel's sender.
    type Sender: Feed<V>;

    fn open(n: usize, capacity: usize) -> (Self::Feed, Vec<Self::Receiver>);
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver);
}

/// The scenarios that every rival can do: W1, W2, W6, W8 and W13 to W15.
pub fn common<R>() -> Vec<Case>
where
    R: Rival<Word> + Rival<Kilobyte> + Rival<Stamped>,
{
    let mut cases = Vec::new();
    for n in [1, 10, 100, 1000] {
        let name = |part| format!("W1_{part}/subscribers:{n}");
        cases.push(Case::new(name("Send"), move |i| sends::<R>(n, i).0));
        cases.push(Case::new(name("Drain"), move |i| sends::<R>(n, i).1));
    }
    for (capacity, n) in streams() {
        let arguments = format!("capacity:{capacity}/subscribers:{n}");
        cases.push(Case::new(format!("W2_Stream/{arguments}"), move |i| {
            stream::<R, Word>(n, capacity, i)
        }));
        if capacity == 128 {
            let name = format!("W2_StreamLatency/{arguments}");
            cases.push(Case::new(name, move |i| {
                stream_latency::<R>(n, capacity, i)
            }));
        }
    }
    cases.push(Case::new("W6_FourSenders", four_senders::<R>));
    for capacity in [128, 1024] {
        let name = format!("W8_Kilobyte/capacity:{capacity}");
        cases.push(Case::new(name, move |i| {
            stream::<R, Kilobyte>(10, capacity, i)
        }));
    }
    for burst in [1, 2, 10, 100] {
        let name = format!("W13_Bursts/burst:{burst}");
        cases.push(Case::new(name, move |i| bursts::<R>(burst, i)));
    }
    for (every, work) in paces() {
        let name = format!("W14_Paced/every_ns:{every}/work_ns:{work}");
        cases.push(Case::new(name, move |i| paced::<R>(every, work, i)));
    }
    cases.push(Case::new("W15_Receive", |i| {
        receive_one::<R>(<R as Rival<Word>>::Receiver::receive, i)
    }));
    cases.push(Case::new("W15_TryReceive", |i| {
        receive_one::<R>(<R as Rival<Word>>::Receiver::try_receive, i)
    }));
    cases
}

/// The scenarios for a rival that has a rendezvous, too: W3 and W4.
pub fn rendezvous<R: Rival<Word>>() -> Vec<Case> {
    let mut cases = Vec::new();
    for n in [1, 10, 100, 1000] {
        let name = format!("W3_Rendezvous/subscribers:{n}");
        cases.push(Case::new(name, move |i| stream::<R, Word>(n, 0, i)));
    }
    for capacity in [0, 1] {
        let name = |what| format!("W4_{what}/capacity:{capacity}");
        cases.push(Case::new(name("RoundTrip"), move |i| {
            round_trip::<R>(capacity, i, false)
        }));
        cases.push(Case::new(name("RoundTripLatency"), move |i| {
            round_trip::<R>(capacity, i, true)
        }));
    }
    cases
}

fn streams() -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for capacity in [128, 1024] {
        all.extend([1, 10, 100, 1000].map(|n| (capacity, n)));
    }
    // What the Go package measures itself by.
    all.push((200, 1000));
    all
}

/// The pairs of an interval and the work for each event that leave a consumer
/// time to keep up.
fn paces() -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    for every in [200, 1000, 5000, 20_000, 100_000] {
        let possible = [0, 700, 4000].into_iter().filter(|&w| w < every);
        all.extend(possible.map(|work| (every, work)));
    }
    all
}

/// W1: fills all receivers and drains them, each part timed alone.
fn sends<R: Rival<Word>>(n: usize, batches: u64) -> (Outcome, Outcome) {
    const BATCH: u64 = 128;
    let (mut feed, mut receivers) = R::open(n, BATCH as usize);
    let (mut sending, mut draining) = (Duration::ZERO, Duration::ZERO);
    for batch in 0..=batches {
        let numbers = batch * BATCH..(batch + 1) * BATCH;
        let start = Instant::now();
        for number in numbers.clone() {
            feed.send(Word::new(number));
        }
        let sent = Instant::now();
        for receiver in &mut receivers {
            for number in numbers.clone() {
                expect(receiver.receive().number(), number);
            }
        }
        // The first one touches all memory, it does not count.
        if batch > 0 {
            sending += sent - start;
            draining += sent.elapsed();
        }
    }
    let deliveries = batches * BATCH * n as u64;
    (Outcome::new(sending, deliveries), Outcome::new(draining, deliveries))
}

/// Starts a thread for each receiver, times `send`, until all are through.
fn timed<T: Receiver<V>, V>(
    receivers: Vec<T>,
    consume: impl Fn(T) + Clone + Send + 'static,
    send: impl FnOnce(),
) -> Duration {
    let ready = Arc::new(Latch::new(receivers.len()));
    let done = Arc::new(Latch::new(receivers.len()));
    let start_thread = |receiver| {
        let (ready, done) = (ready.clone(), done.clone());
        let consume = consume.clone();
        spawn(move || {
            ready.arrive();
            consume(receiver);
            done.arrive();
        })
    };
    let threads: Vec<_> = receivers.into_iter().map(start_thread).collect();
    ready.wait();
    let start = Instant::now();
    send();
    done.wait();
    let elapsed = start.elapsed();
    for thread in threads {
        thread.join().unwrap();
    }
    elapsed
}

/// A thread with a small stack: some scenarios have a thousand of them.
pub(crate) fn spawn(
    run: impl FnOnce() + Send + 'static,
) -> thread::JoinHandle<()> {
    let small = thread::Builder::new().stack_size(128 * 1024);
    small.spawn(run).unwrap()
}

/// W2, W3 and W8: one sender, n consumers.
fn stream<R: Rival<V>, V: Value>(
    n: usize,
    capacity: usize,
    values: u64,
) -> Outcome {
    let (mut feed, receivers) = R::open(n, capacity);
    let consume = move |mut receiver: R::Receiver| {
        for number in 0..values {
            expect(receiver.receive().number(), number);
        }
    };
    let elapsed = timed(receivers, consume, || {
        for number in 0..values {
            feed.send(V::new(number));
        }
    });
    Outcome::new(elapsed, values * n as u64)
}

/// W2 with the latency of every 64th value.
fn stream_latency<R: Rival<Word>>(
    n: usize,
    capacity: usize,
    values: u64,
) -> Outcome {
    const EVERY: u64 = 64;
    let (mut feed, receivers) = R::open(n, capacity);
    let epoch = Instant::now();
    let now = move || epoch.elapsed().as_nanos() as u64;
    let slots = 1 + values / EVERY;
    let sent_at: Arc<Vec<AtomicU64>> =
        Arc::new((0..slots).map(|_| AtomicU64::new(0)).collect());
    let all = Arc::new(Mutex::new(Vec::new()));

    let (times, collected) = (sent_at.clone(), all.clone());
    let consume = move |mut receiver: R::Receiver| {
        let mut latencies = Vec::with_capacity(slots as usize);
        for number in 0..values {
            expect(receiver.receive().number(), number);
            if number % EVERY == 0 {
                let sent = &times[(number / EVERY) as usize];
                latencies.push(now() - sent.load(Ordering::Relaxed));
            }
        }
        collected.lock().unwrap().extend(latencies);
    };
    let elapsed = timed(receivers, consume, || {
        for number in 0..values {
            if number % EVERY == 0 {
                let sent = &sent_at[(number / EVERY) as usize];
                sent.store(now(), Ordering::Relaxed);
            }
            feed.send(Word::new(number));
        }
    });
    let mut outcome = Outcome::new(elapsed, values * n as u64);
    outcome.latencies = std::mem::take(&mut all.lock().unwrap());
    outcome
}

/// W4: one event out, one reply back.
fn round_trip<R: Rival<Word>>(
    capacity: usize,
    rounds: u64,
    with_latency: bool,
) -> Outcome {
    let (mut events, consumers) = R::open(1, capacity);
    let (replies, mut answers) = R::open(1, capacity);
    let replies = Arc::new(Mutex::new(Some(replies)));
    let consume = move |mut receiver: R::Receiver| {
        let mut replies = replies.lock().unwrap().take().unwrap();
        for number in 0..rounds {
            let value = receiver.receive();
            expect(value.number(), number);
            replies.send(value);
        }
    };
    let mut latencies = Vec::new();
    if with_latency {
        latencies.reserve(rounds as usize);
    }
    let elapsed = timed(consumers, consume, || {
        let mut last = Instant::now();
        for number in 0..rounds {
            events.send(Word::new(number));
            expect(answers[0].receive().number(), number);
            if with_latency {
                let now = Instant::now();
                latencies.push((now - last).as_nanos() as u64);
                last = now;
            }
        }
    });
    Outcome { latencies, ..Outcome::new(elapsed, rounds) }
}

/// W6: four senders on one feed; all receivers see each one's values in order.
fn four_senders<R: Rival<Word>>(values_each: u64) -> Outcome {
    const SENDERS: u64 = 4;
    const RECEIVERS: usize = 10;
    let (feed, receivers) = R::open(RECEIVERS, 128);
    let feed = Arc::new(Mutex::new(feed));
    let go = Arc::new(Latch::new(1));
    let send_all = |sender| {
        let (feed, go) = (feed.clone(), go.clone());
        spawn(move || {
            go.wait();
            for number in 0..values_each {
                let value = Word::new(number * SENDERS + sender);
                feed.lock().unwrap().send(value);
            }
        })
    };
    let senders: Vec<_> = (0..SENDERS).map(send_all).collect();
    let consume = move |mut receiver: R::Receiver| {
        let mut next = [0; SENDERS as usize];
        for _ in 0..values_each * SENDERS {
            let number = receiver.receive().number();
            let sender = (number % SENDERS) as usize;
            expect(number / SENDERS, next[sender]);
            next[sender] += 1;
        }
    };
    let elapsed = timed(receivers, consume, || go.arrive());
    for sender in senders {
        sender.join().unwrap();
    }
    Outcome::new(elapsed, values_each * SENDERS * RECEIVERS as u64)
}

/// W13: one thread sends a burst, receives it, and starts again.
fn bursts<R: Rival<Word>>(burst: u64, count: u64) -> Outcome {
    let (mut sender, mut receiver) = R::channel(128);
    let (mut sent, mut received) = (0, 0);
    let start = Instant::now();
    for _ in 0..count {
        for _ in 0..burst {
            sender.send(Word::new(sent));
            sent += 1;
        }
        for _ in 0..burst {
            expect(receiver.receive().number(), received);
            received += 1;
        }
    }
    Outcome::new(start.elapsed(), sent)
}

/// W14: an event every so many nanoseconds, each with so much work. An event
/// that comes late moves those after it.
fn paced<R: Rival<Stamped>>(every: u64, work: u64, values: u64) -> Outcome {
    let (mut feed, receivers) = R::open(1, 128);
    let epoch = Instant::now();
    let now = move || epoch.elapsed().as_nanos() as u64;
    let spin_until = move |time| loop {
        let at = now();
        if at >= time {
            break at;
        }
    };
    // Writes all of the memory, so that no page is missing later.
    let latencies = Arc::new(Mutex::new(vec![u64::MAX; values as usize]));
    let taken = latencies.clone();
    let consume = move |mut receiver: R::Receiver| {
        let mut taken = taken.lock().unwrap();
        for (number, latency) in taken.iter_mut().enumerate() {
            let value = receiver.receive();
            let received = now();
            expect(value.number(), number as u64);
            *latency = received - value.sent;
            if work > 0 {
                spin_until(received + work);
            }
        }
    };
    let before = processor_time();
    let elapsed = timed(receivers, consume, || {
        let mut due = now();
        for number in 0..values {
            let sent = spin_until(due);
            feed.send(Stamped { number, sent });
            due = sent + every;
        }
    });
    let processor = Some(processor_time() - before);
    let latencies = std::mem::take(&mut *latencies.lock().unwrap());
    Outcome { latencies, processor, ..Outcome::new(elapsed, values) }
}

/// W15: sends a value and takes it with `receive`.
fn receive_one<R: Rival<Word>>(
    receive: impl Fn(&mut R::Receiver) -> Word,
    values: u64,
) -> Outcome {
    let (mut sender, mut receiver) = R::channel(128);
    let start = Instant::now();
    for number in 0..values {
        sender.send(Word::new(number));
        expect(receive(&mut receiver).number(), number);
    }
    Outcome::new(start.elapsed(), values)
}
