//! Limits: what the file may set them to, and what they are where it says nothing.

use std::ops::RangeInclusive;

use serde::Deserialize;

use super::document::{Document, KeyPath};
use crate::domain::limits::Limits;

macro_rules! limits {
    ($($(#[$why:meta])* $field:ident <= $max:expr;)*) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct RawLimits {
            $($(#[$why])* pub(super) $field: Option<i64>,)*
        }

        /// The file's limits over those that hold without them.
        pub(super) fn merge(
            raw: &RawLimits,
            base: &Limits,
            path: &KeyPath,
            document: &mut Document<'_>,
        ) -> Limits {
            let RawLimits { $($field),* } = raw;
            Limits {
                $($field: match *$field {
                    None => base.$field,
                    Some(value) => bounded(value, 1..=$max, &path.key(stringify!($field)), document)
                        .and_then(|value| value.try_into().ok())
                        .unwrap_or(base.$field),
                },)*
            }
        }
    };
}

limits! {
    /// Ten minutes: a call that takes longer is a job, not a tool.
    deadline_ms <= 600_000;
    /// A minute of computing, of which other callers get nothing.
    cpu_ms <= 60_000;
    /// What the pool of instances has room for.
    memory_bytes_max <= 256 << 20;
    /// What the pool of instances has room for.
    table_elements_max <= 50_000;
    /// What the pool of instances has room for.
    core_instances_max <= 64;
    /// At a few milliseconds each, more than the longest deadline allows.
    host_calls_max <= 100_000;
    /// Copied twice on its way.
    host_call_bytes_in_max <= 64 << 20;
    /// Copied twice on its way.
    host_call_bytes_out_max <= 64 << 20;
    /// A million tokens: no client takes more.
    output_bytes_max <= 4 << 20;
    /// Per call, and all of it goes to disk.
    log_bytes_max <= 4 << 20;
    /// No list of the contract is longer.
    handles_max <= 65_536;
    /// Beyond that, callers wait for the CPU instead of for their turn.
    concurrency_max <= 1_024;
    /// Those at the end of a longer queue have given up.
    queue_max <= 10_000;
    /// Ten times the largest guest that is known.
    component_bytes_max <= 256 << 20;
    /// Minutes of compiling for one function.
    function_bytes_max <= 512 << 10;
    /// Ten minutes of CPU at the start, for one plugin.
    compile_cpu_s <= 600;
}

/// The value, where it lies within the bounds.
pub(super) fn bounded(
    value: i64,
    bounds: RangeInclusive<i64>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Option<u64> {
    if bounds.contains(&value) {
        return u64::try_from(value).ok();
    }
    let text = match value {
        0 => "0 would let nothing through".to_owned(),
        value => format!("{value} is out of bounds"),
    };
    let (min, max) = bounds.into_inner();
    let hint = format!("say a number from {min} to {max}, or leave the line out for the default");
    document.problem(path, text, hint);
    None
}
