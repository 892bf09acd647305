use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, core::v1 as core,
    discovery::v1 as discovery, networking::v1 as networking, policy::v1 as policy,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One served resource: what its paths, its discovery entry and its selectors need to know.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "`kind` is the API's own word for this field")]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) namespaced: bool,
    pub(super) short_names: &'static [&'static str],
    /// Members of `kubectl get all`.
    pub(super) in_all: bool,
    pub(super) access: Access,
    /// Field labels beyond `metadata.name` and `metadata.namespace`.
    pub(super) fields: &'static [&'static str],
    /// How the server refuses any other field label.
    pub(super) unknown_field: UnknownField,
    check: fn(&Value) -> Result<(), serde_json::Error>,
}

/// Whether clients may write a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    /// Served by an aggregated server that only measures: no watch and no writes.
    Measured,
}

/// The server's two wordings for a field label that it does not index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnknownField {
    NotSupported,
    NotKnown,
}

impl Kind {
    /// `v1` or `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `pods` or `deployments.apps`, as error texts name a resource.
    pub(super) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    pub(super) fn singular(&self) -> String {
        self.kind.to_lowercase()
    }

    /// The kind's subresources with the verbs that each answers.
    pub(super) fn subresources(&self) -> &'static [(&'static str, &'static [&'static str])] {
        match (self.group, self.plural) {
            ("", "pods") => &[("log", &["get"]), ("status", &["get"])],
            ("apps", "deployments" | "replicasets" | "statefulsets") => {
                &[("scale", &["get", "patch", "update"]), ("status", &["get"])]
            }
            ("apps", "daemonsets")
            | ("batch" | "autoscaling" | "policy", _)
            | ("networking.k8s.io", "ingresses")
            | (
                "",
                "nodes" | "namespaces" | "services" | "persistentvolumeclaims" | "resourcequotas",
            ) => &[("status", &["get"])],
            _ => &[],
        }
    }

    pub(super) fn verbs(&self) -> &'static [&'static str] {
        match self.access {
            Access::ReadWrite => &["create", "delete", "get", "list", "patch", "update", "watch"],
            Access::Measured => &["get", "list"],
        }
    }

    /// Whether `value` is an object of this kind as the API describes it.
    pub(super) fn check(&self, value: &Value) -> Result<(), serde_json::Error> {
        (self.check)(value)
    }

    /// Whether writes to `spec` count up `metadata.generation`.
    pub(super) fn counts_generation(&self) -> bool {
        matches!(
            (self.group, self.plural),
            ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
                | ("batch" | "policy" | "networking.k8s.io", _)
                | ("", "pods")
        )
    }

    pub(super) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }
}

/// The kind served under a path, if any.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.group == group && k.version == version && k.plural == plural)
}

/// The kind that an object says it is.
pub(super) fn find_kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.kind == kind && k.api_version() == api_version)
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<(), serde_json::Error> {
    T::deserialize(value).map(drop)
}

/// Measurements have no type in the core API; their shape is checked where they are made.
#[expect(clippy::unnecessary_wraps, reason = "the table's column is a fallible check")]
fn untyped(_: &Value) -> Result<(), serde_json::Error> {
    Ok(())
}

const fn row(
    (group, version): (&'static str, &'static str),
    (kind, plural): (&'static str, &'static str),
    namespaced: bool,
    short_names: &'static [&'static str],
    check: fn(&Value) -> Result<(), serde_json::Error>,
) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        namespaced,
        short_names,
        in_all: false,
        access: Access::ReadWrite,
        fields: &[],
        unknown_field: UnknownField::NotKnown,
        check,
    }
}

impl Kind {
    const fn all(mut self) -> Self {
        self.in_all = true;
        self
    }

    const fn measured(mut self) -> Self {
        self.access = Access::Measured;
        self
    }

    const fn fields(mut self, fields: &'static [&'static str]) -> Self {
        self.fields = fields;
        self.unknown_field = UnknownField::NotSupported;
        self
    }
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const BATCH: (&str, &str) = ("batch", "v1");
const NETWORKING: (&str, &str) = ("networking.k8s.io", "v1");
const METRICS: (&str, &str) = ("metrics.k8s.io", "v1beta1");

const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
];

const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

/// Everything that is served, in the order discovery lists it.
pub(super) static KINDS: &[Kind] = &[
    row(CORE, ("ConfigMap", "configmaps"), true, &["cm"], typed::<core::ConfigMap>),
    row(CORE, ("Endpoints", "endpoints"), true, &["ep"], typed::<core::Endpoints>),
    row(CORE, ("Event", "events"), true, &["ev"], typed::<core::Event>).fields(EVENT_FIELDS),
    row(CORE, ("Namespace", "namespaces"), false, &["ns"], typed::<core::Namespace>)
        .fields(&["status.phase"]),
    row(CORE, ("Node", "nodes"), false, &["no"], typed::<core::Node>)
        .fields(&["spec.unschedulable"]),
    row(
        CORE,
        ("PersistentVolumeClaim", "persistentvolumeclaims"),
        true,
        &["pvc"],
        typed::<core::PersistentVolumeClaim>,
    ),
    row(CORE, ("Pod", "pods"), true, &["po"], typed::<core::Pod>).all().fields(POD_FIELDS),
    row(CORE, ("ResourceQuota", "resourcequotas"), true, &["quota"], typed::<core::ResourceQuota>),
    row(CORE, ("Secret", "secrets"), true, &[], typed::<core::Secret>).fields(&["type"]),
    row(CORE, ("ServiceAccount", "serviceaccounts"), true, &["sa"], typed::<core::ServiceAccount>),
    row(CORE, ("Service", "services"), true, &["svc"], typed::<core::Service>)
        .all()
        .fields(&["spec.clusterIP", "spec.type"]),
    row(
        APPS,
        ("ControllerRevision", "controllerrevisions"),
        true,
        &[],
        typed::<apps::ControllerRevision>,
    ),
    row(APPS, ("DaemonSet", "daemonsets"), true, &["ds"], typed::<apps::DaemonSet>).all(),
    row(APPS, ("Deployment", "deployments"), true, &["deploy"], typed::<apps::Deployment>).all(),
    row(APPS, ("ReplicaSet", "replicasets"), true, &["rs"], typed::<apps::ReplicaSet>).all(),
    row(APPS, ("StatefulSet", "statefulsets"), true, &["sts"], typed::<apps::StatefulSet>).all(),
    row(BATCH, ("CronJob", "cronjobs"), true, &["cj"], typed::<batch::CronJob>).all(),
    row(BATCH, ("Job", "jobs"), true, &[], typed::<batch::Job>)
        .all()
        .fields(&["status.successful"]),
    row(
        ("autoscaling", "v2"),
        ("HorizontalPodAutoscaler", "horizontalpodautoscalers"),
        true,
        &["hpa"],
        typed::<autoscaling::HorizontalPodAutoscaler>,
    )
    .all(),
    row(
        ("policy", "v1"),
        ("PodDisruptionBudget", "poddisruptionbudgets"),
        true,
        &["pdb"],
        typed::<policy::PodDisruptionBudget>,
    ),
    row(NETWORKING, ("Ingress", "ingresses"), true, &["ing"], typed::<networking::Ingress>),
    row(
        NETWORKING,
        ("NetworkPolicy", "networkpolicies"),
        true,
        &["netpol"],
        typed::<networking::NetworkPolicy>,
    ),
    row(
        ("discovery.k8s.io", "v1"),
        ("EndpointSlice", "endpointslices"),
        true,
        &[],
        typed::<discovery::EndpointSlice>,
    ),
    row(METRICS, ("NodeMetrics", "nodes"), false, &[], untyped).measured(),
    row(METRICS, ("PodMetrics", "pods"), true, &[], untyped).measured(),
];
