//! `kubernetes-cordon`.

use super::super::bindings::toolgate::plugin::kubernetes_cordon as door_wit;
use super::super::bindings::toolgate::plugin::writes::Outcome;
use super::super::state::State;
use super::{Answer, Door, Shut, object, writes};
use crate::domain::capability::Capability;
use crate::domain::write::{Verb, WriteTarget};

impl door_wit::Host for State {
    async fn request(&mut self, what: door_wit::Cordon) -> Answer<Outcome> {
        self.through(Capability::KubernetesCordon, |door| request(door, what, None)).await
    }

    async fn follow(&mut self, what: door_wit::Cordon, timeout_s: u32) -> Answer<Outcome> {
        self.through(Capability::KubernetesCordon, |door| request(door, what, Some(timeout_s)))
            .await
    }
}

async fn request(door: Door, what: door_wit::Cordon, wait_s: Option<u32>) -> Result<Outcome, Shut> {
    let door_wit::Cordon { cluster, node, unschedulable, reason } = what;
    let target = WriteTarget::Node { cluster: door.cluster(cluster).await?, name: object(&node)? };
    let verb = if unschedulable { Verb::Cordon } else { Verb::Uncordon };
    writes::request(door, verb, target, reason, wait_s).await
}
