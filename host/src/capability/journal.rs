//! What leaves the host for a cluster is on record before it is sent.

use async_trait::async_trait;

use super::error::CapabilityError;
use crate::domain::name::{CallId, ClusterName};

/// Takes a note of each request to an API server.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Returns once the note is taken. Where it is not, the request is not sent. `call` is the one
    /// that the host works for; none where it looks for itself.
    async fn request(
        &self,
        cluster: &ClusterName,
        method: &str,
        path_and_query: &str,
        call: Option<&CallId>,
    ) -> Result<(), CapabilityError>;
}
