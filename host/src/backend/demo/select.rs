use std::{iter::Peekable, vec::IntoIter};

use serde_json::Value;

use super::registry::{Kind, UnknownField};
use super::status::Failure;

/// Which objects of a collection a request wants.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldTerm {
    field: String,
    value: String,
    equal: bool,
}

impl Selection {
    /// Parses both selectors of a request for `kind`.
    pub(super) fn parse(
        kind: &Kind,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Self, Failure> {
        let labels = parse_labels(labels.unwrap_or_default()).map_err(Failure::bad_request)?;
        let fields = parse_fields(fields.unwrap_or_default()).map_err(Failure::bad_request)?;
        for term in &fields {
            known_field(kind, &term.field).map_err(Failure::bad_request)?;
        }
        Ok(Self { labels, fields })
    }

    pub(super) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.labels.iter().all(|requirement| {
            let value = labels.and_then(|l| l.get(&requirement.key)).and_then(Value::as_str);
            requirement.test.holds(value)
        }) && self
            .fields
            .iter()
            .all(|term| (field_value(object, &term.field) == term.value) == term.equal)
    }
}

/// Whether a `LabelSelector` of an object's spec chooses another object.
pub(super) fn selected(selector: &Value, object: &Value) -> bool {
    let labels = object.pointer("/metadata/labels");
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let equal = selector.get("matchLabels").and_then(Value::as_object);
    let terms = selector.get("matchExpressions").and_then(Value::as_array);
    equal.into_iter().flatten().all(|(key, value)| label(key) == value.as_str())
        && terms.into_iter().flatten().all(|term| {
            let field = |name: &str| term.get(name).and_then(Value::as_str).unwrap_or_default();
            let values = term.get("values").and_then(Value::as_array);
            let values =
                values.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            let test = match field("operator") {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::Absent,
                _ => return false,
            };
            test.holds(label(field("key")))
        })
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match self {
            Self::In(values) => value.is_some_and(|v| values.iter().any(|want| want == v)),
            Self::NotIn(values) => value.is_none_or(|v| values.iter().all(|not| not != v)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Greater(bound) => number().is_some_and(|n| n > *bound),
            Self::Less(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

fn known_field(kind: &Kind, field: &str) -> Result<(), String> {
    if matches!(field, "metadata.name" | "metadata.namespace") || kind.fields.contains(&field) {
        return Ok(());
    }
    Err(match kind.unknown_field {
        UnknownField::NotSupported if kind.plural == "jobs" => {
            format!("field label {field:?} not supported for Job")
        }
        UnknownField::NotSupported => format!("field label not supported: {field}"),
        UnknownField::NotKnown => format!(
            "{field:?} is not a known field selector: only \"metadata.name\", \
             \"metadata.namespace\""
        ),
    })
}

/// The text that the server indexes an object under, empty where the field is unset.
fn field_value(object: &Value, field: &str) -> String {
    let value = match field {
        // Which component reported: the newer field wins over the older one.
        "source" => object
            .pointer("/source/component")
            .filter(|v| v.as_str().is_some_and(|s| !s.is_empty()))
            .or_else(|| object.get("reportingComponent")),
        // Kept under the older of their two names.
        field if field.starts_with("regarding.") => {
            let field = field.replacen("regarding", "involvedObject", 1);
            object.pointer(&format!("/{}", field.replace('.', "/")))
        }
        "reportingController" => object.pointer("/reportingComponent"),
        "status.successful" => object.pointer("/status/succeeded"),
        _ => object.pointer(&format!("/{}", field.replace('.', "/"))),
    };
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ if matches!(field, "spec.unschedulable" | "spec.hostNetwork") => "false".to_owned(),
        _ if field == "status.successful" => "0".to_owned(),
        _ => String::new(),
    }
}

fn parse_fields(text: &str) -> Result<Vec<FieldTerm>, String> {
    let mut terms = Vec::new();
    for part in split_terms(text) {
        if part.is_empty() {
            continue;
        }
        let (field, operator, value) = split_term(part)
            .ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{part}'"))?;
        let value = unescape(value)?;
        terms.push(FieldTerm { field: field.to_owned(), value, equal: operator != "!=" });
    }
    Ok(terms)
}

/// Splits at commas that no backslash escapes.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, symbol) in text.char_indices() {
        match symbol {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(text.get(start..).unwrap_or_default());
    terms
}

fn split_term(term: &str) -> Option<(&str, &str, &str)> {
    for (at, _) in term.char_indices() {
        let rest = term.get(at..)?;
        for operator in ["!=", "==", "="] {
            if let Some(value) = rest.strip_prefix(operator) {
                return Some((term.get(..at)?, operator, value));
            }
        }
    }
    None
}

fn unescape(value: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(value.len());
    let mut symbols = value.chars();
    while let Some(symbol) = symbols.next() {
        match symbol {
            '\\' => match symbols.next() {
                Some(next @ ('\\' | ',' | '=')) => plain.push(next),
                Some(next) => {
                    return Err(format!(
                        "invalid field selector: invalid escape sequence: \\{next}"
                    ));
                }
                None => {
                    return Err("invalid field selector: invalid escape sequence: \\".to_owned());
                }
            },
            ',' | '=' => {
                let code = u32::from(symbol);
                return Err(format!(
                    "invalid field selector: unescaped character in value: {code}"
                ));
            }
            other => plain.push(other),
        }
    }
    Ok(plain)
}

/// A lexeme of a label selector: its text, and whether it may be a key or a value.
#[derive(Clone, Debug)]
struct Token {
    text: String,
    word: bool,
}

impl Token {
    fn end() -> Self {
        Self { text: String::new(), word: false }
    }

    fn is_end(&self) -> bool {
        !self.word && self.text.is_empty()
    }

    fn is(&self, symbol: &str) -> bool {
        !self.word && self.text == symbol
    }
}

fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut symbols = text.chars().peekable();
    while let Some(&symbol) = symbols.peek() {
        let operator = |c: char| matches!(c, '=' | '!' | '<' | '>');
        let special = |c: char| operator(c) || matches!(c, '(' | ')' | ',');
        let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
        let mut lexeme = String::new();
        if blank(symbol) {
            symbols.next();
            continue;
        }
        if special(symbol) {
            symbols.next();
            lexeme.push(symbol);
            if matches!(symbol, '=' | '!') && symbols.peek() == Some(&'=') {
                symbols.next();
                lexeme.push('=');
            }
            tokens.push(Token { text: lexeme, word: false });
            continue;
        }
        while let Some(next) = symbols.next_if(|&c| !special(c) && !blank(c)) {
            lexeme.push(next);
        }
        tokens.push(Token { text: lexeme, word: true });
    }
    tokens
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: lex(text).into_iter().peekable() };
    let mut requirements = Vec::new();
    loop {
        let next = parser.peek();
        if next.is_end() {
            return Ok(requirements);
        }
        if !next.word && !next.is("!") {
            let found = next.text;
            return Err(format!("found '{found}', expected: !, identifier, or 'end of string'"));
        }
        let requirement =
            parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?;
        requirements.push(requirement);
        let next = parser.next();
        if next.is_end() {
            return Ok(requirements);
        }
        if !next.is(",") {
            return Err(format!("found '{}', expected: ',' or 'end of string'", next.text));
        }
        let after = parser.peek();
        if !after.word && !after.is("!") {
            return Err(format!("found '{}', expected: identifier after ','", after.text));
        }
    }
}

impl Parser {
    fn peek(&mut self) -> Token {
        self.tokens.peek().cloned().unwrap_or_else(Token::end)
    }

    fn next(&mut self) -> Token {
        self.tokens.next().unwrap_or_else(Token::end)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.next();
        let absent = token.is("!");
        if absent {
            token = self.next();
        }
        if !token.word {
            return Err(format!("found '{}', expected: identifier", token.text));
        }
        let key = token.text;
        check_key(&key)?;
        if absent {
            return Ok(Requirement { key, test: Test::Absent });
        }
        let next = self.peek();
        if next.is_end() || next.is(",") {
            return Ok(Requirement { key, test: Test::Exists });
        }
        let operator = self.next().text;
        let test = match operator.as_str() {
            "in" => Test::In(self.set(&key)?),
            "notin" => Test::NotIn(self.set(&key)?),
            "=" | "==" => Test::In(vec![self.value(&key)?]),
            "!=" => Test::NotIn(vec![self.value(&key)?]),
            ">" => Test::Greater(self.bound()?),
            "<" => Test::Less(self.bound()?),
            other => {
                return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        };
        Ok(Requirement { key, test })
    }

    fn set(&mut self, key: &str) -> Result<Vec<String>, String> {
        let open = self.next();
        if !open.is("(") {
            return Err(format!("found '{}' expected: '('", open.text));
        }
        let mut values = Vec::new();
        let mut after_comma = true;
        loop {
            let token = self.next();
            if token.word {
                check_value(key, values.len(), &token.text)?;
                values.push(token.text);
                after_comma = false;
            } else if token.is(",") {
                if after_comma {
                    values.push(String::new());
                }
                after_comma = true;
            } else if token.is(")") {
                if after_comma && !values.is_empty() {
                    values.push(String::new());
                }
                break;
            } else if values.is_empty() {
                return Err(format!("found '{}', expected: ',', ')' or identifier", token.text));
            } else {
                return Err(format!("found '{}', expected: ',' or ')'", token.text));
            }
        }
        // `()` is the set of the empty value.
        if values.is_empty() {
            values.push(String::new());
        }
        Ok(values)
    }

    fn value(&mut self, key: &str) -> Result<String, String> {
        let next = self.peek();
        if next.is_end() || next.is(",") {
            return Ok(String::new());
        }
        let token = self.next();
        if !token.word {
            return Err(format!("found '{}', expected: identifier", token.text));
        }
        check_value(key, 0, &token.text)?;
        Ok(token.text)
    }

    fn bound(&mut self) -> Result<i64, String> {
        let next = self.peek();
        let text = if next.is_end() || next.is(",") { String::new() } else { self.next().text };
        text.parse().map_err(|_| {
            format!(
                "values[0]: Invalid value: {text:?}: for 'Gt', 'Lt' operators, the value must be \
                 an integer"
            )
        })
    }
}

/// The longest name part of a key and the longest value.
const LABEL_BYTES_MAX: usize = 63;

fn well_formed(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The longest prefix of a key.
const PREFIX_BYTES_MAX: usize = 253;

const NAME_FORM: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start \
                         and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  \
                         or '123-abc', regex used for validation is \
                         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

pub(super) const PREFIX_FORM: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                           characters, '-' or '.', and must start and end with an alphanumeric \
                           character (e.g. 'example.com', regex used for validation is \
                           '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Whether a text is a DNS name in lower case, as prefixes and names of objects are.
pub(super) fn is_subdomain(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.split('.').all(|part| {
        edge(part.chars().next())
            && edge(part.chars().next_back())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    })
}

/// A key is a qualified name: an optional prefix, a slash, a name.
fn check_key(key: &str) -> Result<(), String> {
    let mut wrong = Vec::new();
    let (prefix, name) = match key.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            let form = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            let why = format!("a qualified name {NAME_FORM} {form}");
            return Err(format!("<nil>: Invalid value: {key:?}: {why}"));
        }
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    match prefix {
        Some("") => wrong.push("prefix part must be non-empty".to_owned()),
        Some(prefix) if prefix.len() > PREFIX_BYTES_MAX => {
            wrong.push(format!("prefix part must be no more than {PREFIX_BYTES_MAX} characters"));
        }
        Some(prefix) if !is_subdomain(prefix) => wrong.push(format!("prefix part {PREFIX_FORM}")),
        _ => {}
    }
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_BYTES_MAX {
        wrong.push("name part must be no more than 63 characters".to_owned());
    }
    if !well_formed(name) {
        wrong.push(format!("name part {NAME_FORM}"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("<nil>: Invalid value: {key:?}: {}", wrong.join("; ")))
}

fn check_value(key: &str, index: usize, value: &str) -> Result<(), String> {
    match label_value_fault(value) {
        Some(why) => Err(format!("values[{index}][{key}]: Invalid value: {value:?}: {why}")),
        None => Ok(()),
    }
}

/// Why a text is no label's value.
pub(super) fn label_value_fault(value: &str) -> Option<String> {
    if value.len() > LABEL_BYTES_MAX {
        return Some("must be no more than 63 characters".to_owned());
    }
    (!value.is_empty() && !well_formed(value)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
         '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
         'my_value',  or '12345', regex used for validation is \
         '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pods() -> &'static Kind {
        super::super::registry::find("", "v1", "pods").unwrap()
    }

    #[test]
    fn label_selectors_match_as_the_server_does() {
        let object = json!({"metadata": {"labels": {"app": "web", "tier": "3", "empty": ""}}});
        for (selector, expected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("app=web", true),
            ("app==web", true),
            ("app = web , tier", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (api, web)", true),
            ("app in (api)", false),
            ("app notin (api)", true),
            ("other notin (api)", true),
            ("other in (api)", false),
            ("tier>2", true),
            ("tier<3", false),
            ("app>1", false),
            ("empty=", true),
            ("empty in (,x)", true),
            ("in=web", false),
            ("notin", false),
        ] {
            let selection = Selection::parse(pods(), Some(selector), None).unwrap();
            assert_eq!(selection.matches(&object), expected, "{selector}");
        }
    }

    #[test]
    fn broken_label_selectors_are_refused_in_the_servers_words() {
        for (selector, expected) in [
            ("a=b=c", "found '=', expected: ',' or 'end of string'"),
            (",", "found ',', expected: !, identifier, or 'end of string'"),
            ("a,", "found '', expected: identifier after ','"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            ("a in", "unable to parse requirement: found '' expected: '('"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            (
                "a b",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
        ] {
            let failure = Selection::parse(pods(), Some(selector), None).unwrap_err();
            assert_eq!(failure.status()["message"], expected, "{selector}");
            assert_eq!(failure.code, 400);
        }
    }

    #[test]
    fn field_selectors_match_and_unknown_fields_are_refused() {
        let object = json!({
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {"nodeName": "node-1"},
            "status": {"phase": "Running"},
        });
        for (selector, expected) in [
            ("metadata.name=p", true),
            ("metadata.name==p,spec.nodeName=node-1", true),
            ("status.phase!=Running", false),
            ("status.podIP=", true),
            ("spec.hostNetwork=false", true),
            ("", true),
        ] {
            let selection = Selection::parse(pods(), None, Some(selector)).unwrap();
            assert_eq!(selection.matches(&object), expected, "{selector}");
        }
        for (selector, expected) in [
            ("spec.foo=1", "field label not supported: spec.foo"),
            ("abc", "invalid selector: 'abc'; can't understand 'abc'"),
            ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
        ] {
            let failure = Selection::parse(pods(), None, Some(selector)).unwrap_err();
            assert_eq!(failure.status()["message"], expected, "{selector}");
        }
        let maps = super::super::registry::find("", "v1", "configmaps").unwrap();
        let failure = Selection::parse(maps, None, Some("data.a=b")).unwrap_err();
        assert_eq!(
            failure.status()["message"],
            "\"data.a\" is not a known field selector: only \"metadata.name\", \
             \"metadata.namespace\"",
        );
    }
}
