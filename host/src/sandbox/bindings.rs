//! The contract, as the runtime sees it.
#![allow(missing_docs, reason = "generated; the contract's own texts are in `wit/`")]
#![allow(clippy::all, clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: { default: async | trappable },
    exports: { default: async },
});
