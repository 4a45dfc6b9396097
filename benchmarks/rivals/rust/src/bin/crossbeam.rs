// SPDX-License-Identifier: MIT

//! crossbeam-channel: a feed is a vector of bounded channels.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, Receiver, Sender, TrySendError};
use fanfare_rivals::full::{self, Latest, Lossy};
use fanfare_rivals::harness::{self, expect, Case, Latch, Outcome};
use fanfare_rivals::scenarios::{self, Value, Word};

struct Crossbeam;
struct Producer<V>(Sender<V>);
struct Senders<V>(Vec<Sender<V>>);
struct Consumer<V>(Receiver<V>);

impl<V: scenarios::Value> scenarios::Feed<V> for Producer<V> {
    #[inline]
    fn send(&mut self, value: V) {
        self.0.send(value).unwrap();
    }
}

impl<V: scenarios::Value> scenarios::Feed<V> for Senders<V> {
    #[inline]
    fn send(&mut self, value: V) {
        for sender in &self.0 {
            sender.send(value).unwrap();
        }
    }
}

impl<V: scenarios::Value> scenarios::Receiver<V> for Consumer<V> {
    #[inline]
    fn receive(&mut self) -> V {
        self.0.recv().unwrap()
    }

    #[inline]
    fn try_receive(&mut self) -> V {
        self.0.try_recv().unwrap()
    }
}

impl<V: scenarios::Value> scenarios::Rival<V> for Crossbeam {
    type Feed = Senders<V>;
    type Receiver = Consumer<V>;
    type Sender = Producer<V>;

    fn open(n: usize, capacity: usize) -> (Senders<V>, Vec<Consumer<V>>) {
        let open_one = |_| {
            let (sender, receiver) = bounded(capacity);
            (sender, Consumer(receiver))
        };
        let (senders, receivers) = (0..n).map(open_one).unzip();
        (Senders(senders), receivers)
    }

    fn channel(capacity: usize) -> (Producer<V>, Consumer<V>) {
        let (sender, receiver) = bounded(capacity);
        (Producer(sender), Consumer(receiver))
    }
}

/// Channels whose sender takes the oldest value out if there is no room.
/// Debian's version has no force_send() yet.
struct Replacing(Vec<(Sender<Word>, Receiver<Word>)>);

impl scenarios::Feed<Word> for Replacing {
    fn send(&mut self, value: Word) {
        for (sender, receiver) in &self.0 {
            while let Err(TrySendError::Full(_)) = sender.try_send(value) {
                let _ = receiver.try_recv();
            }
        }
    }
}

/// W17.
impl Lossy for Crossbeam {
    type Feed = Replacing;
    type Receiver = Receiver<Word>;

    fn open(n: usize, capacity: usize) -> (Replacing, Vec<Receiver<Word>>) {
        let channels: Vec<_> = (0..n).map(|_| bounded(capacity)).collect();
        let receivers = channels.iter().map(|(_, r)| r.clone()).collect();
        (Replacing(channels), receivers)
    }

    fn try_receive(receiver: &mut Receiver<Word>) -> Option<Word> {
        receiver.try_recv().ok()
    }
}

/// W18: a channel of capacity 1 for each subscriber.
impl Latest for Crossbeam {
    type Writer = Replacing;
    type Subscriber = Receiver<Word>;

    fn open(n: usize) -> (Replacing, Vec<Receiver<Word>>) {
        <Self as Lossy>::open(n, 1)
    }

    fn next(subscriber: &mut Receiver<Word>) -> Word {
        subscriber.recv().unwrap()
    }
}

/// What a feed with a history has, written by hand.
struct History {
    senders: Vec<Sender<Word>>,
    kept: VecDeque<Word>,
}

/// W19: a channel gets the values that are kept, comes and goes.
fn replay(pairs: u64) -> Outcome {
    const KEPT: u64 = 16;
    let kept = (0..KEPT).map(Word::new).collect();
    let feed = Mutex::new(History { senders: Vec::new(), kept });
    let (sender, receiver) = bounded(KEPT as usize);
    let start = Instant::now();
    for _ in 0..pairs {
        let mut history = feed.lock().unwrap();
        for &value in &history.kept {
            sender.send(value).unwrap();
        }
        history.senders.push(sender.clone());
        drop(history);
        for number in 0..KEPT {
            expect(receiver.recv().unwrap().number(), number);
        }
        let senders = &mut feed.lock().unwrap().senders;
        let found = senders.iter().position(|s| s.same_channel(&sender));
        senders.remove(found.unwrap());
    }
    Outcome::new(start.elapsed(), pairs)
}

/// An event that wants to be acknowledged.
#[derive(Clone)]
struct Event {
    number: u64,
    acknowledge: Sender<u64>,
}

/// W5: each event brings a new rendezvous channel for the three answers.
fn acknowledged(rounds: u64) -> Outcome {
    const CONSUMERS: u64 = 3;
    let ready = Arc::new(Latch::new(CONSUMERS as usize));
    let mut events = Vec::new();
    let mut threads = Vec::new();
    for consumer in 0..CONSUMERS {
        let (sender, receiver) = bounded::<Event>(0);
        let ready = ready.clone();
        events.push(sender);
        threads.push(thread::spawn(move || {
            ready.arrive();
            for number in 0..rounds {
                let event = receiver.recv().unwrap();
                expect(event.number, number);
                event.acknowledge.send(number * CONSUMERS + consumer).unwrap();
            }
        }));
    }
    ready.wait();
    let start = Instant::now();
    for number in 0..rounds {
        let (acknowledge, answers) = bounded(0);
        for sender in &events {
            let acknowledge = acknowledge.clone();
            sender.send(Event { number, acknowledge }).unwrap();
        }
        let mut seen = 0;
        for _ in 0..CONSUMERS {
            let answer = answers.recv().unwrap();
            expect(answer / CONSUMERS, number);
            seen |= 1 << (answer % CONSUMERS);
        }
        expect(seen, (1 << CONSUMERS) - 1);
    }
    let elapsed = start.elapsed();
    for thread in threads {
        thread.join().unwrap();
    }
    Outcome::new(elapsed, rounds)
}

/// W7: adds a channel to a locked vector of others, searches it and takes it
/// out again. A send that is blocked holds the lock, so nobody can unsubscribe
/// then: there is no W7_UnsubscribeBlocked.
fn subscribe(others: usize, pairs: u64) -> Outcome {
    let open_one = |_| bounded::<u64>(1).0;
    let feed: Mutex<Vec<_>> = Mutex::new((0..others).map(open_one).collect());
    let (sender, _receiver) = bounded::<u64>(1);
    let start = Instant::now();
    for _ in 0..pairs {
        feed.lock().unwrap().push(sender.clone());
        let mut senders = feed.lock().unwrap();
        let found = senders.iter().position(|s| s.same_channel(&sender));
        senders.remove(found.unwrap());
    }
    let elapsed = start.elapsed();
    expect(feed.lock().unwrap().len() as u64, others as u64);
    Outcome::new(elapsed, pairs)
}

/// W9: a send is blocked on full channels; room is made in one after the
/// other, in random order.
fn lag(n: usize, rounds: u64) -> Outcome {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..n).map(|_| bounded::<u64>(1)).unzip();
    for sender in &senders {
        sender.send(0).unwrap();
    }
    let started = Arc::new(AtomicU64::new(0));
    let returned = Arc::new(AtomicU64::new(0));
    let (starting, returning) = (started.clone(), returned.clone());
    let thread = thread::spawn(move || {
        for round in 1..=rounds {
            starting.store(round, Ordering::Release);
            for sender in &senders {
                sender.send(round).unwrap();
            }
            returning.store(round, Ordering::Release);
        }
    });
    let order = shuffled(n);
    let mut elapsed = Duration::ZERO;
    for round in 1..=rounds {
        wait_for(&started, round);
        let_block();
        let start = Instant::now();
        for &i in &order {
            expect(receivers[i].recv().unwrap(), round - 1);
        }
        wait_for(&returned, round);
        elapsed += start.elapsed();
    }
    for receiver in &receivers {
        expect(receiver.recv().unwrap(), rounds);
    }
    thread.join().unwrap();
    Outcome::new(elapsed, rounds * n as u64)
}

/// As many senders as W16 has: four feeds and one without a feed.
const SENDERS: u64 = 5;

/// W16: five senders of one channel take turns in one thread, which receives
/// all values when the channel is nearly full.
fn in_turn(count: u64) -> Outcome {
    const TURNS: u64 = 128 / SENDERS;
    let (sender, receiver) = bounded(128);
    let senders: Vec<_> = (0..SENDERS).map(|_| sender.clone()).collect();
    let (mut sent, mut received) = (0, 0);
    let start = Instant::now();
    for _ in 0..count {
        for _ in 0..TURNS {
            for sender in &senders {
                sender.send(sent).unwrap();
                sent += 1;
            }
        }
        while received < sent {
            expect(receiver.recv().unwrap(), received);
            received += 1;
        }
    }
    Outcome::new(start.elapsed(), sent)
}

/// W16: each of five senders of one channel has a thread; the values of each
/// come in order.
fn at_once(values_each: u64) -> Outcome {
    let (sender, receiver) = bounded(128);
    let ready = Arc::new(Latch::new(SENDERS as usize));
    let go = Arc::new(Latch::new(1));
    let send_all = |number| {
        let (sender, ready, go) = (sender.clone(), ready.clone(), go.clone());
        thread::spawn(move || {
            ready.arrive();
            go.wait();
            for value in 0..values_each {
                sender.send(value * SENDERS + number).unwrap();
            }
        })
    };
    let threads: Vec<_> = (0..SENDERS).map(send_all).collect();
    ready.wait();
    let start = Instant::now();
    go.arrive();
    let mut next = [0; SENDERS as usize];
    for _ in 0..values_each * SENDERS {
        let value = receiver.recv().unwrap();
        let sender = (value % SENDERS) as usize;
        expect(value / SENDERS, next[sender]);
        next[sender] += 1;
    }
    let elapsed = start.elapsed();
    for thread in threads {
        thread.join().unwrap();
    }
    Outcome::new(elapsed, values_each * SENDERS)
}

fn wait_for(counter: &AtomicU64, value: u64) {
    while counter.load(Ordering::Acquire) < value {
        thread::yield_now();
    }
}

/// Gives a send the time to block: nobody can see when it has.
fn let_block() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(50) {
        thread::yield_now();
    }
}

/// The numbers below n, in an order that is the same in every run.
fn shuffled(n: usize) -> Vec<usize> {
    let mut all: Vec<_> = (0..n).collect();
    let mut random: u64 = 1;
    for i in (1..n).rev() {
        // The multiplier and increment are those of Knuth's MMIX.
        random = random.wrapping_mul(6364136223846793005);
        random = random.wrapping_add(1442695040888963407);
        all.swap(i, (random >> 33) as usize % (i + 1));
    }
    all
}

fn main() {
    let mut cases = scenarios::common::<Crossbeam>();
    cases.extend(scenarios::rendezvous::<Crossbeam>());
    cases.push(Case::new("W5_Acknowledged", acknowledged));
    for others in [0, 100, 10_000, 100_000] {
        let name = format!("W7_Subscribe/others:{others}");
        cases.push(Case::new(name, move |i| subscribe(others, i)));
    }
    for n in [10, 100, 1000, 10_000, 100_000] {
        let name = format!("W9_Lag/subscribers:{n}");
        cases.push(Case::new(name, move |i| lag(n, i)));
    }
    cases.push(Case::new("W16_FeedsInTurn", in_turn));
    cases.push(Case::new("W16_FeedsAtOnce", at_once));
    cases.extend(full::drop_oldest::<Crossbeam>());
    cases.extend(full::latest::<Crossbeam>());
    cases.push(Case::new("W19_Replay", replay));
    harness::main(cases);
}
