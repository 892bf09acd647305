//! JSON Schema, compiled once and bounded. A leaf: knows the words of `domain` and no other
//! room.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::limits::{JSON_DEPTH_MAX, SCHEMA_BYTES_MAX};

/// How many problems one check reports, so that an answer stays an answer.
const PROBLEMS_MAX: usize = 8;

/// A problem's text is cut here: it may quote the value, which may be large.
const PROBLEM_CHARS_MAX: usize = 300;

/// A compiled schema of an object.
#[derive(Clone)]
pub struct Schema {
    json: Arc<Map<String, Value>>,
    validator: Arc<jsonschema::Validator>,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Schema").field(&self.json).finish()
    }
}

impl Schema {
    /// Compiles a schema from its text. References lead only within the schema itself: nothing is
    /// ever fetched.
    ///
    /// # Errors
    /// What is wrong with it, for the author.
    pub fn compile(text: &str) -> Result<Self, String> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(format!("it has {} bytes; the bound is {SCHEMA_BYTES_MAX}", text.len()));
        }
        let Value::Object(json) = parse(text)? else {
            return Err("it is not a JSON object".to_owned());
        };
        if json.get("type").and_then(Value::as_str) != Some("object") {
            return Err("its `type` is not `object`".to_owned());
        }
        if let Some(problem) = expensive(&json) {
            return Err(problem);
        }
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&Value::Object(json.clone()))
            .map_err(|error| clip(&error.to_string()))?;
        Ok(Self { json: Arc::new(json), validator: Arc::new(validator) })
    }

    /// The schema as clients see it.
    pub fn json(&self) -> &Arc<Map<String, Value>> {
        &self.json
    }

    /// What does not fit, each with its path; empty where everything does.
    pub fn problems(&self, object: &Map<String, Value>) -> Vec<String> {
        self.problems_of(&Value::Object(object.clone()))
    }

    /// What of any value does not fit.
    pub fn problems_of(&self, value: &Value) -> Vec<String> {
        let problem = |error: jsonschema::ValidationError<'_>| {
            let path = error.instance_path().to_string();
            let place =
                if path.is_empty() { String::new() } else { format!("`{}`: ", clip(&path)) };
            format!("{place}{}", clip(&error.to_string()))
        };
        self.validator.iter_errors(value).take(PROBLEMS_MAX).map(problem).collect()
    }
}

/// Subschemas that a check may visit, references followed. A tool's schema has a few dozen.
const VISITS_MAX: u64 = 10_000;

/// Why checking against the schema may take for ever: references multiply, and a reference to what
/// is being defined repeats for as long as the value nests. Counted before anything is compiled.
fn expensive(schema: &Map<String, Value>) -> Option<String> {
    let mut known = std::collections::BTreeMap::new();
    let root = Value::Object(schema.clone());
    match visits(&root, &root, &mut known, &mut Vec::new()) {
        Ok(n) if n <= VISITS_MAX => None,
        Ok(_) => Some(format!("its references multiply to more than {VISITS_MAX} subschemas")),
        Err(problem) => Some(problem),
    }
}

fn visits<'a>(
    root: &'a Value,
    node: &'a Value,
    known: &mut std::collections::BTreeMap<&'a str, u64>,
    open: &mut Vec<&'a str>,
) -> Result<u64, String> {
    let mut sum = 1u64;
    match node {
        Value::Array(items) => {
            for item in items {
                sum = sum.saturating_add(visits(root, item, known, open)?);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let n = match (key.as_str(), item) {
                    ("$ref", Value::String(to)) => followed(root, to, known, open)?,
                    ("$dynamicRef" | "$recursiveRef" | "$id", Value::String(_)) => {
                        return Err(format!("`{key}` is not allowed in it"));
                    }
                    _ => visits(root, item, known, open)?,
                };
                sum = sum.saturating_add(n);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(sum)
}

fn followed<'a>(
    root: &'a Value,
    to: &'a str,
    known: &mut std::collections::BTreeMap<&'a str, u64>,
    open: &mut Vec<&'a str>,
) -> Result<u64, String> {
    if let Some(n) = known.get(to) {
        return Ok(*n);
    }
    if open.contains(&to) {
        return Err(format!("its reference `{}` leads back to itself", clip(to)));
    }
    let target = to.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
    let Some(target) = target else {
        return Err(format!("its reference `{}` leads nowhere in it", clip(to)));
    };
    open.push(to);
    let n = visits(root, target, known, open)?;
    open.pop();
    known.insert(to, n);
    Ok(n)
}

fn clip(text: &str) -> String {
    text.chars().take(PROBLEM_CHARS_MAX).collect()
}

/// Parses JSON that nests no deeper than [`JSON_DEPTH_MAX`].
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Value, String> {
    // The parser's own bound is 128 levels, so it cannot overflow; ours is the tighter promise.
    let value: Value = serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
    if depth_exceeds(&value, JSON_DEPTH_MAX) {
        return Err(format!("it nests deeper than {JSON_DEPTH_MAX} levels"));
    }
    Ok(value)
}

/// Whether a value nests deeper than the bound.
pub fn depth_exceeds(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|v| depth_exceeds(v, levels - 1)),
        Value::Object(map) => levels == 0 || map.values().any(|v| depth_exceeds(v, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn says_what_does_not_fit_and_where() {
        let schema = Schema::compile(
            r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1}},"required":["n"],"additionalProperties":false}"#,
        )
        .unwrap();
        assert!(schema.problems(&object(r#"{"n":1}"#)).is_empty());
        assert_eq!(schema.problems(&object(r#"{"n":0}"#)).len(), 1);
        assert!(schema.problems(&object(r#"{"n":"x"}"#))[0].starts_with("`/n`"));
        assert_eq!(schema.problems(&object(r#"{"n":1,"m":2}"#)).len(), 1);
    }

    #[test]
    fn refuses_schemas_whose_check_would_not_end() {
        let twice = |n: usize| {
            let next = format!(r##"{{"$ref":"#/$defs/a{}"}}"##, n + 1);
            format!(r#""a{n}":{{"allOf":[{next},{next}]}}"#)
        };
        let defs: Vec<String> = (0..40).map(twice).collect();
        let bomb = format!(
            r##"{{"type":"object","$ref":"#/$defs/a0","$defs":{{{},"a40":{{}}}}}}"##,
            defs.join(",")
        );
        assert!(Schema::compile(&bomb).unwrap_err().contains("multiply"));
        let circle = r##"{"type":"object","properties":{"a":{"$ref":"#"}}}"##;
        assert!(Schema::compile(circle).unwrap_err().contains("itself"));
        let once = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"type":"string"}}}"##;
        assert!(Schema::compile(once).is_ok());
    }

    #[test]
    fn refuses_schemas_that_are_none() {
        for text in ["", "[]", "{}", r#"{"type":"string"}"#, r#"{"type":"object","properties":7}"#]
        {
            assert!(Schema::compile(text).is_err(), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(parse(&deep).unwrap_err().contains("deeper"));
        let remote = r#"{"type":"object","properties":{"a":{"$ref":"http://localhost:1/x.json"}}}"#;
        assert!(Schema::compile(remote).is_err());
    }
}
