//! The table of what the cluster serves: one row for each kind.

use k8s_openapi::api::{
    apps::v1 as apps, authorization::v1 as authorization, autoscaling::v1 as autoscaling_v1,
    autoscaling::v2 as autoscaling, batch::v1 as batch, coordination::v1 as coordination,
    core::v1 as core, discovery::v1 as discovery, events::v1 as events,
    networking::v1 as networking, policy::v1 as policy, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;

use super::alias::{AUTOSCALER_V1, NEW_EVENT};
use super::registry::{Kind, row, typed, untyped};

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const BATCH: (&str, &str) = ("batch", "v1");
const NETWORKING: (&str, &str) = ("networking.k8s.io", "v1");
const AUTHORIZATION: (&str, &str) = ("authorization.k8s.io", "v1");
const AUTOSCALER: (&str, &str) = ("HorizontalPodAutoscaler", "horizontalpodautoscalers");
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

const NEW_EVENT_FIELDS: &[&str] = &[
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
    "reason",
    "reportingController",
    "type",
];

/// Everything that is served, in the order discovery lists it.
pub(super) static KINDS: &[Kind] = &[
    row(CORE, ("ConfigMap", "configmaps"), true, &["cm"], typed::<core::ConfigMap>),
    row(CORE, ("Endpoints", "endpoints"), true, &["ep"], typed::<core::Endpoints>),
    row(CORE, ("Event", "events"), true, &["ev"], typed::<core::Event>).fields(EVENT_FIELDS),
    row(CORE, ("LimitRange", "limitranges"), true, &["limits"], typed::<core::LimitRange>),
    row(CORE, ("Namespace", "namespaces"), false, &["ns"], typed::<core::Namespace>)
        .status()
        .fields(&["status.phase"]),
    row(CORE, ("Node", "nodes"), false, &["no"], typed::<core::Node>)
        .status()
        .fields(&["spec.unschedulable"]),
    row(
        CORE,
        ("PersistentVolumeClaim", "persistentvolumeclaims"),
        true,
        &["pvc"],
        typed::<core::PersistentVolumeClaim>,
    )
    .status(),
    row(
        CORE,
        ("PersistentVolume", "persistentvolumes"),
        false,
        &["pv"],
        typed::<core::PersistentVolume>,
    )
    .status(),
    row(CORE, ("Pod", "pods"), true, &["po"], typed::<core::Pod>).pods().all().fields(POD_FIELDS),
    row(CORE, ("ResourceQuota", "resourcequotas"), true, &["quota"], typed::<core::ResourceQuota>)
        .status(),
    row(CORE, ("Secret", "secrets"), true, &[], typed::<core::Secret>).fields(&["type"]),
    row(CORE, ("ServiceAccount", "serviceaccounts"), true, &["sa"], typed::<core::ServiceAccount>),
    row(CORE, ("Service", "services"), true, &["svc"], typed::<core::Service>)
        .status()
        .all()
        .fields(&["spec.clusterIP", "spec.type"]),
    row(
        APPS,
        ("ControllerRevision", "controllerrevisions"),
        true,
        &[],
        typed::<apps::ControllerRevision>,
    ),
    row(APPS, ("DaemonSet", "daemonsets"), true, &["ds"], typed::<apps::DaemonSet>).status().all(),
    row(APPS, ("Deployment", "deployments"), true, &["deploy"], typed::<apps::Deployment>)
        .scaled()
        .all(),
    row(APPS, ("ReplicaSet", "replicasets"), true, &["rs"], typed::<apps::ReplicaSet>)
        .scaled()
        .all(),
    row(APPS, ("StatefulSet", "statefulsets"), true, &["sts"], typed::<apps::StatefulSet>)
        .scaled()
        .all(),
    row(BATCH, ("CronJob", "cronjobs"), true, &["cj"], typed::<batch::CronJob>).status().all(),
    row(BATCH, ("Job", "jobs"), true, &[], typed::<batch::Job>)
        .status()
        .all()
        .fields(&["status.successful"]),
    row(
        ("autoscaling", "v2"),
        AUTOSCALER,
        true,
        &["hpa"],
        typed::<autoscaling::HorizontalPodAutoscaler>,
    )
    .status()
    .all(),
    row(
        ("autoscaling", "v1"),
        AUTOSCALER,
        true,
        &["hpa"],
        typed::<autoscaling_v1::HorizontalPodAutoscaler>,
    )
    .status()
    .all()
    .kept_as(&AUTOSCALER_V1),
    row(
        ("policy", "v1"),
        ("PodDisruptionBudget", "poddisruptionbudgets"),
        true,
        &["pdb"],
        typed::<policy::PodDisruptionBudget>,
    )
    .status(),
    row(NETWORKING, ("Ingress", "ingresses"), true, &["ing"], typed::<networking::Ingress>)
        .status(),
    row(
        NETWORKING,
        ("IngressClass", "ingressclasses"),
        false,
        &[],
        typed::<networking::IngressClass>,
    ),
    row(
        NETWORKING,
        ("NetworkPolicy", "networkpolicies"),
        true,
        &["netpol"],
        typed::<networking::NetworkPolicy>,
    ),
    row(
        ("storage.k8s.io", "v1"),
        ("StorageClass", "storageclasses"),
        false,
        &["sc"],
        typed::<storage::StorageClass>,
    ),
    row(
        ("coordination.k8s.io", "v1"),
        ("Lease", "leases"),
        true,
        &[],
        typed::<coordination::Lease>,
    ),
    row(
        ("discovery.k8s.io", "v1"),
        ("EndpointSlice", "endpointslices"),
        true,
        &[],
        typed::<discovery::EndpointSlice>,
    ),
    row(("events.k8s.io", "v1"), ("Event", "events"), true, &["ev"], typed::<events::Event>)
        .fields(NEW_EVENT_FIELDS)
        .kept_as(&NEW_EVENT),
    row(
        ("apiextensions.k8s.io", "v1"),
        ("CustomResourceDefinition", "customresourcedefinitions"),
        false,
        &["crd", "crds"],
        typed::<extensions::CustomResourceDefinition>,
    )
    .status(),
    row(
        AUTHORIZATION,
        ("SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        false,
        &[],
        typed::<authorization::SelfSubjectAccessReview>,
    )
    .asked(),
    row(
        AUTHORIZATION,
        ("SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        false,
        &[],
        typed::<authorization::SelfSubjectRulesReview>,
    )
    .asked(),
    row(METRICS, ("NodeMetrics", "nodes"), false, &[], untyped).measured(),
    row(METRICS, ("PodMetrics", "pods"), true, &[], untyped).measured(),
];
