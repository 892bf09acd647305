//! The contract, as the runtime sees it.
#![allow(missing_docs, reason = "generated; the contract's own texts are in `wit/`")]
#![allow(clippy::all, clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    // Everything that a plugin may export; each interface of it is looked up by itself.
    inline: "
        package toolgate:host;
        world everything {
            include toolgate:plugin/authorities@0.1.0;
            export toolgate:plugin/tools@0.1.0;
            export toolgate:plugin/prompts@0.1.0;
            export toolgate:plugin/resources@0.1.0;
        }
    ",
    world: "toolgate:host/everything",
    imports: { default: async | trappable },
    exports: { default: async },
});
