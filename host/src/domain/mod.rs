//! The words of the house and the rules that need no I/O.
//!
//! Owns: names, capabilities, grants, manifests, calls, decisions, limits. Must not: be async, be
//! serialised, or know any other room. Read [`capability::Capability`] first.

pub mod alike;
pub mod call;
pub mod capability;
pub mod decision;
pub mod grant;
pub mod kind;
pub mod limits;
pub mod manifest;
pub mod mode;
pub mod name;
pub mod principal;
pub mod prompt;
pub mod quantity;
pub mod rates;
pub mod rbac;
pub mod redaction;
pub mod resource;
pub mod scope;
pub(crate) mod similar;
pub mod subject;
pub mod tool;
pub mod uri;
pub mod webhook;
pub mod withheld;
pub mod write;
