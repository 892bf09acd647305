//! Components that no compiler would make: assembled from text, or byte by byte.
//!
//! A guest in `tests/wat/` is written as two parts. What comes before the line `;; core` belongs to
//! the component, what follows to its module; [`plugin`] puts the contract around both. A file
//! without that line is a component as it stands.

#![allow(dead_code, reason = "each test crate that includes this file uses its own part of it")]

use std::fmt::Write as _;

/// Where the module's `list` puts what it returns, and the texts after it. Guests are free to use
/// what lies from 4,096 on.
const LIST_AT: usize = 256;

const DESCRIPTION: &str = "A guest of the test suite.";
const SCHEMA: &str = r#"{"type":"object"}"#;

/// The component that a file of `tests/wat/` stands for.
pub fn guest(source: &str) -> Vec<u8> {
    match source.split_once(";; core\n") {
        Some((outside, core)) => assemble(&plugin(tool_of(source), outside, core)),
        None => assemble(source),
    }
}

/// The tool that the guest names in its line `;; tool: NAME`.
pub fn tool_of(source: &str) -> &str {
    let line = source.lines().find_map(|line| line.strip_prefix(";; tool: "));
    line.unwrap_or("hostile").trim()
}

/// The capabilities that the guest's manifest asks for: its line `;; uses: NAME NAME`.
pub fn uses_of(source: &str) -> Vec<&str> {
    let line = source.lines().find_map(|line| line.strip_prefix(";; uses: "));
    line.unwrap_or_default().split_whitespace().collect()
}

/// A manifest for the guest, named `name`.
pub fn manifest(name: &str, source: &str) -> String {
    let uses = uses_of(source);
    let mut text = format!(
        "name = \"{name}\"\nversion = \"0.1.0\"\ndescription = \"{DESCRIPTION}\"\n\
         contract = \"0.1.0\"\n"
    );
    for capability in &uses {
        let _ = write!(text, "\n[capabilities.{capability}]\nreason = \"to misuse it\"\n");
    }
    let _ = write!(text, "\n[tools.{}]\nuses = {uses:?}\n", tool_of(source));
    text
}

/// Text to bytes. The text is the test suite's own, so a mistake in it is a mistake in the test.
pub fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A component of the contract around the fields of a core module. The module has a function
/// `$call (param i32 i32 i32 i32) (result i32)`; `$list`, `$realloc`, the memory and
/// `$call_done`, which runs after a call, are added where it does not have them itself.
pub fn plugin(tool: &str, outside: &str, core: &str) -> String {
    let missing = |what: &str, text: String| if core.contains(what) { String::new() } else { text };
    let memory = missing("(memory $memory", "(memory $memory 2)".to_owned());
    let list = missing("(func $list", format!("(func $list (result i32) i32.const {LIST_AT})"));
    let realloc = missing(
        "(func $realloc",
        "(global $free (mut i32) (i32.const 65536))
         (func $realloc (param i32 i32 i32 i32) (result i32)
           (local $at i32)
           (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
           (global.set $free (i32.add (local.get $at) (local.get 3)))
           (local.get $at))"
            .to_owned(),
    );
    let done = missing("(func $call_done", "(func $call_done (param i32))".to_owned());
    let arguments =
        if core.contains("(import \"host\"") { "(with \"host\" (instance $host))" } else { "" };
    let data = listing(tool);
    format!(
        r#"(component
  {outside}
  (core module $module
    {core}
    {memory} {list} {realloc} {done}
    {data}
    (export "memory" (memory $memory))
    (export "list" (func $list))
    (export "call" (func $call))
    (export "realloc" (func $realloc))
    (export "call_done" (func $call_done)))
  (core instance $instance (instantiate $module {arguments}))
  (type $definition (record (field "name" string) (field "title" (option string))
    (field "description" string) (field "input-schema" string)
    (field "output-schema" (option string))))
  (type $output (record (field "text" string) (field "structured" (option string))
    (field "truncated" bool)))
  (type $error (variant (case "invalid-arguments" string) (case "failed" string)))
  (func $list (result (list $definition))
    (canon lift (core func $instance "list") (memory (core memory $instance "memory"))))
  (func $call (param "name" string) (param "arguments" string)
      (result (result $output (error $error)))
    (canon lift (core func $instance "call") (memory (core memory $instance "memory"))
      (realloc (core func $instance "realloc"))
      (post-return (core func $instance "call_done"))))
  (component $named
    (type $definition_ (record (field "name" string) (field "title" (option string))
      (field "description" string) (field "input-schema" string)
      (field "output-schema" (option string))))
    (import "import-type-definition" (type $definition (eq $definition_)))
    (type $output_ (record (field "text" string) (field "structured" (option string))
      (field "truncated" bool)))
    (import "import-type-output" (type $output (eq $output_)))
    (type $error_ (variant (case "invalid-arguments" string) (case "failed" string)))
    (import "import-type-tool-error" (type $error (eq $error_)))
    (import "import-func-list" (func $list (result (list $definition))))
    (import "import-func-call" (func $call (param "name" string) (param "arguments" string)
      (result (result $output (error $error)))))
    (export $definition' "definition" (type $definition))
    (export $output' "output" (type $output))
    (export $error' "tool-error" (type $error))
    (export "list" (func $list) (func (result (list $definition'))))
    (export "call" (func $call) (func (param "name" string) (param "arguments" string)
      (result (result $output' (error $error'))))))
  (instance $tools (instantiate $named
    (with "import-type-definition" (type $definition))
    (with "import-type-output" (type $output))
    (with "import-type-tool-error" (type $error))
    (with "import-func-list" (func $list))
    (with "import-func-call" (func $call))))
  (export "toolgate:plugin/tools@0.1.0" (instance $tools)))
"#
    )
}

/// The memory that the added `$list` answers with: one definition of one tool.
fn listing(tool: &str) -> String {
    let definition_at = LIST_AT + 8;
    let name_at = definition_at + 48;
    let description_at = name_at + tool.len();
    let schema_at = description_at + DESCRIPTION.len();
    let words = [
        // The list: one element. The definition: name, no title, description, schema, no schema.
        [definition_at, 1],
        [name_at, tool.len()],
        [0, 0],
        [0, description_at],
        [DESCRIPTION.len(), schema_at],
        [SCHEMA.len(), 0],
        [0, 0],
    ];
    let bytes = words.as_flattened().iter().flat_map(|word| (*word as u32).to_le_bytes());
    let hex = bytes.fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "\\{byte:02x}");
        hex
    });
    let schema = SCHEMA.replace('"', "\\\"");
    format!("(data (i32.const {LIST_AT}) \"{hex}{tool}{DESCRIPTION}{schema}\")")
}

/// A good plugin of no toolchain: its one tool answers with an empty text.
pub fn good() -> Vec<u8> {
    guest(
        ";; tool: nothing\n;; core\n(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)\n",
    )
}

/// Components of which each instantiates the one before it twice: `2^levels` core instances.
pub fn instance_bomb(levels: usize) -> Vec<u8> {
    let mut text = String::from(
        "(component (component $c0 (core module $m) (core instance (instantiate $m)))\n",
    );
    for level in 1..=levels {
        let below = level - 1;
        let _ = writeln!(
            text,
            "(component $c{level} (alias outer 1 $c{below} (component $d))
               (instance (instantiate $d)) (instance (instantiate $d)))"
        );
    }
    let _ = write!(text, "(instance (instantiate $c{levels})))");
    assemble(&text)
}

/// Components in components.
pub fn deep_components(levels: usize) -> Vec<u8> {
    // Built from the inside out and in reverse, so that each level costs only its own bytes.
    let mut reversed: Vec<u8> = HEADER.iter().rev().copied().collect();
    for _ in 1..levels {
        let size = leb(reversed.len());
        reversed.extend(size.iter().rev());
        reversed.push(0x04);
        reversed.extend(HEADER.iter().rev());
    }
    reversed.reverse();
    reversed
}

/// Types in types: three bytes a level, which a parser that recurses pays with its stack.
pub fn deep_types(levels: usize) -> Vec<u8> {
    let mut section = leb(1);
    for _ in 0..levels {
        // A component type of one declaration, which is a type.
        section.extend([0x41, 0x01, 0x01]);
    }
    section.extend([0x41, 0x00]);
    with_section(0x07, &section)
}

/// So many component types.
pub fn many_types(count: usize) -> Vec<u8> {
    let mut section = leb(count);
    // Each is the primitive `bool`.
    section.extend(std::iter::repeat_n(0x7f, count));
    with_section(0x07, &section)
}

/// A plugin with one function of about eleven bytes for each pair: the compiler's time grows with
/// its cube.
pub fn huge_function(pairs: usize) -> Vec<u8> {
    let mut core = String::from("(func $huge (param i32) (result i32)\nlocal.get 0\n");
    for offset in 0..pairs {
        let _ = writeln!(core, "local.get 0 i32.load offset={offset} i32.add");
    }
    core.push_str(")\n(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)\n");
    assemble(&plugin("huge", "", &core))
}

/// A plugin with a nest of `br_table`s, each with targets for every level around it.
pub fn branch_nest(levels: usize) -> Vec<u8> {
    let mut core = String::from("(func $nest (param i32)\n");
    core.extend(std::iter::repeat_n("block\n", levels));
    for level in 0..levels {
        core.push_str("local.get 0 br_table");
        for target in 0..(levels - level).min(64) {
            let _ = write!(core, " {target}");
        }
        core.push_str("\nend\n");
    }
    core.push_str(")\n(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)\n");
    assemble(&plugin("nest", "", &core))
}

/// A plugin with a function of so many locals.
pub fn many_locals(count: usize) -> Vec<u8> {
    let mut core = String::from("(func $locals (local");
    core.extend(std::iter::repeat_n(" i64", count));
    core.push_str("))\n(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)\n");
    assemble(&plugin("locals", "", &core))
}

/// A plugin whose functions call another with 127 values, so many times each: two bytes a call.
pub fn wide_calls(functions: usize, calls: usize) -> Vec<u8> {
    let mut core = format!("(func $wide (param {}) unreachable)\n", "i32 ".repeat(127));
    for _ in 0..functions {
        let _ = writeln!(core, "(func unreachable {})", "call $wide\n".repeat(calls));
    }
    core.push_str("(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)\n");
    assemble(&plugin("wide", "", &core))
}

/// A plugin with so many small functions.
pub fn many_functions(count: usize) -> Vec<u8> {
    let mut core = "(func (param i32) (result i32) local.get 0)\n".repeat(count);
    core.push_str("(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)\n");
    assemble(&plugin("functions", "", &core))
}

/// The good plugin without its second half.
pub fn truncated() -> Vec<u8> {
    let mut bytes = good();
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// What a compiler makes before it is made a component.
pub fn core_module() -> Vec<u8> {
    assemble("(module (memory (export \"memory\") 1) (func (export \"call\")))")
}

/// Changes up to eight bytes of `bytes`, or cuts or repeats a part: the same for the same seed.
pub fn mutate(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut changed = bytes.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(changed.len().max(1));
        match random.below(8) {
            0 => drop(changed.drain(at..changed.len().min(at + 1 + random.below(8)))),
            1 => {
                let end = changed.len().min(at + random.below(16));
                let again = changed[at..end].to_vec();
                changed.splice(at..at, again);
            }
            2 => changed.insert(at, random.byte()),
            3 => changed[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            4 => changed[at] ^= 1 << random.below(8),
            _ => changed[at] = random.byte(),
        }
        if changed.is_empty() {
            changed.push(0);
        }
    }
    changed
}

/// Xorshift: enough to vary tests, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

/// The beginning of a component.
const HEADER: [u8; 8] = [0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00];

fn with_section(id: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    bytes.push(id);
    bytes.extend(leb(contents.len()));
    bytes.extend(contents);
    bytes
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
