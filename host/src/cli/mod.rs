//! The operator's end of the house: commands, their words, and how answers look in a terminal.
//!
//! Owns: the grammar of the command line, help, tables, complaints. Must not: decide anything, or
//! write to the standard output that `toolgate serve` speaks the protocol on. Read [`args::Cli`]
//! first.

pub mod args;
pub mod arguments;
pub mod commands;
pub mod complaint;
pub mod console;
mod help;
pub mod table;
#[cfg(test)]
mod tests;
