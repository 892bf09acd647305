//! A TOML text with its lines: syntax, shapes, and where each key stands.
//!
//! The shapes are serde's. It stops at the first key that does not fit, so the key is noted, taken
//! out, and the rest read again, until everything that does not fit is noted.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::problem::{PROBLEMS_MAX, Problem, shown, similar};

/// The way to a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

impl KeyPath {
    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn item(&self, idx: usize) -> Self {
        self.with(Step::Item(idx))
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The way to the outermost list that the key lies in, else to the key.
    fn up_to_list(&self) -> Self {
        Self(self.0.iter().take_while(|step| matches!(step, Step::Key(_))).cloned().collect())
    }

    /// Whether this is the other or lies inside of it.
    fn lies_in(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |key: &str| {
            !key.is_empty()
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        for (idx, step) in self.0.iter().enumerate() {
            match step {
                Step::Item(item) => write!(f, "[{item}]")?,
                Step::Key(key) => {
                    f.write_str(if idx == 0 { "" } else { "." })?;
                    if bare(key) { f.write_str(key)? } else { write!(f, "\"{}\"", shown(key))? }
                }
            }
        }
        Ok(())
    }
}

/// A value of the text, and where it and its key stand.
struct Node {
    path: KeyPath,
    key: Option<Range<usize>>,
    value: Range<usize>,
}

/// A parsed text and what is wrong with it so far.
pub(super) struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
    nodes: Vec<Node>,
    /// Keys whose values could not be read: nothing more is said about them.
    unread: Vec<KeyPath>,
    problems: Vec<(usize, Problem)>,
    left_out: usize,
    broken: bool,
}

impl<'t> Document<'t> {
    /// Reads the syntax. What is not TOML becomes problems.
    pub(super) fn read(text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let mut nodes = Vec::new();
        list_table(root.get_ref(), &KeyPath::root(), &mut nodes);
        let mut document = Self {
            text,
            root,
            nodes,
            unread: Vec::new(),
            problems: Vec::new(),
            left_out: 0,
            broken: !errors.is_empty(),
        };
        for error in errors {
            let at = error.span().map(|span| span.start);
            let text = format!("not TOML: {}", shown(error.message()));
            let hint = "text stands in quotes, lists in `[ ]`, one `key = value` in a line";
            document.push(at, &KeyPath::root(), text, hint.to_owned());
        }
        document
    }

    /// Whether the text is no TOML; what was read of it means nothing.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Reads the shape, without the keys that do not fit it.
    pub(super) fn shape<T: DeserializeOwned + Default>(&mut self) -> T {
        let mut rest = self.root.clone();
        for _ in 0..=PROBLEMS_MAX {
            let error = match T::deserialize(Deserializer::from(rest.clone())) {
                Ok(shape) => return shape,
                Err(error) => error,
            };
            let at = error.span().map(|span| span.start);
            let found = error.span().and_then(|span| self.find(&span, error.message()));
            let Some(path) = found else {
                let hint = "compare the file with the example in the README".to_owned();
                self.push(at, &KeyPath::root(), shown(error.message()), hint);
                break;
            };
            let (text, hint) = explain(error.message(), &path);
            self.push(at, &path, text, hint);
            // A list goes as a whole: the places of its other items are to stay true.
            let taken = path.up_to_list();
            take_out(rest.get_mut(), &taken);
            self.unread.push(taken);
        }
        T::default()
    }

    /// Notes a problem, unless the value at the path, or one that it lies in, could not be read.
    pub(super) fn problem(
        &mut self,
        path: &KeyPath,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if !self.unread.iter().any(|unread| path.lies_in(unread)) {
            self.push(self.position(path), path, text.into(), hint.into());
        }
    }

    /// Whether everything at and below the path could be read.
    pub(super) fn could_read(&self, path: &KeyPath) -> bool {
        !self.unread.iter().any(|unread| path.lies_in(unread) || unread.lies_in(path))
    }

    /// The problems in order of the file, and how many were left out.
    pub(super) fn into_problems(mut self) -> (Vec<Problem>, usize) {
        self.problems.sort_by_key(|(at, _)| *at);
        (self.problems.into_iter().map(|(_, problem)| problem).collect(), self.left_out)
    }

    fn push(&mut self, at: Option<usize>, path: &KeyPath, text: String, hint: String) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.left_out += 1;
            return;
        }
        let lines = |at| self.text.bytes().take(at).filter(|b| *b == b'\n').count();
        let line = at.map(|at| lines(at) + 1);
        let problem = Problem { path: path.to_string(), line, text, hint };
        self.problems.push((at.unwrap_or(usize::MAX), problem));
    }

    /// What serde's complaint is about: a key that it does not know, else the innermost value.
    fn find(&self, span: &Range<usize>, message: &str) -> Option<KeyPath> {
        let is_meant = |node: &&Node| {
            let is_key = message.starts_with(UNKNOWN_KEY);
            if is_key { node.key.as_ref() == Some(span) } else { node.value == *span }
        };
        self.nodes.iter().rfind(is_meant).map(|node| node.path.clone())
    }

    /// Where the path stands, or the nearest table that it would stand in.
    fn position(&self, path: &KeyPath) -> Option<usize> {
        let mut path = path.clone();
        while !path.0.is_empty() {
            if let Some(node) = self.nodes.iter().find(|node| node.path == path) {
                return Some(node.key.as_ref().unwrap_or(&node.value).start);
            }
            path.0.pop();
        }
        None
    }
}

fn list_table(table: &DeTable<'_>, path: &KeyPath, nodes: &mut Vec<Node>) {
    for (key, value) in table {
        list(Some(key.span()), value, &path.key(key.get_ref()), nodes);
    }
}

fn list(
    key: Option<Range<usize>>,
    value: &Spanned<DeValue<'_>>,
    path: &KeyPath,
    nodes: &mut Vec<Node>,
) {
    nodes.push(Node { path: path.clone(), key, value: value.span() });
    match value.get_ref() {
        DeValue::Table(table) => list_table(table, path, nodes),
        DeValue::Array(items) => {
            for (idx, item) in items.iter().enumerate() {
                list(None, item, &path.item(idx), nodes);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

/// Removes the value at the path, which has no items in it.
fn take_out(table: &mut DeTable<'_>, path: &KeyPath) {
    let Some((Step::Key(first), rest)) = path.0.split_first() else { return };
    if rest.is_empty() {
        table.remove(first.as_str());
    } else if let Some(DeValue::Table(inner)) = table.get_mut(first.as_str()).map(Spanned::get_mut)
    {
        take_out(inner, &KeyPath(rest.to_vec()));
    }
}

const UNKNOWN_KEY: &str = "unknown field";

/// Serde's complaint in the words of this file, and what to do about it.
fn explain(message: &str, path: &KeyPath) -> (String, String) {
    if message.starts_with(UNKNOWN_KEY) {
        let key = match path.0.last() {
            Some(Step::Key(key)) => key.as_str(),
            Some(Step::Item(_)) | None => "",
        };
        // The last one: the key before it is anybody's text.
        let known = message.rsplit_once(", expected ").map_or("", |(_, known)| known);
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let hint = match similar(key, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys here are {}", list_words(&known)),
        };
        return ("there is no such key".to_owned(), hint);
    }
    let (got, expected) = message.rsplit_once(", expected ").unwrap_or((message, ""));
    let (kind, hint) = match expected {
        "a sequence" => ("a list", "write a list: `[\"..\"]`"),
        "a map" | "a table" => ("a table", "write `[header]` and below it `key = value`"),
        "a string" => ("a text", "write it in quotes: `\"..\"`"),
        "a boolean" => ("true or false", "write `true` or `false`, without quotes"),
        "i64" => ("a whole number", "write digits, without quotes and units"),
        other => (other, "compare the file with the example in the README"),
    };
    let got = got.trim_start_matches("invalid type: ").trim_start_matches("invalid value: ");
    let got = match got {
        "sequence" => "a list",
        "map" => "a table",
        other => other,
    };
    (format!("{} where {kind} is expected", shown(got)), hint.to_owned())
}

/// "`a`, `b`, `c`"
pub(super) fn list_words(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}
