//! The tests of the whole: a real host, real guests, the embedded cluster. One binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::needless_raw_string_hashes,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    reason = "tests say what went wrong by failing, and figures by printing them; most \
              lines are snapshots, and `json!` is written where it is passed"
)]

mod approval;
mod attacks;
mod audit;
mod audit_killed;
mod audit_records;
mod bounds;
mod browser;
mod cancel;
mod cli;
mod cli_calls;
mod clients;
mod compiled;
mod console;
mod crowd;
mod desk;
mod elicitation;
mod elicitation_program;
mod fairness;
mod faults;
mod grants;
mod investigation;
mod killed;
mod later;
mod limits;
mod logs;
mod oracle;
mod policy;
mod program;
mod prompts;
mod protocol;
mod rates;
mod reading;
mod readme;
mod resources;
mod secrets;
mod tasks;
mod tidy;
mod unapproved;
mod verdicts;
mod web_driver;
mod webhooks;
mod wire;
mod writes;
