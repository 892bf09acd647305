//! Hostile guests: each is ended at a bound or turned away, and the same house serves the next call.
//!
//! One test for each file of `tests/wat/` and each folder of `tests/guests/`;
//! [`every_guest_has_a_test`] compares. A snapshot is what the operator reads where a plugin does
//! not load, else what came of the call, then the record of it.

use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use toolgate_tests::{House, Part, generate, repository, shown};

/// Bounds low enough for a suite to be quick; the others are the defaults.
const LIMITS: &str = "[limits]\ncpu_ms = 500\n";

/// Every hostile call has come to its end by then, also on a machine that is busy.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

async fn check(source: &str, arguments: Value, expected: Expect) {
    check_part(Part::find(source), arguments, expected).await;
}

async fn check_part(part: Part, arguments: Value, expected: Expect) {
    let house = House::builder().with_part(part).with("guests/echo").config(LIMITS).build().await;
    let mut seen = house.failures();
    if let Some(tool) = house.tools("eve").into_iter().find(|tool| tool != "echo") {
        let call = house.call("eve", &tool, arguments);
        let came_of_it = tokio::time::timeout(ANSWERED_WITHIN, call).await.expect("an answer");
        seen = format!("{}\n{}", clipped(&shown(&came_of_it)), house.record().text().await);
    }
    expected.assert_eq(&format!("{}\n", seen.trim_end()));
    serves(&house).await;
}

async fn serves(house: &House) {
    assert_eq!(house.ask("bob", "echo", json!({"a": 1})).await, r#"output: {"a":1}"#);
}

/// Answers that are long say nothing more by all of their length.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((at, _)) => format!("{} .. {} bytes", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

#[test]
fn every_guest_has_a_test() {
    let tests =
        concat!(include_str!("limits.rs"), include_str!("prompts.rs"), include_str!("reading.rs"),);
    let names = |folder: &str, name: fn(&str) -> Option<&str>| -> Vec<String> {
        let entries = std::fs::read_dir(repository().join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        files.filter_map(|file| name(&file).map(str::to_owned)).collect()
    };
    let mut sources = Vec::new();
    for name in names("tests/wat", |file| file.strip_suffix(".wat")) {
        sources.push(format!("wat/{name}"));
    }
    for name in names("tests/guests", |folder| (!folder.contains('.')).then_some(folder)) {
        sources.push(format!("guests/{name}"));
    }
    let untested: Vec<_> =
        sources.iter().filter(|source| !tests.contains(&format!("\"{source}\""))).collect();
    assert!(sources.len() > 40 && untested.is_empty(), "without a test: {untested:?}");
}

#[tokio::test]
async fn bad_discriminant() {
    check(
        "wat/bad-discriminant",
        json!({}),
        expect![[r#"
        trapped, for the log: invalid expected discriminant
        received  eve@os bad_discriminant {}
        admitted  bad-discriminant (ambient)
        completed trapped: invalid expected discriminant
    "#]],
    )
    .await;
}

#[tokio::test]
async fn bad_realloc() {
    check(
        "wat/bad-realloc",
        json!({}),
        expect![[r#"
        trapped, for the log: realloc return: beyond end of memory
        received  eve@os bad_realloc {}
        admitted  bad-realloc (ambient)
        completed trapped: realloc return: beyond end of memory
    "#]],
    )
    .await;
}

#[tokio::test]
async fn bare_import() {
    check("wat/bare-import", json!({}), expect![[r#"
        plugin `bare-import` does not load: bare-import.wasm: the import `exec` is a bare func, not an interface; a plugin imports interfaces of the contract, such as `toolgate:plugin/log@0.1.0`
    "#]]).await;
}

#[tokio::test]
async fn endless_loop() {
    check(
        "wat/endless-loop",
        json!({}),
        expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 500
        received  eve@os loop_forever {}
        admitted  endless-loop (ambient)
        completed limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 500
    "#]],
    )
    .await;
}

#[tokio::test]
async fn endless_recursion() {
    check(
        "wat/endless-recursion",
        json!({}),
        expect![[r#"
        trapped, for the log: its stack is used up
        received  eve@os recurse_forever {}
        admitted  endless-recursion (ambient)
        completed trapped: its stack is used up
    "#]],
    )
    .await;
}

#[tokio::test]
async fn handle_leak() {
    check(
        "wat/handle-leak",
        json!({}),
        expect![[r#"
            limit-exceeded: the tool was stopped: it went over its limit `handles_max` of 256
            received  eve@os leak_handles {}
            admitted  handle-leak (ambient)
            completed limit-exceeded: the tool was stopped: it went over its limit `handles_max` of 256
        "#]],
    )
    .await;
}

#[tokio::test]
async fn invalid_utf8() {
    check(
        "wat/invalid-utf8",
        json!({}),
        expect![[r#"
        trapped, for the log: invalid utf-8 sequence of 1 bytes from index 0
        received  eve@os invalid_utf8 {}
        admitted  invalid-utf8 (ambient)
        completed trapped: invalid utf-8 sequence of 1 bytes from index 0
    "#]],
    )
    .await;
}

#[tokio::test]
async fn list_alias_bomb() {
    check("wat/list-alias-bomb", json!({}), expect![[r#"
        plugin `list-alias-bomb` does not load: its `list`: it went over its limit `host_call_bytes_in_max`
    "#]]).await;
}

#[tokio::test]
async fn long_fill() {
    check(
        "wat/long-fill",
        json!({}),
        expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 500
        received  eve@os fill_memory {}
        admitted  long-fill (ambient)
        completed limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 500
    "#]],
    )
    .await;
}

#[tokio::test]
async fn loop_in_list() {
    check(
        "wat/loop-in-list",
        json!({}),
        expect![[r#"
        plugin `loop-in-list` does not load: its `list`: it went over its limit `cpu_ms`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn loop_in_post_return() {
    check(
        "wat/loop-in-post-return",
        json!({}),
        expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 500
        received  eve@os loop_in_post_return {}
        admitted  loop-in-post-return (ambient)
        completed limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 500
    "#]],
    )
    .await;
}

#[tokio::test]
async fn loop_in_realloc() {
    check(
        "wat/loop-in-realloc",
        json!({}),
        expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 500
        received  eve@os loop_in_realloc {}
        admitted  loop-in-realloc (ambient)
        completed limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 500
    "#]],
    )
    .await;
}

#[tokio::test]
async fn loop_in_start() {
    check(
        "wat/loop-in-start",
        json!({}),
        expect![[r#"
        plugin `loop-in-start` does not load: its `list`: it went over its limit `cpu_ms`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn memory_bomb() {
    check("wat/memory-bomb", json!({}), expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `memory_bytes_max` of 67108864
        received  eve@os grow_memory {}
        admitted  memory-bomb (ambient)
        completed limit-exceeded: the tool was stopped: it went over its limit `memory_bytes_max` of 67108864
    "#]]).await;
}

#[tokio::test]
async fn memory_minimum() {
    check("wat/memory-minimum", json!({}), expect![[r#"
        plugin `memory-minimum` does not load: memory-minimum.wasm: the component has 4294967296 bytes in one memory from the start at byte 48 and may have 67108864
    "#]]).await;
}

#[tokio::test]
async fn newer_contract() {
    check("wat/newer-contract", json!({}), expect![[r#"
        plugin `newer-contract` does not load: newer-contract.wasm does not fit the contract: component imports instance `toolgate:plugin/log@0.1.9`, but a matching implementation was not found in the linker: instance export `flush` has the wrong type: function implementation is missing
    "#]]).await;
}

#[tokio::test]
async fn no_tools() {
    check("wat/no-tools", json!({}), expect![[r#"
        plugin `no-tools` does not load: no-tools.wasm: the component does not export `toolgate:plugin/tools@0.1.x`, nor `prompts` or `resources`; build it against the contract's world `plugin`
    "#]]).await;
}

#[tokio::test]
async fn other_contract() {
    check("wat/other-contract", json!({}), expect![[r#"
        plugin `other-contract` does not load: it imports `toolgate:plugin/log@0.2.0`, which this host does not know; it speaks toolgate:plugin 0.1.x
    "#]]).await;
}

#[tokio::test]
async fn out_of_bounds() {
    check(
        "wat/out-of-bounds",
        json!({}),
        expect![[r#"
        trapped, for the log: string pointer/length out of bounds of memory
        received  eve@os out_of_bounds {}
        admitted  out-of-bounds (ambient)
        completed trapped: string pointer/length out of bounds of memory
    "#]],
    )
    .await;
}

#[tokio::test]
async fn table_bomb() {
    check("wat/table-bomb", json!({}), expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `table_elements_max` of 20000
        received  eve@os grow_table {}
        admitted  table-bomb (ambient)
        completed limit-exceeded: the tool was stopped: it went over its limit `table_elements_max` of 20000
    "#]]).await;
}

#[tokio::test]
async fn table_minimum() {
    check("wat/table-minimum", json!({}), expect![[r#"
        plugin `table-minimum` does not load: table-minimum.wasm: the component has 10000000 elements in one table from the start at byte 48 and may have 20000
    "#]]).await;
}

#[tokio::test]
async fn trap() {
    check(
        "wat/trap",
        json!({}),
        expect![[r#"
        trapped, for the log: wasm trap: wasm `unreachable` instruction executed
        received  eve@os trap {}
        admitted  trap (ambient)
        completed trapped: wasm trap: wasm `unreachable` instruction executed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn unaligned() {
    check(
        "wat/unaligned",
        json!({}),
        expect![[r#"
        trapped, for the log: return pointer not aligned
        received  eve@os unaligned {}
        admitted  unaligned (ambient)
        completed trapped: return pointer not aligned
    "#]],
    )
    .await;
}

#[tokio::test]
async fn unknown_interface() {
    check("wat/unknown-interface", json!({}), expect![[r#"
        plugin `unknown-interface` does not load: it imports `evil:host/shell@1.0.0`, which this host does not know; it speaks toolgate:plugin 0.1.x
    "#]]).await;
}

#[tokio::test]
async fn wasi_filesystem() {
    check("wat/wasi-filesystem", json!({}), expect![[r#"
        plugin `wasi-filesystem` does not load: it imports `wasi:filesystem/types@0.2.6` (files), which no plugin is ever given; it has to be built without it
    "#]]).await;
}

#[tokio::test]
async fn wasi_handle_leak() {
    check(
        "wat/wasi-handle-leak",
        json!({}),
        expect![[r#"
            limit-exceeded: the tool was stopped: it went over its limit `handles_max` of 256
            received  eve@os leak_streams {}
            admitted  wasi-handle-leak (ambient)
            completed limit-exceeded: the tool was stopped: it went over its limit `handles_max` of 256
        "#]],
    )
    .await;
}

#[tokio::test]
async fn wasi_http() {
    check("wat/wasi-http", json!({}), expect![[r#"
        plugin `wasi-http` does not load: it imports `wasi:http/types@0.2.6` (network), which no plugin is ever given; it has to be built without it
    "#]]).await;
}

#[tokio::test]
async fn wasi_sockets() {
    check("wat/wasi-sockets", json!({}), expect![[r#"
        plugin `wasi-sockets` does not load: it imports `wasi:sockets/instance-network@0.2.6` (network), which no plugin is ever given; it has to be built without it
    "#]]).await;
}

#[tokio::test]
async fn wrong_tools() {
    check("wat/wrong-tools", json!({}), expect![[r#"
        plugin `wrong-tools` does not load: wrong-tools.wasm does not fit the contract: instance export `toolgate:plugin/tools@0.1.0` does not have export `call`
    "#]]).await;
}

#[tokio::test]
async fn broken_schema() {
    check("guests/broken-schema", json!({}), expect![[r#"
        plugin `broken-schema` does not load: `broken`: its input schema: it is not JSON: EOF while parsing a value at line 1 column 8
    "#]]).await;
}

#[tokio::test]
async fn call_storm() {
    check("guests/call-storm", json!({}), expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `host_calls_max` of 256
        received  eve@os storm {}
        admitted  call-storm (ambient)
        completed limit-exceeded: the tool was stopped: it went over its limit `host_calls_max` of 256
    "#]]).await;
}

#[tokio::test]
async fn deep_json() {
    check("guests/deep-json", json!({}), expect![[r#"
        trapped, for the log: its structured output: it is not JSON: recursion limit exceeded at line 1 column 135
        received  eve@os nest {}
        admitted  deep-json (ambient)
        completed trapped: its structured output: it is not JSON: recursion limit exceeded at line 1 column 135
    "#]]).await;
}

#[tokio::test]
async fn giant_log() {
    check(
        "guests/giant-log",
        json!({}),
        expect![[r#"
        output: wrote 200 lines
        received  eve@os babble {}
        admitted  giant-log (ambient)
        completed output
    "#]],
    )
    .await;
}

#[tokio::test]
async fn giant_output() {
    check("guests/giant-output", json!({}), expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `host_call_bytes_in_max` of 4194304
        received  eve@os shout {}
        admitted  giant-output (ambient)
        completed limit-exceeded: the tool was stopped: it went over its limit `host_call_bytes_in_max` of 4194304
    "#]]).await;
}

#[tokio::test]
async fn list_calls_host() {
    check("guests/list-calls-host", json!({}), expect![[r#"
        plugin `list-calls-host` does not load: its `list`: it called `log`, but imports are closed while it lists what it offers
    "#]]).await;
}

#[tokio::test]
async fn lying_schema() {
    check("guests/lying-schema", json!({}), expect![[r#"
        trapped, for the log: its output does not fit its schema: `/count`: "many" is not of type "integer"
        received  eve@os lie {}
        admitted  lying-schema (ambient)
        completed trapped: its output does not fit its schema: `/count`: "many" is not of type "integer"
    "#]]).await;
}

#[tokio::test]
async fn panicker() {
    check(
        "guests/panicker",
        json!({}),
        expect![[r#"
        trapped, for the log: wasm trap: wasm `unreachable` instruction executed
        received  eve@os panic {}
        admitted  panicker (ambient)
        completed trapped: wasm trap: wasm `unreachable` instruction executed
    "#]],
    )
    .await;
}

#[tokio::test]
async fn slow() {
    check(
        "guests/slow",
        json!({}),
        expect![[r#"
        output: busy for about 10 ms (dc1df98b9ec344aa)
        received  eve@os be_slow {}
        admitted  slow (ambient)
        completed output
    "#]],
    )
    .await;
}

#[tokio::test]
async fn undeclared_import() {
    check("guests/undeclared-import", json!({}), expect![[r#"
        plugin `undeclared-import` does not load: it imports `kubernetes-read`, which its manifest does not ask for; to let it read objects and the state of rollouts, its author adds to plugin.toml:
            [capabilities.kubernetes-read]
            reason = "..."
    "#]]).await;
}

#[tokio::test]
async fn echo() {
    let house = House::of(&["guests/echo"], LIMITS).await;
    serves(&house).await;
}

#[tokio::test]
async fn echo_twin() {
    check("guests/echo-twin", json!({}), expect![[r#"
        plugin `echo-twin` does not load: its tool `echo` is offered by plugin `echo` already; rename one, or remove one of the two folders
    "#]]).await;
}

#[tokio::test]
async fn invariant_05_counter_always_answers_one() {
    let house = House::of(&["guests/counter"], LIMITS).await;
    for _ in 0..20 {
        assert_eq!(house.ask("eve", "count", json!({})).await, "output: 1");
    }
}

#[tokio::test]
async fn stdout_forger() {
    check(
        "guests/stdout-forger",
        json!({}),
        expect![[r#"
        output: stdout=true stderr=true variables=0 1
        received  eve@os forge_stdout {}
        admitted  stdout-forger (ambient)
        completed output
    "#]],
    )
    .await;
}

#[tokio::test]
async fn components_that_no_compiler_makes() {
    let parts = [
        ("empty", Vec::new()),
        ("truncated", generate::truncated()),
        ("core-module", generate::core_module()),
        ("text", b"(component)".to_vec()),
        ("instance-bomb", generate::instance_bomb(16)),
        ("deep-components", generate::deep_components(10_000)),
        ("deep-types", generate::deep_types(100_000)),
        ("many-types", generate::many_types(200_000)),
        ("huge-function", generate::huge_function(20_000)),
        ("branch-nest", generate::branch_nest(2_000)),
        ("many-locals", generate::many_locals(20_000)),
        ("wide-calls", generate::wide_calls(100, 20_000)),
        ("many-functions", generate::many_functions(40_000)),
    ];
    let mut builder = House::builder().with("guests/echo").config(LIMITS);
    for (name, wasm) in parts {
        builder = builder.with_part(Part::of_bytes(name, "tool", wasm));
    }
    let began = tokio::time::Instant::now();
    let house = builder.build().await;
    let took = began.elapsed();
    expect![[r#"
        plugin `branch-nest` does not load: branch-nest.wasm: function 0 at byte 118 has 139986 bytes and may have 98304: the compiler's time grows with the cube of it; split the function, or raise `function_bytes_max`
        plugin `core-module` does not load: core-module.wasm: the file is a core module, not a component; build it for `wasm32-wasip2`, or for `wasm32-unknown-unknown` with `wasm-component-ld` as the linker
        plugin `deep-components` does not load: deep-components.wasm: components or types are nested deeper than 16 levels at byte 192
        plugin `deep-types` does not load: deep-types.wasm: components or types are nested deeper than 16 levels at byte 57
        plugin `empty` does not load: empty.wasm: the file is empty; build the plugin again
        plugin `huge-function` does not load: huge-function.wasm: function 0 at byte 123 has 143492 bytes and may have 98304: the compiler's time grows with the cube of it; split the function, or raise `function_bytes_max`
        plugin `instance-bomb` does not load: instance-bomb.wasm: the component would make 65536 core instances and may make 64: nested components multiply
        plugin `many-functions` does not load: many-functions.wasm: the component has 40004 functions at byte 40130 and may have 30000
        plugin `many-locals` does not load: many-locals.wasm: the component has 20000 locals in one function at byte 116 and may have 10000
        plugin `many-types` does not load: many-types.wasm: the component has 20001 types at byte 20015 and may have 20000
        plugin `text` does not load: text.wasm: the file is not WebAssembly; a plugin is a component in its binary form
        plugin `truncated` does not load: truncated.wasm: the component is cut short at byte 718; the copy or the build did not finish (unexpected end-of-file)
        plugin `wide-calls` does not load: wide-calls.wasm: the component has 16777335 values moved by calls and branches at byte 264604 and may have 16777216
    "#]].assert_eq(&format!("{}\n", house.failures()));
    assert!(took < ANSWERED_WITHIN, "loading took {took:?}");
    serves(&house).await;
}
