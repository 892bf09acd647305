//! JSON Schemas of arguments and outputs, without what a model pays for and does not need.
//!
//! Made by `schemars`, then compacted: everything inline, no `$schema`, no titles, no Rust formats
//! (`uint32`), and an optional value is one that may be absent, never `null`.

use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

/// The schema of a tool's arguments: an object.
#[must_use]
pub fn of_arguments<T: JsonSchema>() -> String {
    let mut schema = generate::<T>(false);
    if let Value::Object(members) = &mut schema {
        members.insert("type".to_owned(), json!("object"));
    }
    schema.to_string()
}

/// The schema of a tool's output; none for `()`.
#[must_use]
pub fn of_output<T: JsonSchema>() -> Option<String> {
    let schema = generate::<T>(true);
    (schema.get("type") != Some(&json!("null"))).then(|| schema.to_string())
}

/// `produced` says that the value is one that the plugin makes: an output.
fn generate<T: JsonSchema>(produced: bool) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
        settings.contract = if produced { Contract::Serialize } else { Contract::Deserialize };
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Value::Object(members) = &mut schema {
        // The tool has a description; that of its Rust type is for Rust programmers.
        members.remove("description");
    }
    compact(&mut schema, produced);
    if produced {
        forget_required(&mut schema);
        leave_implied(&mut schema);
        if let Value::Object(members) = &mut schema
            && members.contains_key("properties")
        {
            // Clients want it said of the whole.
            members.insert("type".to_owned(), json!("object"));
        }
    }
    schema
}

/// What a reader sees anyway is not said: that what has items is a list, and what has properties an
/// object. Most fields are texts: one of which nothing is said is a text.
fn leave_implied(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        for property in properties.values_mut() {
            if let Value::Object(members) = property
                && members.get("type") == Some(&json!("string"))
                && !members.contains_key("enum")
            {
                members.remove("type");
            }
        }
    }
    // A *property* of that name is an object, the keyword is a text.
    if members.get("type").is_some_and(Value::is_string)
        && (members.contains_key("items") || members.contains_key("properties"))
    {
        members.remove("type");
    }
    members.values_mut().for_each(leave_implied);
}

/// Of a value that is produced it is no news what a number cannot be.
fn compact(schema: &mut Value, produced: bool) {
    let Value::Object(members) = schema else { return };
    members.remove("title");
    // What a switch or a list is when nobody touches it, everyone assumes.
    if [Some(&json!(false)), Some(&json!([]))].contains(&members.get("default")) {
        members.remove("default");
    }
    if let Some(Value::String(format)) = members.get("format")
        && (format.starts_with("int") || format.starts_with("uint") || format == "double")
    {
        members.remove("format");
        if produced {
            members.remove("minimum");
            members.remove("maximum");
        }
    }
    make_optional(members);
    for key in ["properties", "patternProperties", "$defs"] {
        if let Some(Value::Object(named)) = members.get_mut(key) {
            for schema in named.values_mut() {
                compact(schema, produced);
            }
        }
    }
    for key in ["items", "additionalProperties", "not"] {
        if let Some(schema) = members.get_mut(key) {
            compact(schema, produced);
        }
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        if let Some(Value::Array(schemas)) = members.get_mut(key) {
            for schema in schemas {
                compact(schema, produced);
            }
        }
    }
}

/// In an output nearly everything is required, so that the lists would be as long as the properties
/// again. What is there the plugin's types guarantee; what a client must not rely on is an option.
fn forget_required(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // A *property* of that name is an object, the keyword is a list.
            if members.get("required").is_some_and(Value::is_array) {
                members.remove("required");
            }
            members.values_mut().for_each(forget_required);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_required),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A property that may be null is one that may be left out: outputs are written so, and arguments
/// are read so.
fn make_optional(object: &mut Map<String, Value>) {
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    let mut optional = Vec::new();
    for (name, property) in properties {
        if remove_null(property) {
            optional.push(json!(name));
        }
    }
    if let Some(Value::Array(required)) = object.get_mut("required") {
        required.retain(|name| !optional.contains(name));
        if required.is_empty() {
            object.remove("required");
        }
    }
}

/// Takes `null` out of what a schema allows, and says whether it was in there.
fn remove_null(schema: &mut Value) -> bool {
    let Value::Object(members) = schema else { return false };
    let mut found = false;
    if members.get("default") == Some(&Value::Null) {
        members.remove("default");
    }
    if let Some(Value::Array(types)) = members.get_mut("type") {
        let n_before = types.len();
        types.retain(|name| name != "null");
        found |= types.len() < n_before;
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        let n_before = values.len();
        values.retain(|value| !value.is_null());
        found |= values.len() < n_before;
    }
    if let Some(Value::Array(schemas)) = members.get_mut("anyOf") {
        let n_before = schemas.len();
        schemas.retain(|schema| schema.get("type") != Some(&json!("null")));
        found |= schemas.len() < n_before;
        if let [Value::Object(only)] = schemas.as_slice() {
            let only = only.clone();
            members.remove("anyOf");
            // What was said about the property is closer than what is said about its type.
            for (key, value) in only {
                members.entry(key).or_insert(value);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::Value;

    use crate::prelude::*;
    use crate::schema;

    /// Long words about the type, for Rust programmers.
    #[arguments]
    #[allow(dead_code, reason = "only the schema is of interest")]
    struct Args {
        /// The pod.
        pod_name: String,
        namespace: Option<String>,
        /// How many.
        #[serde(default = "ten")]
        #[schemars(range(min = 1, max = 500))]
        limit: u32,
        #[schemars(range(min = 1))]
        since_seconds: Option<u32>,
        order: Option<Order>,
        /// A property may be called as a keyword is.
        title: Option<Vec<Nested>>,
    }

    fn ten() -> u32 {
        10
    }

    #[arguments]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code, reason = "only the schema is of interest")]
    enum Order {
        NewestFirst,
        OldestFirst,
    }

    #[arguments]
    #[allow(dead_code, reason = "only the schema is of interest")]
    struct Nested {
        key: String,
    }

    #[output]
    struct Out {
        rows: Vec<Row>,
        first: Option<Row>,
        n: u64,
    }

    #[output]
    struct Row {
        name: String,
        exit_code: Option<i32>,
    }

    #[arguments]
    struct Nothing {}

    /// The same where something else in the build has `serde_json` keep the order of keys.
    fn sorted(schema: &str) -> Value {
        let mut value: Value = serde_json::from_str(schema).unwrap();
        value.sort_all_objects();
        value
    }

    fn pretty(schema: &str) -> String {
        serde_json::to_string_pretty(&sorted(schema)).unwrap()
    }

    #[test]
    fn describes_arguments() {
        expect![[r#"
            {
              "additionalProperties": false,
              "properties": {
                "limit": {
                  "default": 10,
                  "description": "How many.",
                  "maximum": 500,
                  "minimum": 1,
                  "type": "integer"
                },
                "namespace": {
                  "type": "string"
                },
                "order": {
                  "enum": [
                    "newest_first",
                    "oldest_first"
                  ],
                  "type": "string"
                },
                "pod_name": {
                  "description": "The pod.",
                  "type": "string"
                },
                "since_seconds": {
                  "minimum": 1,
                  "type": "integer"
                },
                "title": {
                  "description": "A property may be called as a keyword is.",
                  "items": {
                    "additionalProperties": false,
                    "properties": {
                      "key": {
                        "type": "string"
                      }
                    },
                    "required": [
                      "key"
                    ],
                    "type": "object"
                  },
                  "type": "array"
                }
              },
              "required": [
                "pod_name"
              ],
              "type": "object"
            }"#]]
        .assert_eq(&pretty(&schema::of_arguments::<Args>()));
    }

    #[test]
    fn describes_outputs() {
        expect![[r#"{"properties":{"first":{"properties":{"exit_code":{"type":"integer"},"name":{}}},"n":{"type":"integer"},"rows":{"items":{"properties":{"exit_code":{"type":"integer"},"name":{}}}}},"type":"object"}"#]].assert_eq(&sorted(&schema::of_output::<Out>().unwrap()).to_string());
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every tool")]
    fn many(_: Nothing) -> Result<Reply<Out>, ToolError> {
        let row = |exit_code| Row { name: "web".to_owned(), exit_code };
        Ok(Reply::new("", Out { rows: vec![row(None), row(Some(1))], first: None, n: 3 }))
    }

    #[test]
    fn describes_what_is_written() {
        let schema: Value = serde_json::from_str(&schema::of_output::<Out>().unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let written = crate::tool::run(many, "{}").unwrap().structured.unwrap();
        let written: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(validator.validate(&written).map_err(|error| error.to_string()), Ok(()));
        assert!(!validator.is_valid(&serde_json::json!({"n": "3"})), "`n` is a number");
    }

    #[test]
    fn describes_what_is_read() {
        let schema: Value = serde_json::from_str(&schema::of_arguments::<Args>()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for (fits, arguments) in [
            (true, r#"{"pod_name":"web"}"#),
            (true, r#"{"pod_name":"web","limit":500,"order":"newest_first"}"#),
            (false, r#"{"pod_name":"web","limit":501}"#),
            (false, r#"{"pod_name":"web","since_seconds":-5}"#),
            (false, r#"{"pod_name":"web","namespace":null}"#),
            (false, r#"{"pod_name":"web","pod":"web"}"#),
            (false, "{}"),
        ] {
            let value: Value = serde_json::from_str(arguments).unwrap();
            assert_eq!(validator.is_valid(&value), fits, "{arguments}");
        }
    }

    #[test]
    fn describes_no_arguments_as_an_empty_object() {
        expect![[r#"{"additionalProperties":false,"type":"object"}"#]]
            .assert_eq(&sorted(&schema::of_arguments::<Nothing>()).to_string());
    }
}
