//! Events.

use k8s_openapi::api::core::v1::Event as Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::{count, text, time};
use crate::capability::kubernetes::Event;

/// An event. Three generations of reporters fill in different fields for the same facts.
pub(in crate::backend::kubernetes) fn event(object: &Object) -> Event {
    let involved = &object.involved_object;
    let series = object.series.as_ref();
    let micro = |time: Option<&MicroTime>| time.map(|MicroTime(at)| *at);
    let first_seen = time(object.first_timestamp.as_ref()).or(micro(object.event_time.as_ref()));
    let name = |name: Option<&String>| name.map(|name| text::message(name)).unwrap_or_default();
    Event {
        namespace: name(object.metadata.namespace.as_ref()),
        severity: text::some(object.type_.as_ref()).unwrap_or_else(|| "Normal".to_owned()),
        reason: name(object.reason.as_ref()),
        message: name(object.message.as_ref()),
        involved_kind: name(involved.kind.as_ref()),
        involved_name: name(involved.name.as_ref()),
        count: series
            .and_then(|series| series.count)
            .or(object.count)
            .filter(|n| *n > 0)
            .map_or(1, |n| count(Some(n))),
        last_seen: micro(series.and_then(|series| series.last_observed_time.as_ref()))
            .or_else(|| micro(object.event_time.as_ref()))
            .or_else(|| time(object.last_timestamp.as_ref()))
            .or_else(|| time(object.metadata.creation_timestamp.as_ref())),
        first_seen,
        source: text::some(object.reporting_component.as_ref())
            .or_else(|| text::some(object.source.as_ref()?.component.as_ref()))
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object;
    use super::*;

    #[test]
    fn takes_the_newest_time_the_count_and_the_source_from_wherever_they_are() {
        let made = json!({ "creationTimestamp": "2026-11-21T01:00:00Z" });
        let (first, last) = ("2026-11-21T02:00:00Z", "2026-11-21T03:00:00Z");
        let (micro, series) = ("2026-11-21T04:00:00.000000Z", "2026-11-21T05:00:00.000000Z");
        for (from, last_seen, count, source) in [
            (json!({ "metadata": made }), "2026-11-21T01:00:00Z", 1, ""),
            (
                json!({ "metadata": made, "firstTimestamp": first, "lastTimestamp": last,
                        "count": 4, "source": { "component": "kubelet" } }),
                "2026-11-21T03:00:00Z",
                4,
                "kubelet",
            ),
            (
                json!({ "metadata": made, "eventTime": micro, "reportingComponent": "scheduler",
                        "source": { "component": "old" }, "lastTimestamp": null }),
                "2026-11-21T04:00:00Z",
                1,
                "scheduler",
            ),
            (
                json!({ "metadata": made, "eventTime": micro, "count": -3,
                        "series": { "count": 9, "lastObservedTime": series } }),
                "2026-11-21T05:00:00Z",
                9,
                "",
            ),
            (json!({ "metadata": made, "count": 0 }), "2026-11-21T01:00:00Z", 1, ""),
        ] {
            let event = event(&object(from.clone()));
            assert_eq!(event.last_seen.map(|at| at.to_string()).as_deref(), Some(last_seen));
            assert_eq!((event.count, event.source.as_str()), (count, source), "{from}");
            assert_eq!(event.severity, "Normal");
        }
    }
}
