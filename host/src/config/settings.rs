//! `[plugins.<name>.settings]`: free keys, given to the plugin as JSON texts.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use toml::Value as Toml;

use super::document::{Document, KeyPath};

/// Settings steer a plugin; they are no place for data.
const KEYS_MAX: usize = 64;

/// Keys and JSON texts of one plugin together. The guest copies what it asks for.
const BYTES_MAX: usize = 16 << 10;

pub(super) fn validate(
    raw: &BTreeMap<String, Toml>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (key, value) in raw {
        if let Some(value) = json(value) {
            settings.insert(key.clone(), value.to_string());
        } else {
            let text = "`nan` and `inf` cannot be given to a plugin";
            document.problem(&path.key(key), text, "say a finite number or a text");
        }
    }
    if settings.len() > KEYS_MAX {
        let text = format!("{} settings are too many", settings.len());
        document.problem(path, text, format!("say at most {KEYS_MAX}, grouped into tables"));
    }
    let bytes: usize = settings.iter().map(|(key, text)| key.len() + text.len()).sum();
    if bytes > BYTES_MAX {
        let text = format!("{bytes} bytes of settings are too many");
        document.problem(path, text, format!("say at most {BYTES_MAX} bytes, as JSON"));
    }
    settings
}

fn json(value: &Toml) -> Option<Json> {
    Some(match value {
        Toml::String(text) => Json::from(text.as_str()),
        Toml::Integer(number) => Json::from(*number),
        Toml::Float(number) => Json::Number(serde_json::Number::from_f64(*number)?),
        Toml::Boolean(yes) => Json::from(*yes),
        Toml::Datetime(moment) => Json::from(moment.to_string()),
        Toml::Array(items) => Json::Array(items.iter().map(json).collect::<Option<_>>()?),
        Toml::Table(table) => {
            let pair = |(key, value): (&String, &Toml)| Some((key.clone(), json(value)?));
            Json::Object(table.iter().map(pair).collect::<Option<_>>()?)
        }
    })
}
