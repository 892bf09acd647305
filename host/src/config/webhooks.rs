//! `[webhooks.NAME]`: where messages go. What the files hold is read where it is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use http::Uri;
use serde::Deserialize;

use super::document::{Document, KeyPath, list_words};
use super::environment::Environment;
use super::problem::{shown, similar};
use super::raw::Table;
use super::validate::place;
use crate::domain::name::WebhookName;
use crate::domain::webhook::Topic;

/// Each has a queue of its own, and people have fewer places to look at.
const WEBHOOKS_MAX: usize = 8;

/// The longest address that proxies between take.
const URL_BYTES_MAX: usize = 2_048;

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The address: `https`, or `http` on this machine.
    pub url: Uri,
    /// The file with the secret that messages are signed with.
    pub secret_file: PathBuf,
    /// The authorities that its certificate is trusted by, if not the system's.
    pub ca_file: Option<PathBuf>,
    /// What it is told of.
    pub topics: BTreeSet<Topic>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawWebhook {
    url: Option<String>,
    secret_file: Option<String>,
    ca_file: Option<String>,
    events: Option<Vec<String>>,
}

pub(super) fn validate(
    raw: &BTreeMap<String, Table<RawWebhook>>,
    path: &KeyPath,
    reach: (&Path, &Environment),
    document: &mut Document<'_>,
) -> BTreeMap<WebhookName, Webhook> {
    if raw.len() > WEBHOOKS_MAX {
        let text = format!("{} webhooks are too many", raw.len());
        let hint = format!("name at most {WEBHOOKS_MAX}; one can pass messages on to others");
        document.problem(path, text, hint);
    }
    let mut webhooks = BTreeMap::new();
    for (name, Table(raw)) in raw.iter().take(WEBHOOKS_MAX) {
        let path = path.key(name);
        let name = name.parse::<WebhookName>().map_err(|error| {
            document.problem(&path, error.to_string(), "give it a short name: `chat`");
        });
        let webhook = webhook(raw, &path, reach, document);
        if let (Ok(name), Some(webhook)) = (name, webhook) {
            webhooks.insert(name, webhook);
        }
    }
    webhooks
}

fn webhook(
    raw: &RawWebhook,
    path: &KeyPath,
    reach: (&Path, &Environment),
    document: &mut Document<'_>,
) -> Option<Webhook> {
    let RawWebhook { url, secret_file, ca_file, events } = raw;
    let url = required(url.as_deref(), &path.key("url"), URL_HINT, document)
        .and_then(|text| address(text, &path.key("url"), document));
    let hint = "name a file with a secret of at least 24 bytes, which only this account can read";
    let secret_file = required(secret_file.as_deref(), &path.key("secret_file"), hint, document)
        .and_then(|text| place(text, &path.key("secret_file"), reach, document));
    let ca_file = ca_file.as_deref().map(|text| place(text, &path.key("ca_file"), reach, document));
    let topics = topics(events.as_deref(), &path.key("events"), document);
    let ca_file = match ca_file {
        Some(place) => Some(place?),
        None => None,
    };
    Some(Webhook { url: url?, secret_file: secret_file?, ca_file, topics })
}

fn required<'r>(
    text: Option<&'r str>,
    path: &KeyPath,
    hint: &str,
    document: &mut Document<'_>,
) -> Option<&'r str> {
    if text.is_none() && document.could_read(path) {
        document.problem(path, "it is not set", hint);
    }
    text
}

const URL_HINT: &str = "say where messages go: `https://chat.example/hooks/toolgate`";

/// An address to send to, and to nowhere else: what leads to another machine is encrypted, and no
/// password is in it.
fn address(text: &str, path: &KeyPath, document: &mut Document<'_>) -> Option<Uri> {
    let url = text.parse::<Uri>().ok().filter(|url| {
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains('#');
        is_plain && text.len() <= URL_BYTES_MAX && url.host().is_some_and(|h| !h.is_empty())
    });
    // Nothing of the address is repeated: its path may be a secret.
    let Some(url) = url else {
        document.problem(path, "it is no address of a web server", URL_HINT);
        return None;
    };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let problem = match url.scheme_str() {
        _ if url.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            ("there is a name or a password in it", "messages are signed: `secret_file`")
        }
        Some("https") => return Some(url),
        Some("http") if is_here => return Some(url),
        Some("http") => (
            "messages to another machine would not be encrypted",
            "say `https://`; `ca_file` names an authority of one's own",
        ),
        _ => ("it does not begin with `https://`", URL_HINT),
    };
    document.problem(path, problem.0, problem.1);
    None
}

fn topics(
    events: Option<&[String]>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> BTreeSet<Topic> {
    let Some(events) = events else { return Topic::ALL.into() };
    let words = Topic::ALL.map(Topic::as_str);
    let mut topics = BTreeSet::new();
    for (idx, event) in events.iter().enumerate() {
        if let Ok(topic) = event.parse() {
            topics.insert(topic);
            continue;
        }
        let hint = match similar(event, words) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("say some of {}", list_words(&words)),
        };
        let text = format!("`{}` is nothing that a webhook is told of", shown(event));
        document.problem(&path.item(idx), text, hint);
    }
    topics
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::Config;
    use super::*;

    fn parse(text: &str) -> Result<Config, super::super::ConfigError> {
        let environment = Environment { home: Some("/home/ada".into()), ..Environment::default() };
        let text = format!("{text}\n[clusters.demo]\ndemo = true\n");
        Config::parse_in(&text, Path::new("/etc/toolgate"), &environment, "the file")
    }

    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(&parse(text).unwrap_err().to_string());
    }

    #[test]
    fn reads_where_messages_go() {
        let text = r#"
            [audit]
            sinks = ["file", "webhook:archive"]
            [webhooks.chat]
            url = "https://chat.example/hooks/abc?x=1"
            secret_file = "chat.secret"
            events = ["approvals", "denials"]
            [webhooks.archive]
            url = "http://127.0.0.1:9000/"
            secret_file = "~/archive.secret"
            ca_file = "ca.pem"
            events = []
        "#;
        let config = parse(text).unwrap();
        let [archive, chat] = ["archive", "chat"]
            .map(|name| config.webhooks[&name.parse::<WebhookName>().unwrap()].clone());
        assert_eq!(chat.url.to_string(), "https://chat.example/hooks/abc?x=1");
        assert_eq!(chat.secret_file, Path::new("/etc/toolgate/chat.secret"));
        assert_eq!(chat.topics, BTreeSet::from([Topic::Approvals, Topic::Denials]));
        assert_eq!(archive.secret_file, Path::new("/home/ada/archive.secret"));
        assert_eq!(archive.ca_file.as_deref(), Some(Path::new("/etc/toolgate/ca.pem")));
        assert!(archive.topics.is_empty());
        assert_eq!(config.audit.webhooks, BTreeSet::from(["archive".parse().unwrap()]));
        let all = parse("[webhooks.a]\nurl = \"https://a.example\"\nsecret_file = \"s\"").unwrap();
        assert_eq!(all.webhooks.values().next().unwrap().topics, Topic::ALL.into());
    }

    #[test]
    fn knows_where_messages_may_go() {
        for (url, ok) in [
            ("https://chat.example", true),
            ("https://10.0.0.1:8443/x?y=z", true),
            ("http://localhost:9000/x", true),
            ("http://127.0.0.9/", true),
            ("http://[::1]:9000/", true),
            ("http://chat.example/", false),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
            ("http://127.0.0.1@chat.example/", false),
            ("https://ada:secret@chat.example/", false),
            ("ftp://chat.example/", false),
            ("chat.example", false),
            ("/hooks", false),
            ("https://", false),
            ("https:///x", false),
            ("https://chat.example/#top", false),
            ("https://chat.example/a b", false),
            ("", false),
        ] {
            let text = format!("[webhooks.a]\nurl = \"{url}\"\nsecret_file = \"s\"");
            let parsed = parse(&text);
            assert_eq!(parsed.is_ok(), ok, "{url:?}: {parsed:?}");
            // The path of an address may be a secret, and so may what stands before its host.
            let told = parsed.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(!told.contains("ada:secret") && !told.contains("/a b"), "{told}");
        }
        let long = format!("https://chat.example/{}", "x".repeat(3_000));
        assert!(parse(&format!("[webhooks.a]\nurl = \"{long}\"\nsecret_file = \"s\"")).is_err());
    }

    #[test]
    fn says_what_is_wrong_with_webhooks() {
        check(
            r#"
[audit]
sinks = ["webhook:chat", "webhook:chart"]
[webhooks.chat]
url = "http://chat.example/hooks"
events = ["aprovals", "logins"]
[webhooks."Bad name"]
secret_file = 3
"#,
            &expect![[r#"
                the file has 8 problems

                line 3: audit.sinks[1]: there is no webhook `chart`
                  hint: did you mean `webhook:chat`?

                line 4: webhooks.chat.secret_file: it is not set
                  hint: name a file with a secret of at least 24 bytes, which only this account can read

                line 5: webhooks.chat.url: messages to another machine would not be encrypted
                  hint: say `https://`; `ca_file` names an authority of one's own

                line 6: webhooks.chat.events[0]: `aprovals` is nothing that a webhook is told of
                  hint: did you mean `approvals`?

                line 6: webhooks.chat.events[1]: `logins` is nothing that a webhook is told of
                  hint: say some of `approvals`, `writes`, `limits`, `denials`, `audit`

                line 7: webhooks."Bad name": `Bad name` is not a valid webhook name: lower-case letters, digits and `-`, at most 63
                  hint: give it a short name: `chat`

                line 7: webhooks."Bad name".url: it is not set
                  hint: say where messages go: `https://chat.example/hooks/toolgate`

                line 8: webhooks."Bad name".secret_file: integer `3` where a text is expected
                  hint: write it in quotes: `".."`"#]],
        );
        let one = "[webhooks.a]\nurl = \"https://a.example\"\nsecret_file = \"s\"\n";
        check(
            &format!("[audit]\nsinks = [\"webhook:a\"]\n{one}"),
            &expect![[r#"
                the file has 1 problem

                line 2: audit.sinks: a webhook gets copies of records, and nothing decides whether there is one
                  hint: say `"file"` as well: without a record nothing runs"#]],
        );
        let nine: String = (0..9)
            .map(|n| format!("[webhooks.w{n}]\nurl = \"https://a.example\"\nsecret_file = \"s\"\n"))
            .collect();
        check(
            &nine,
            &expect![[r#"
                the file has 1 problem

                line 1: webhooks: 9 webhooks are too many
                  hint: name at most 8; one can pass messages on to others"#]],
        );
    }
}
