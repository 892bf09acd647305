//! A house out of real parts, for tests and benchmarks.
//!
//! Owns: finding the components that `cargo xtask plugins` laid out, building a house of them in
//! temporary folders, showing what it recorded as text that does not change from run to run, and
//! servers and ways to them that fail.
//! Must not: replace a part by something simpler. Read [`House`] first.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what goes wrong here is a failure of the test that asked for it"
)]

pub mod api_server;
pub mod authority;
#[path = "../guests/generate.rs"]
#[allow(
    missing_docs,
    clippy::must_use_candidate,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    reason = "shared with the unit tests of the host, which lint it by their own rules"
)]
pub mod generate;
mod house;
mod operator;
mod parts;
mod patience;
pub mod proxy;
pub mod receiver;
mod record;
#[allow(
    clippy::must_use_candidate,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    reason = "shared with the unit tests of the host, which lint it by their own rules"
)]
pub mod secrets;
mod served;

pub use house::{Builder, House, ample_budget, shown};
pub use operator::Operator;
pub use parts::{Part, grants, repository, target_dir, toolgate};
pub use patience::{PATIENCE, patient, patient_log};
pub use record::{Record, line};
pub use served::{Served, changes};
