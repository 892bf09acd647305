//! Two keys: what a component imports, its manifest asks for and the operator grants. Only that is
//! linked.

use std::collections::BTreeSet;

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::toolgate::plugin as contract;
use super::gate::{ImportClass, Inspection, Sealed, classify};
use super::state::State;
use super::wasi;
use crate::domain::capability::Capability;
use crate::domain::grant::Grants;
use crate::domain::manifest::Manifest;

/// What a component gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub capabilities: BTreeSet<Capability>,
    pub wasi: BTreeSet<Sealed>,
}

/// Compares the imports with both keys.
///
/// # Errors
/// Every import without its keys, with the line to add: all at once, and before anything runs.
pub(super) fn links(
    inspection: &Inspection,
    manifest: &Manifest,
    grants: &Grants,
) -> Result<Links, Vec<String>> {
    let mut links = Links { capabilities: BTreeSet::new(), wasi: BTreeSet::new() };
    let mut problems = Vec::new();
    let id = &manifest.id;
    for import in &inspection.imports {
        let interface = &import.interface;
        match classify(interface) {
            ImportClass::Contract(capability) => {
                if !manifest.capabilities.contains_key(&capability) {
                    problems.push(format!(
                        "it imports `{capability}`, which its manifest does not ask for; to let \
                         it {}, its author adds to plugin.toml:\n    [capabilities.{capability}]\n    \
                         reason = \"...\"",
                        capability.words(),
                    ));
                } else if !grants.has(capability) {
                    problems.push(format!(
                        "it wants `{capability}`, which is not granted; to let it {}, add to \
                         toolgate.toml:\n    [grants.{id}.{capability}]\n    namespaces = [\"...\"]",
                        capability.words(),
                    ));
                } else {
                    links.capabilities.insert(capability);
                }
            }
            ImportClass::ContractTypes => {}
            ImportClass::Wasi(sealed) => {
                links.wasi.insert(sealed);
            }
            ImportClass::Forbidden(what) => problems.push(format!(
                "it imports `{interface}` ({what}), which no plugin is ever given; it has to be \
                 built without it",
            )),
            ImportClass::Unknown => problems.push(format!(
                "it imports `{interface}`, which this host does not know; it speaks \
                 toolgate:plugin 0.1.x",
            )),
        }
    }
    if problems.is_empty() { Ok(links) } else { Err(problems) }
}

/// A linker that holds exactly that.
pub(super) fn linker(engine: &Engine, links: &Links) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasi::link(&mut linker, &links.wasi)?;
    for capability in &links.capabilities {
        link(&mut linker, *capability)?;
    }
    Ok(linker)
}

fn link(linker: &mut Linker<State>, capability: Capability) -> wasmtime::Result<()> {
    type Own = HasSelf<State>;
    fn own(state: &mut State) -> &mut State {
        state
    }
    match capability {
        Capability::KubernetesLogs => {
            contract::kubernetes_logs::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesEvents => {
            contract::kubernetes_events::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesRead => {
            contract::kubernetes_read::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesRestart => {
            contract::kubernetes_restart::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesMetrics => {
            contract::kubernetes_metrics::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesSecretValues => {
            contract::kubernetes_secret_values::add_to_linker::<_, Own>(linker, own)
        }
        Capability::Access => contract::access::add_to_linker::<_, Own>(linker, own),
        Capability::KubernetesScale => {
            contract::kubernetes_scale::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesRollback => {
            contract::kubernetes_rollback::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesPause => {
            contract::kubernetes_pause::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesCordon => {
            contract::kubernetes_cordon::add_to_linker::<_, Own>(linker, own)
        }
        Capability::KubernetesDeletePod => {
            contract::kubernetes_delete_pod::add_to_linker::<_, Own>(linker, own)
        }
        Capability::Progress => contract::progress::add_to_linker::<_, Own>(linker, own),
        Capability::Log => contract::log::add_to_linker::<_, Own>(linker, own),
        Capability::Config => contract::config::add_to_linker::<_, Own>(linker, own),
    }
}
