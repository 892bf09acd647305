//! The engine: one configuration, one pool, one ticker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

/// The length of a tick. Guests can be stopped at ticks only, and a cancelled one has to be gone
/// within 20 ms.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Instances that can live at once. More calls wait for one to end.
pub const INSTANCES_MAX: u32 = 96;

/// Core instances of one component. The pool has room for [`INSTANCES_MAX`] components that take
/// them all: no plugin can use up what another one's call was promised.
const CORE_INSTANCES_MAX: u32 = 64;

/// Memories of one component: a composed guest has three.
const MEMORIES_MAX: u32 = 4;

/// Tables of one component.
const TABLES_MAX: u32 = 16;

/// The largest memory that the pool has room for: operators can raise a plugin's limit up to it.
pub(super) const MEMORY_BYTES_MAX: usize = 256 << 20;

/// Stack of a guest. A JavaScript engine needs close to 1 MiB.
const STACK_BYTES: usize = 1 << 20;

/// The part of a used stack that is wiped in place instead of given back: taking the pages anew
/// costs more than wiping them.
const STACK_KEPT_BYTES: usize = 32 << 10;

/// What the compiler and the runtime agree on. The compiler's child process uses it too, without
/// the pool, which has no influence on the code.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(false)
        .max_wasm_stack(STACK_BYTES)
        .async_stack_size(2 * STACK_BYTES)
        .async_stack_zeroing(true)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(32 << 20)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_backtrace_max_frames(None)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .generate_address_map(false)
        .cranelift_opt_level(OptLevel::Speed);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * CORE_INSTANCES_MAX)
        .total_memories(INSTANCES_MAX * MEMORIES_MAX)
        .total_tables(INSTANCES_MAX * TABLES_MAX)
        .total_stacks(INSTANCES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(2)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(50_000)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(2 << 20)
        .max_unused_warm_slots(64)
        .decommit_batch_size(1)
        .async_stack_keep_resident(STACK_KEPT_BYTES)
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        // On this line of the runtime the scan does not reset pages that were swapped out.
        .pagemap_scan(Enabled::No);
    pool
}

/// An engine with a pool, or without one where the address space is too small for it.
pub(super) fn engine() -> wasmtime::Result<Engine> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    Engine::new(&config).or_else(|error| {
        tracing::warn!(%error, "no pool of instances; each call allocates its own");
        Engine::new(&self::config())
    })
}

/// Ticks the engine's epoch while guests run, from a thread of its own: a ticker that shares a
/// worker with the guests it is to interrupt does not tick when it matters.
#[derive(Debug)]
pub(super) struct Ticker {
    running: Arc<AtomicUsize>,
    thread: Thread,
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let running = Arc::new(AtomicUsize::new(0));
        let (engine, guests) = (engine.weak(), Arc::clone(&running));
        let tick = move || {
            while let Some(engine) = engine.upgrade() {
                if guests.load(Ordering::Acquire) == 0 {
                    drop(engine);
                    // Bounded, so that the thread notices the end of the engine.
                    std::thread::park_timeout(Duration::from_secs(1));
                } else {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::park_timeout(TICK);
                }
            }
        };
        let thread = std::thread::Builder::new().name("epoch".to_owned()).spawn(tick)?;
        Ok(Self { running, thread: thread.thread().clone() })
    }

    /// Ticks for as long as what is returned lives.
    pub(super) fn run(&self) -> Ticking {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Ticking(Arc::clone(&self.running))
    }
}

/// A guest runs.
#[derive(Debug)]
pub(super) struct Ticking(Arc<AtomicUsize>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
