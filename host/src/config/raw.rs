//! The file as it is written: shapes only, no meaning. Every key is optional here, so that what is
//! missing is reported together with everything else.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub(super) use super::limits::RawLimits;
pub(super) use super::rates::RawRates;
pub(super) use super::webhooks::RawWebhook;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) plugins_dir: Option<String>,
    pub(super) state_dir: Option<String>,
    pub(super) cache_dir: Option<String>,
    pub(super) serve: Table<RawServe>,
    pub(super) console: Table<RawConsole>,
    pub(super) mode: Table<RawMode>,
    pub(super) clusters: BTreeMap<String, Table<RawCluster>>,
    /// Plugin, then capability.
    pub(super) grants: BTreeMap<String, BTreeMap<String, Table<RawGrant>>>,
    pub(super) rates: Table<RawRates>,
    pub(super) limits: Table<RawLimits>,
    pub(super) plugins: BTreeMap<String, Table<RawPlugin>>,
    pub(super) policy: Table<RawPolicy>,
    pub(super) approvals: Table<RawApprovals>,
    pub(super) audit: Table<RawAudit>,
    pub(super) redaction: Table<RawRedaction>,
    pub(super) webhooks: BTreeMap<String, Table<RawWebhook>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawServe {
    pub(super) listen: Option<String>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
    pub(super) reread_every_s: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConsole {
    pub(super) listen: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMode {
    pub(super) read_only: Option<bool>,
    pub(super) dry_run: Option<bool>,
    pub(super) namespaces: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCluster {
    pub(super) context: Option<String>,
    pub(super) kubeconfig: Option<String>,
    pub(super) in_cluster: Option<bool>,
    pub(super) demo: Option<bool>,
    pub(super) scenario: Option<String>,
    pub(super) latency_ms: Option<i64>,
    pub(super) request_deadline_ms: Option<i64>,
    pub(super) requests_per_s: Option<i64>,
    pub(super) requests_burst: Option<i64>,
    pub(super) default: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGrant {
    pub(super) clusters: Option<Vec<String>>,
    pub(super) namespaces: Option<Vec<String>>,
    pub(super) kinds: Option<Vec<String>>,
    pub(super) names: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPlugin {
    pub(super) limits: Table<RawLimits>,
    pub(super) settings: BTreeMap<String, toml::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPolicy {
    pub(super) file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawApprovals {
    pub(super) expires_after_s: Option<i64>,
    pub(super) required: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAudit {
    pub(super) arguments: Option<String>,
    pub(super) sinks: Option<Vec<String>>,
    pub(super) deadline_ms: Option<i64>,
    pub(super) file_bytes_max: Option<i64>,
    pub(super) keep_files: Option<i64>,
    pub(super) checkpoints: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRedaction {
    pub(super) rules: Option<String>,
    pub(super) rule: Vec<Table<RawOwnRule>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOwnRule {
    pub(super) name: Option<String>,
    pub(super) pattern: Option<String>,
    pub(super) keywords: Vec<String>,
}

/// A table and nothing else: serde would take a list for one, its items for the keys in their order.
#[derive(Debug, Default)]
pub(super) struct Table<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyTable<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyTable<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Table<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Table)
            }
        }

        deserializer.deserialize_map(OnlyTable(PhantomData))
    }
}
