//! The adapter against an API server that follows a script, behind a real client.

mod connecting;
mod fake;
mod following;
mod incident;
mod objects;
mod reading;
mod restarting;
mod sending;
mod writing;
