//! Interfaces whose doors are being built.

use super::super::bindings::toolgate::plugin as contract;
use super::super::bindings::toolgate::plugin::types::Error;
use super::super::state::State;
use super::Answer;

pub(super) fn unavailable<T>() -> Answer<T> {
    Ok(Err(Error::Unavailable("this host does not serve it".to_owned())))
}

impl contract::kubernetes_scale::Host for State {
    async fn request(
        &mut self,
        _what: contract::kubernetes_scale::Scale,
    ) -> Answer<contract::writes::Outcome> {
        unavailable()
    }
}

impl contract::kubernetes_rollback::Host for State {
    async fn request(
        &mut self,
        _what: contract::kubernetes_rollback::Rollback,
    ) -> Answer<contract::writes::Outcome> {
        unavailable()
    }
}

impl contract::kubernetes_pause::Host for State {
    async fn request(
        &mut self,
        _what: contract::kubernetes_pause::Pause,
    ) -> Answer<contract::writes::Outcome> {
        unavailable()
    }
}

impl contract::kubernetes_cordon::Host for State {
    async fn request(
        &mut self,
        _what: contract::kubernetes_cordon::Cordon,
    ) -> Answer<contract::writes::Outcome> {
        unavailable()
    }
}

impl contract::kubernetes_delete_pod::Host for State {
    async fn request(
        &mut self,
        _what: contract::kubernetes_delete_pod::Deletion,
    ) -> Answer<contract::writes::Outcome> {
        unavailable()
    }
}
