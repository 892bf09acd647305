//! Toolgate: an MCP server whose tools are WebAssembly components that hold only granted functions.
//!
//! Read `ARCHITECTURE.md` for the map, then `gateway.rs`: the life of one tool call on one screen.
#![deny(unsafe_code)]

pub mod backend;
pub mod capability;
pub mod cli;
pub mod config;
pub mod domain;
pub mod effects;
pub mod gateway;
pub mod governance;
pub mod schema;
pub mod sandbox;
pub mod transport;
