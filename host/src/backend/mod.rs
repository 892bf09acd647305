//! Adapters: how the ports reach real systems, and the embedded cluster that stands in for one.
//!
//! Owns: talking to API servers and to webhooks. The only room that knows kube. Must not: decide who
//! may, or be seen by anything but wiring and commands. Read [`kubernetes::Clusters`] first.

pub mod demo;
pub mod kubernetes;
pub mod webhook;
