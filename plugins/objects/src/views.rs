//! What a list shows of each well-known kind: the columns that `kubectl get` prints, and the fields
//! that they are made from. Of every other kind it shows what all objects have.

use toolgate_sdk::object::Clock;
use toolgate_sdk::serde_json::Value;

use crate::{cluster, network, workload};

/// A cell of a row: the column's name, and how to make it.
pub(crate) type Column = (&'static str, fn(&Value, &Clock) -> String);

/// How one kind is listed. Names and ages are there for every kind.
pub(crate) struct View {
    /// The group of the kind; empty for the first one.
    group: &'static str,
    /// As `kubectl` takes it, in lower case.
    names: &'static [&'static str],
    /// What to ask the host for.
    pub(crate) fields: &'static [&'static str],
    pub(crate) columns: &'static [Column],
}

/// How this kind is listed. `kind` is what the caller wrote: `po`, `Deployment.apps`.
pub(crate) fn of(kind: &str) -> &'static View {
    let kind = kind.to_ascii_lowercase();
    let (name, group) = kind.split_once('.').unwrap_or((&kind, ""));
    // `deployments.v1.apps` has the version between.
    let group = match group.split_once('.') {
        Some((version, rest)) if is_version(version) => rest,
        _ if is_version(group) => "",
        _ => group,
    };
    VIEWS
        .iter()
        .find(|view| view.names.contains(&name) && (group.is_empty() || group == view.group))
        .unwrap_or(&GENERIC)
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

static GENERIC: View = View {
    group: "",
    names: &[],
    fields: &["metadata.deletionTimestamp", "status.phase", "status.conditions"],
    columns: &[("STATUS", cluster::generic_status)],
};

static VIEWS: &[View] = &[
    View {
        group: "",
        names: &["pod", "pods", "po"],
        fields: &[
            "metadata.deletionTimestamp",
            "spec.nodeName",
            "spec.containers.name",
            "status.phase",
            "status.reason",
            "status.containerStatuses",
            "status.initContainerStatuses",
        ],
        columns: &[
            ("READY", workload::pod_ready),
            ("STATUS", workload::pod_status),
            ("RESTARTS", workload::pod_restarts),
            ("NODE", |v, _| cluster::or_none(v, "spec.nodeName")),
        ],
    },
    View {
        group: "apps",
        names: &["deployment", "deployments", "deploy"],
        fields: &["spec.replicas", "spec.template.spec.containers.image", "status"],
        columns: &[
            ("READY", workload::replicas_ready),
            ("UP-TO-DATE", |v, _| cluster::number(v, "status.updatedReplicas")),
            ("AVAILABLE", |v, _| cluster::number(v, "status.availableReplicas")),
            ("IMAGES", workload::images),
        ],
    },
    View {
        group: "apps",
        names: &["statefulset", "statefulsets", "sts"],
        fields: &["spec.replicas", "spec.template.spec.containers.image", "status"],
        columns: &[
            ("READY", workload::replicas_ready),
            ("UP-TO-DATE", |v, _| cluster::number(v, "status.updatedReplicas")),
            ("IMAGES", workload::images),
        ],
    },
    View {
        group: "apps",
        names: &["daemonset", "daemonsets", "ds"],
        fields: &["spec.template.spec.containers.image", "status"],
        columns: &[
            ("DESIRED", |v, _| cluster::number(v, "status.desiredNumberScheduled")),
            ("READY", |v, _| cluster::number(v, "status.numberReady")),
            ("UP-TO-DATE", |v, _| cluster::number(v, "status.updatedNumberScheduled")),
            ("AVAILABLE", |v, _| cluster::number(v, "status.numberAvailable")),
            ("IMAGES", workload::images),
        ],
    },
    View {
        group: "apps",
        names: &["replicaset", "replicasets", "rs"],
        fields: &["metadata.ownerReferences", "spec.replicas", "status"],
        columns: &[
            ("DESIRED", |v, _| cluster::number(v, "spec.replicas")),
            ("READY", |v, _| cluster::number(v, "status.readyReplicas")),
            ("OWNER", cluster::owner),
        ],
    },
    View {
        group: "batch",
        names: &["job", "jobs"],
        fields: &["metadata.ownerReferences", "spec.completions", "spec.suspend", "status"],
        columns: &[
            ("STATUS", workload::job_status),
            ("COMPLETIONS", workload::job_completions),
            ("DURATION", workload::job_duration),
            ("OWNER", cluster::owner),
        ],
    },
    View {
        group: "batch",
        names: &["cronjob", "cronjobs", "cj"],
        fields: &["spec.schedule", "spec.suspend", "status"],
        columns: &[
            ("SCHEDULE", |v, _| cluster::or_none(v, "spec.schedule")),
            ("SUSPEND", workload::suspended),
            ("ACTIVE", workload::cron_job_active),
            ("LAST SCHEDULE", |v, clock| cluster::ago(v, "status.lastScheduleTime", clock)),
            ("LAST SUCCESS", |v, clock| cluster::ago(v, "status.lastSuccessfulTime", clock)),
        ],
    },
    View {
        group: "",
        names: &["service", "services", "svc"],
        fields: &["spec", "status.loadBalancer.ingress"],
        columns: &[
            ("TYPE", |v, _| cluster::or_none(v, "spec.type")),
            ("CLUSTER-IP", |v, _| cluster::or_none(v, "spec.clusterIP")),
            ("EXTERNAL-IP", network::external),
            ("PORTS", network::service_ports),
            ("SELECTOR", |v, _| cluster::labels(v, "spec.selector")),
        ],
    },
    View {
        group: "discovery.k8s.io",
        names: &["endpointslice", "endpointslices"],
        fields: &["ports", "endpoints.conditions", "addressType"],
        columns: &[
            ("TYPE", |v, _| cluster::or_none(v, "addressType")),
            ("PORTS", network::slice_ports),
            ("READY", network::slice_ready),
        ],
    },
    View {
        group: "networking.k8s.io",
        names: &["ingress", "ingresses", "ing"],
        fields: &["spec", "status.loadBalancer.ingress"],
        columns: &[
            ("CLASS", |v, _| cluster::or_none(v, "spec.ingressClassName")),
            ("HOSTS", network::ingress_hosts),
            ("ADDRESS", network::external),
            ("TLS", network::ingress_tls),
        ],
    },
    View {
        group: "networking.k8s.io",
        names: &["networkpolicy", "networkpolicies", "netpol"],
        fields: &["spec.podSelector", "spec.policyTypes"],
        columns: &[
            ("POD-SELECTOR", network::pod_selector),
            ("TYPES", |v, _| cluster::texts(v, "spec.policyTypes")),
        ],
    },
    View {
        group: "",
        names: &["persistentvolumeclaim", "persistentvolumeclaims", "pvc"],
        fields: &["spec.volumeName", "spec.storageClassName", "spec.accessModes", "status"],
        columns: &[
            ("STATUS", cluster::phase),
            ("VOLUME", |v, _| cluster::or_none(v, "spec.volumeName")),
            ("CAPACITY", |v, _| cluster::or_none(v, "status.capacity.storage")),
            ("ACCESS MODES", |v, _| cluster::texts(v, "spec.accessModes")),
            ("STORAGECLASS", |v, _| cluster::or_none(v, "spec.storageClassName")),
        ],
    },
    View {
        group: "",
        names: &["persistentvolume", "persistentvolumes", "pv"],
        fields: &["spec", "status.phase", "status.reason"],
        columns: &[
            ("CAPACITY", |v, _| cluster::or_none(v, "spec.capacity.storage")),
            ("RECLAIM POLICY", |v, _| cluster::or_none(v, "spec.persistentVolumeReclaimPolicy")),
            ("STATUS", cluster::phase),
            ("CLAIM", cluster::claim),
            ("STORAGECLASS", |v, _| cluster::or_none(v, "spec.storageClassName")),
        ],
    },
    View {
        group: "autoscaling",
        names: &["horizontalpodautoscaler", "horizontalpodautoscalers", "hpa"],
        fields: &["spec", "status"],
        columns: &[
            ("REFERENCE", workload::scale_target),
            ("MINPODS", |v, _| cluster::number_or(v, "spec.minReplicas", "1")),
            ("MAXPODS", |v, _| cluster::number(v, "spec.maxReplicas")),
            ("REPLICAS", |v, _| cluster::number(v, "status.currentReplicas")),
            ("PROBLEM", workload::autoscaler_problem),
        ],
    },
    View {
        group: "policy",
        names: &["poddisruptionbudget", "poddisruptionbudgets", "pdb"],
        fields: &["spec", "status"],
        columns: &[
            ("MIN AVAILABLE", |v, _| cluster::scalar_or(v, "spec.minAvailable", "N/A")),
            ("MAX UNAVAILABLE", |v, _| cluster::scalar_or(v, "spec.maxUnavailable", "N/A")),
            ("ALLOWED DISRUPTIONS", |v, _| cluster::number(v, "status.disruptionsAllowed")),
            ("HEALTHY", workload::budget_healthy),
        ],
    },
    View {
        group: "",
        names: &["resourcequota", "resourcequotas", "quota"],
        fields: &["status"],
        columns: &[("USED/HARD", cluster::quota)],
    },
    View {
        group: "",
        names: &["configmap", "configmaps", "cm"],
        // The values are not shown: what is not asked for is not read.
        fields: &["data", "binaryData", "immutable"],
        columns: &[("DATA", cluster::data_count), ("KEYS", cluster::data_keys)],
    },
    View {
        group: "",
        names: &["secret", "secrets"],
        fields: &["type", "data"],
        columns: &[
            ("TYPE", |v, _| cluster::or_none(v, "type")),
            ("DATA", cluster::data_count),
            ("KEYS", cluster::secret_keys),
        ],
    },
    View {
        group: "",
        names: &["namespace", "namespaces", "ns"],
        fields: &["metadata.deletionTimestamp", "status.phase"],
        columns: &[("STATUS", cluster::phase)],
    },
    View {
        group: "",
        names: &["node", "nodes", "no"],
        fields: &["spec.unschedulable", "status.conditions", "status.nodeInfo.kubeletVersion"],
        columns: &[
            ("STATUS", cluster::node_status),
            ("VERSION", |v, _| cluster::or_none(v, "status.nodeInfo.kubeletVersion")),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_kinds_by_all_their_names() {
        for (kind, columns) in [
            ("Pod", 4),
            ("po", 4),
            ("deployments.apps", 4),
            ("Deployment.v1.apps", 4),
            ("pods.v1", 4),
            ("Service", 5),
            ("Service.serving.knative.dev", 1),
            ("Certificate.cert-manager.io", 1),
            ("", 1),
        ] {
            assert_eq!(of(kind).columns.len(), columns, "{kind}");
        }
    }

    #[test]
    fn has_each_name_once() {
        let mut names: Vec<&str> = VIEWS.iter().flat_map(|view| view.names).copied().collect();
        let n_names = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n_names);
    }
}
