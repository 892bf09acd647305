//! Adapters.

pub mod kubernetes;
pub mod demo;
