// SPDX-License-Identifier: MIT

//! Waits for a future of tokio's channels in a thread.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

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

pub fn this_thread() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}

/// What blocking_recv() does, which Debian's version does not have yet.
pub fn block_on<F: Future>(future: F, waker: &Waker) -> F::Output {
    tokio::pin!(future);
    let mut context = Context::from_waker(waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
