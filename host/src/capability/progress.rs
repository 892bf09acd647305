//! Telling the client how far a call is.

/// Takes reports of progress. Must not block: a client that does not read loses reports, never
/// holds up a call.
pub trait ProgressSink: Send + Sync + 'static {
    /// `done` of `total`, in the tool's own unit.
    fn report(&self, done: u32, total: Option<u32>, message: &str);
}

/// Nobody asked for progress.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn report(&self, _done: u32, _total: Option<u32>, _message: &str) {}
}
