//! Reading a container's log, piece by piece: whoever reads decides what stays in memory.

use async_trait::async_trait;
use bytes::Bytes;

use super::error::CapabilityError;
use crate::domain::name::{ClusterName, Namespace, ObjectName};

/// Which log to read.
#[derive(Debug, Clone)]
pub struct LogQuery {
    /// Where.
    pub cluster: ClusterName,
    /// Where.
    pub namespace: Namespace,
    /// The pod.
    pub pod: ObjectName,
    /// `None` is enough where the pod has one container, or names a default one.
    pub container: Option<ObjectName>,
    /// The run before.
    pub previous: bool,
    /// Only the newest lines; `None` is all there are.
    pub tail_lines: Option<u32>,
    /// Only so far back.
    pub since_s: Option<u32>,
    /// Whether each line begins with its time.
    pub timestamps: bool,
    /// Whether to wait for lines that are not written yet.
    pub follow: bool,
}

/// A log that is being read. Dropped, it ends the request.
pub struct OpenLog {
    /// The container that is read.
    pub container: String,
    /// What it wrote.
    pub pieces: Box<dyn LogPieces>,
}

impl std::fmt::Debug for OpenLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenLog").field("container", &self.container).finish_non_exhaustive()
    }
}

/// The bytes of a log as the container wrote them, oldest first: perhaps not UTF-8, perhaps
/// hostile, cut anywhere.
#[async_trait]
pub trait LogPieces: Send + 'static {
    /// The next piece, a bounded one; `None` at the end. Dropping the future loses no piece.
    async fn next(&mut self) -> Option<Result<Bytes, CapabilityError>>;
}

/// A log that is in memory already.
#[async_trait]
impl LogPieces for std::vec::IntoIter<Bytes> {
    async fn next(&mut self) -> Option<Result<Bytes, CapabilityError>> {
        Iterator::next(self).map(Ok)
    }
}
