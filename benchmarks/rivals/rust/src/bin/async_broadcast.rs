// SPDX-License-Identifier: MIT

//! async-broadcast in its overflow mode: W17 and W19. Its replay is the clone
//! of a receiver that is never used otherwise.

use std::time::Instant;

use async_broadcast::{broadcast, Receiver, Sender, TryRecvError};
use fanfare_rivals::full::{self, Lossy};
use fanfare_rivals::harness::{self, expect, fail, Case, Outcome};
use fanfare_rivals::scenarios::{Feed, Value, Word};

struct AsyncBroadcast;
struct Broadcast(Sender<Word>);

impl Feed<Word> for Broadcast {
    fn send(&mut self, value: Word) {
        if self.0.try_broadcast(value).is_err() {
            fail("no receivers");
        }
    }
}

impl Lossy for AsyncBroadcast {
    type Feed = Broadcast;
    type Receiver = Receiver<Word>;

    fn open(n: usize, capacity: usize) -> (Broadcast, Vec<Receiver<Word>>) {
        let (mut sender, first) = broadcast(capacity);
        sender.set_overflow(true);
        let receivers = (0..n).map(|_| first.new_receiver()).collect();
        (Broadcast(sender), receivers)
    }

    fn try_receive(receiver: &mut Receiver<Word>) -> Option<Word> {
        loop {
            match receiver.try_recv() {
                Ok(value) => return Some(value),
                Err(TryRecvError::Overflowed(_)) => {}
                Err(_) => return None,
            }
        }
    }
}

/// W19: a new receiver of the last 16 values comes and goes.
fn replay(pairs: u64) -> Outcome {
    const KEPT: u64 = 16;
    let (mut feed, mut kept) = AsyncBroadcast::open(1, KEPT as usize);
    for number in 0..KEPT {
        feed.send(Word::new(number));
    }
    let start = Instant::now();
    for _ in 0..pairs {
        let mut receiver = kept[0].clone();
        for number in 0..KEPT {
            expect(receiver.try_recv().unwrap().number(), number);
        }
    }
    let elapsed = start.elapsed();
    for number in 0..KEPT {
        expect(kept[0].try_recv().unwrap().number(), number);
    }
    Outcome::new(elapsed, pairs)
}

fn main() {
    let mut cases = full::drop_oldest::<AsyncBroadcast>();
    cases.push(Case::new("W19_Replay", replay));
    harness::main(cases);
}
