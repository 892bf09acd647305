//! The tests that want a real cluster: `cargo xtask e2e` makes one and runs them. Each works in a
//! namespace of its own, and goes through the house that the product is. One binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::needless_pass_by_value,
    reason = "tests say what went wrong by failing"
)]

mod cluster;
mod detour;
mod diagnose;
mod metrics;
mod outage;
mod parity;
#[path = "../it/program.rs"]
#[allow(dead_code, reason = "the tests that want no cluster use the rest of it")]
mod program;
mod rbac;
mod reading;
mod scale;
mod space;
mod workloads;
mod writes;
