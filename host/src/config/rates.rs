//! `[rates]`: what callers may ask of the whole house.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::document::{Document, KeyPath};
use super::limits::bounded;
use crate::domain::rates::{Rate, Rates};

/// More than a machine can answer: whoever wants no bound says this.
pub(super) const PER_S: RangeInclusive<i64> = 1..=1_000_000;

/// More than people can approve.
const PER_H: RangeInclusive<i64> = 1..=10_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRates {
    pub(super) caller_per_s: Option<i64>,
    pub(super) caller_burst: Option<i64>,
    pub(super) caller_in_flight_max: Option<i64>,
    pub(super) tool_per_s: Option<i64>,
    pub(super) tool_burst: Option<i64>,
    pub(super) plugin_per_s: Option<i64>,
    pub(super) plugin_burst: Option<i64>,
    pub(super) caller_writes_per_h: Option<i64>,
    pub(super) cluster_writes_per_h: Option<i64>,
}

pub(super) fn validate(raw: &RawRates, path: &KeyPath, document: &mut Document<'_>) -> Rates {
    let RawRates {
        caller_per_s,
        caller_burst,
        caller_in_flight_max,
        tool_per_s,
        tool_burst,
        plugin_per_s,
        plugin_burst,
        caller_writes_per_h,
        cluster_writes_per_h,
    } = raw;
    let default = Rates::default();
    let mut number = |key: &str, said: &Option<i64>, bounds: RangeInclusive<i64>| {
        bounded((*said)?, bounds, &path.key(key), document)
            .and_then(|value| u32::try_from(value).ok())
            .and_then(NonZeroU32::new)
    };
    Rates {
        caller: rate(
            number("caller_per_s", caller_per_s, PER_S),
            number("caller_burst", caller_burst, PER_S),
            default.caller,
        ),
        caller_in_flight_max: number("caller_in_flight_max", caller_in_flight_max, PER_S)
            .map_or(default.caller_in_flight_max, NonZeroU32::get),
        tool: rate(
            number("tool_per_s", tool_per_s, PER_S),
            number("tool_burst", tool_burst, PER_S),
            default.tool,
        ),
        plugin: rate(
            number("plugin_per_s", plugin_per_s, PER_S),
            number("plugin_burst", plugin_burst, PER_S),
            default.plugin,
        ),
        caller_writes_per_h: number("caller_writes_per_h", caller_writes_per_h, PER_H)
            .map_or(default.caller_writes_per_h, NonZeroU32::get),
        cluster_writes_per_h: number("cluster_writes_per_h", cluster_writes_per_h, PER_H)
            .map_or(default.cluster_writes_per_h, NonZeroU32::get),
    }
}

/// A rate that is set without its burst allows as much at once as in a second: a burst that is left
/// at its default would be the larger of the two.
pub(super) fn rate(per_s: Option<NonZeroU32>, burst: Option<NonZeroU32>, default: Rate) -> Rate {
    match (per_s, burst) {
        (Some(per_s), burst) => Rate { per_s, burst: burst.unwrap_or(per_s) },
        (None, Some(burst)) => Rate { burst, ..default },
        (None, None) => default,
    }
}
