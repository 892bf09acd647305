//! An object of any kind, read without what nobody looks at.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// An object less its managed fields, which are up to half of it: they are dropped while it is read,
/// so that a page of objects costs the memory of what it tells.
#[derive(Debug, Default)]
pub(super) struct Item(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members { leave_out: None }).map(Self)
    }
}

/// `metadata`
struct Metadata(Map<String, Value>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members { leave_out: Some("managedFields") }).map(Self)
    }
}

/// The members of an object: at its top `leave_out` is none, within its metadata it is some.
struct Members {
    leave_out: Option<&'static str>,
}

impl<'de> Visitor<'de> for Members {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if self.leave_out == Some(key.as_str()) {
                access.next_value::<IgnoredAny>()?;
            } else if self.leave_out.is_none() && key == "metadata" {
                let Metadata(metadata) = access.next_value()?;
                members.insert(key, Value::Object(metadata));
            } else {
                members.insert(key, access.next_value()?);
            }
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_everything_but_managed_fields() {
        let mut object = json!({
            "kind": "Pod", "managedFields": "not these",
            "metadata": { "name": "web", "managedFields": [{ "manager": "kubectl" }], "uid": "1" },
            "spec": { "metadata": { "managedFields": 1 } },
        });
        let Item(read) = serde_json::from_value(object.clone()).unwrap();
        object["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(Value::Object(read), object);
        for wrong in ["[]", "1", "null", r#"{"metadata": []}"#] {
            assert!(serde_json::from_str::<Item>(wrong).is_err(), "{wrong}");
        }
    }
}
