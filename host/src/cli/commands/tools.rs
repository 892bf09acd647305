//! `toolgate tools`: what clients see.

use std::process::ExitCode;

use serde_json::json;

use super::{Answer, Desk, block_on, build};
use crate::cli::table::{Cell, Table, Tone};
use crate::domain::principal::Principal;
use crate::gateway::{ToolListing, Tools as _};

pub(super) fn run(desk: &Desk) -> Answer {
    let config = desk.config()?;
    block_on(async {
        let house = build(config).await?;
        let tools = house.gateway.list(&Principal::local(desk.user()));
        if desk.console.is_json() {
            let all: Vec<_> = tools.iter().map(|tool| as_json(tool)).collect();
            desk.console.json(&json!(all))?;
        } else {
            let mut table = Table::new(["TOOL", "PLUGIN", "TIER", "DOES"]);
            for tool in &tools {
                let tone = if tool.tier.writes() { Tone::Warning } else { Tone::Plain };
                table.row([
                    Cell::new(tool.name.to_string(), Tone::Strong),
                    tool.plugin.to_string().into(),
                    Cell::new(tool.tier.to_string(), tone),
                    first_sentence(&tool.description).into(),
                ]);
            }
            desk.console.table(&table)?;
        }
        house.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.split_once(". ").map_or(line, |(sentence, _)| sentence).to_owned()
}

fn as_json(tool: &ToolListing) -> serde_json::Value {
    json!({
        "name": tool.name.as_str(),
        "plugin": tool.plugin.as_str(),
        "title": tool.title,
        "description": tool.description,
        "tier": tool.tier.as_str(),
        "input_schema": tool.input_schema,
        "output_schema": tool.output_schema,
    })
}
