//! Recent events of namespaces.
//!
//! This room owns how events are shown. Which ones are the newest is the host's work: it lists all
//! that match before it sorts and cuts.

use toolgate_sdk::kubernetes_events::{self, Event, EventList, EventQuery};
use toolgate_sdk::prelude::*;

#[arguments]
struct Args {
    /// Omit for all granted.
    namespace: Option<String>,
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: u32,
    #[serde(default)]
    warnings_only: bool,
    /// Only about this kind: Pod
    involved_kind: Option<String>,
    involved_name: Option<String>,
    cluster: Option<String>,
}

fn default_limit() -> u32 {
    20
}

#[output]
struct EventRow {
    namespace: String,
    #[serde(rename = "type")]
    severity: String,
    reason: String,
    message: String,
    involved_object: String,
    count: u32,
    first_timestamp: Option<String>,
    last_timestamp: String,
    source: String,
}

#[output]
struct Events {
    events: Vec<EventRow>,
    total: u32,
}

toolgate_sdk::plugin! {
    tool(
        "get_recent_events",
        "Get recent events",
        "What happened lately, newest first: scheduling, image pulls, probes, kills, scaling. \
         Clusters forget events, by default after an hour.",
        get_recent_events
    ),
}

fn get_recent_events(args: Args) -> Result<Reply<Events>, ToolError> {
    let place = pages::place(args.namespace.as_deref());
    let list = kubernetes_events::list(&EventQuery {
        cluster: args.cluster,
        namespace: args.namespace,
        involved_kind: args.involved_kind,
        involved_name: args.involved_name,
        warnings_only: args.warnings_only,
        limit: Some(args.limit),
    })?;
    Ok(answer(&place, list))
}

fn answer(place: &str, list: EventList) -> Reply<Events> {
    let header = ["LAST SEEN", "NAMESPACE", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"];
    let mut table = Table::new(&header)
        .keep(list.events.len())
        .narrow_by("raise `limit` (at most 500), or narrow with `namespace` or `warnings_only`");
    for event in &list.events {
        table.row([
            format!("{} ago", age(&event.last_seen)),
            event.namespace.clone(),
            event.severity.clone(),
            event.reason.clone(),
            object(event),
            event.count.to_string(),
            event.message.clone(),
        ]);
    }
    let shown = u32::try_from(list.events.len()).unwrap_or(u32::MAX);
    table.leave_out(list.total.saturating_sub(shown).into());
    let total = list.total;
    // A list that stops at its bound stops anywhere: it is in no order of time.
    let text = match (list.events.is_empty(), list.truncated) {
        (true, false) => {
            format!("No events in {place} match. Clusters forget events, by default after an hour.")
        }
        (true, true) => format!(
            "No events match of those in {place} that were looked at. There are more: narrow with \
             `namespace`."
        ),
        (false, false) => {
            format!("{shown} of {total} events in {place}, newest first\n\n{table}")
        }
        (false, true) => format!(
            "{shown} of at least {total} events in {place}: the newest of those that were looked \
             at, there may be newer ones\n\n{table}"
        ),
    };
    let truncated = list.truncated || table.left_out() > 0;
    let events = list.events.into_iter().map(EventRow::new).collect();
    Reply::new(text, Events { events, total }).truncated(truncated)
}

fn object(event: &Event) -> String {
    format!("{}/{}", event.involved_kind, event.involved_name)
}

impl EventRow {
    fn new(event: Event) -> Self {
        Self {
            involved_object: object(&event),
            namespace: event.namespace,
            severity: event.severity,
            reason: event.reason,
            message: event.message,
            count: event.count,
            first_timestamp: event.first_seen.map(|moment| moment.at),
            last_timestamp: event.last_seen.at,
            source: event.source,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::Guest as _;
    use toolgate_sdk::types::Moment;

    use super::*;

    fn event(name: &str, severity: &str, message: &str, age_s: u64) -> Event {
        Event {
            namespace: "shop".to_owned(),
            severity: severity.to_owned(),
            reason: "BackOff".to_owned(),
            message: message.to_owned(),
            involved_kind: "Pod".to_owned(),
            involved_name: name.to_owned(),
            count: 40,
            last_seen: Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s },
            first_seen: None,
            source: "kubelet".to_owned(),
        }
    }

    fn two() -> Vec<Event> {
        vec![
            event("web-1", "Warning", "Back-off restarting\nfailed container", 9),
            event("web-with-a-longer-name", "Normal", "Pulled image", 192),
        ]
    }

    #[test]
    fn shows_all_events_in_the_order_given() {
        let reply = answer("`shop`", EventList { events: two(), total: 2, truncated: false });
        assert!(!reply.truncated);
        assert_eq!(reply.structured.events[0].involved_object, "Pod/web-1");
        expect![[r#"
            2 of 2 events in `shop`, newest first

            LAST SEEN   NAMESPACE   TYPE      REASON    OBJECT                       COUNT   MESSAGE
            9s ago      shop        Warning   BackOff   Pod/web-1                    40      Back-off restarting failed container
            3m12s ago   shop        Normal    BackOff   Pod/web-with-a-longer-name   40      Pulled image"#]].assert_eq(&reply.text);
    }

    #[test]
    fn says_how_many_it_leaves_out() {
        let reply = answer("`shop`", EventList { events: two(), total: 10_000, truncated: true });
        assert!(reply.truncated);
        expect![[r#"
            2 of at least 10000 events in `shop`: the newest of those that were looked at, there may be newer ones

            LAST SEEN   NAMESPACE   TYPE      REASON    OBJECT                       COUNT   MESSAGE
            9s ago      shop        Warning   BackOff   Pod/web-1                    40      Back-off restarting failed container
            3m12s ago   shop        Normal    BackOff   Pod/web-with-a-longer-name   40      Pulled image
            … 9998 more: raise `limit` (at most 500), or narrow with `namespace` or `warnings_only`"#]].assert_eq(&reply.text);
    }

    #[test]
    fn says_so_when_there_are_none() {
        let none = EventList { events: Vec::new(), total: 0, truncated: false };
        let cut = EventList { events: Vec::new(), total: 0, truncated: true };
        let cut = answer("`shop`", cut).text;
        assert!(cut.starts_with("No events match of those in `shop` that were looked at"), "{cut}");
        expect!["No events in the granted namespaces match. Clusters forget events, by default after an hour."].assert_eq(&answer("the granted namespaces", none).text);
    }

    #[test]
    fn offers_these_definitions() {
        expect_test::expect_file!["../definitions.txt"]
            .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
    }
}
