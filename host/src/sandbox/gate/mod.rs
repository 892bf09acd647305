//! The gate: reads a component before anything is compiled, and turns away what should not be.
//!
//! Owns: what a file may look like, what it imports and exports, its digest. Must not: compile,
//! run, or decide what is granted. Everything in the file is hostile: the cost is linear in its
//! size, nothing is expanded, nothing recurses deeper than a bound, nothing panics. Read
//! [`inspect`] first.

mod error;
mod interface;
mod limits;
mod nesting;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest as _, Sha256};
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::{Types, TypesRef};
use wasmparser::{
    ComponentExternalKind, FuncToValidate, FuncValidatorAllocations, FunctionBody, OperatorsReader,
    Parser, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

pub use error::{Counted, GateError};
pub use interface::{ImportClass, InterfaceName, NotAnInterfaceName, Sealed, classify, words};
pub use limits::GateLimits;

use error::printable;
use tally::{Item, Tally};

/// What plugins may use of WebAssembly; the engine is configured to the same set. Left out is what
/// is not compiled into it or where its advisories were. Multi-memory stays: composed components
/// make the engine's adapters use it.
pub const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES);

/// The SHA-256 of a component's file: what listings, records and approvals are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One imported interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its name.
    pub interface: InterfaceName,
    /// What is imported of it, in the order of the file. Compilers leave out what is not used.
    pub functions: Vec<String>,
}

/// What the gate found in a component that it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Of the file.
    pub digest: Digest,
    /// Every import: there are no others.
    pub imports: Vec<Import>,
    /// What it offers: at least one of them.
    pub offers: BTreeSet<Export>,
    /// The names of the exports.
    pub exports: Vec<String>,
    /// The file's size.
    pub size_bytes: usize,
    /// Core instances of one instance, counted through nested components.
    pub core_instances: u64,
    /// Functions with a body, in all modules.
    pub functions: u64,
    /// The largest of them.
    pub largest_function_bytes: u64,
    /// Memories, in all modules.
    pub memories: u64,
}

/// Reads a component and says what it is, or why it is not let in.
pub fn inspect(bytes: &[u8], limits: &GateLimits) -> Result<Inspection, GateError> {
    if bytes.is_empty() {
        return Err(GateError::Empty);
    }
    let size = bytes.len() as u64;
    if size > limits.component_bytes_max {
        return Err(GateError::TooLarge { bytes: size, max: limits.component_bytes_max });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(GateError::NotWasm);
    }
    let mut tally = Tally::new(bytes, FEATURES, limits);
    let types = validate(bytes, &mut tally)?;
    let imports = imports(&tally.imports, types.as_ref())?;
    let offers = offers(&tally.exports)?;
    Ok(Inspection {
        digest: Digest::of(bytes),
        imports,
        offers,
        size_bytes: bytes.len(),
        core_instances: tally.core_instances(),
        functions: tally.functions,
        largest_function_bytes: tally.largest_function_bytes,
        memories: tally.memories,
        exports: tally.exports.into_iter().map(|item| item.name).collect(),
    })
}

/// Each section is counted before it is validated, since validating costs more.
fn validate(bytes: &[u8], tally: &mut Tally<'_>) -> Result<Types, GateError> {
    let mut validator = Validator::new_with_features(FEATURES);
    let mut allocations = FuncValidatorAllocations::default();
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut outermost = None;
    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        tally.see(&payload)?;
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                allocations = validate_function(function, &body, allocations, tally)?;
            }
            ValidPayload::End(types) => outermost = Some(types),
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
    }
    outermost.ok_or_else(|| GateError::Truncated {
        offset: bytes.len(),
        detail: "the end is missing".to_owned(),
    })
}

fn validate_function(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: FuncValidatorAllocations,
    tally: &mut Tally<'_>,
) -> Result<FuncValidatorAllocations, GateError> {
    let mut validator = function.into_validator(allocations);
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let mut operators = OperatorsReader::new(reader);
    tally.begin_function();
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        tally.operator(&operator, &validator, offset)?;
        validator.op(offset, &operator)?;
    }
    operators.finish()?;
    Ok(validator.into_allocations())
}

fn imports(items: &[Item], types: TypesRef<'_>) -> Result<Vec<Import>, GateError> {
    let import = |item: &Item| {
        let refuse =
            || GateError::NotAnInterface { name: printable(&item.name), kind: item.kind.desc() };
        let interface = item.name.parse::<InterfaceName>().map_err(|_| refuse())?;
        let found = types.component_item_for_import(&item.name).map(|found| found.ty);
        let Some(ComponentEntityType::Instance(instance)) = found else { return Err(refuse()) };
        let items = types.get(instance).map(|instance| instance.exports.iter());
        let functions = items
            .into_iter()
            .flatten()
            .filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)))
            .map(|(name, _)| name.clone())
            .collect();
        Ok(Import { interface, functions })
    };
    items.iter().map(import).collect()
}

/// An interface that a plugin may export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Export {
    /// `tools`
    Tools,
    /// `prompts`
    Prompts,
    /// `resources`
    Resources,
}

impl Export {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Tools, Self::Prompts, Self::Resources];

    /// The interface's name, and the manifest's table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
        }
    }
}

/// What the component offers. Versions of the contract are compatible within 0.1, in both
/// directions.
fn offers(exports: &[Item]) -> Result<BTreeSet<Export>, GateError> {
    let instances = exports.iter().filter(|item| item.kind == ComponentExternalKind::Instance);
    let names = instances.filter_map(|item| item.name.parse::<InterfaceName>().ok());
    let (mut offers, mut other) = (BTreeSet::new(), None);
    for name in names.filter(InterfaceName::is_of_plugin_package) {
        let kind = Export::ALL.into_iter().find(|kind| kind.as_str() == name.interface);
        match kind {
            Some(kind) if name.is_contract() => {
                offers.insert(kind);
            }
            Some(_) => other = Some(name.to_string()),
            None => {}
        }
    }
    match other {
        _ if !offers.is_empty() => Ok(offers),
        Some(found) => Err(GateError::OtherContract { found }),
        None => Err(GateError::NoOffer),
    }
}
