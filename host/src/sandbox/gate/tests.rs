use super::*;
use crate::domain::capability::Capability;

#[path = "../../../../tests/guests/generate.rs"]
mod generate;

fn refused(bytes: &[u8]) -> GateError {
    inspect(bytes, &GateLimits::default()).expect_err("the gate should refuse it")
}

/// A plugin with `outside` at the component's level.
fn plugin_with(outside: &str) -> Vec<u8> {
    let call = "(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)";
    generate::assemble(&generate::plugin("nothing", outside, call))
}

/// A plugin with `core` in its module.
fn plugin_of(core: &str) -> Vec<u8> {
    let call = "(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)";
    generate::assemble(&generate::plugin("nothing", "", &format!("{call}\n{core}")))
}

#[test]
fn lets_a_good_plugin_in_and_says_what_it_is() {
    let bytes = generate::good();
    let found = inspect(&bytes, &GateLimits::default()).expect("a good plugin");
    assert_eq!(found.exports, ["toolgate:plugin/tools@0.1.0"]);
    assert_eq!(found.imports, []);
    assert_eq!((found.size_bytes, found.core_instances), (bytes.len(), 1));
    assert_eq!((found.functions, found.memories), (4, 1));
    assert_eq!(found.digest, Digest::of(&bytes));
    assert_eq!(
        Digest::of(b"").to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn lists_every_import_with_its_functions() {
    let bytes = plugin_with(
        r#"(import "toolgate:plugin/log@0.1.0" (instance
             (export "level" (type (sub resource)))
             (export "write" (func (param "message" string)))))
           (import "wasi:io/poll@0.2.6" (instance))"#,
    );
    let found = inspect(&bytes, &GateLimits::default()).expect("imports do not matter here");
    let imports: Vec<_> = found
        .imports
        .iter()
        .map(|import| (import.interface.to_string(), import.functions.join(" ")))
        .collect();
    assert_eq!(
        imports,
        [
            ("toolgate:plugin/log@0.1.0".to_owned(), "write".to_owned()),
            ("wasi:io/poll@0.2.6".to_owned(), String::new()),
        ]
    );
}

#[test]
fn tells_what_each_import_means() {
    let cases = [
        ("toolgate:plugin/kubernetes-logs@0.1.0", "may read the logs of pods, if granted (read)"),
        ("toolgate:plugin/log@0.1.7", "may write to its own log (ambient)"),
        ("toolgate:plugin/types@0.1.0", "shared words of the contract; no authority"),
        ("toolgate:plugin/writes@0.1.0", "shared words of the contract; no authority"),
        (
            "toolgate:plugin/log@0.2.0",
            "another version of the contract; this host speaks 0.1.x and refuses the plugin",
        ),
        ("toolgate:plugin/shell@0.1.0", "unknown to this host, which refuses the plugin"),
        ("wasi:clocks/wall-clock@0.2.12", "sealed WASI: reads the time"),
        (
            "wasi:cli/stdout@0.2.6",
            "sealed WASI: input is empty, output goes to the plugin's own log",
        ),
        ("wasi:sockets/tcp@0.2.6", "never granted: network; this host refuses the plugin"),
        (
            "wasi:http/outgoing-handler@0.2.6",
            "never granted: network; this host refuses the plugin",
        ),
        ("wasi:filesystem/types@0.2.6", "never granted: files; this host refuses the plugin"),
        ("wasi:clocks/wall-clock@0.3.0", "unknown to this host, which refuses the plugin"),
        ("evil:plugin/log@0.1.0", "unknown to this host, which refuses the plugin"),
    ];
    for (name, expected) in cases {
        let name: InterfaceName = name.parse().expect("a name");
        assert_eq!(words(&name), expected, "{name}");
    }
}

#[test]
fn classifies_by_the_whole_name_and_version() {
    let class = |text: &str| classify(&text.parse().expect("a name"));
    let logs = ImportClass::Contract(Capability::KubernetesLogs);
    assert_eq!(class("toolgate:plugin/kubernetes-logs@0.1.0"), logs);
    assert_eq!(class("toolgate:plugin/kubernetes-logs@0.1.999"), logs);
    for unknown in [
        "toolgate:plugin/kubernetes-logs",
        "toolgate:plugin/kubernetes-logs@0.1.0-rc.1",
        "toolgate:plugin/kubernetes-logs@0.10.0",
        "toolgate:plugin/kubernetes-logs@1.1.0",
        "toolgate:plugins/kubernetes-logs@0.1.0",
        "wasi:cli/run@0.2.6",
        "wasi:io/streams",
    ] {
        assert_eq!(class(unknown), ImportClass::Unknown, "{unknown}");
    }
    for text in ["", "log", "a:b", "a:b/", "a/b:c", "a:b/c@", "a:b/c d", "a:b/c/d@1.0.0"] {
        assert_eq!(text.parse::<InterfaceName>(), Err(NotAnInterfaceName), "{text}");
    }
}

#[test]
fn says_what_kind_of_file_it_is_not() {
    assert_eq!(refused(b""), GateError::Empty);
    assert_eq!(refused(b"\0as"), GateError::NotWasm);
    assert_eq!(refused(b"#!/bin/sh\n"), GateError::NotWasm);
    assert_eq!(refused(&generate::core_module()), GateError::CoreModule);
    let truncated = refused(&generate::truncated());
    assert!(matches!(truncated, GateError::Truncated { .. }), "{truncated}");
    assert_eq!(refused(&generate::assemble("(component)")), GateError::NoOffer);
}

#[test]
fn refuses_tools_of_another_contract() {
    let text = generate::plugin(
        "nothing",
        "",
        "(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)",
    );
    let found = refused(&generate::assemble(&text.replace("tools@0.1.0", "tools@0.2.0")));
    let name = "toolgate:plugin/tools@0.2.0".to_owned();
    assert_eq!(found, GateError::OtherContract { found: name });
    let newer = generate::assemble(&text.replace("tools@0.1.0", "tools@0.1.7"));
    assert!(inspect(&newer, &GateLimits::default()).is_ok());
}

#[test]
fn refuses_imports_that_are_not_interfaces() {
    let expected = GateError::NotAnInterface { name: "exec".to_owned(), kind: "func" };
    assert_eq!(refused(&plugin_with(r#"(import "exec" (func))"#)), expected);
    let found = refused(&plugin_with(r#"(import "host" (instance))"#));
    assert!(matches!(found, GateError::NotAnInterface { kind: "instance", .. }), "{found}");
}

#[test]
fn counts_instances_as_often_as_they_are_made() {
    for levels in [7_u32, 22, 31] {
        let found = refused(&generate::instance_bomb(levels as usize));
        let expected = GateError::TooManyInstances { kind: "core", count: 1 << levels, max: 64 };
        assert_eq!(found, expected, "{levels} levels");
    }
    // 32 core instances, and 64 components with the outermost.
    assert_eq!(refused(&generate::instance_bomb(5)), GateError::NoOffer);
}

#[test]
fn counts_instances_that_are_reached_through_exports_of_components() {
    let bytes = generate::assemble(
        r#"(component
             (component $a (core module $m) (core instance (instantiate $m)))
             (export $b "b" (component $a))
             (component $c (alias outer 1 $b (component $d))
               (instance (instantiate $d)) (instance (instantiate $d)))
             (instance (instantiate $c)) (instance (instantiate $c)))"#,
    );
    let limits = GateLimits { core_instances_max: 3, ..GateLimits::default() };
    let expected = GateError::TooManyInstances { kind: "core", count: 4, max: 3 };
    assert_eq!(inspect(&bytes, &limits), Err(expected));
}

#[test]
fn counts_component_instances_without_modules_too() {
    for (instances, nested) in [(65, false), (33, true)] {
        let inner = if nested { "(component) (instance (instantiate 0))" } else { "" };
        let text = format!(
            "(component (component {inner}) {})",
            "(instance (instantiate 0))".repeat(instances)
        );
        let found = refused(&generate::assemble(&text));
        assert!(matches!(found, GateError::TooManyInstances { kind: "component", .. }), "{found}");
    }
}

#[test]
fn refuses_components_that_are_passed_as_values() {
    let import =
        r#"(component (component (import "c" (component $c)) (instance (instantiate $c))))"#;
    let alias = r#"(component
        (component $a (component $b) (export "b" (component $b)))
        (instance $i (instantiate $a))
        (alias export $i "b" (component $c)))"#;
    for text in [import, alias] {
        let found = refused(&generate::assemble(text));
        assert!(matches!(found, GateError::PassedAsValue { what: "component", .. }), "{found}");
    }
}

#[test]
fn bounds_nesting_without_recursion() {
    for levels in [16, 100_000, 1_000_000] {
        for bytes in [generate::deep_components(levels + 1), generate::deep_types(levels)] {
            let found = refused(&bytes);
            assert!(matches!(found, GateError::TooDeep { max: 16, .. }), "{found}");
        }
    }
    assert_eq!(refused(&generate::deep_components(5)), GateError::NoOffer);
    assert_eq!(refused(&generate::deep_types(5)), GateError::NoOffer);
}

#[test]
fn bounds_what_costs_the_compiler_or_the_validator() {
    let too_many = |bytes: Vec<u8>, expected: Counted| match refused(&bytes) {
        GateError::TooMany { what, count, max, .. } => {
            assert_eq!(what, expected);
            assert!(count > max, "{count} of {max}");
        }
        other => panic!("{other}"),
    };
    too_many(generate::many_types(100_000), Counted::Types);
    too_many(generate::many_functions(30_001), Counted::Functions);
    too_many(generate::many_locals(20_000), Counted::Locals);
    too_many(generate::branch_nest(500), Counted::BranchTargets);
    too_many(generate::wide_calls(3, 48_000), Counted::ValuesMoved);
    too_many(plugin_of("(table 20001 funcref)"), Counted::TableElements);
    too_many(plugin_of("(memory 2000)"), Counted::MemoryBytes);
    too_many(plugin_of(&"(memory 0)".repeat(16)), Counted::Memories);
    too_many(plugin_of(&"(table 0 funcref)".repeat(65)), Counted::Tables);
    too_many(plugin_of(&"(data \"\")".repeat(20_001)), Counted::Segments);
    too_many(
        plugin_of(&format!("(type (func (param {})))", "i32 ".repeat(200))),
        Counted::SignatureValues,
    );
    too_many(plugin_with(&"(component)".repeat(300)), Counted::Components);
    let name = "a".repeat(600);
    too_many(plugin_with(&format!("(import \"a:b/{name}\" (instance))")), Counted::NameBytes);
    let huge = refused(&generate::huge_function(16_000));
    assert!(matches!(huge, GateError::FunctionTooLarge { max: 98_304, .. }), "{huge}");
    assert!(inspect(&generate::huge_function(4_000), &GateLimits::default()).is_ok());
    let limits = GateLimits { component_bytes_max: 100, ..GateLimits::default() };
    let bytes = generate::good();
    let expected = GateError::TooLarge { bytes: bytes.len() as u64, max: 100 };
    assert_eq!(inspect(&bytes, &limits), Err(expected));
}

#[test]
fn refuses_features_that_the_engine_leaves_out() {
    let cases = [
        ("threads", plugin_of("(memory 1 1 shared)")),
        ("memory64", plugin_of("(memory i64 1)")),
        ("exceptions", plugin_of("(tag)")),
        ("gc", plugin_of("(type (struct))")),
        (
            "relaxed-simd",
            plugin_of(
                "(func (param v128) (result v128)
                   (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))",
            ),
        ),
        ("cm-async", plugin_with("(type (stream u8))")),
    ];
    for (name, bytes) in cases {
        match refused(&bytes) {
            GateError::FeatureNotAllowed { feature, .. } => assert_eq!(feature, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(inspect(&plugin_of("(memory 1)"), &GateLimits::default()).is_ok(), "multi-memory");
}

/// The guests in text say what to expect of them; what they say of the gate is checked here.
#[test]
fn does_what_the_hostile_guests_expect() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/wat");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).expect("the guests") {
        let path = file.expect("a guest").path();
        let source = std::fs::read_to_string(&path).expect("a guest in text");
        let said = source.replace("\n;; ", " ");
        let found = inspect(&generate::guest(&source), &GateLimits::default());
        let refused = said.contains("Expected: refused by the gate");
        assert_eq!(found.is_err(), refused, "{}: {found:?}", path.display());
        let linked = |import: &Import| {
            !matches!(classify(&import.interface), ImportClass::Forbidden(_) | ImportClass::Unknown)
        };
        let never = found.is_ok_and(|found| !found.imports.iter().all(linked));
        let before = said.contains("Expected: refused at load, before anything is compiled");
        assert_eq!(never, before, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 25, "{seen} guests");
}

#[test]
fn refuses_code_after_the_end_of_a_function() {
    let bytes = plugin_of("(func $spare i32.const 77 drop return)");
    let code = [0x41, 0xcd, 0x00, 0x1a, 0x0f, 0x0b];
    let at = bytes.windows(code.len()).position(|part| part == code).expect("the code");
    for ending in [[0x0b, 0x0f], [0x0b, 0x0b], [0x0b, 0x05]] {
        let mut changed = bytes.clone();
        changed[at + 3..at + 5].copy_from_slice(&ending);
        let found = refused(&changed);
        assert!(matches!(found, GateError::Invalid { .. }), "{found}");
    }
}

#[test]
fn survives_every_truncation() {
    let bytes = generate::good();
    let whole = inspect(&bytes, &GateLimits::default()).expect("a good plugin");
    let cuts = (0..bytes.len()).filter_map(|end| bytes.get(..end));
    let let_in: Vec<_> = cuts.filter_map(|cut| inspect(cut, &GateLimits::default()).ok()).collect();
    // The one before its last section, which holds names for debuggers.
    assert_eq!(let_in.len(), 1);
    assert!(let_in.iter().all(|cut| cut.exports == whole.exports));
}

#[test]
fn survives_mutations() {
    let good = [generate::good(), plugin_with(r#"(import "wasi:io/poll@0.2.6" (instance))"#)];
    let mut let_in = 0;
    for seed in 0..4_000 {
        for bytes in &good {
            let changed = generate::mutate(bytes, seed);
            match inspect(&changed, &GateLimits::default()) {
                Ok(_) => let_in += 1,
                Err(error) => {
                    let text = error.to_string();
                    assert!(!text.contains(char::is_control) && text.len() < 1_000, "{text}");
                }
            }
        }
    }
    assert!(let_in < 4_000, "most mutations break something");
}
