//! Reads from the cluster, which its manifest does not ask for. Expected: refused at load, with
//! the line that is missing, whatever the operator granted.

use toolgate_guest_kit::host::kubernetes_read;
use toolgate_guest_kit::{Answer, guest, text};

fn peek(_arguments: &str) -> Answer {
    let found = kubernetes_read::list_namespaces(None);
    text(format!("{} namespaces", found.map_or(0, |namespaces| namespaces.len())))
}

guest!("peek", peek);
