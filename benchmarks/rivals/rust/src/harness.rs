// SPDX-License-Identifier: MIT

//! Runs one named case and prints what it took, as Google Benchmark would.
//!
//! Only three of Google Benchmark's options are known: `--benchmark_filter`,
//! `--benchmark_min_time` and `--benchmark_list_tests`. The filter has to be a
//! whole name, with or without `^` and `$`.

use std::fmt::Display;
use std::process;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What so many iterations of a case took.
pub struct Outcome {
    /// The time that counts.
    pub elapsed: Duration,
    /// How many deliveries, round trips or rounds that time is shared among.
    pub operations: u64,
    /// Latencies in nanoseconds, in the order of time; empty where none are
    /// taken.
    pub latencies: Vec<u64>,
    /// The processor time that the process used, where that is of interest.
    pub processor: Option<Duration>,
}

impl Outcome {
    pub fn new(elapsed: Duration, operations: u64) -> Self {
        let latencies = Vec::new();
        Outcome { elapsed, operations, latencies, processor: None }
    }

    fn each(&self, time: Duration) -> f64 {
        time.as_nanos() as f64 / self.operations as f64
    }
}

/// A scenario with its arguments; `run` takes the number of iterations.
pub struct Case {
    name: String,
    run: Box<dyn Fn(u64) -> Outcome>,
}

impl Case {
    pub fn new(
        name: impl Into<String>,
        run: impl Fn(u64) -> Outcome + 'static,
    ) -> Self {
        Case { name: name.into(), run: Box::new(run) }
    }
}

/// Ends the program with an error: a value was lost, doubled or torn.
pub fn fail(message: impl Display) -> ! {
    eprintln!("{message}");
    process::exit(1);
}

/// Ends the program with an error unless the two are the same.
#[inline]
pub fn expect(received: u64, expected: u64) {
    if received != expected {
        fail(format!("received {received} instead of {expected}"));
    }
}

/// The processor time that the process has used so far.
pub fn processor_time() -> Duration {
    const CLOCKS_PER_SEC: f64 = 1e6; // as POSIX has it
    extern "C" {
        fn clock() -> std::ffi::c_long;
    }
    // Safety: it has no preconditions.
    let used = unsafe { clock() };
    Duration::from_secs_f64(used as f64 / CLOCKS_PER_SEC)
}

/// A thread waits here until so many others have arrived.
pub struct Latch {
    missing: Mutex<usize>,
    all_arrived: Condvar,
}

impl Latch {
    pub fn new(count: usize) -> Self {
        Latch { missing: Mutex::new(count), all_arrived: Condvar::new() }
    }

    pub fn arrive(&self) {
        let mut missing = self.missing.lock().unwrap();
        *missing -= 1;
        if *missing == 0 {
            self.all_arrived.notify_all();
        }
    }

    pub fn wait(&self) {
        let mut missing = self.missing.lock().unwrap();
        while *missing > 0 {
            missing = self.all_arrived.wait(missing).unwrap();
        }
    }
}

/// Does what the command line asks for.
pub fn main(cases: Vec<Case>) {
    // As in the other programs, a second thread is there all the time.
    thread::spawn(|| loop {
        thread::park();
    });
    let mut filter = String::new();
    let mut min_time = Duration::from_millis(100);
    for argument in std::env::args().skip(1) {
        match argument.split_once('=').unwrap_or((&argument, "")) {
            ("--benchmark_list_tests", _) => return list(&cases),
            ("--benchmark_format", "json") => {}
            ("--benchmark_filter", name) => filter = exact(name),
            ("--benchmark_min_time", text) => min_time = seconds(text),
            _ => fail(format!("unknown option: {argument}")),
        }
    }
    match cases.iter().find(|case| case.name == filter) {
        Some(case) => print(case, min_time),
        None => fail(format!("no such case: {filter}")),
    }
}

fn list(cases: &[Case]) {
    for case in cases {
        println!("{}", case.name);
    }
}

fn exact(filter: &str) -> String {
    filter.trim_start_matches('^').trim_end_matches('$').to_string()
}

fn seconds(text: &str) -> Duration {
    match text.trim_end_matches('s').parse() {
        Ok(seconds) => Duration::from_secs_f64(seconds),
        Err(_) => fail(format!("not a number of seconds: {text}")),
    }
}

/// Runs the case with more and more iterations until they take long enough.
///
/// A few iterations that happen to take long, because a thousand threads are
/// only just starting, are not enough. What is not timed counts a tenth.
fn print(case: &Case, min_time: Duration) {
    let mut iterations: u64 = 1;
    let outcome = loop {
        let start = Instant::now();
        let outcome = (case.run)(iterations);
        let spent = outcome.elapsed.max(start.elapsed() / 10);
        let few = iterations < 100 && spent < min_time * 5;
        if spent >= min_time && !few || iterations > 1_000_000_000 {
            break outcome;
        }
        let ratio = min_time.as_secs_f64() * 1.4 / spent.as_secs_f64();
        let grown = iterations as f64 * ratio.clamp(2.0, 10.0);
        iterations = grown as u64;
    };
    println!(
        "{{\"benchmarks\":[{{\"name\":\"{}\",\"iterations\":{},\
         \"ns\":{:.3}{}{}}}]}}",
        case.name,
        iterations,
        outcome.each(outcome.elapsed),
        processor(&outcome),
        quantiles(outcome.latencies),
    );
}

fn processor(outcome: &Outcome) -> String {
    match outcome.processor {
        Some(time) => format!(",\"cpu\":{:.3}", outcome.each(time)),
        None => String::new(),
    }
}

fn quantiles(mut latencies: Vec<u64>) -> String {
    if latencies.is_empty() {
        return String::new();
    }
    let p99 = usual_99th(&latencies);
    let p50 = quantile(&mut latencies, 0.5);
    let p999 = quantile(&mut latencies, 0.999);
    format!(",\"p50\":{p50},\"p99\":{p99},\"p999\":{p999}")
}

/// The 99th percentile of a hundred latencies that follow each other, as the
/// median of all hundreds. A machine that stops a thread for a millisecond
/// delays all events of that time, and these few hundreds do not count.
fn usual_99th(latencies: &[u64]) -> u64 {
    let hundred = latencies.len().min(100);
    let of_one = |latencies: &[u64]| quantile(&mut latencies.to_vec(), 0.99);
    let all = latencies.chunks_exact(hundred).map(of_one);
    quantile(&mut all.collect::<Vec<_>>(), 0.5)
}

/// Sorts the latencies.
fn quantile(latencies: &mut [u64], part: f64) -> u64 {
    latencies.sort_unstable();
    latencies[((latencies.len() - 1) as f64 * part) as usize]
}
