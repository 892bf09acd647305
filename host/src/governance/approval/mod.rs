//! Approvals: a person's answer to one exact request.
//!
//! The request is held in this process; the files beside it are how a person sees it and answers.
//! What is executed is the request in memory, so that no change of a file changes an effect. A
//! request is answered once, executed at most once, and lapses.

mod desk;
mod file;

pub use desk::{Decided, Desk, Key, Settled, Ticket};
pub use file::{
    Answer, ApprovalError, ApprovalFile, BudgetFile, Claim, Ended, Folder, PlanFile, Status,
    TargetFile,
};
