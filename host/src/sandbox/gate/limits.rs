//! How much of everything a component may have before the compiler sees it.

use crate::domain::limits::Limits;

/// The bounds of the gate. What compiles slowly, or expands while it compiles, is refused by its
/// shape, because the compiler's work is not bounded by the size of its input: 1.4 KB of nested
/// instances cost it 6.6 CPU seconds and a gigabyte. The figures of guests that carry an
/// interpreter are those of plugins that import the whole contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateLimits {
    /// Bytes of the file.
    pub component_bytes_max: u64,
    /// Bytes of one function's body. `CPython` has one of 426,843, `SpiderMonkey` one of 171,628,
    /// so a plugin in those languages needs a bound of its own; `QuickJS` stays below 55,000.
    pub function_bytes_max: u64,
    /// Functions with a body, in all modules together. `CPython` has 13,504; a tiny one costs the
    /// compiler about 0.1 ms.
    pub functions_max: u64,
    /// Parameters and results of one core function type: a call of two bytes moves all of them, in
    /// the validator as in the compiler.
    pub signature_values_max: u64,
    /// Locals of one function. Compiled C and Rust stay in the hundreds, interpreter loops below a
    /// few thousand.
    pub locals_max: u64,
    /// Targets of all `br_table`s of one function together. `CPython` has 11,240 in its largest; a
    /// nest of them is how a small function keeps the compiler busy.
    pub branch_targets_max: u64,
    /// Values that calls and branches move, in all functions together: with many values to a call,
    /// a megabyte kept the validator busy for seconds. `SpiderMonkey` moves 660,784 in 12 MB.
    pub values_moved_max: u64,
    /// Core instances, counted through nested instantiation: the pool has no room for more.
    pub core_instances_max: u64,
    /// Component instances, counted through nested instantiation. For each, the validator compares
    /// types of up to a million parts, in about 20 ms. Toolchains make one for each exported
    /// interface; `QuickJS` comes as 25.
    pub component_instances_max: u64,
    /// Definitions (aliases, arguments, adapters and so on), counted through nested instantiation:
    /// the compiler handles every one again in each instance. `CPython` has 3,375.
    pub definitions_max: u64,
    /// Components and modules in the file, whether instantiated or not. `CPython` has 41.
    pub components_max: u64,
    /// Components in components, and types in types. Toolchains go to four.
    pub nesting_max: u64,
    /// Core and component types, declarations inside of types included. `CPython` has 1,627.
    pub types_max: u64,
    /// Imports of all modules and components together. Shared libraries import from each other:
    /// `CPython` has 2,441.
    pub imports_max: u64,
    /// Exports, likewise. `CPython` has 4,479.
    pub exports_max: u64,
    /// Bytes of the name of a component's import or export: people read them.
    pub name_bytes_max: u64,
    /// Bytes of memory that one memory begins with.
    pub memory_bytes_max: u64,
    /// Memories of all modules together. Composed guests have three or four.
    pub memories_max: u64,
    /// Elements that one table begins with.
    pub table_elements_max: u64,
    /// Tables of all modules together. The guests that we know have two or three.
    pub tables_max: u64,
    /// Globals of all modules together; shared libraries have one for each symbol, `CPython` 871.
    pub globals_max: u64,
    /// Data and element segments of all modules together. `SpiderMonkey`, which is a snapshot of
    /// its memory, has 10,002.
    pub segments_max: u64,
}

impl GateLimits {
    /// The gate's bounds for a plugin with `limits`.
    pub fn new(limits: &Limits) -> Self {
        Self {
            component_bytes_max: limits.component_bytes_max as u64,
            function_bytes_max: limits.function_bytes_max as u64,
            functions_max: 30_000,
            signature_values_max: 128,
            locals_max: 10_000,
            branch_targets_max: 16_384,
            values_moved_max: 16 << 20,
            core_instances_max: limits.core_instances_max as u64,
            component_instances_max: 64,
            definitions_max: 50_000,
            components_max: 256,
            nesting_max: 16,
            types_max: 20_000,
            imports_max: 20_000,
            exports_max: 20_000,
            name_bytes_max: 512,
            memory_bytes_max: limits.memory_bytes_max as u64,
            memories_max: 16,
            table_elements_max: limits.table_elements_max as u64,
            tables_max: 64,
            globals_max: 10_000,
            segments_max: 20_000,
        }
    }
}

impl Default for GateLimits {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}
