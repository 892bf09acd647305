//! Adapters.

pub mod demo;
