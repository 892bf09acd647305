//! JSON as YAML that people read: block style, plain where that is not ambiguous.

use std::fmt::Write as _;

use toolgate_sdk::serde_json::{Map, Value};

/// The value as lines of YAML.
pub(crate) fn print(value: &Value) -> String {
    let mut text = String::new();
    if let Some(members) = members(value) {
        object(&mut text, members, 0);
    } else if let Some(items) = items(value) {
        list(&mut text, items, 0);
    } else {
        text.push_str(&inline(value));
        text.push('\n');
    }
    text
}

fn object(text: &mut String, members: &Map<String, Value>, depth: usize) {
    for (i, (key, value)) in members.iter().enumerate() {
        // The first member stands behind what led here: the margin, or the dash of an item.
        if i > 0 || !text.ends_with("- ") {
            margin(text, depth);
        }
        let _ = write!(text, "{}:", scalar(key));
        member(text, value, depth);
    }
}

fn member(text: &mut String, value: &Value, depth: usize) {
    if let Some(members) = members(value) {
        text.push('\n');
        object(text, members, depth + 1);
    } else if let Some(items) = items(value) {
        text.push('\n');
        list(text, items, depth);
    } else if let Some(lines) = value.as_str().filter(|lines| is_block(lines)) {
        block(text, lines, depth + 1);
    } else {
        let _ = writeln!(text, " {}", inline(value));
    }
}

fn list(text: &mut String, items: &[Value], depth: usize) {
    for item in items {
        margin(text, depth);
        text.push_str("- ");
        if let Some(members) = members(item) {
            object(text, members, depth + 1);
        } else {
            let _ = writeln!(text, "{}", inline(item));
        }
    }
}

/// The members of an object that has some; `{}` is written inline.
fn members(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|members| !members.is_empty())
}

fn items(value: &Value) -> Option<&[Value]> {
    value.as_array().map(Vec::as_slice).filter(|items| !items.is_empty())
}

fn margin(text: &mut String, depth: usize) {
    for _ in 0..depth {
        text.push_str("  ");
    }
}

/// Lines of text read better as lines.
fn is_block(text: &str) -> bool {
    let printable = |c: char| c == '\n' || c == '\t' || !c.is_control();
    text.trim_end_matches('\n').contains('\n')
        && text.chars().all(printable)
        && !text.starts_with([' ', '\n', '\t'])
}

fn block(text: &mut String, lines: &str, depth: usize) {
    text.push_str(if lines.ends_with('\n') { " |\n" } else { " |-\n" });
    for line in lines.lines() {
        if !line.is_empty() {
            margin(text, depth);
            text.push_str(line);
        }
        text.push('\n');
    }
}

fn inline(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), scalar)
}

/// Plain where no reader could take it for anything else, else quoted as in JSON.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-./@$%+=~^".contains(c);
    let inner = |c: char| word(c) || " :,()[]{}<>;'\"`*&!?|#\\".contains(c) || !c.is_ascii();
    let lead = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || "_/.".contains(c));
    let plain = lead
        && text.chars().all(|c| inner(c) && !c.is_control())
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with([' ', ':'])
        && !is_literal(text);
    if plain { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

/// Words that YAML readers take for something else than text.
fn is_literal(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"];
    words.iter().any(|word| text.eq_ignore_ascii_case(word)) || text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::serde_json::json;

    use super::*;

    #[test]
    fn prints_objects_as_kubectl_would() {
        let value = json!({
            "apiVersion": "v1",
            "metadata": {"name": "web", "labels": {}, "annotations": {"a.b/c": "1"}},
            "spec": {
                "args": ["--port", "80", "- x", "[[1]]"],
                "containers": [{"name": "app", "ports": [{"containerPort": 80}]}, {"name": "b"}],
                "nested": [[1, 2], []],
                "empty": null,
            },
            "data": {"conf": "a: 1\n\nb: 2\n", "last": "x\ny", "odd": " x\ny"},
        });
        expect![[r#"
            apiVersion: v1
            data:
              conf: |
                a: 1

                b: 2
              last: |-
                x
                y
              odd: " x\ny"
            metadata:
              annotations:
                a.b/c: "1"
              labels: {}
              name: web
            spec:
              args:
              - "--port"
              - "80"
              - "- x"
              - "[[1]]"
              containers:
              - name: app
                ports:
                - containerPort: 80
              - name: b
              empty: null
              nested:
              - [1,2]
              - []
        "#]]
        .assert_eq(&print(&value));
    }

    #[test]
    fn quotes_what_could_be_taken_for_something_else() {
        for (text, expected) in [
            ("Running", "Running"),
            ("100m", "\"100m\""),
            ("true", "\"true\""),
            ("No", "\"No\""),
            ("1.5", "\"1.5\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("a:b", "a:b"),
            ("a:", "\"a:\""),
            ("*x", "\"*x\""),
            ("größe", "größe"),
            ("inf", "\"inf\""),
            ("back-off 5m0s restarting", "back-off 5m0s restarting"),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }
}
