//! Counts what a component holds, section by section, before the validator spends time on it.
//!
//! Instances are counted as the runtime will make them: what a nested component holds counts once
//! for every time that the component is instantiated. The sum of each component is known when its
//! end is read, so that a file that claims four million instances costs no more than another.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's enums grow with WebAssembly; the validator refuses what is new"
)]

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, CompositeInnerType, Encoding, FunctionBody,
    Instance, ModuleArity, Operator, Payload, SectionLimited, WasmFeatures,
};

use super::error::{Counted, GateError, bound};
use super::limits::GateLimits;
use super::nesting;

/// What instantiating a component makes.
#[derive(Debug, Clone, Copy)]
struct Weight {
    core_instances: u64,
    component_instances: u64,
    definitions: u64,
}

impl Weight {
    /// A component that holds nothing is still one instance.
    const EMPTY: Self = Self { core_instances: 0, component_instances: 1, definitions: 0 };

    fn add(&mut self, nested: Self) {
        self.core_instances = self.core_instances.saturating_add(nested.core_instances);
        self.component_instances =
            self.component_instances.saturating_add(nested.component_instances);
        self.definitions = self.definitions.saturating_add(nested.definitions);
    }

    fn define(&mut self, count: usize) {
        self.definitions = self.definitions.saturating_add(count as u64);
    }
}

/// A module or component whose end has not been read.
#[derive(Debug)]
enum Scope {
    Module,
    Component {
        weight: Weight,
        /// The index space of components.
        components: Vec<Weight>,
    },
}

/// An import or export of the outermost component.
#[derive(Debug)]
pub(super) struct Item {
    pub name: String,
    pub kind: ComponentExternalKind,
}

/// What has been counted so far.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    bytes: &'a [u8],
    features: WasmFeatures,
    limits: &'a GateLimits,
    scopes: Vec<Scope>,
    whole: Weight,
    components: u64,
    component_instances: u64,
    types: u64,
    all_imports: u64,
    all_exports: u64,
    tables: u64,
    globals: u64,
    segments: u64,
    /// Of the function that is being read.
    branch_targets: u64,
    values_moved: u64,
    pub functions: u64,
    pub largest_function_bytes: u64,
    pub memories: u64,
    pub imports: Vec<Item>,
    pub exports: Vec<Item>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(bytes: &'a [u8], features: WasmFeatures, limits: &'a GateLimits) -> Self {
        Self {
            bytes,
            features,
            limits,
            scopes: Vec::new(),
            whole: Weight::EMPTY,
            components: 0,
            component_instances: 0,
            types: 0,
            all_imports: 0,
            all_exports: 0,
            tables: 0,
            globals: 0,
            segments: 0,
            branch_targets: 0,
            values_moved: 0,
            functions: 0,
            largest_function_bytes: 0,
            memories: 0,
            imports: Vec::new(),
            exports: Vec::new(),
        }
    }

    /// Core instances of the whole component.
    pub(super) fn core_instances(&self) -> u64 {
        self.whole.core_instances
    }

    /// Counts one section, and refuses what is too much.
    pub(super) fn see(&mut self, payload: &Payload<'_>) -> Result<(), GateError> {
        match payload {
            Payload::Version { encoding, range, .. } => self.begin(*encoding, range.start),
            Payload::End(offset) => self.end(*offset),
            Payload::CodeSectionEntry(body) => self.function(body),
            Payload::CodeSectionStart { count, range, .. } => {
                let functions = self.functions.saturating_add(u64::from(*count));
                bound(Counted::Functions, functions, self.limits.functions_max, range.start)
            }
            Payload::TypeSection(_)
            | Payload::ImportSection(_)
            | Payload::TableSection(_)
            | Payload::MemorySection(_)
            | Payload::GlobalSection(_)
            | Payload::ExportSection(_)
            | Payload::ElementSection(_)
            | Payload::DataSection(_) => self.module_section(payload),
            _ => self.component_section(payload),
        }
    }

    fn module_section(&mut self, payload: &Payload<'_>) -> Result<(), GateError> {
        let limits = self.limits;
        match payload {
            Payload::TypeSection(types) => {
                let max = limits.types_max;
                grow(&mut self.types, types, Counted::Types, max)?;
                self.signatures(types.clone())
            }
            Payload::ImportSection(imports) => {
                grow(&mut self.all_imports, imports, Counted::Imports, limits.imports_max)
            }
            Payload::ExportSection(exports) => {
                grow(&mut self.all_exports, exports, Counted::Exports, limits.exports_max)
            }
            Payload::GlobalSection(globals) => {
                grow(&mut self.globals, globals, Counted::Globals, limits.globals_max)
            }
            Payload::ElementSection(segments) => {
                grow(&mut self.segments, segments, Counted::Segments, limits.segments_max)
            }
            Payload::DataSection(segments) => {
                grow(&mut self.segments, segments, Counted::Segments, limits.segments_max)
            }
            Payload::TableSection(tables) => {
                grow(&mut self.tables, tables, Counted::Tables, limits.tables_max)?;
                for table in tables.clone().into_iter_with_offsets() {
                    let (offset, table) = table?;
                    let max = limits.table_elements_max;
                    bound(Counted::TableElements, table.ty.initial, max, offset)?;
                }
                Ok(())
            }
            Payload::MemorySection(memories) => {
                grow(&mut self.memories, memories, Counted::Memories, limits.memories_max)?;
                for memory in memories.clone().into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    let bytes = memory.initial.saturating_mul(WASM_PAGE_BYTES);
                    bound(Counted::MemoryBytes, bytes, limits.memory_bytes_max, offset)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn signatures(&self, types: wasmparser::TypeSectionReader<'_>) -> Result<(), GateError> {
        for group in types.into_iter_with_offsets() {
            let (offset, group) = group?;
            for ty in group.into_types() {
                if let CompositeInnerType::Func(ty) = ty.composite_type.inner {
                    let values = (ty.params().len() + ty.results().len()) as u64;
                    let max = self.limits.signature_values_max;
                    bound(Counted::SignatureValues, values, max, offset)?;
                }
            }
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), GateError> {
        let range = body.range();
        let bytes = range.len() as u64;
        let max = self.limits.function_bytes_max;
        if bytes > max {
            let index = self.functions;
            return Err(GateError::FunctionTooLarge { index, offset: range.start, bytes, max });
        }
        let mut locals = 0_u64;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(u64::from(group?.0));
            bound(Counted::Locals, locals, self.limits.locals_max, range.start)?;
        }
        self.functions = self.functions.saturating_add(1);
        self.largest_function_bytes = self.largest_function_bytes.max(bytes);
        Ok(())
    }

    /// What follows are the operators of another function.
    pub(super) fn begin_function(&mut self) {
        self.branch_targets = 0;
    }

    /// Counts an operator, before `validator` moves as many values as it says.
    pub(super) fn operator(
        &mut self,
        operator: &Operator<'_>,
        validator: &impl ModuleArity,
        offset: usize,
    ) -> Result<(), GateError> {
        let times = match operator {
            Operator::BrTable { targets } => {
                let targets = u64::from(targets.len()) + 1;
                self.branch_targets = self.branch_targets.saturating_add(targets);
                let max = self.limits.branch_targets_max;
                bound(Counted::BranchTargets, self.branch_targets, max, offset)?;
                targets
            }
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::Return
            | Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. } => 1,
            // The others take and leave three values at most.
            _ => return Ok(()),
        };
        // Code after a function's end has no labels to look at, and the validator refuses it.
        if validator.control_stack_height() == 0 {
            return Ok(());
        }
        let (taken, left) = operator.operator_arity(validator).unwrap_or_default();
        let moved = (u64::from(taken) + u64::from(left)).saturating_mul(times);
        self.values_moved = self.values_moved.saturating_add(moved);
        bound(Counted::ValuesMoved, self.values_moved, self.limits.values_moved_max, offset)
    }

    fn component_section(&mut self, payload: &Payload<'_>) -> Result<(), GateError> {
        match payload {
            Payload::CoreTypeSection(types) => {
                self.define(types.count() as usize);
                grow(&mut self.types, types, Counted::Types, self.limits.types_max)
            }
            Payload::ComponentTypeSection(types) => {
                let range = types.range();
                let contents = self.bytes.get(range.clone()).unwrap_or_default();
                let reader = BinaryReader::new_features(contents, range.start, self.features);
                let before = self.types;
                self.types = nesting::count_types(reader, before, self.limits)?;
                self.define(types.count() as usize);
                Ok(())
            }
            Payload::InstanceSection(instances) => self.core_instances_of(instances.clone()),
            Payload::ComponentInstanceSection(instances) => self.instances_of(instances.clone()),
            Payload::ComponentAliasSection(aliases) => self.aliases_of(aliases.clone()),
            Payload::ComponentCanonicalSection(functions) => {
                self.define(functions.count() as usize);
                Ok(())
            }
            Payload::ComponentImportSection(imports) => self.imports_of(imports.clone()),
            Payload::ComponentExportSection(exports) => self.exports_of(exports.clone()),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, encoding: Encoding, offset: usize) -> Result<(), GateError> {
        if self.scopes.len() as u64 >= self.limits.nesting_max {
            return Err(GateError::TooDeep { offset, max: self.limits.nesting_max });
        }
        self.components = self.components.saturating_add(1);
        bound(Counted::Components, self.components, self.limits.components_max, offset)?;
        self.scopes.push(match encoding {
            Encoding::Module if self.scopes.is_empty() => return Err(GateError::CoreModule),
            Encoding::Module => Scope::Module,
            Encoding::Component => {
                Scope::Component { weight: Weight::EMPTY, components: Vec::new() }
            }
        });
        Ok(())
    }

    fn end(&mut self, offset: usize) -> Result<(), GateError> {
        let Some(Scope::Component { weight, .. }) = self.scopes.pop() else { return Ok(()) };
        if !self.scopes.is_empty() {
            self.add_component(weight);
            return Ok(());
        }
        self.whole = weight;
        let kinds = [
            ("core", weight.core_instances, self.limits.core_instances_max),
            ("component", weight.component_instances, self.limits.component_instances_max),
        ];
        for (kind, count, max) in kinds {
            if count > max {
                return Err(GateError::TooManyInstances { kind, count, max });
            }
        }
        let max = self.limits.definitions_max;
        bound(Counted::Definitions, weight.definitions, max, offset)
    }

    fn define(&mut self, count: usize) {
        if let Some(Scope::Component { weight, .. }) = self.scopes.last_mut() {
            weight.define(count);
        }
    }

    fn add_component(&mut self, component: Weight) {
        if let Some(Scope::Component { components, .. }) = self.scopes.last_mut() {
            components.push(component);
        }
    }

    /// The component at `index`, `outwards` components out of the one that is being read. None for
    /// an index that does not exist, which the validator refuses.
    fn component(&self, outwards: u32, index: u32) -> Option<Weight> {
        let scope = self.scopes.iter().rev().nth(outwards as usize)?;
        let Scope::Component { components, .. } = scope else { return None };
        components.get(index as usize).copied()
    }

    fn core_instances_of(
        &mut self,
        instances: SectionLimited<'_, Instance<'_>>,
    ) -> Result<(), GateError> {
        for instance in instances {
            match instance? {
                Instance::Instantiate { args, .. } => {
                    let made = Weight { core_instances: 1, component_instances: 0, definitions: 1 };
                    self.instantiate(made, args.len());
                }
                Instance::FromExports(exports) => self.define(exports.len() + 1),
            }
        }
        Ok(())
    }

    fn instances_of(
        &mut self,
        instances: SectionLimited<'_, ComponentInstance<'_>>,
    ) -> Result<(), GateError> {
        let max = self.limits.component_instances_max;
        for instance in instances {
            match instance? {
                ComponentInstance::Instantiate { component_index, args } => {
                    // The validator types each one where it is written, whether it ever runs or
                    // not.
                    let count = self.component_instances.saturating_add(1);
                    self.component_instances = count;
                    if count > max {
                        return Err(GateError::TooManyInstances { kind: "component", count, max });
                    }
                    let made = self.component(0, component_index).unwrap_or(Weight::EMPTY);
                    self.instantiate(made, args.len());
                }
                ComponentInstance::FromExports(exports) => self.define(exports.len() + 1),
            }
        }
        Ok(())
    }

    fn instantiate(&mut self, made: Weight, args: usize) {
        if let Some(Scope::Component { weight, .. }) = self.scopes.last_mut() {
            weight.add(made);
            weight.define(args);
        }
    }

    fn aliases_of(
        &mut self,
        aliases: SectionLimited<'_, ComponentAlias<'_>>,
    ) -> Result<(), GateError> {
        self.define(aliases.count() as usize);
        for alias in aliases.into_iter_with_offsets() {
            let (offset, alias) = alias?;
            match alias {
                ComponentAlias::InstanceExport { kind, .. } => not_a_value(kind, offset)?,
                ComponentAlias::Outer { kind, count, index } => {
                    if kind == ComponentOuterAliasKind::Component {
                        let outer = self.component(count, index).unwrap_or(Weight::EMPTY);
                        self.add_component(outer);
                    }
                }
                ComponentAlias::CoreInstanceExport { .. } => {}
            }
        }
        Ok(())
    }

    fn imports_of(
        &mut self,
        imports: wasmparser::ComponentImportSectionReader<'_>,
    ) -> Result<(), GateError> {
        self.define(imports.count() as usize);
        grow(&mut self.all_imports, &imports, Counted::Imports, self.limits.imports_max)?;
        for import in imports.into_iter_with_offsets() {
            let (offset, import) = import?;
            self.name(import.name.name, offset)?;
            let kind = import.ty.kind();
            if self.scopes.len() == 1 {
                self.imports.push(Item { name: import.name.name.to_owned(), kind });
            } else {
                not_a_value(kind, offset)?;
            }
        }
        Ok(())
    }

    fn exports_of(
        &mut self,
        exports: wasmparser::ComponentExportSectionReader<'_>,
    ) -> Result<(), GateError> {
        self.define(exports.count() as usize);
        grow(&mut self.all_exports, &exports, Counted::Exports, self.limits.exports_max)?;
        for export in exports.into_iter_with_offsets() {
            let (offset, export) = export?;
            self.name(export.name.name, offset)?;
            if self.scopes.len() == 1 {
                let name = export.name.name.to_owned();
                self.exports.push(Item { name, kind: export.kind });
            }
            // An export gives its item a second index.
            let component = matches!(export.ty, Some(ComponentTypeRef::Component(_)))
                || export.kind == ComponentExternalKind::Component;
            if component {
                let exported = self.component(0, export.index).unwrap_or(Weight::EMPTY);
                self.add_component(exported);
            }
        }
        Ok(())
    }

    fn name(&self, name: &str, offset: usize) -> Result<(), GateError> {
        bound(Counted::NameBytes, name.len() as u64, self.limits.name_bytes_max, offset)
    }
}

/// The unit of memories; another one needs a proposal that the validator refuses.
const WASM_PAGE_BYTES: u64 = 1 << 16;

fn grow<T>(
    total: &mut u64,
    section: &SectionLimited<'_, T>,
    what: Counted,
    max: u64,
) -> Result<(), GateError> {
    *total = total.saturating_add(u64::from(section.count()));
    bound(what, *total, max, section.range().start)
}

/// A component that is handed over as a value could be instantiated by whoever gets it, any number
/// of times; a module likewise. No toolchain makes plugins so.
fn not_a_value(kind: ComponentExternalKind, offset: usize) -> Result<(), GateError> {
    match kind {
        ComponentExternalKind::Component => {
            Err(GateError::PassedAsValue { what: "component", offset })
        }
        ComponentExternalKind::Module => Err(GateError::PassedAsValue { what: "module", offset }),
        ComponentExternalKind::Func
        | ComponentExternalKind::Value
        | ComponentExternalKind::Type
        | ComponentExternalKind::Instance => Ok(()),
    }
}
