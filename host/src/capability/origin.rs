//! For which call the host works now, so that the room that talks to clusters can put each request
//! on record without every port passing the call along.

use std::future::Future;

use crate::domain::name::CallId;

tokio::task_local! {
    static CALL: CallId;
}

/// Works for a call. What the work spawns is no longer in it.
pub async fn on_behalf<T>(call: CallId, work: impl Future<Output = T>) -> T {
    CALL.scope(call, work).await
}

/// The call that is worked for; none where the host looks for itself.
pub fn call() -> Option<CallId> {
    CALL.try_with(Clone::clone).ok()
}
