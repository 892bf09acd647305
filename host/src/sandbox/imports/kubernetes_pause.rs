//! `kubernetes-pause`.

use super::super::bindings::toolgate::plugin::kubernetes_pause as door_wit;
use super::super::bindings::toolgate::plugin::writes::Outcome;
use super::super::state::State;
use super::{Answer, Door, Shut, writes};
use crate::domain::capability::Capability;
use crate::domain::write::{Verb, WorkloadKind};

impl door_wit::Host for State {
    async fn request(&mut self, what: door_wit::Pause) -> Answer<Outcome> {
        self.through(Capability::KubernetesPause, |door| request(door, what, None)).await
    }

    async fn follow(&mut self, what: door_wit::Pause, timeout_s: u32) -> Answer<Outcome> {
        self.through(Capability::KubernetesPause, |door| request(door, what, Some(timeout_s))).await
    }
}

async fn request(door: Door, what: door_wit::Pause, wait_s: Option<u32>) -> Result<Outcome, Shut> {
    let door_wit::Pause { cluster, namespace, name, paused, reason } = what;
    let kind = WorkloadKind::Deployment;
    let target = writes::workload(&door, cluster, kind, &namespace, &name).await?;
    let verb = if paused { Verb::Pause } else { Verb::Resume };
    writes::request(door, verb, target, reason, wait_s).await
}
