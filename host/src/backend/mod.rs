//! Adapters: how the ports reach real systems, and the embedded cluster that stands in for one.
//!
//! Owns: talking to API servers. The only room that knows kube. Must not: decide who may, or be
//! seen by anything but wiring. Read [`kubernetes::Clusters`] first.

pub mod demo;
pub mod kubernetes;
