//! `--arg key=value`: from text to what the tool's schema wants.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::{shown, similar};

/// What is wrong with one argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ArgumentProblem {
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: String,
}

/// How many references and alternatives deep a type is looked for.
const SCHEMA_DEPTH_MAX: usize = 8;

/// The arguments as a JSON object. A value is read as JSON where the schema wants a number, a
/// boolean, a list or an object, and is text otherwise. The gateway checks the result against the
/// whole schema, as it does for every caller.
///
/// # Errors
/// Every argument that cannot be read, in the order of the command line.
pub fn parse_args(
    pairs: &[(String, String)],
    schema: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<ArgumentProblem>> {
    let mut given: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut order = Vec::new();
    for (key, value) in pairs {
        let values = given.entry(key).or_default();
        if values.is_empty() {
            order.push(key.as_str());
        }
        values.push(value);
    }
    let mut arguments = Map::new();
    let mut problems = Vec::new();
    for key in order {
        let values = given.get(key).map(Vec::as_slice).unwrap_or_default();
        match argument(key, values, schema) {
            Ok(value) => drop(arguments.insert(key.to_owned(), value)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(arguments) } else { Err(problems) }
}

fn argument(
    key: &str,
    values: &[&str],
    schema: &Map<String, Value>,
) -> Result<Value, ArgumentProblem> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let property = properties.and_then(|properties| properties.get(key));
    if property.is_none() && schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        let known = || properties.into_iter().flatten().map(|(key, _)| key.as_str());
        let hint = match similar(key, known()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known().next().is_none() => "the tool takes no arguments".to_owned(),
            None => format!("it takes {}", words(known())),
        };
        return Err(ArgumentProblem {
            text: format!("the tool takes no argument `{}`", shown(key)),
            hint,
        });
    }
    let mut wanted = Types::default();
    wanted.add(property, schema, SCHEMA_DEPTH_MAX);
    match values {
        [value] if wanted.is_list_only() && !value.trim_start().starts_with('[') => {
            Ok(Value::Array(vec![item(key, value, property, schema)?]))
        }
        [value] => wanted.read(key, value),
        values if wanted.is_list_only() => {
            let items = values.iter().map(|value| item(key, value, property, schema));
            Ok(Value::Array(items.collect::<Result<_, _>>()?))
        }
        values => Err(ArgumentProblem {
            text: format!("the argument `{}` is given {} times", shown(key), values.len()),
            hint: "say it once: it is no list".to_owned(),
        }),
    }
}

fn item(
    key: &str,
    value: &str,
    property: Option<&Value>,
    schema: &Map<String, Value>,
) -> Result<Value, ArgumentProblem> {
    let mut wanted = Types::default();
    let property = property.and_then(|property| resolve(property, schema, SCHEMA_DEPTH_MAX));
    wanted.add(property.and_then(|property| property.get("items")), schema, SCHEMA_DEPTH_MAX);
    wanted.read(key, value)
}

/// Follows `$ref` into the schema's own definitions.
fn resolve<'a>(
    property: &'a Value,
    root: &'a Map<String, Value>,
    depth: usize,
) -> Option<&'a Value> {
    let Some(reference) = property.get("$ref").and_then(Value::as_str) else {
        return Some(property);
    };
    let (section, name) = reference.strip_prefix("#/")?.split_once('/')?;
    resolve(root.get(section)?.get(name)?, root, depth.checked_sub(1)?)
}

/// The JSON types that a schema allows.
#[derive(Default)]
struct Types<'a>(Vec<&'a str>);

impl<'a> Types<'a> {
    fn add(&mut self, property: Option<&'a Value>, root: &'a Map<String, Value>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let Some(property) = property.and_then(|p| resolve(p, root, depth)) else { return };
        match property.get("type") {
            Some(Value::String(one)) => self.0.push(one),
            Some(Value::Array(several)) => self.0.extend(several.iter().filter_map(Value::as_str)),
            _ => {}
        }
        for alternatives in ["anyOf", "oneOf"] {
            let alternatives = property.get(alternatives).and_then(Value::as_array);
            for alternative in alternatives.into_iter().flatten() {
                self.add(Some(alternative), root, depth);
            }
        }
    }

    fn is_list_only(&self) -> bool {
        self.0.contains(&"array") && self.0.iter().all(|t| matches!(*t, "array" | "null"))
    }

    fn read(&self, key: &str, text: &str) -> Result<Value, ArgumentProblem> {
        if self.0.is_empty() || self.0.contains(&"string") {
            return Ok(Value::String(text.to_owned()));
        }
        match serde_json::from_str::<Value>(text) {
            Ok(value) if self.0.iter().any(|wanted| is_a(&value, wanted)) => Ok(value),
            Ok(_) | Err(_) => {
                let example = match self.0.first().copied() {
                    Some("integer") => "20",
                    Some("number") => "0.5",
                    Some("boolean") => "true",
                    Some("array") => "[\"a\", \"b\"]",
                    _ => "{\"a\": 1}",
                };
                Err(ArgumentProblem {
                    text: format!(
                        "the argument `{}` wants {}; `{}` is none",
                        shown(key),
                        words(self.0.iter().copied()),
                        shown(text)
                    ),
                    hint: format!("write it in JSON: `--arg '{}={example}'`", shown(key)),
                })
            }
        }
    }
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Null => wanted == "null",
        Value::Bool(_) => wanted == "boolean",
        Value::Number(number) => {
            wanted == "number" || (wanted == "integer" && !number.to_string().contains(['.', 'e']))
        }
        Value::String(_) => wanted == "string",
        Value::Array(_) => wanted == "array",
        Value::Object(_) => wanted == "object",
    }
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.map(|word| format!("`{}`", shown(word))).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn schema() -> Map<String, Value> {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "namespace": {"type": "string"},
                "tail_lines": {"type": "integer"},
                "ratio": {"type": ["number", "null"]},
                "previous": {"type": "boolean"},
                "names": {"type": "array", "items": {"type": "string"}},
                "codes": {"type": "array", "items": {"type": "integer"}},
                "labels": {"type": "object"},
                "kind": {"$ref": "#/$defs/Kind"},
                "since": {"anyOf": [{"$ref": "#/$defs/Seconds"}, {"type": "null"}]},
                "free": {},
                "loop": {"$ref": "#/$defs/Loop"}
            },
            "$defs": {
                "Kind": {"type": "string", "enum": ["Pod"]},
                "Seconds": {"type": "integer"},
                "Loop": {"$ref": "#/$defs/Loop"}
            }
        });
        schema.as_object().unwrap().clone()
    }

    fn check(pairs: &[&str], expected: &Expect) {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let text = match parse_args(&pairs, &schema()) {
            Ok(arguments) => Value::Object(arguments).to_string(),
            Err(problems) => {
                let lines: Vec<_> =
                    problems.iter().map(|p| format!("{p}\n  hint: {}", p.hint)).collect();
                lines.join("\n")
            }
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn reads_each_value_as_the_schema_wants_it() {
        check(
            &[
                "namespace=123",
                "tail_lines=50",
                "ratio=0.5",
                "previous=true",
                "labels={\"a\":\"b\"}",
                "kind=Pod",
                "since=60",
                "free=7",
                "loop=7",
            ],
            &expect![[
                r#"{"namespace":"123","tail_lines":50,"ratio":0.5,"previous":true,"labels":{"a":"b"},"kind":"Pod","since":60,"free":"7","loop":"7"}"#
            ]],
        );
        check(
            &["ratio=null", "since=null", "namespace=a=b", "kind="],
            &expect![[r#"{"ratio":null,"since":null,"namespace":"a=b","kind":""}"#]],
        );
    }

    #[test]
    fn a_list_is_json_or_said_item_by_item() {
        check(
            &["names=[\"a\",\"b\"]", "codes=1"],
            &expect![[r#"{"names":["a","b"],"codes":[1]}"#]],
        );
        check(
            &["names=a", "codes=1", "names=b", "codes=2"],
            &expect![[r#"{"names":["a","b"],"codes":[1,2]}"#]],
        );
        check(
            &["codes=1", "codes=x"],
            &expect![[r"
            the argument `codes` wants `integer`; `x` is none
              hint: write it in JSON: `--arg 'codes=20'`"]],
        );
    }

    #[test]
    fn says_what_it_cannot_read() {
        check(
            &[
                "tail_lines=many",
                "tail_line=5",
                "zzz=1",
                "since=1.5",
                "previous=yes",
                "labels=[]",
                "namespace=a",
                "namespace=b",
                "\u{1b}[2J=1",
            ],
            &expect![[r#"
                the argument `tail_lines` wants `integer`; `many` is none
                  hint: write it in JSON: `--arg 'tail_lines=20'`
                the tool takes no argument `tail_line`
                  hint: did you mean `tail_lines`?
                the tool takes no argument `zzz`
                  hint: it takes `namespace`, `tail_lines`, `ratio`, `previous`, `names`, `codes`, `labels`, `kind`, `since`, `free`, `loop`
                the argument `since` wants `integer`, `null`; `1.5` is none
                  hint: write it in JSON: `--arg 'since=20'`
                the argument `previous` wants `boolean`; `yes` is none
                  hint: write it in JSON: `--arg 'previous=true'`
                the argument `labels` wants `object`; `[]` is none
                  hint: write it in JSON: `--arg 'labels={"a": 1}'`
                the argument `namespace` is given 2 times
                  hint: say it once: it is no list
                the tool takes no argument `\u{1b}[2J`
                  hint: it takes `namespace`, `tail_lines`, `ratio`, `previous`, `names`, `codes`, `labels`, `kind`, `since`, `free`, `loop`"#]],
        );
    }

    #[test]
    fn an_open_schema_takes_texts() {
        let arguments = parse_args(&[("a".into(), "1".into())], &Map::new()).unwrap();
        assert_eq!(Value::Object(arguments), json!({"a": "1"}));
    }
}
