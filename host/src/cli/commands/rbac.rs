//! `toolgate rbac`: the smallest roles that the grants need, for `kubectl apply -f -`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use super::{Answer, Desk};
use crate::cli::args::Rbac;
use crate::cli::complaint::Complaint;
use crate::cli::table::Tone;
use crate::domain::name::{ClusterName, Namespace, ObjectName};
use crate::domain::rbac::{Right, Rights, rights};

/// The account that the roles are bound to.
struct Account<'a> {
    name: &'a ObjectName,
    namespace: &'a Namespace,
}

pub(super) fn run(desk: &Desk, arguments: &Rbac) -> Answer {
    let Rbac { cluster, service_account, namespace } = arguments;
    let config = desk.config()?;
    let cluster: ClusterName = match cluster.clone().or_else(|| config.default_cluster.clone()) {
        Some(cluster) if config.clusters.contains_key(&cluster) => cluster,
        Some(cluster) => {
            let text = format!("there is no cluster `{cluster}`");
            return Err(Complaint::new(text, "`[clusters]` of the configuration has them"));
        }
        None => {
            let hint = "say `--cluster NAME`; `[clusters]` of the configuration has them";
            return Err(Complaint::new("there are several clusters", hint));
        }
    };
    let grants = config.grants.iter().map(|(plugin, grants)| (plugin.as_str(), grants));
    let rights = rights(&cluster, &config.mode, grants);
    let account = Account { name: service_account, namespace };
    desk.console.out().write_all(manifests(&account, &rights).as_bytes())?;
    let mut err = desk.console.err();
    for grant in &rights.widened {
        writeln!(
            err,
            "{} `{grant}` has a pattern of namespaces, which Kubernetes does not know: its rights \
             are for the whole cluster, and only this host narrows them",
            Tone::Warning.paint("warning:")
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every value in it is a validated name or a constant, so nothing needs quoting but the core group.
fn manifests(account: &Account<'_>, rights: &Rights) -> String {
    let mut text = String::new();
    if !rights.cluster.is_empty() {
        role(&mut text, account, None, &rights.cluster);
    }
    for (namespace, rights) in &rights.namespaces {
        role(&mut text, account, Some(namespace), rights);
    }
    text
}

fn role(text: &mut String, account: &Account<'_>, place: Option<&str>, rights: &BTreeSet<Right>) {
    let kind = if place.is_some() { "Role" } else { "ClusterRole" };
    let namespace = place.map(|place| format!("  namespace: {place}\n")).unwrap_or_default();
    let Account { name, namespace: home } = account;
    let mut rules: BTreeMap<(&str, BTreeSet<&str>), BTreeSet<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in by_resource(rights) {
        rules.entry((group, verbs)).or_default().insert(resource);
    }
    let header = |kind: &str| {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n{namespace}"
        )
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}rules:", header(kind));
    for ((group, verbs), resources) in &rules {
        let _ = writeln!(text, "- apiGroups: [\"{group}\"]");
        let _ = writeln!(text, "  resources: [{}]", list(resources));
        let _ = writeln!(text, "  verbs: [{}]", list(verbs));
    }
    let _ = write!(
        text,
        "{}roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name}\n\
         subjects:\n- kind: ServiceAccount\n  name: {name}\n  namespace: {home}\n",
        header(&format!("{kind}Binding"))
    );
}

fn by_resource<'a>(rights: &BTreeSet<Right>) -> BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>> {
    let mut verbs: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for Right { group, resource, verb } in rights {
        verbs.entry((group, resource)).or_default().insert(verb);
    }
    verbs
}

fn list(words: &BTreeSet<&str>) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn prints_roles_and_their_bindings() {
        let right = |group, resource, verb| Right { group, resource, verb };
        let rights = Rights {
            cluster: [right("", "nodes", "list")].into(),
            namespaces: [(
                "shop".to_owned(),
                [
                    right("", "pods", "get"),
                    right("", "pods", "list"),
                    right("apps", "deployments", "get"),
                    right("apps", "deployments", "list"),
                ]
                .into(),
            )]
            .into(),
            ..Rights::default()
        };
        let (name, namespace) = ("toolgate".parse().unwrap(), "ops".parse().unwrap());
        let account = Account { name: &name, namespace: &namespace };
        expect![[r#"
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: ClusterRole
            metadata:
              name: toolgate
            rules:
            - apiGroups: [""]
              resources: ["nodes"]
              verbs: ["list"]
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: ClusterRoleBinding
            metadata:
              name: toolgate
            roleRef:
              apiGroup: rbac.authorization.k8s.io
              kind: ClusterRole
              name: toolgate
            subjects:
            - kind: ServiceAccount
              name: toolgate
              namespace: ops
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: Role
            metadata:
              name: toolgate
              namespace: shop
            rules:
            - apiGroups: [""]
              resources: ["pods"]
              verbs: ["get", "list"]
            - apiGroups: ["apps"]
              resources: ["deployments"]
              verbs: ["get", "list"]
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata:
              name: toolgate
              namespace: shop
            roleRef:
              apiGroup: rbac.authorization.k8s.io
              kind: Role
              name: toolgate
            subjects:
            - kind: ServiceAccount
              name: toolgate
              namespace: ops
        "#]]
        .assert_eq(&manifests(&account, &rights));
    }
}
