//! Objects of any kind: who may read which, and what of them leaves the host.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::super::bindings::toolgate::plugin::kubernetes_read as wit;
use super::super::bindings::toolgate::plugin::types::Error;
use super::fields::Fields;
use super::pages::{Listing, PAGE_MAX, bounded};
use super::{Door, Shut, invalid, missing, namespace, object, within};
use crate::capability::objects::ServedKind;
use crate::domain::kind::AskedKind;
use crate::domain::name::ClusterName;
use crate::domain::scope::Target;
use crate::domain::withheld::Withheld;
use crate::governance::objects::make_object_safe;

/// Objects of a page where the plugin does not say: they are larger than records.
const LIMIT_DEFAULT: u32 = 50;

/// What a guest asks for.
pub(super) struct Asked {
    pub cluster: Option<String>,
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
    pub fields: Vec<String>,
}

/// A kind that was asked for, as far as it is known before the grant was checked.
struct Meant {
    canonical: Cow<'static, str>,
    is_namespaced: bool,
    /// None for Kubernetes' own, of which only the version is unknown.
    served: Option<ServedKind>,
    asked: AskedKind,
}

pub(super) async fn get(door: Door, asked: Asked) -> Result<wit::Object, Shut> {
    let fields = Fields::parse(&asked.fields)?;
    let cluster = door.cluster(asked.cluster).await?;
    let meant = door.kind("get", &cluster, &asked.kind).await?;
    let place = match (meant.is_namespaced, asked.namespace) {
        (true, Some(place)) => Some(namespace(&place)?),
        (false, None) => None,
        (true, None) => {
            let kind = &meant.canonical;
            return Err(invalid(format!("{kind} objects are in namespaces; name one")));
        }
        (false, Some(_)) => return Err(in_no_namespace(&meant)),
    };
    let name = object(&asked.name)?;
    let target = Target {
        cluster: cluster.clone(),
        namespace: place.clone(),
        kind: meant.canonical.clone(),
        name: Some(name.to_string()),
    };
    door.check_as("get", &target, meant.is_namespaced).await?;
    let served = door.served(&cluster, &target, meant).await?;
    let objects = Arc::clone(&door.scene.ports.objects);
    let kind = served.clone();
    let value = door
        .port(&target, async move { objects.object(&cluster, &kind, place.as_ref(), &name).await })
        .await?;
    let mut safe = door.made_safe(&served, vec![value], fields).await?;
    safe.pop().ok_or_else(|| Shut::Told(missing(&target)))
}

pub(super) async fn list(door: Door, query: wit::ObjectQuery) -> Result<wit::ObjectPage, Shut> {
    let fields = Fields::parse(&query.fields)?;
    bounded("field-selector", query.field_selector.as_deref())?;
    let limit = within("limit", query.limit, LIMIT_DEFAULT, PAGE_MAX)?;
    let cluster = door.cluster(query.cluster).await?;
    let meant = door.kind("list", &cluster, &query.kind).await?;
    if !meant.is_namespaced && query.namespace.is_some() {
        return Err(in_no_namespace(&meant));
    }
    let (kind, is_namespaced) = (meant.canonical.clone(), meant.is_namespaced);
    let target =
        Target { cluster: cluster.clone(), namespace: None, kind: kind.clone(), name: None };
    if !door.scope()?.covers_kind(&kind) {
        door.note("list", &target, false, Some(door.grant_rule())).await?;
        return Err(Shut::Told(missing(&target)));
    }
    let served = door.served(&cluster, &target, meant).await?;
    let listing = Listing {
        cluster,
        kind,
        is_namespaced,
        namespace: query.namespace,
        label_selector: query.label_selector,
        limit,
        continue_: query.continue_,
    };
    let objects = Arc::clone(&door.scene.ports.objects);
    let fetch = |list| {
        let (objects, kind) = (Arc::clone(&objects), served.clone());
        let field_selector = query.field_selector.clone();
        async move { objects.objects(&kind, &list, field_selector.as_deref()).await }
    };
    let found = door.page_of(listing, name_of, fetch).await?;
    let objects = door.made_safe(&served, found.items, fields).await?;
    Ok(wit::ObjectPage {
        objects,
        kind: format!("{} {}", served.api_version(), served.kind),
        continue_: found.next,
        remaining: found.remaining,
    })
}

fn in_no_namespace(meant: &Meant) -> Shut {
    invalid(format!("{} objects are in no namespace", meant.canonical))
}

/// What has no name is covered by no pattern but `*`.
fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

impl Door {
    /// The kind that is meant. What it is called in grants is known for Kubernetes' own; for others
    /// the cluster is asked, if a grant may cover the answer.
    async fn kind(
        &self,
        verb: &'static str,
        cluster: &ClusterName,
        text: &str,
    ) -> Result<Meant, Shut> {
        let asked = AskedKind::parse(text).map_err(|error| invalid(error.to_string()))?;
        if let AskedKind::Own(kind, _) = &asked {
            let (canonical, is_namespaced) = (kind.canonical(), kind.namespaced);
            return Ok(Meant { canonical, is_namespaced, served: None, asked });
        }
        let target = Target {
            cluster: cluster.clone(),
            namespace: None,
            kind: asked.to_string().into(),
            name: None,
        };
        let is_reached = match &asked {
            AskedKind::Other { group, .. } => self.scope()?.reaches_group(group),
            AskedKind::Own(..) => false,
        };
        if !is_reached {
            self.note(verb, &target, false, Some(self.grant_rule())).await?;
            return Err(Shut::Told(missing(&target)));
        }
        let served = self.discover(cluster, &target, &asked).await?;
        let (canonical, is_namespaced) = (served.canonical.clone(), served.namespaced);
        Ok(Meant { canonical, is_namespaced, served: Some(served), asked })
    }

    /// How the cluster serves a kind that is granted.
    async fn served(
        &self,
        cluster: &ClusterName,
        target: &Target,
        meant: Meant,
    ) -> Result<ServedKind, Shut> {
        match meant.served {
            Some(served) => Ok(served),
            None => self.discover(cluster, target, &meant.asked).await,
        }
    }

    async fn discover(
        &self,
        cluster: &ClusterName,
        target: &Target,
        asked: &AskedKind,
    ) -> Result<ServedKind, Shut> {
        let is_certain = match asked {
            AskedKind::Own(kind, _) => kind.versions.len() == 1,
            AskedKind::Other { .. } => false,
        };
        if !is_certain {
            let kind = Target { namespace: None, name: None, ..target.clone() };
            self.note("discover", &kind, true, None).await?;
        }
        let objects = Arc::clone(&self.scene.ports.objects);
        let (cluster, asked) = (cluster.clone(), asked.clone());
        self.port(target, async move { objects.served(&cluster, &asked).await }).await
    }

    /// Redacts, and only then leaves out what is not wanted: what stands beside a value says whether
    /// it is secret. Aside, since a page of large objects takes a while.
    async fn made_safe(
        &self,
        kind: &ServedKind,
        values: Vec<Value>,
        fields: Fields,
    ) -> Result<Vec<wit::Object>, Shut> {
        let canonical = kind.canonical.clone();
        let trail = Arc::clone(&self.scene.trail);
        let bytes_max = self.scene.limits.host_call_bytes_out_max;
        let work = move || {
            let (mut safe, mut bytes) = (Vec::new(), 0_usize);
            let mut withheld = Withheld::default();
            for value in values {
                let object = make_object_safe(&canonical, value);
                let json = fields.of(object.value).to_string();
                bytes = bytes.saturating_add(json.len() + 64);
                let (redacted, removed) = (object.redacted, object.removed.total());
                withheld += Withheld { secrets: redacted, removed: object.removed, defanged: 0 };
                safe.push(wit::Object { json, redacted, removed });
                // The rest would be thrown away.
                if bytes > bytes_max {
                    break;
                }
            }
            trail.withhold(withheld);
            (safe, bytes)
        };
        match self.scene.ports.io.spawn_blocking(work).await {
            Ok((safe, bytes)) if bytes <= bytes_max => Ok(safe),
            Ok(_) => Err(Shut::Told(Error::LimitExceeded(format!(
                "this answer has more than {bytes_max} bytes (`host_call_bytes_out_max`); ask for \
                 fewer objects with `limit`, or for less of them with `fields`"
            )))),
            Err(error) => {
                tracing::error!(%error, "an object could not be made safe");
                Err(Shut::Told(Error::Unavailable(
                    "the host failed at this; its operator finds why in its log".to_owned(),
                )))
            }
        }
    }
}
