//! How much may be asked within a time: bounds above those of single calls, on by default.

use std::num::NonZeroU32;

/// A rate, with what may come at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_s: NonZeroU32,
    /// At once, after as long a pause as it takes to earn it.
    pub burst: NonZeroU32,
}

impl Rate {
    /// A rate; a zero counts as one, since none at all is what a mode is for.
    #[must_use]
    pub const fn new(per_s: u32, burst: u32) -> Self {
        const fn at_least_one(value: u32) -> NonZeroU32 {
            match NonZeroU32::new(value) {
                Some(value) => value,
                None => NonZeroU32::MIN,
            }
        }
        Self { per_s: at_least_one(per_s), burst: at_least_one(burst) }
    }
}

/// What callers may ask of the whole house: `[rates]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// Calls of one caller. An agent that thinks between its calls makes a few in a second; one
    /// that loops makes thousands.
    pub caller: Rate,
    /// Calls of one caller that run at once. Others keep a third of the pool of instances.
    pub caller_in_flight_max: u32,
    /// Calls of one tool, whoever asks: what many callers do to one backend together.
    pub tool: Rate,
    /// Calls of one plugin, whoever asks.
    pub plugin: Rate,
    /// Writes that are carried out for one caller within any hour. A person who repairs something
    /// needs a handful; an agent in a circle is stopped before it has restarted a whole cluster.
    pub caller_writes_per_h: u32,
    /// Writes that are carried out in one cluster within any hour, whoever asks.
    pub cluster_writes_per_h: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            caller: Rate::new(50, 200),
            caller_in_flight_max: 64,
            tool: Rate::new(100, 400),
            plugin: Rate::new(200, 800),
            caller_writes_per_h: 30,
            cluster_writes_per_h: 60,
        }
    }
}

/// What one cluster is asked, where the operator says nothing: what `kubectl` allows itself.
pub const CLUSTER_REQUESTS: Rate = Rate::new(50, 300);
