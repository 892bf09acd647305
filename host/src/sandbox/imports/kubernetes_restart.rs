//! `kubernetes-restart`.

use super::super::bindings::toolgate::plugin::kubernetes_restart as door_wit;
use super::super::bindings::toolgate::plugin::writes::Outcome;
use super::super::state::State;
use super::convert::kind_in;
use super::{Answer, Door, Shut, writes};
use crate::domain::capability::Capability;
use crate::domain::write::Verb;

impl door_wit::Host for State {
    async fn request(&mut self, what: door_wit::Restart) -> Answer<Outcome> {
        self.through(Capability::KubernetesRestart, |door| request(door, what, None)).await
    }

    async fn follow(&mut self, what: door_wit::Restart, timeout_s: u32) -> Answer<Outcome> {
        self.through(Capability::KubernetesRestart, |door| request(door, what, Some(timeout_s)))
            .await
    }
}

async fn request(
    door: Door,
    what: door_wit::Restart,
    wait_s: Option<u32>,
) -> Result<Outcome, Shut> {
    let door_wit::Restart { cluster, kind, namespace, name, reason } = what;
    let target = writes::workload(&door, cluster, kind_in(kind), &namespace, &name).await?;
    writes::request(door, Verb::Restart, target, reason, wait_s).await
}
