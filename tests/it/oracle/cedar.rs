//! The oracle's rules in the language of the host.

use std::fmt::Write as _;

use super::{PEOPLE, Place, Policy, Terms, Test, Who};

impl Place {
    pub(super) fn text(&self) -> String {
        match *self {
            Self::Anywhere => "resource".to_owned(),
            Self::Cluster(c) => format!("resource in Cluster::\"{c}\""),
            Self::Namespace(c, n) => format!("resource in Namespace::\"{c}/{n}\""),
            Self::Object(c, n, kind, name) => {
                format!("resource == Object::\"{c}/{n}/{kind}/{name}\"")
            }
        }
    }
}

impl Test {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Namespace(n) => {
                format!("(resource has namespace && resource.namespace == \"{n}\")")
            }
            Self::NamespaceLike(p) => {
                format!("(resource has namespace && resource.namespace like \"{p}\")")
            }
            Self::Name(n) => format!("(resource has name && resource.name == \"{n}\")"),
            Self::NameLike(p) => format!("(resource has name && resource.name like \"{p}\")"),
            Self::Kind(kind) => format!("resource.kind == \"{kind}\""),
            Self::Tool(tool) => format!("context.tool == \"{tool}\""),
            Self::Plugin(plugin) => format!("context.plugin == \"{plugin}\""),
            Self::Capability(word) => {
                format!("[\"{word}\", \"none\"].contains(context.capability)")
            }
            Self::Tier(word) => format!("context.tier == \"{word}\""),
            Self::Subject(word) => format!("principal.subject == \"{word}\""),
            Self::Group(group) => format!("principal in Group::\"{group}\""),
            Self::In(place) => place.text(),
            Self::Day(word) => format!("context.weekday == \"{word}\""),
            Self::Hours(from, to) => format!(
                "(context.time.toTime() >= duration(\"{from}h\") && \
                 context.time.toTime() < duration(\"{to}h\"))"
            ),
            Self::DryRun => "context.dry_run".to_owned(),
            Self::ApprovalsRequired => "context.approvals_required".to_owned(),
            Self::Fails => {
                "context.time.offset(duration(\"9223372036854775807ms\")) > context.time".to_owned()
            }
            Self::Not(test) => format!("!({})", test.text()),
            Self::Both(a, b) => format!("({} && {})", a.text(), b.text()),
            Self::Either(a, b) => format!("({} || {})", a.text(), b.text()),
        }
    }
}

impl Policy {
    /// The same in the language of the host.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for rule in &self.rules {
            if let Some(Terms { people, reason, wait_s, own }) = rule.asks {
                let _ = write!(
                    text,
                    "@approval(\"required\") @approvers(\"{people}\") @expires(\"{wait_s}s\")"
                );
                for (is_said, words) in [
                    (reason, " @reason(\"required\")"),
                    (own.0, " @requester(\"may-approve\")"),
                    (own.1, " @confirm(\"caller\")"),
                ] {
                    text.push_str(if is_said { words } else { "" });
                }
                text.push('\n');
            }
            let who = match rule.who {
                Who::Anybody => "principal".to_owned(),
                Who::User(person) => {
                    let (subject, issuer, _) = PEOPLE[person];
                    format!("principal == User::\"{subject}@{issuer}\"")
                }
                Who::Group(group) => format!("principal in Group::\"{group}\""),
            };
            let action = |action: &&str| format!("Action::\"{action}\"");
            let actions = rule.actions.as_ref().map_or_else(
                || "action".to_owned(),
                |actions| {
                    let actions: Vec<String> = actions.iter().map(action).collect();
                    format!("action in [{}]", actions.join(", "))
                },
            );
            let effect = if rule.permits { "permit" } else { "forbid" };
            let place = rule.place.text();
            let _ = write!(text, "{effect} ({who}, {actions}, {place})");
            for (word, test) in [("when", &rule.when), ("unless", &rule.unless)] {
                if let Some(test) = test {
                    let _ = write!(text, "\n{word} {{ {} }}", test.text());
                }
            }
            text.push_str(";\n\n");
        }
        text
    }
}
