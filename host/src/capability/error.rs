//! How a port can fail.

/// A failure of a port. `Display` is the internal text, for the log; what a guest or a caller may
/// read is [`CapabilityError::caller_text`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// There is no such object. The text repeats only names that the caller said.
    #[error("{0}")]
    NotFound(String),
    /// The API server answered 403 to the host's own account.
    #[error("the api server refuses: {internal}")]
    Forbidden {
        /// The server's words. They name the service account, so they stay in the log.
        internal: String,
    },
    /// The request is wrong; the text is for the caller.
    #[error("{0}")]
    InvalidArgument(String),
    /// The object changed under the request; the text is for the caller.
    #[error("{0}")]
    Conflict(String),
    /// No answer, or none in time, or none that makes sense.
    #[error("{internal}")]
    Unavailable {
        /// For the caller: what does not answer.
        caller: &'static str,
        /// For the log: how.
        internal: String,
    },
    /// A bound is reached; the text names it.
    #[error("{0}")]
    LimitExceeded(String),
}

impl CapabilityError {
    /// The text that may leave the host.
    pub fn caller_text(&self) -> String {
        match self {
            Self::NotFound(text)
            | Self::InvalidArgument(text)
            | Self::Conflict(text)
            | Self::LimitExceeded(text) => text.clone(),
            Self::Forbidden { .. } => {
                "the cluster does not allow this server to do that; its operator can say more"
                    .to_owned()
            }
            Self::Unavailable { caller, .. } => (*caller).to_owned(),
        }
    }
}
