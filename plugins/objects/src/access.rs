//! What the caller may do with a tool.

use std::fmt::Write as _;

use toolgate_sdk::access::{self, Answer, Permission, Question};
use toolgate_sdk::prelude::*;

#[arguments]
pub(crate) struct Args {
    /// `restart_deployment`
    tool: String,
    namespace: Option<String>,
    /// Of an object.
    name: Option<String>,
    cluster: Option<String>,
}

#[output]
pub(crate) struct Part {
    capability: String,
    tier: String,
    granted: bool,
    needs_approval: bool,
    missing_rights: Vec<String>,
}

#[output]
pub(crate) struct Access {
    allowed: bool,
    permissions: Vec<Part>,
}

pub(crate) fn check_access(args: Args) -> Result<Reply<Access>, ToolError> {
    let what = place(&args);
    let Args { tool, namespace, name, cluster } = args;
    let found = access::check(&Question { tool, cluster, namespace, name })?;
    Ok(answer(&what, found))
}

fn place(args: &Args) -> String {
    let mut text = format!("`{}`", one_line(&args.tool));
    match (&args.namespace, &args.name) {
        (Some(namespace), Some(name)) => {
            let _ = write!(text, " on `{}/{}`", one_line(namespace), one_line(name));
        }
        (Some(namespace), None) => {
            let _ = write!(text, " in `{}`", one_line(namespace));
        }
        (None, Some(name)) => {
            let _ = write!(text, " on `{}`", one_line(name));
        }
        (None, None) => {}
    }
    text
}

fn answer(what: &str, found: Answer) -> Reply<Access> {
    let approval = found.permissions.iter().any(|permission| permission.needs_approval);
    let verdict = match (found.allowed, approval) {
        (true, false) => "Allowed",
        (true, true) => "Allowed, each time with a person's approval",
        (false, _) => "Not allowed",
    };
    let mut text = format!("{verdict}: {what}");
    for permission in &found.permissions {
        let _ = write!(text, "\n- {}", line(permission));
    }
    let permissions = found.permissions.into_iter().map(Part::new).collect();
    Reply::new(text, Access { allowed: found.allowed, permissions })
}

fn line(permission: &Permission) -> String {
    let mut text = format!("{} ({})", permission.capability, permission.tier);
    text.push_str(if permission.granted { ": granted" } else { ": not granted" });
    if permission.needs_approval {
        text.push_str(", a person approves each use");
    }
    if !permission.missing_rights.is_empty() {
        let rights = permission.missing_rights.join(", ");
        let _ = write!(text, "; the host's account lacks in the cluster: {rights}");
    } else if !permission.rights_known && permission.tier != "ambient" {
        text.push_str("; what the cluster allows the host is not known");
    }
    if let Some(obstacle) = &permission.obstacle {
        let _ = write!(text, "; {}", one_line(obstacle));
    }
    text
}

impl Part {
    fn new(permission: Permission) -> Self {
        let Permission { capability, tier, granted, needs_approval, missing_rights, .. } =
            permission;
        Self { capability, tier, granted, needs_approval, missing_rights }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn permission(capability: &str, tier: &str) -> Permission {
        Permission {
            capability: capability.to_owned(),
            tier: tier.to_owned(),
            granted: true,
            needs_approval: false,
            missing_rights: Vec::new(),
            rights_known: true,
            obstacle: None,
        }
    }

    #[test]
    fn says_for_each_capability_why_not() {
        let refused = Permission {
            granted: false,
            obstacle: Some("`mode.read_only` is set;\nthe operator would unset it".to_owned()),
            ..permission("kubernetes-restart", "reversible")
        };
        let unable = Permission {
            missing_rights: vec!["patch deployments.apps".to_owned()],
            ..permission("kubernetes-scale", "reversible")
        };
        let unknown = Permission { rights_known: false, ..permission("kubernetes-read", "read") };
        let ambient = Permission { rights_known: false, ..permission("progress", "ambient") };
        let permissions = vec![refused, unable, unknown, ambient];
        let reply = answer("`x` in `shop`", Answer { allowed: false, permissions });
        assert_eq!(reply.structured.permissions.len(), 4);
        expect![[r#"
            Not allowed: `x` in `shop`
            - kubernetes-restart (reversible): not granted; `mode.read_only` is set; the operator would unset it
            - kubernetes-scale (reversible): granted; the host's account lacks in the cluster: patch deployments.apps
            - kubernetes-read (read): granted; what the cluster allows the host is not known
            - progress (ambient): granted"#]].assert_eq(&reply.text);
    }

    #[test]
    fn says_that_a_person_is_asked() {
        let asked =
            Permission { needs_approval: true, ..permission("kubernetes-restart", "reversible") };
        let reply = answer("`x`", Answer { allowed: true, permissions: vec![asked] });
        expect![[r#"
            Allowed, each time with a person's approval: `x`
            - kubernetes-restart (reversible): granted, a person approves each use"#]]
        .assert_eq(&reply.text);
        let args = |namespace: Option<&str>, name: Option<&str>| Args {
            tool: "x".to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            cluster: None,
        };
        let places = [
            place(&args(None, None)),
            place(&args(Some("shop"), None)),
            place(&args(Some("shop"), Some("web"))),
            place(&args(None, Some("node-1"))),
        ];
        assert_eq!(places.join(" | "), "`x` | `x` in `shop` | `x` on `shop/web` | `x` on `node-1`");
    }
}
