//! Approvals: a person's answer to one exact request.
//!
//! The request is held in this process; the files beside it are how a person sees it and answers.
//! What is executed is the request in memory, so that no change of a file changes an effect. A
//! request is answered once, executed at most once, and lapses.

mod answers;
mod approver;
mod desk;
mod dropped;
mod file;
mod folder;
mod question;
mod sweep;
mod tally;
mod told;

pub use answers::{Answer, Answers, Approval, ApprovalError};
pub use approver::{Approver, Channel, NotAnApprover};
pub use desk::{Decided, Desk, Key, Settled, Submitted, Ticket, step};
pub use file::{
    AnswerFile, ApprovalFile, BudgetFile, NoteFile, PlanFile, Status, TargetFile, TermsFile,
};
pub use question::{Question, Standing};
pub use sweep::Orphan;
