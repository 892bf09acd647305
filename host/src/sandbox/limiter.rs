//! Memory and tables of one call, summed over all of its instances.

use wasmtime::{ResourceLimiter, Result, bail};

use crate::domain::limits::Limits;

/// Counts what an instance takes and refuses what is too much.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements_max: usize,
    core_instances_max: usize,
    /// Whether something was refused: a guest that then traps did not trap by itself.
    pub(super) refused: Option<&'static str>,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            table_elements_max: limits.table_elements_max,
            core_instances_max: limits.core_instances_max,
            refused: None,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, now: usize, wanted: usize, max: Option<usize>) -> Result<bool> {
        let sum = self.memory_bytes.saturating_add(wanted.saturating_sub(now));
        if sum > self.memory_bytes_max || max.is_some_and(|max| wanted > max) {
            self.refused = Some("memory_bytes_max");
            return Ok(false);
        }
        self.memory_bytes = sum;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        bail!("memory cannot grow: {error}")
    }

    fn table_growing(&mut self, _now: usize, wanted: usize, max: Option<usize>) -> Result<bool> {
        let fits = wanted <= self.table_elements_max && max.is_none_or(|max| wanted <= max);
        if !fits {
            self.refused = Some("table_elements_max");
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        self.core_instances_max
    }

    fn tables(&self) -> usize {
        self.core_instances_max
    }

    fn memories(&self) -> usize {
        4 // A composed guest has three.
    }
}
