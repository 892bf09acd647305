//! The time, so that tests can hold it still.

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> jiff::Timestamp;
}

impl<F: Fn() -> jiff::Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> jiff::Timestamp {
        self()
    }
}
