//! The tests of the whole: a real host, real guests, the embedded cluster. One binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests say what went wrong by failing, and figures by printing them"
)]

mod cli;
mod cli_calls;
mod clients;
mod investigation;
mod limits;
mod program;
mod protocol;
mod unapproved;
