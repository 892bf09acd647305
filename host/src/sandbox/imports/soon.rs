//! Interfaces whose doors are being built.

use super::super::bindings::toolgate::plugin as contract;
use super::super::bindings::toolgate::plugin::types::{Error, ListQuery};
use super::super::state::State;
use super::Answer;

pub(super) fn unavailable<T>() -> Answer<T> {
    Ok(Err(Error::Unavailable("this host does not serve it".to_owned())))
}

impl contract::kubernetes_metrics::Host for State {
    async fn list_pods(
        &mut self,
        _query: ListQuery,
    ) -> Answer<contract::kubernetes_metrics::PodUsagePage> {
        unavailable()
    }

    async fn list_nodes(
        &mut self,
        _cluster: Option<String>,
    ) -> Answer<Vec<contract::kubernetes_metrics::NodeUsage>> {
        unavailable()
    }
}

impl contract::kubernetes_secret_values::Host for State {
    async fn read(
        &mut self,
        _cluster: Option<String>,
        _namespace: String,
        _name: String,
        _key: String,
    ) -> Answer<Vec<u8>> {
        unavailable()
    }
}
