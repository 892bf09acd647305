//! The tests of the whole: a real host, real guests, the embedded cluster. One binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::needless_raw_string_hashes,
    reason = "tests say what went wrong by failing, and figures by printing them; snapshots are \
              written with hashes"
)]

mod approval;
mod audit;
mod bounds;
mod cancel;
mod cli;
mod cli_calls;
mod clients;
mod compiled;
mod fairness;
mod grants;
mod investigation;
mod limits;
mod program;
mod protocol;
mod tidy;
mod unapproved;
mod wire;
