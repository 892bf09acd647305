//! `kubernetes-delete-pod`.

use super::super::bindings::toolgate::plugin::kubernetes_delete_pod as door_wit;
use super::super::bindings::toolgate::plugin::writes::Outcome;
use super::super::state::State;
use super::{Answer, Door, Shut, namespace, object, writes};
use crate::domain::capability::Capability;
use crate::domain::write::{Verb, WriteTarget};

impl door_wit::Host for State {
    async fn request(&mut self, what: door_wit::Deletion) -> Answer<Outcome> {
        self.through(Capability::KubernetesDeletePod, |door| request(door, what, None)).await
    }

    async fn follow(&mut self, what: door_wit::Deletion, timeout_s: u32) -> Answer<Outcome> {
        self.through(Capability::KubernetesDeletePod, |door| request(door, what, Some(timeout_s)))
            .await
    }
}

async fn request(
    door: Door,
    what: door_wit::Deletion,
    wait_s: Option<u32>,
) -> Result<Outcome, Shut> {
    let door_wit::Deletion { cluster, namespace: place, pod, reason } = what;
    let target = WriteTarget::Pod {
        cluster: door.cluster(cluster).await?,
        namespace: namespace(&place)?,
        name: object(&pod)?,
    };
    writes::request(door, Verb::Delete, target, reason, wait_s).await
}
