//! Why a component is not let in.

use std::fmt;

/// What there may be too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Functions with a body.
    Functions,
    /// Parameters and results of one function type.
    SignatureValues,
    /// Locals of one function.
    Locals,
    /// Targets of the `br_table`s of one function.
    BranchTargets,
    /// Values that calls and branches move.
    ValuesMoved,
    /// Definitions, counted through nested instantiation.
    Definitions,
    /// Components and modules in the file.
    Components,
    /// Types and declarations in types.
    Types,
    /// Imports.
    Imports,
    /// Exports.
    Exports,
    /// Bytes of one name.
    NameBytes,
    /// Bytes that one memory begins with.
    MemoryBytes,
    /// Memories.
    Memories,
    /// Elements that one table begins with.
    TableElements,
    /// Tables.
    Tables,
    /// Globals.
    Globals,
    /// Data and element segments.
    Segments,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Functions => "functions",
            Self::SignatureValues => "parameters and results in one function type",
            Self::Locals => "locals in one function",
            Self::BranchTargets => "`br_table` targets in one function",
            Self::ValuesMoved => "values moved by calls and branches",
            Self::Definitions => "definitions, counted through nested instantiation",
            Self::Components => "components and modules",
            Self::Types => "types",
            Self::Imports => "imports",
            Self::Exports => "exports",
            Self::NameBytes => "bytes in the name of an import or export",
            Self::MemoryBytes => "bytes in one memory from the start",
            Self::Memories => "memories",
            Self::TableElements => "elements in one table from the start",
            Self::Tables => "tables",
            Self::Globals => "globals",
            Self::Segments => "data and element segments",
        })
    }
}

/// Why a component is not let in. Offsets count bytes from the beginning of the file, as
/// `wasm-tools dump` prints them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// There is nothing in the file.
    #[error("the file is empty; build the plugin again")]
    Empty,
    /// The file does not begin as WebAssembly does.
    #[error("the file is not WebAssembly; a plugin is a component in its binary form")]
    NotWasm,
    /// The file is what a compiler makes before a component is made of it.
    #[error(
        "the file is a core module, not a component; build it for `wasm32-wasip2`, or for \
         `wasm32-unknown-unknown` with `wasm-component-ld` as the linker"
    )]
    CoreModule,
    /// The file is broken.
    #[error(
        "the component is cut short at byte {offset}; the copy or the build did not finish ({detail})"
    )]
    Truncated {
        /// Where bytes are missing.
        offset: usize,
        /// In the parser's words.
        detail: String,
    },
    /// The file breaks a rule of WebAssembly.
    #[error("the component is not valid at byte {offset}: {detail}")]
    Invalid {
        /// Where.
        offset: usize,
        /// In the parser's words.
        detail: String,
    },
    /// The component uses a part of WebAssembly that the host leaves out.
    #[error(
        "the component uses `{feature}` at byte {offset}, which plugins may not: {detail}; build \
         it without that feature"
    )]
    FeatureNotAllowed {
        /// The proposal's name.
        feature: String,
        /// Where.
        offset: usize,
        /// In the parser's words.
        detail: String,
    },
    /// The file is too large to look at.
    #[error(
        "the file has {bytes} bytes and may have {max}; build for size, or raise \
         `component_bytes_max`"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// A function is too large to compile.
    #[error(
        "function {index} at byte {offset} has {bytes} bytes and may have {max}: the compiler's \
         time grows with the cube of it; split the function, or raise `function_bytes_max`"
    )]
    FunctionTooLarge {
        /// Counting the functions of all modules in the order of the file, from 0.
        index: u64,
        /// Where its body begins.
        offset: usize,
        /// The body's size.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// Components or types lie too deep in each other.
    #[error("components or types are nested deeper than {max} levels at byte {offset}")]
    TooDeep {
        /// Where the first level too many begins.
        offset: usize,
        /// The bound.
        max: u64,
    },
    /// Instantiating the component would make too many instances.
    #[error(
        "the component would make {count} {kind} instances and may make {max}: nested components \
         multiply"
    )]
    TooManyInstances {
        /// `core` or `component`.
        kind: &'static str,
        /// With every nested component counted as often as it is instantiated.
        count: u64,
        /// The bound.
        max: u64,
    },
    /// There is too much of something else.
    #[error("the component has {count} {what} at byte {offset} and may have {max}")]
    TooMany {
        /// Of what.
        what: Counted,
        /// So far.
        count: u64,
        /// The bound.
        max: u64,
        /// Where the bound is passed.
        offset: usize,
    },
    /// Components are passed around as values: how often they run cannot be counted beforehand.
    #[error(
        "a {what} is imported or taken out of an instance at byte {offset}; compose the component \
         completely, so that it contains every part"
    )]
    PassedAsValue {
        /// `component` or `module`.
        what: &'static str,
        /// Where.
        offset: usize,
    },
    /// Something is imported that no grant could name.
    #[error(
        "the import `{name}` is a bare {kind}, not an interface; a plugin imports interfaces of \
         the contract, such as `toolgate:plugin/log@0.1.0`"
    )]
    NotAnInterface {
        /// The import.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// The component is no plugin.
    #[error(
        "the component does not export `toolgate:plugin/tools@0.1.x`, nor `prompts` or \
         `resources`; build it against the contract's world `plugin`"
    )]
    NoOffer,
    /// The component is a plugin of another contract.
    #[error(
        "the component exports `{found}`; this host speaks contract 0.1.x, so build it with a \
         matching SDK"
    )]
    OtherContract {
        /// The version of the interface that it has.
        found: String,
    },
}

/// Refuses a count beyond its bound.
pub(super) fn bound(what: Counted, count: u64, max: u64, offset: usize) -> Result<(), GateError> {
    if count > max { Err(GateError::TooMany { what, count, max, offset }) } else { Ok(()) }
}

/// The parser's words may repeat names from the file, so they are cut and made printable.
const DETAIL_CHARS_MAX: usize = 240;

pub(super) fn printable(text: &str) -> String {
    let keep = |c: char| if c.is_control() { ' ' } else { c };
    let ascii = |c: char| if c.is_ascii() { c } else { '?' };
    text.chars().take(DETAIL_CHARS_MAX).map(keep).map(ascii).collect()
}

impl From<wasmparser::Error> for GateError {
    fn from(error: wasmparser::Error) -> Self {
        let offset = error.offset();
        let detail = printable(error.message());
        if let Some(features) = error.missing_wasm_feature() {
            let names: Vec<_> = features.iter_names().map(|(name, _)| name).collect();
            let feature = names.join(" ").to_lowercase().replace('_', "-");
            return Self::FeatureNotAllowed { feature, offset, detail };
        }
        if detail.contains("unexpected end") {
            return Self::Truncated { offset, detail };
        }
        Self::Invalid { offset, detail }
    }
}
