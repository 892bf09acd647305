//! How often, and how much at once: refused early, before anything is spent on the call.
//!
//! A caller is looked at before what all share, so that who loops meets their own bound and leaves
//! the others theirs. The counts are of this process and begin anew with it.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::domain::decision::Refusal;
use crate::domain::name::{ClusterName, PluginId, ToolName};
use crate::domain::principal::Principal;
use crate::domain::rates::{Rate, Rates};
use crate::domain::subject::Subject;

/// How often keys are dropped whose buckets are full again, counted in calls.
const SWEEP_EVERY: u32 = 1_024;

/// When a place in flight may be free again: most calls take less.
const IN_FLIGHT_RETRY: Duration = Duration::from_secs(1);

/// The time since the limiter was made. Tests that pause tokio's time pause this one too.
#[derive(Debug, Clone)]
struct Elapsed(Instant);

impl Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Buckets<K> =
    RateLimiter<K, HashMapStateStore<K>, Elapsed, NoOpMiddleware<<Elapsed as Clock>::Instant>>;

/// Token buckets, one for each key.
struct Limited<K: Hash + Eq + Clone> {
    buckets: Buckets<K>,
    clock: Elapsed,
}

impl<K: Hash + Eq + Clone> Limited<K> {
    fn new(Rate { per_s, burst }: Rate, clock: &Elapsed) -> Self {
        let quota = Quota::per_second(per_s).allow_burst(burst);
        Self {
            buckets: RateLimiter::hashmap_with_clock(quota, clock.clone()),
            clock: clock.clone(),
        }
    }

    /// Takes a token, or says how long it takes until there is one.
    fn take(&self, key: &K) -> Result<(), Duration> {
        self.buckets.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// What callers may ask of the house.
pub struct CallLimiter {
    rates: Rates,
    callers: Limited<Principal>,
    tools: Limited<ToolName>,
    plugins: Limited<PluginId>,
    in_flight: Mutex<HashMap<Principal, u32>>,
    calls: AtomicU32,
}

impl std::fmt::Debug for CallLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallLimiter").field("rates", &self.rates).finish_non_exhaustive()
    }
}

/// One call that was let in. Dropping it frees its place in flight.
#[derive(Debug)]
pub struct Turn {
    limiter: Arc<CallLimiter>,
    principal: Principal,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut in_flight = self.limiter.in_flight();
        if let Some(count) = in_flight.get_mut(&self.principal) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                in_flight.remove(&self.principal);
            }
        }
    }
}

impl CallLimiter {
    /// All buckets full.
    pub fn new(rates: Rates) -> Arc<Self> {
        let clock = Elapsed(Instant::now());
        let Rates { caller, tool, plugin, .. } = rates;
        Arc::new(Self {
            callers: Limited::new(caller, &clock),
            tools: Limited::new(tool, &clock),
            plugins: Limited::new(plugin, &clock),
            in_flight: Mutex::default(),
            calls: AtomicU32::new(0),
            rates,
        })
    }

    /// Lets a caller in, whatever is asked for.
    ///
    /// # Errors
    /// `Busy`, with the bound that was met and when to try again.
    pub fn enter(self: &Arc<Self>, principal: &Principal) -> Result<Turn, Refusal> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.callers.buckets.retain_recent();
        }
        let turn = self.take_place(principal)?;
        let caller = &self.rates.caller;
        self.callers.take(principal).map_err(|wait| {
            busy(
                &format!("you make more than {} calls a second", caller.per_s),
                "caller_per_s",
                wait,
            )
        })?;
        Ok(turn)
    }

    /// Takes a call's share of what all callers have together.
    ///
    /// # Errors
    /// As [`CallLimiter::enter`].
    pub fn share(&self, subject: &Subject, plugin: &PluginId) -> Result<(), Refusal> {
        let Rates { tool, plugin: of_plugin, .. } = &self.rates;
        self.plugins.take(plugin).map_err(|wait| {
            let text = format!("`{plugin}` is called more than {} times a second", of_plugin.per_s);
            busy(&text, "plugin_per_s", wait)
        })?;
        if let Subject::Tool(name) = subject {
            self.tools.take(name).map_err(|wait| {
                let text = format!("`{name}` is called more than {} times a second", tool.per_s);
                busy(&text, "tool_per_s", wait)
            })?;
        }
        Ok(())
    }

    fn take_place(self: &Arc<Self>, principal: &Principal) -> Result<Turn, Refusal> {
        let max = self.rates.caller_in_flight_max;
        let mut in_flight = self.in_flight();
        match in_flight.get_mut(principal) {
            Some(count) if *count >= max => {
                let text = format!("{max} of your calls run already");
                return Err(busy(&text, "caller_in_flight_max", IN_FLIGHT_RETRY));
            }
            Some(count) => *count += 1,
            None => {
                in_flight.insert(principal.clone(), 1);
            }
        }
        drop(in_flight);
        Ok(Turn { limiter: Arc::clone(self), principal: principal.clone() })
    }

    fn in_flight(&self) -> MutexGuard<'_, HashMap<Principal, u32>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy(text: &str, key: &str, retry_after: Duration) -> Refusal {
    Refusal::Busy { reason: format!("{text} (`rates.{key}`)"), retry_after }
}

/// The writes of the last hour.
pub struct WriteBudget {
    caller_max: usize,
    cluster_max: usize,
    spent: Mutex<VecDeque<Spent>>,
}

struct Spent {
    at: Instant,
    principal: Principal,
    cluster: ClusterName,
}

/// A budget is spent.
#[derive(Debug)]
pub struct Overspent {
    /// Which: a key of `[rates]`.
    pub rate: &'static str,
    /// For the caller, with the time until there is something in it again.
    pub text: String,
}

const HOUR: Duration = Duration::from_hours(1);

impl WriteBudget {
    /// Nothing spent.
    pub fn new(rates: &Rates) -> Self {
        let max = |per_h: u32| usize::try_from(per_h).unwrap_or(usize::MAX);
        Self {
            caller_max: max(rates.caller_writes_per_h),
            cluster_max: max(rates.cluster_writes_per_h),
            spent: Mutex::default(),
        }
    }

    /// Takes one write out of the budgets: within any hour there are no more than they allow. A
    /// request that people refuse has cost them a look, and counts as well.
    ///
    /// # Errors
    /// Which budget is spent.
    pub fn spend(&self, principal: &Principal, cluster: &ClusterName) -> Result<(), Overspent> {
        let now = Instant::now();
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        while spent.front().is_some_and(|first| now.duration_since(first.at) >= HOUR) {
            spent.pop_front();
        }
        let by_caller = spent.iter().filter(|one| one.principal == *principal);
        let in_cluster = spent.iter().filter(|one| one.cluster == *cluster);
        let left = |oldest: Option<&Spent>| {
            let age = oldest.map_or(HOUR, |one| now.duration_since(one.at));
            HOUR.saturating_sub(age).as_secs().div_ceil(60).max(1)
        };
        let (count, max) = (by_caller.clone().count(), self.caller_max);
        if count >= max {
            let minutes = left(by_caller.clone().next());
            let rate = "caller_writes_per_h";
            let text = format!(
                "you have asked for {max} writes within an hour (`rates.{rate}`); the next one can \
                 be asked for in {minutes} min. Tell the person you work for what these were, and \
                 that none is left"
            );
            return Err(Overspent { rate, text });
        }
        let (count, max) = (in_cluster.clone().count(), self.cluster_max);
        if count >= max {
            let minutes = left(in_cluster.clone().next());
            let rate = "cluster_writes_per_h";
            let text = format!(
                "{max} writes were asked for in this cluster within an hour (`rates.{rate}`); the \
                 next one can be asked for in {minutes} min"
            );
            return Err(Overspent { rate, text });
        }
        spent.push_back(Spent { at: now, principal: principal.clone(), cluster: cluster.clone() });
        Ok(())
    }

    /// Puts back the newest of what was taken: it came to no request that people see.
    pub fn give_back(&self, principal: &Principal, cluster: &ClusterName) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this = |one: &Spent| one.principal == *principal && one.cluster == *cluster;
        if let Some(at) = spent.iter().rposition(is_this) {
            spent.remove(at);
        }
    }
}

#[cfg(test)]
#[path = "rate_limit/tests.rs"]
mod tests;
