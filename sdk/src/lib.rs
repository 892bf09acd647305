//! Write Toolgate tools.

/// What the contract says, as Rust.
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "plugin",
        pub_export_macro: true,
        generate_all,
    });
}
