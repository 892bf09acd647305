//! Kinds of objects: which ones Kubernetes itself has, and what a person means who names one.
//!
//! A grant and a record call a kind by its canonical name: `Deployment` for what is in the table's
//! first part, `Certificate.cert-manager.io` for everything else.

use std::borrow::Cow;
use std::fmt;

use super::similar::similar;

/// A kind of Kubernetes itself.
#[derive(Debug, PartialEq, Eq)]
pub struct OwnKind {
    /// `Deployment`
    pub name: &'static str,
    /// `apps`; empty for the core.
    pub group: &'static str,
    /// `deployments`
    pub plural: &'static str,
    /// `deploy`
    pub short: &'static [&'static str],
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Best first. One alone needs no question to the cluster.
    pub versions: &'static [&'static str],
}

const fn kind(
    (group, versions): (&'static str, &'static [&'static str]),
    (name, plural): (&'static str, &'static str),
    short: &'static [&'static str],
    namespaced: bool,
) -> OwnKind {
    OwnKind { name, group, plural, short, namespaced, versions }
}

type Group = (&'static str, &'static [&'static str]);

const CORE: Group = ("", &["v1"]);
const APPS: Group = ("apps", &["v1"]);
const RBAC: Group = ("rbac.authorization.k8s.io", &["v1"]);
const ADMISSION: Group = ("admissionregistration.k8s.io", &["v1"]);

/// The kinds that a grant covers by their bare names, and that the pattern `*` means: what
/// applications are made of. Older versions are for clusters down to Kubernetes 1.20.
pub static KINDS: &[OwnKind] = &[
    kind(CORE, ("Pod", "pods"), &["po"], true),
    kind(APPS, ("Deployment", "deployments"), &["deploy"], true),
    kind(APPS, ("StatefulSet", "statefulsets"), &["sts"], true),
    kind(APPS, ("DaemonSet", "daemonsets"), &["ds"], true),
    kind(APPS, ("ReplicaSet", "replicasets"), &["rs"], true),
    kind(APPS, ("ControllerRevision", "controllerrevisions"), &[], true),
    kind(CORE, ("ReplicationController", "replicationcontrollers"), &["rc"], true),
    kind(("batch", &["v1"]), ("Job", "jobs"), &[], true),
    kind(("batch", &["v1", "v1beta1"]), ("CronJob", "cronjobs"), &["cj"], true),
    kind(CORE, ("Service", "services"), &["svc"], true),
    kind(CORE, ("Endpoints", "endpoints"), &["ep"], true),
    kind(("discovery.k8s.io", &["v1", "v1beta1"]), ("EndpointSlice", "endpointslices"), &[], true),
    kind(("networking.k8s.io", &["v1", "v1beta1"]), ("Ingress", "ingresses"), &["ing"], true),
    kind(("networking.k8s.io", &["v1", "v1beta1"]), ("IngressClass", "ingressclasses"), &[], false),
    kind(("networking.k8s.io", &["v1"]), ("NetworkPolicy", "networkpolicies"), &["netpol"], true),
    kind(CORE, ("ConfigMap", "configmaps"), &["cm"], true),
    kind(CORE, ("Secret", "secrets"), &[], true),
    kind(CORE, ("ServiceAccount", "serviceaccounts"), &["sa"], true),
    kind(CORE, ("PersistentVolumeClaim", "persistentvolumeclaims"), &["pvc"], true),
    kind(CORE, ("PersistentVolume", "persistentvolumes"), &["pv"], false),
    kind(("storage.k8s.io", &["v1"]), ("StorageClass", "storageclasses"), &["sc"], false),
    kind(
        ("autoscaling", &["v2", "v2beta2", "v1"]),
        ("HorizontalPodAutoscaler", "horizontalpodautoscalers"),
        &["hpa"],
        true,
    ),
    kind(
        ("policy", &["v1", "v1beta1"]),
        ("PodDisruptionBudget", "poddisruptionbudgets"),
        &["pdb"],
        true,
    ),
    kind(CORE, ("ResourceQuota", "resourcequotas"), &["quota"], true),
    kind(CORE, ("LimitRange", "limitranges"), &["limits"], true),
    kind(CORE, ("Namespace", "namespaces"), &["ns"], false),
    kind(CORE, ("Node", "nodes"), &["no"], false),
];

/// Kinds of Kubernetes itself that belong to the cluster's own machinery. They are granted by name
/// and group, like custom resources, so that a `*` for applications does not hand them out.
pub static MACHINERY: &[OwnKind] = &[
    kind(RBAC, ("Role", "roles"), &[], true),
    kind(RBAC, ("RoleBinding", "rolebindings"), &[], true),
    kind(RBAC, ("ClusterRole", "clusterroles"), &[], false),
    kind(RBAC, ("ClusterRoleBinding", "clusterrolebindings"), &[], false),
    kind(("coordination.k8s.io", &["v1"]), ("Lease", "leases"), &[], true),
    kind(("scheduling.k8s.io", &["v1"]), ("PriorityClass", "priorityclasses"), &["pc"], false),
    kind(("node.k8s.io", &["v1"]), ("RuntimeClass", "runtimeclasses"), &[], false),
    kind(("storage.k8s.io", &["v1"]), ("VolumeAttachment", "volumeattachments"), &[], false),
    kind(("storage.k8s.io", &["v1"]), ("CSIDriver", "csidrivers"), &[], false),
    kind(("storage.k8s.io", &["v1"]), ("CSINode", "csinodes"), &[], false),
    kind(
        ("apiextensions.k8s.io", &["v1"]),
        ("CustomResourceDefinition", "customresourcedefinitions"),
        &["crd", "crds"],
        false,
    ),
    kind(("apiregistration.k8s.io", &["v1"]), ("APIService", "apiservices"), &[], false),
    kind(
        ADMISSION,
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        &[],
        false,
    ),
    kind(ADMISSION, ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"), &[], false),
    kind(
        ("certificates.k8s.io", &["v1"]),
        ("CertificateSigningRequest", "certificatesigningrequests"),
        &["csr"],
        false,
    ),
];

/// Groups whose kind `Event` is an event.
const EVENT_GROUPS: [&str; 2] = ["", "events.k8s.io"];

/// A kind's name with its group and version. Kubernetes allows 63 letters for the one, 253 for the
/// other.
const BYTES_MAX: usize = 340;

impl OwnKind {
    fn is_called(&self, word: &str) -> bool {
        self.name.eq_ignore_ascii_case(word)
            || self.plural.eq_ignore_ascii_case(word)
            || self.short.iter().any(|short| short.eq_ignore_ascii_case(word))
    }

    /// Whether a grant covers it by its bare name.
    fn is_bare(&self) -> bool {
        KINDS.contains(self)
    }

    /// The name in grants and records.
    pub fn canonical(&self) -> Cow<'static, str> {
        if self.is_bare() {
            Cow::Borrowed(self.name)
        } else {
            Cow::Owned(format!("{}.{}", self.name, self.group))
        }
    }
}

/// The kind of Kubernetes itself with this canonical name.
pub fn own(canonical: &str) -> Option<&'static OwnKind> {
    match canonical.split_once('.') {
        None => KINDS.iter().find(|kind| kind.name == canonical),
        Some((name, group)) => MACHINERY.iter().find(|k| k.name == name && k.group == group),
    }
}

/// The kind that a person names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedKind {
    /// It is in the table, with the version where one was asked for.
    Own(&'static OwnKind, Option<String>),
    /// The cluster has to say what it is.
    Other {
        /// A kind, a plural, a singular or a short name.
        word: String,
        /// Never empty.
        group: String,
        /// Where one was asked for.
        version: Option<String>,
    },
}

/// Why a text names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// It cannot be one.
    #[error("a kind is written like `Pod`, `deployments.apps` or `Certificate.cert-manager.io`")]
    Malformed,
    /// Bare, and not in the table.
    #[error("{0}")]
    Unknown(String),
    /// Events have a door of their own.
    #[error(
        "events are read through `kubernetes-events`, which filters them by what they are about"
    )]
    Event,
}

impl AskedKind {
    /// Reads what `kubectl` takes: `po`, `Deployment`, `deployments.apps`, `certificates.v1.example.com`.
    ///
    /// # Errors
    /// Why it names nothing, with what may have been meant.
    pub fn parse(text: &str) -> Result<Self, KindError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        let (word, rest) = text.split_once('.').unwrap_or((text, ""));
        if word.is_empty()
            || text.len() > BYTES_MAX
            || !text.bytes().all(fits)
            || text.contains("..")
        {
            return Err(KindError::Malformed);
        }
        let (version, group) = match rest.split_once('.') {
            Some((first, group)) if is_version(first) => (Some(first), group),
            None if is_version(rest) => (Some(rest), ""),
            Some(_) | None => (None, rest),
        };
        let is_bare = text == word;
        let group = group.to_ascii_lowercase();
        if ["event", "events", "ev"].contains(&word.to_ascii_lowercase().as_str())
            && EVENT_GROUPS.contains(&group.as_str())
        {
            return Err(KindError::Event);
        }
        let meant = |kind: &&'static OwnKind| {
            kind.is_called(word) && (kind.group == group || is_bare && kind.is_bare())
        };
        if let Some(own) = KINDS.iter().chain(MACHINERY).find(meant) {
            return Ok(Self::Own(own, version.map(str::to_owned)));
        }
        if group.is_empty() {
            return Err(KindError::Unknown(unknown(word)));
        }
        Ok(Self::Other { word: word.to_owned(), group, version: version.map(str::to_owned) })
    }
}

impl fmt::Display for AskedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(kind, _) => f.write_str(&kind.canonical()),
            Self::Other { word, group, .. } => write!(f, "{word}.{group}"),
        }
    }
}

/// `v1`, `v2beta2`
fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match rest.split_once("alpha").or_else(|| rest.split_once("beta")) {
        Some((major, minor)) => digits(major) && digits(minor),
        None => digits(rest),
    }
}

fn unknown(word: &str) -> String {
    let shown: String = word.chars().take(64).collect();
    if let Some(kind) = MACHINERY.iter().find(|kind| kind.is_called(word)) {
        return format!("name the kind `{shown}` with its group: `{}`", kind.canonical());
    }
    let words = KINDS.iter().flat_map(|kind| [kind.name, kind.plural]);
    let meant = match similar(word, words) {
        Some(meant) => format!("did you mean `{meant}`? "),
        None => String::new(),
    };
    format!(
        "Kubernetes itself has no kind `{shown}`; {meant}a custom resource is named with its group, \
         like `Certificate.cert-manager.io`"
    )
}

/// The plural that most definitions give a kind: for what is printed without asking a cluster.
pub fn likely_plural(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    let is_hissing = ["s", "x", "z", "ch", "sh"].iter().any(|end| kind.ends_with(end));
    match kind.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if is_hissing => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_person_writes() {
        for (text, meant) in [
            ("po", "Pod"),
            ("Pod", "Pod"),
            ("PODS", "Pod"),
            ("pods.v1", "Pod"),
            ("deploy", "Deployment"),
            ("deployments.apps", "Deployment"),
            ("Deployment.v1.apps", "Deployment"),
            ("hpa", "HorizontalPodAutoscaler"),
            ("cronjobs.v1beta1.batch", "CronJob"),
            ("Role.rbac.authorization.k8s.io", "Role.rbac.authorization.k8s.io"),
            ("Certificate.cert-manager.io", "Certificate.cert-manager.io"),
            ("certificates.v1.cert-manager.io", "certificates.cert-manager.io"),
            ("Deployment.extensions", "Deployment.extensions"),
            ("Pod.evil.io", "Pod.evil.io"),
            ("secrets.evil.io", "secrets.evil.io"),
        ] {
            assert_eq!(AskedKind::parse(text).unwrap().to_string(), meant, "{text}");
        }
        let Ok(AskedKind::Own(kind, version)) = AskedKind::parse("cj.v1beta1.batch") else {
            panic!("an own kind")
        };
        assert_eq!((kind.name, version.as_deref()), ("CronJob", Some("v1beta1")));
    }

    #[test]
    fn says_what_may_have_been_meant() {
        for (text, said) in [
            ("", "is written like"),
            ("../pods", "is written like"),
            ("pods/log", "is written like"),
            ("a..b", "is written like"),
            ("deploymnt", "did you mean `Deployment`?"),
            ("Certificate", "is named with its group"),
            ("clusterrole", "`ClusterRole.rbac.authorization.k8s.io`"),
            ("events", "`kubernetes-events`"),
            ("Event.events.k8s.io", "`kubernetes-events`"),
            ("ev.v1.events.k8s.io", "`kubernetes-events`"),
        ] {
            let error = AskedKind::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn every_kind_is_found_by_each_of_its_names() {
        for kind in KINDS {
            for word in [kind.name, kind.plural].iter().chain(kind.short) {
                let asked = AskedKind::parse(word).unwrap();
                assert_eq!(asked.to_string(), kind.name, "{word}");
            }
        }
        for kind in KINDS.iter().chain(MACHINERY) {
            assert_eq!(own(&kind.canonical()), Some(kind));
            let words = [kind.name.to_owned(), kind.plural.to_owned()];
            for word in words {
                let asked = AskedKind::parse(&format!("{word}.v1.{}", kind.group)).unwrap();
                assert_eq!(asked.to_string(), kind.canonical(), "{word}");
            }
            assert!(!kind.versions.is_empty());
        }
    }

    #[test]
    fn guesses_plurals() {
        for kind in KINDS.iter().chain(MACHINERY).filter(|kind| kind.name != "Endpoints") {
            assert_eq!(likely_plural(kind.name), kind.plural);
        }
        assert_eq!(likely_plural("Gateway"), "gateways");
    }
}
