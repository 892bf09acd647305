//! What was measured, for people and for programs.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::machine::Machine;

/// One figure.
pub(crate) struct Row {
    what: String,
    unit: &'static str,
    value: Option<f64>,
    high: Option<High>,
    aim: Option<Aim>,
    note: Option<&'static str>,
}

/// What the value should be.
#[derive(Clone, Copy)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// How far the bad ones are off.
#[derive(Clone, Copy)]
enum High {
    P99(f64),
    /// Of samples too few for a p99.
    Max(f64),
}

impl Row {
    pub(crate) fn new(what: &str, value: f64, unit: &'static str) -> Self {
        Self { what: what.to_owned(), unit, value: Some(value), high: None, aim: None, note: None }
    }

    pub(crate) fn unknown(what: &str, why: &'static str) -> Self {
        let what = what.to_owned();
        Self { what, unit: "", value: None, high: None, aim: None, note: Some(why) }
    }

    pub(crate) fn p99(self, value: f64) -> Self {
        Self { high: Some(High::P99(value)), ..self }
    }

    pub(crate) fn most(self, value: f64) -> Self {
        Self { high: Some(High::Max(value)), ..self }
    }

    /// What the value should be at most.
    pub(crate) fn aim(self, at_most: f64) -> Self {
        Self { aim: Some(Aim::AtMost(at_most)), ..self }
    }

    /// What the value should be at least.
    pub(crate) fn least(self, at_least: f64) -> Self {
        Self { aim: Some(Aim::AtLeast(at_least)), ..self }
    }

    fn cells(&self) -> [String; 5] {
        let number = |value: f64| format!("{value:.*}", digits(value));
        let high = match self.high {
            None => String::new(),
            Some(High::P99(value)) => format!("{} p99", number(value)),
            Some(High::Max(value)) => format!("{} max", number(value)),
        };
        let value = self.value.map_or_else(|| "unknown".to_owned(), number);
        let aim = match (self.aim, self.value, self.note) {
            (Some(aim), Some(value), _) => {
                let verdict = if aim.is_met(value) { "met" } else { "MISSED" };
                match aim {
                    Aim::AtMost(bound) => format!("at most {}: {verdict}", number(bound)),
                    Aim::AtLeast(bound) => format!("at least {}: {verdict}", number(bound)),
                }
            }
            (_, _, note) => note.unwrap_or_default().to_owned(),
        };
        [self.what.clone(), value, self.unit.to_owned(), high, aim]
    }

    fn json(&self) -> Value {
        let (p99, max) = match self.high {
            Some(High::P99(value)) => (Some(value), None),
            Some(High::Max(value)) => (None, Some(value)),
            None => (None, None),
        };
        let met = self.aim.zip(self.value).map(|(aim, value)| aim.is_met(value));
        let (at_most, at_least) = match self.aim {
            Some(Aim::AtMost(bound)) => (Some(bound), None),
            Some(Aim::AtLeast(bound)) => (None, Some(bound)),
            None => (None, None),
        };
        json!({
            "what": self.what.trim(), "unit": self.unit, "median": self.value, "p99": p99,
            "max": max, "aim_at_most": at_most, "aim_at_least": at_least, "aim_met": met, "note": self.note,
        })
    }
}

/// Enough to compare with, no more than was measured.
fn digits(value: f64) -> usize {
    match value.abs() {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    }
}

/// Figures that belong together.
pub(crate) struct Section {
    /// What `--only` calls it.
    part: &'static str,
    title: String,
    rows: Vec<Row>,
}

impl Section {
    pub(crate) fn new(part: &'static str, title: impl Into<String>, rows: Vec<Row>) -> Self {
        Self { part, title: title.into(), rows }
    }

    fn command(&self) -> String {
        format!("cargo xtask bench --only {}", self.part)
    }
}

pub(crate) fn json(machine: &Machine, sections: &[Section]) -> Value {
    let section = |section: &Section| {
        json!({
            "title": section.title,
            "command": section.command(),
            "rows": section.rows.iter().map(Row::json).collect::<Vec<_>>(),
        })
    };
    json!({
        "machine": machine.json(),
        "sections": sections.iter().map(section).collect::<Vec<_>>(),
    })
}

pub(crate) fn table(machine: &Machine, sections: &[Section]) -> String {
    let mut text = format!("{machine}\nvalues are medians where not said otherwise\n");
    let rows: Vec<[String; 5]> =
        sections.iter().flat_map(|section| section.rows.iter().map(Row::cells)).collect();
    let width = |n: usize| {
        rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let mut rows = rows.iter();
    for section in sections {
        text.extend(["\n", &section.title, "\n  ", &section.command(), "\n"]);
        for [what, value, unit, high, aim] in rows.by_ref().take(section.rows.len()) {
            let [a, b, c, d] = widths;
            let line = format!("  {what:<a$}  {value:>b$} {unit:<c$}  {high:>d$}  {aim}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// Says what is being done, where a result is not.
pub(crate) fn tell(text: &str) {
    // Nobody is left to tell where this fails.
    let _ = writeln!(std::io::stderr(), "{text}");
}
