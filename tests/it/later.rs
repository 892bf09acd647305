//! A house for whose callers' requests it is later than for itself: what lapses, without the wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use toolgate::confirm::OwnRequests;
use toolgate::domain::call::{Call, Outcome, Unfinished};
use toolgate::domain::name::ToolName;
use toolgate::domain::principal::Principal;
use toolgate::gateway::{
    CallContext, CallError, Gateway, PromptListing, ResourceListing, ToolListing, Tools,
};
use toolgate::governance::approval::Answers;
use toolgate_tests::House;

/// What stands behind a listener, where requests are older than the house thinks.
pub(crate) struct Later {
    house: Arc<Gateway>,
    own: OwnRequests,
    minutes: Arc<AtomicI64>,
}

impl Later {
    pub(crate) fn of(house: &House) -> Arc<Self> {
        let minutes = Arc::new(AtomicI64::new(0));
        let later = Arc::clone(&minutes);
        let clock = move || {
            jiff::Timestamp::now() + jiff::SignedDuration::from_mins(later.load(Ordering::SeqCst))
        };
        let answers = Answers::open(&house.approvals_dir(), Arc::new(clock)).unwrap();
        let own = OwnRequests::new(Arc::new(answers));
        Arc::new(Self { house: house.gateway().clone(), own, minutes })
    }

    pub(crate) fn by_minutes(&self, minutes: i64) {
        self.minutes.store(minutes, Ordering::SeqCst);
    }
}

#[async_trait]
impl Tools for Later {
    fn list(&self, principal: &Principal) -> Vec<Arc<ToolListing>> {
        self.house.list(principal)
    }

    fn tool(&self, name: &ToolName) -> Option<Arc<ToolListing>> {
        self.house.tool(name)
    }

    fn prompts(&self, principal: &Principal) -> Vec<Arc<PromptListing>> {
        self.house.prompts(principal)
    }

    fn resources(&self, principal: &Principal) -> Vec<Arc<ResourceListing>> {
        self.house.resources(principal)
    }

    async fn call(&self, call: Call, context: CallContext) -> Result<Outcome, CallError> {
        self.house.call(call, context).await
    }

    async fn call_noting(
        &self,
        call: Call,
        context: CallContext,
    ) -> Result<(Outcome, Option<Unfinished>), CallError> {
        self.house.call_noting(call, context).await
    }

    fn own_requests(&self) -> Option<OwnRequests> {
        Some(self.own.clone())
    }
}
