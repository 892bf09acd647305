use serde::de::DeserializeOwned;
use serde_json::Value;

use super::kinds::KINDS;

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
    /// How the kind is kept, where that is in another one's form.
    pub(super) alias: Option<&'static Alias>,
    /// Subresources and their verbs.
    parts: Parts,
    /// Whether a definition in the cluster brought the kind.
    pub(super) custom: bool,
    check: fn(&Value) -> Result<(), serde_json::Error>,
}

/// Whether clients may write a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    /// Served by an aggregated server that only measures: no watch and no writes.
    Measured,
    /// A question that is posted and answered at once; nothing is kept.
    Asked,
}

/// Subresources with the verbs that each answers.
pub(super) type Parts = &'static [(&'static str, &'static [&'static str])];

const STATUS: (&str, &[&str]) = ("status", &["get", "patch", "update"]);
const SCALE: (&str, &[&str]) = ("scale", &["get", "patch", "update"]);
pub(super) const WITH_STATUS: Parts = &[STATUS];
pub(super) const WITH_SCALE: Parts = &[SCALE, STATUS];
const OF_PODS: Parts = &[("eviction", &["create"]), ("log", &["get"]), STATUS];

/// How objects of one kind are kept as objects of another: two versions of one resource, or two
/// groups that share one.
#[derive(Debug)]
pub(super) struct Alias {
    /// The group under which the objects are kept.
    pub(super) group: &'static str,
    /// From the form that is kept to the one that is served.
    pub(super) show: fn(&Value) -> Value,
    /// From the form that is served to the one that is kept.
    pub(super) keep: fn(&Value) -> Value,
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
    pub(super) fn subresources(&self) -> Parts {
        self.parts
    }

    /// The group under which the kind's objects are kept.
    pub(super) fn stored_group(&self) -> &'static str {
        self.alias.map_or(self.group, |alias| alias.group)
    }

    /// A kept object in the form of this kind.
    pub(super) fn shown(&self, object: &Value) -> Value {
        self.alias.map_or_else(|| object.clone(), |alias| (alias.show)(object))
    }

    /// An object of this kind in the form that is kept.
    pub(super) fn kept(&self, object: Value) -> Value {
        match self.alias {
            Some(alias) => (alias.keep)(&object),
            None => object,
        }
    }

    pub(super) fn verbs(&self) -> &'static [&'static str] {
        match self.access {
            // A namespace takes its contents with it: one at a time is enough.
            Access::ReadWrite if self.is("", "namespaces") => {
                &["create", "delete", "get", "list", "patch", "update", "watch"]
            }
            Access::ReadWrite => {
                &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
            }
            Access::Measured => &["get", "list"],
            Access::Asked => &["create"],
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
                | ("batch" | "policy" | "networking.k8s.io" | "apiextensions.k8s.io", _)
                | ("discovery.k8s.io", "endpointslices")
                | ("", "pods")
        ) || self.custom
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

pub(super) fn typed<T: DeserializeOwned>(value: &Value) -> Result<(), serde_json::Error> {
    T::deserialize(value).map(drop)
}

/// Measurements have no type in the core API; their shape is checked where they are made.
#[expect(clippy::unnecessary_wraps, reason = "the table's column is a fallible check")]
pub(super) fn untyped(_: &Value) -> Result<(), serde_json::Error> {
    Ok(())
}

pub(super) const fn row(
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
        alias: None,
        parts: &[],
        custom: false,
        check,
    }
}

impl Kind {
    pub(super) const fn all(mut self) -> Self {
        self.in_all = true;
        self
    }

    pub(super) const fn measured(mut self) -> Self {
        self.access = Access::Measured;
        self
    }

    pub(super) const fn asked(mut self) -> Self {
        self.access = Access::Asked;
        self
    }

    pub(super) const fn status(mut self) -> Self {
        self.parts = WITH_STATUS;
        self
    }

    pub(super) const fn scaled(mut self) -> Self {
        self.parts = WITH_SCALE;
        self
    }

    pub(super) const fn pods(mut self) -> Self {
        self.parts = OF_PODS;
        self
    }

    pub(super) const fn kept_as(mut self, alias: &'static Alias) -> Self {
        self.alias = Some(alias);
        self
    }

    /// Makes the row of a kind that a definition brings.
    pub(super) const fn defined(mut self, parts: Parts) -> Self {
        self.parts = parts;
        self.custom = true;
        self
    }

    pub(super) const fn fields(mut self, fields: &'static [&'static str]) -> Self {
        self.fields = fields;
        self.unknown_field = UnknownField::NotSupported;
        self
    }
}
