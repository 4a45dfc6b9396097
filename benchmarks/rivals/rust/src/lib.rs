// SPDX-License-Identifier: MIT

//! The benchmark's scenarios for rivals that are written in Rust.

#[cfg(any(feature = "tokio_broadcast", feature = "tokio_watch"))]
pub mod blocking;
pub mod full;
pub mod harness;
pub mod scenarios;
