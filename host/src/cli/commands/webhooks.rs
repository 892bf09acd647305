//! `toolgate webhooks`: where messages go, and whether they arrive there.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Desk, block_on};
use crate::backend::webhook::Webhooks;
use crate::capability::outbox::{Accepted, Undelivered};
use crate::capability::{Clock, Outbox as _};
use crate::cli::args::WebhooksCommand;
use crate::cli::complaint::Complaint;
use crate::cli::table::{Cell, Table, Tone};
use crate::config::{Config, Webhook};
use crate::domain::name::WebhookName;
use crate::governance::notices::Stamp;
use crate::wiring::{self, WiringError};

type Described = BTreeMap<WebhookName, Webhook>;

pub(super) fn run(desk: &Desk, command: &WebhooksCommand) -> Answer {
    let config = desk.config()?;
    match command {
        WebhooksCommand::List => list(desk, &config),
        WebhooksCommand::Test { name } => test(desk, config.webhooks, name.as_ref()),
    }
}

/// The address as far as it is shown: a path may be a secret.
fn host(webhook: &Webhook) -> String {
    let scheme = webhook.url.scheme_str().unwrap_or_default();
    format!("{scheme}://{}", webhook.url.authority().map_or("", |authority| authority.as_str()))
}

/// What it is told of.
fn events(name: &WebhookName, config: &Config) -> Vec<String> {
    let topics = config.webhooks.get(name).map(|webhook| webhook.topics.clone());
    let mut events: Vec<_> = topics.unwrap_or_default().iter().map(ToString::to_string).collect();
    if config.audit.webhooks.contains(name) {
        events.push("copies of records".to_owned());
    }
    events
}

fn list(desk: &Desk, config: &Config) -> Answer {
    if desk.console.is_json() {
        let described = |(name, webhook): (&WebhookName, &Webhook)| {
            let topics: Vec<_> = webhook.topics.iter().map(|topic| topic.as_str()).collect();
            let records = config.audit.webhooks.contains(name);
            json!({"name": name.as_str(), "host": host(webhook), "events": topics,
                   "records": records, "secret_file": webhook.secret_file})
        };
        let all: Vec<Value> = config.webhooks.iter().map(described).collect();
        desk.console.json(&json!(all))?;
        return Ok(ExitCode::SUCCESS);
    }
    if config.webhooks.is_empty() {
        writeln!(desk.console.out(), "Nobody is told: there is no `[webhooks.NAME]`.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["NAME", "HOST", "TOLD OF"]);
    for (name, webhook) in &config.webhooks {
        table.row([
            Cell::new(name.to_string(), Tone::Strong),
            host(webhook).into(),
            events(name, config).join(", ").into(),
        ]);
    }
    desk.console.table(&table)?;
    Ok(ExitCode::SUCCESS)
}

fn test(desk: &Desk, mut described: Described, name: Option<&WebhookName>) -> Answer {
    if let Some(name) = name {
        let webhook = described.remove(name).ok_or_else(|| {
            let text = format!("there is no webhook `{name}`");
            Complaint::new(text, "`toolgate webhooks list` shows them")
        })?;
        described = Described::from([(name.clone(), webhook)]);
    }
    if described.is_empty() {
        return Err(Complaint::new("there is no webhook", "describe one as `[webhooks.NAME]`"));
    }
    let clock: Arc<dyn Clock> = Arc::new(jiff::Timestamp::now);
    let hosts: Vec<String> = described.values().map(host).collect();
    let webhooks = Webhooks::open(wiring::addresses(described), &clock);
    let webhooks = webhooks.map_err(WiringError::from)?;
    let stamp = Stamp::new(wiring::instance()?, clock);
    let tried = block_on(async {
        let mut tried = Vec::new();
        for name in webhooks.names() {
            tried.push((name, webhooks.try_once(name, &stamp.test(name.as_str())).await));
        }
        Ok(tried)
    })?;
    let is_good = tried.iter().all(|(_, tried)| tried.is_ok());
    print(desk, &tried, &hosts)?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(
    desk: &Desk,
    tried: &[(&WebhookName, Result<Accepted, Undelivered>)],
    hosts: &[String],
) -> std::io::Result<()> {
    let millis = |took: &Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if desk.console.is_json() {
        let told = |(name, tried): &(&WebhookName, Result<Accepted, Undelivered>)| match tried {
            Ok(Accepted { status, took }) => {
                let ms = millis(took);
                json!({"name": name.as_str(), "ok": true, "status": status, "duration_ms": ms})
            }
            Err(Undelivered(why)) => json!({"name": name.as_str(), "ok": false, "error": why}),
        };
        let all: Vec<Value> = tried.iter().map(told).collect();
        return desk.console.json(&json!(all));
    }
    let mut table = Table::new(["NAME", "HOST", "RESULT"]);
    for ((name, tried), host) in tried.iter().zip(hosts) {
        let result = match tried {
            Ok(Accepted { status, took }) => {
                Cell::new(format!("taken: {status} in {} ms", millis(took)), Tone::Good)
            }
            Err(Undelivered(why)) => Cell::new(format!("not taken: {why}"), Tone::Bad),
        };
        table.row([Cell::new(name.to_string(), Tone::Strong), host.clone().into(), result]);
    }
    desk.console.table(&table)
}
