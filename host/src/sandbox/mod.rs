//! Where guests are let in and run.

pub mod gate;
