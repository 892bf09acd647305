//! Toolgate: an MCP server whose tools are WebAssembly components that hold only granted functions.
//!
//! Read `ARCHITECTURE.md` for the map, then `gateway.rs`: the life of one call on one screen.
#![deny(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        unreachable_pub,
        clippy::cast_possible_truncation,
        clippy::duration_suboptimal_units,
        clippy::format_collect,
        clippy::format_push_string,
        clippy::too_many_lines,
        clippy::wildcard_enum_match_arm,
        reason = "tests have a lighter table: they say what they mean, once, and may be long"
    )
)]

pub mod access;
pub mod backend;
pub mod capability;
pub mod cli;
pub mod config;
pub mod confirm;
pub mod console;
pub mod domain;
pub mod effects;
pub mod gateway;
pub mod governance;
pub mod permissions;
pub mod sandbox;
pub mod schema;
pub mod telemetry;
pub mod transport;
pub mod wiring;
