//! The tests that want a real cluster: `cargo xtask e2e` makes one and runs them. Each works in a
//! namespace of its own, and goes through the house that the product is. One binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::needless_pass_by_value,
    reason = "tests say what went wrong by failing"
)]

mod parity;
