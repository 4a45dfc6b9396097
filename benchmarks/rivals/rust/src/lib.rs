// SPDX-License-Identifier: MIT

//! The benchmark's scenarios for rivals that are written in Rust.

pub mod harness;
pub mod scenarios;
