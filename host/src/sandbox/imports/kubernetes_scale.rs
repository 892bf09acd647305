//! `kubernetes-scale`.

use super::super::bindings::toolgate::plugin::kubernetes_scale as door_wit;
use super::super::bindings::toolgate::plugin::writes::Outcome;
use super::super::state::State;
use super::convert::kind_in;
use super::{Answer, Door, Shut, invalid, writes};
use crate::domain::capability::Capability;
use crate::domain::write::{REPLICAS_MAX, Verb};

impl door_wit::Host for State {
    async fn request(&mut self, what: door_wit::Scale) -> Answer<Outcome> {
        self.through(Capability::KubernetesScale, |door| request(door, what, None)).await
    }

    async fn follow(&mut self, what: door_wit::Scale, timeout_s: u32) -> Answer<Outcome> {
        self.through(Capability::KubernetesScale, |door| request(door, what, Some(timeout_s))).await
    }
}

async fn request(door: Door, what: door_wit::Scale, wait_s: Option<u32>) -> Result<Outcome, Shut> {
    let door_wit::Scale { cluster, kind, namespace, name, replicas, reason } = what;
    if replicas > REPLICAS_MAX {
        return Err(invalid(format!("`replicas` is {replicas}; it goes from 0 to {REPLICAS_MAX}")));
    }
    let target = writes::workload(&door, cluster, kind_in(kind), &namespace, &name).await?;
    writes::request(door, Verb::Scale { replicas }, target, reason, wait_s).await
}
