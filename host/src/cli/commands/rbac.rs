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
use crate::domain::rbac::{Names, Right, RightSet, Rights, rights};

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
    for warning in warnings(&rights) {
        writeln!(err, "{} {warning}", Tone::Warning.paint("warning:"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where what is printed is not exactly what was granted.
fn warnings(rights: &Rights) -> Vec<String> {
    let widened = rights.widened.iter().map(|grant| {
        format!(
            "`{grant}` has a pattern of namespaces, which Kubernetes does not know: its rights are \
             for the whole cluster, and only this host narrows them"
        )
    });
    let guessed = rights.guessed.iter().map(|resource| {
        format!(
            "`{resource}` is the likely name of a custom resource: compare it with `kubectl \
             api-resources`, and move it to a ClusterRole if it is in no namespace"
        )
    });
    let unmapped = rights.unmapped.iter().map(|pattern| {
        format!("{pattern} has no right of its own: name the kinds, or a whole group as `*.GROUP`")
    });
    let refused = rights
        .refused
        .iter()
        .map(|grant| format!("`{grant}` needs no right while `mode.read_only` refuses its writes"));
    widened.chain(guessed).chain(unmapped).chain(refused).collect()
}

/// Every value in it is a validated name or a constant, so nothing needs quoting but what stands in
/// a list.
fn manifests(account: &Account<'_>, rights: &Rights) -> String {
    let mut text = String::new();
    if !rights.cluster.is_empty() {
        role(&mut text, account, None, &rights.cluster, &rights.guessed);
    }
    for (namespace, of_place) in &rights.namespaces {
        role(&mut text, account, Some(namespace), of_place, &rights.guessed);
    }
    text
}

fn role(
    text: &mut String,
    account: &Account<'_>,
    place: Option<&str>,
    rights: &RightSet,
    guessed: &BTreeSet<String>,
) {
    let kind = if place.is_some() { "Role" } else { "ClusterRole" };
    let namespace = place.map(|place| format!("  namespace: {place}\n")).unwrap_or_default();
    let Account { name, namespace: home } = account;
    let header = |kind: &str| {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n{namespace}"
        )
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}rules:", header(kind));
    for (Rule { group, names, verbs }, resources) in &rules(rights) {
        let is_guess = |resource: &&&str| guessed.contains(&format!("{resource}.{group}"));
        for resource in resources.iter().filter(is_guess) {
            let _ = writeln!(text, "# The plural `{resource}` is a guess: only the cluster knows.");
        }
        let _ = writeln!(text, "- apiGroups: [\"{group}\"]");
        let _ = writeln!(text, "  resources: [{}]", list(resources.iter().copied()));
        if let Names::Only(names) = names {
            let names = names.iter().map(String::as_str);
            let _ = writeln!(text, "  resourceNames: [{}]", list(names));
        }
        let _ = writeln!(text, "  verbs: [{}]", list(verbs.iter().copied()));
    }
    let _ = write!(
        text,
        "{}roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name}\n\
         subjects:\n- kind: ServiceAccount\n  name: {name}\n  namespace: {home}\n",
        header(&format!("{kind}Binding"))
    );
}

/// What one rule says, but for its resources.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rule<'a> {
    group: &'a str,
    names: &'a Names,
    verbs: BTreeSet<&'a str>,
}

/// As few rules as say it.
fn rules(rights: &RightSet) -> BTreeMap<Rule<'_>, BTreeSet<&str>> {
    let mut verbs: BTreeMap<(&str, &str, &Names), BTreeSet<&str>> = BTreeMap::new();
    for (Right { group, resource, verb }, names) in rights.iter() {
        verbs.entry((group.as_ref(), resource.as_ref(), names)).or_default().insert(verb);
    }
    let mut rules: BTreeMap<Rule<'_>, BTreeSet<&str>> = BTreeMap::new();
    for ((group, resource, names), verbs) in verbs {
        rules.entry(Rule { group, names, verbs }).or_default().insert(resource);
    }
    rules
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn prints_roles_and_their_bindings() {
        let mut rights = Rights::default();
        rights.cluster.add(Right::new("", "nodes", "list"), Names::Any);
        let shop = rights.namespaces.entry("shop".to_owned()).or_default();
        for (group, resource) in [("", "pods"), ("apps", "deployments")] {
            shop.add(Right::new(group, resource, "get"), Names::Any);
            shop.add(Right::new(group, resource, "list"), Names::Any);
        }
        let named = Names::Only(["db".to_owned()].into());
        shop.add(Right::new("", "secrets", "get"), named);
        shop.add(Right::new("example.com", "widgets", "get"), Names::Any);
        rights.guessed.insert("widgets.example.com".to_owned());
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
            - apiGroups: [""]
              resources: ["secrets"]
              resourceNames: ["db"]
              verbs: ["get"]
            - apiGroups: ["apps"]
              resources: ["deployments"]
              verbs: ["get", "list"]
            # The plural `widgets` is a guess: only the cluster knows.
            - apiGroups: ["example.com"]
              resources: ["widgets"]
              verbs: ["get"]
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
