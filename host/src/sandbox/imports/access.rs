//! `access`: asking what the caller may do.

use super::super::bindings::toolgate::plugin::access as wit;
use super::super::bindings::toolgate::plugin::types::Error;
use super::super::state::State;
use super::{Answer, Door, Shut, invalid, namespace, object, safe};
use crate::capability::access::{Permission, Question};
use crate::domain::capability::Capability;
use crate::domain::scope::Target;

impl wit::Host for State {
    async fn check(&mut self, what: wit::Question) -> Answer<wit::Answer> {
        self.through(Capability::Access, |door| check(door, what)).await
    }
}

async fn check(door: Door, what: wit::Question) -> Result<wit::Answer, Shut> {
    let wit::Question { tool, cluster, namespace: place, name } = what;
    let question = Question {
        principal: door.scene.permit.call().principal.clone(),
        tool: tool.parse().map_err(|e: crate::domain::name::NameError| invalid(e.to_string()))?,
        cluster: door.cluster(cluster).await?,
        namespace: place.as_deref().map(namespace).transpose()?,
        name: name.as_deref().map(object).transpose()?,
    };
    // Not an object: what is looked at are the operator's own words, wherever they point.
    let target = Target {
        cluster: question.cluster.clone(),
        namespace: question.namespace.clone(),
        kind: "Access".into(),
        name: Some(tool.clone()),
    };
    door.note("check", &target, true, None).await?;
    let access = door.scene.ports.access.clone();
    let found = door.port(&target, async move { Ok(access.check(&question).await) }).await?;
    let Some(found) = found else {
        return Err(Shut::Told(Error::NotFound(format!("there is no tool `{}`", safe(&tool)))));
    };
    let allowed = found.iter().all(Permission::allows);
    Ok(wit::Answer { allowed, permissions: found.iter().map(told).collect() })
}

fn told(permission: &Permission) -> wit::Permission {
    wit::Permission {
        capability: permission.capability.to_string(),
        tier: permission.capability.tier().to_string(),
        granted: permission.granted,
        needs_approval: permission.needs_approval,
        missing_rights: permission.missing_rights.clone(),
        rights_known: permission.rights_known,
        obstacle: permission.obstacle.clone(),
    }
}
