//! `kubernetes-events`: who may list events.

use super::super::bindings::toolgate::plugin::kubernetes_events::{
    Event, EventList, EventQuery, Host,
};
use super::super::state::State;
use super::convert::{clipped, moment};
use super::{Answer, Door, Shut, object, within};
use crate::capability::kubernetes as port;
use crate::domain::capability::Capability;
use crate::domain::name::{ClusterName, Namespace};
use crate::domain::scope::{EVENT, Target};

/// Events where the plugin does not say.
const LIMIT_DEFAULT: u32 = 50;

/// Events of one answer.
const LIMIT_MAX: u32 = 500;

impl Host for State {
    async fn list(&mut self, query: EventQuery) -> Answer<EventList> {
        self.through(Capability::KubernetesEvents, |door| list(door, query)).await
    }
}

async fn list(door: Door, query: EventQuery) -> Result<EventList, Shut> {
    let limit = within("limit", query.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let cluster = door.cluster(query.cluster.clone()).await?;
    let kind = query.involved_kind.as_deref().map(kind).transpose()?;
    let name = query.involved_name.as_deref().map(object).transpose()?;
    let (kinds, names) = (door.scope()?.kinds.clone(), door.scope()?.names.clone());
    let is_named = query.namespace.is_some();
    let mut found = port::Events { events: Vec::new(), truncated: false };
    for namespace in door.namespaces(&cluster, query.namespace.as_deref(), EVENT).await? {
        let query = port::EventQuery {
            cluster: cluster.clone(),
            namespace: namespace.clone(),
            involved_kind: kind.clone(),
            involved_name: name.clone(),
            warnings_only: query.warnings_only,
        };
        let page = one_namespace(&door, cluster.clone(), namespace, query, is_named).await?;
        found.truncated |= page.truncated;
        let about = |event: &port::Event| Target {
            cluster: cluster.clone(),
            namespace: event.namespace.parse().ok(),
            kind: event.involved_kind.clone().into(),
            name: Some(event.involved_name.clone()),
        };
        let granted = page.events.into_iter().filter(|event| {
            kinds.contains(&event.involved_kind)
                && names.contains(&event.involved_name)
                && door.sees("list", || about(event))
        });
        found.events.extend(granted);
        if found.events.len() >= port::EVENTS_MAX {
            found.truncated = true;
            break;
        }
    }
    // What has no time at all is oldest. The order of equals is fixed, so that answers compare.
    found.events.sort_by(|a, b| {
        let key =
            |e: &port::Event| (e.namespace.clone(), e.involved_name.clone(), e.reason.clone());
        b.last_seen.cmp(&a.last_seen).then_with(|| key(a).cmp(&key(b)))
    });
    let total = u32::try_from(found.events.len()).unwrap_or(u32::MAX);
    let now = door.now();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let events: Vec<_> = found.events.iter().take(limit).map(|event| shown(event, now)).collect();
    door.fits(events.iter().map(|event| 512 + event.message.len()).sum())?;
    Ok(EventList { events, total, truncated: found.truncated })
}

async fn one_namespace(
    door: &Door,
    cluster: ClusterName,
    namespace: Option<Namespace>,
    query: port::EventQuery,
    is_named: bool,
) -> Result<port::Events, Shut> {
    let target = Target { cluster, namespace, kind: EVENT.into(), name: None };
    door.check("list", &target).await?;
    let kubernetes = door.scene.ports.kubernetes.clone();
    let found = door.port(&target, async move { kubernetes.events(&query).await }).await?;
    // One that the operator granted need not be there; one that the caller names has to be.
    if is_named && found.events.is_empty() {
        door.require_namespace(&target).await?;
    }
    Ok(found)
}

/// A kind goes into a field selector: letters only.
fn kind(text: &str) -> Result<String, Shut> {
    let fits = (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(super::invalid("`involved-kind` is not a Kubernetes kind".to_owned()))
    }
}

fn shown(event: &port::Event, now: jiff::Timestamp) -> Event {
    Event {
        namespace: clipped(&event.namespace),
        severity: clipped(&event.severity),
        reason: clipped(&event.reason),
        message: clipped(&event.message),
        involved_kind: clipped(&event.involved_kind),
        involved_name: clipped(&event.involved_name),
        count: event.count,
        last_seen: moment(event.last_seen.unwrap_or(jiff::Timestamp::UNIX_EPOCH), now),
        first_seen: event.first_seen.map(|at| moment(at, now)),
        source: clipped(&event.source),
    }
}
