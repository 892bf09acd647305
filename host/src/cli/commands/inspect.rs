//! `toolgate inspect`: what a component could do, in words. Runs nothing, compiles nothing.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use serde_json::json;

use super::{Answer, Desk};
use crate::cli::args::Inspect;
use crate::cli::complaint::Complaint;
use crate::cli::table::{Cell, Table, Tone};
use crate::domain::limits::Limits;
use crate::sandbox::gate::{self, GateLimits, ImportClass, Inspection, classify, words};

pub(super) fn run(desk: &Desk, inspect: &Inspect) -> Answer {
    let Inspect { file } = inspect;
    let limits = Limits::default();
    let unreadable = |error: std::io::Error| {
        let text = format!("`{}` cannot be read: {error}", file.display());
        Complaint::new(text, "name a component: a file that ends in .wasm")
    };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).map_err(unreadable)?;
    // One byte more than allowed, so that the gate sees that it is too large.
    let bound = limits.component_bytes_max as u64 + 1;
    read.take(bound).read_to_end(&mut bytes).map_err(unreadable)?;
    let inspection = gate::inspect(&bytes, &GateLimits::new(&limits)).map_err(|error| {
        let text = format!("`{}`: {error}", file.display());
        Complaint::new(text, "a plugin is a WebAssembly component; see CONTRIBUTING.md")
    })?;
    let refused = inspection.imports.iter().any(|import| {
        matches!(classify(&import.interface), ImportClass::Forbidden(_) | ImportClass::Unknown)
    });
    if desk.console.is_json() {
        desk.console.json(&as_json(&inspection, !refused))?;
    } else {
        print(desk, &inspection)?;
    }
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(desk: &Desk, inspection: &Inspection) -> std::io::Result<()> {
    let mut out = desk.console.out();
    writeln!(out, "sha256     {}", inspection.digest)?;
    writeln!(out, "size       {} bytes", inspection.size_bytes)?;
    writeln!(
        out,
        "functions  {}, the largest with {} bytes",
        inspection.functions, inspection.largest_function_bytes
    )?;
    writeln!(out, "instances  {}", inspection.core_instances)?;
    writeln!(out, "offers     {}\n", offers(inspection).join(", "))?;
    if inspection.imports.is_empty() {
        return writeln!(out, "It imports nothing: it can compute, and nothing else.");
    }
    let mut table = Table::new(["IMPORTS", "FUNCTIONS", "IN WORDS"]);
    for import in &inspection.imports {
        let tone = match classify(&import.interface) {
            ImportClass::Forbidden(_) | ImportClass::Unknown => Tone::Bad,
            ImportClass::Contract(capability) if capability.tier().writes() => Tone::Warning,
            ImportClass::Contract(_) | ImportClass::ContractTypes | ImportClass::Wasi(_) => {
                Tone::Plain
            }
        };
        table.row([
            import.interface.to_string().into(),
            import.functions.join(", ").into(),
            Cell::new(words(&import.interface), tone),
        ]);
    }
    desk.console.table(&table)
}

/// What it exports of the contract.
fn offers(inspection: &Inspection) -> Vec<&'static str> {
    inspection.offers.iter().map(|export| export.as_str()).collect()
}

fn as_json(inspection: &Inspection, loads: bool) -> serde_json::Value {
    let imports = inspection.imports.iter().map(|import| {
        json!({
            "interface": import.interface.to_string(),
            "functions": import.functions,
            "words": words(&import.interface),
        })
    });
    json!({
        "digest": inspection.digest.to_string(),
        "bytes": inspection.size_bytes,
        "functions": inspection.functions,
        "core_instances": inspection.core_instances,
        "imports": imports.collect::<Vec<_>>(),
        "exports": inspection.exports,
        "offers": offers(inspection),
        "allowed": loads,
    })
}
