//! Adapters.

pub mod kubernetes;
