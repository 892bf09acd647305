//! Objects of any kind, as JSON: reading fields that may not be there, and the ages of their times.

use serde_json::Value;

use crate::kubernetes_read::{self, Object, ObjectQuery};
use crate::moment::duration;
use crate::pages;
use crate::types::Error;

/// Reading JSON of which nothing is certain. A path is `spec.template.spec`; what is not there, or
/// is something else, reads as empty; the path `""` is the value itself.
pub trait Fields {
    /// The value at the path, or null.
    fn at(&self, path: &str) -> &Value;
    /// The value under this key, which may have dots in it, or null.
    fn key(&self, key: &str) -> &Value;
    /// The text at the path, or `""`.
    fn text(&self, path: &str) -> &str;
    /// The number at the path.
    fn int(&self, path: &str) -> Option<i64>;
    /// Whether it is `true` at the path.
    fn flag(&self, path: &str) -> bool;
    /// The items of the list at the path.
    fn items(&self, path: &str) -> &[Value];
    /// Keys and values of the object at the path.
    fn entries<'a>(&'a self, path: &str) -> Box<dyn Iterator<Item = (&'a str, &'a Value)> + 'a>;
}

impl Fields for Value {
    fn at(&self, path: &str) -> &Value {
        let keys = path.split('.').filter(|key| !key.is_empty());
        keys.fold(self, |value, key| value.key(key))
    }

    fn key(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(&Value::Null)
    }

    fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    fn int(&self, path: &str) -> Option<i64> {
        self.at(path).as_i64()
    }

    fn flag(&self, path: &str) -> bool {
        self.at(path).as_bool().unwrap_or_default()
    }

    fn items(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }

    fn entries<'a>(&'a self, path: &str) -> Box<dyn Iterator<Item = (&'a str, &'a Value)> + 'a> {
        let members = self.at(path).as_object().into_iter().flatten();
        Box::new(members.map(|(key, value)| (key.as_str(), value)))
    }
}

/// What Kubernetes writes as text or as number: ports, quantities. Empty where it is neither.
#[must_use]
pub fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// The object's JSON, read.
///
/// # Errors
/// `unavailable` where the host's text is no JSON, which is not the plugin's to explain.
pub fn parse(object: &Object) -> Result<Value, Error> {
    serde_json::from_str(&object.json)
        .map_err(|error| Error::Unavailable(format!("an object cannot be read: {error}")))
}

/// One object, read.
///
/// # Errors
/// What the host says.
pub fn get(
    cluster: Option<&str>,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    fields: &[&str],
) -> Result<Value, Error> {
    let fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
    parse(&kubernetes_read::get_object(cluster, kind, namespace, name, &fields)?)
}

/// A query for all objects of a kind, with these fields.
#[must_use]
pub fn query(
    cluster: Option<&str>,
    kind: &str,
    namespace: Option<&str>,
    fields: &[&str],
) -> ObjectQuery {
    ObjectQuery {
        cluster: cluster.map(str::to_owned),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        label_selector: None,
        field_selector: None,
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
        limit: Some(250),
        continue_: None,
    }
}

/// All objects of a kind with these fields, at most so many, and whether there are more.
///
/// # Errors
/// What the host says.
pub fn list(
    cluster: Option<&str>,
    kind: &str,
    namespace: Option<&str>,
    fields: &[&str],
    objects_max: usize,
) -> Result<(Vec<Value>, bool), Error> {
    pages::all(pages::objects(query(cluster, kind, namespace, fields), objects_max))
}

/// Labels as a selector that matches exactly them: `app=web,tier=front`.
#[must_use]
pub fn selector(labels: &Value) -> String {
    let pairs: Vec<String> =
        labels.entries("").map(|(key, value)| format!("{key}={}", scalar(value))).collect();
    pairs.join(",")
}

/// Whether a label selector (`matchLabels` and `matchExpressions`) takes an object with these
/// labels. An empty one takes every object, an operator that is not known none.
#[must_use]
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = |(key, value): (&str, &Value)| labels.key(key) == value;
    let fits = |expression: &Value| {
        let value = labels.key(expression.text("key"));
        let listed = expression.items("values").contains(value);
        match expression.text("operator") {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => !value.is_null(),
            "DoesNotExist" => value.is_null(),
            _ => false,
        }
    };
    selector.entries("matchLabels").all(equal)
        && selector.items("matchExpressions").iter().all(fits)
}

/// What time it is, by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    now_s: i64,
}

impl Clock {
    /// Asks the host.
    ///
    /// # Errors
    /// What the host says.
    pub fn read() -> Result<Self, Error> {
        let now = kubernetes_read::now()?;
        Self::at(&now).ok_or_else(|| Error::Unavailable(format!("`{now}` is no time")))
    }

    /// A clock that stands still, for tests.
    #[must_use]
    pub fn at(rfc_3339: &str) -> Option<Self> {
        seconds(rfc_3339).map(|now_s| Self { now_s })
    }

    /// How long ago a time is; 0 for the future, none for what is no time.
    #[must_use]
    pub fn age_s(&self, rfc_3339: &str) -> Option<u64> {
        let then_s = seconds(rfc_3339)?;
        Some(u64::try_from(self.now_s.saturating_sub(then_s)).unwrap_or(0))
    }

    /// How long ago a time is, as `kubectl` prints it.
    #[must_use]
    pub fn age(&self, rfc_3339: &str) -> String {
        self.age_s(rfc_3339).map_or_else(|| "<unknown>".to_owned(), duration)
    }
}

/// Seconds since 1970 of an RFC 3339 time.
#[must_use]
pub fn seconds(rfc_3339: &str) -> Option<i64> {
    let (date, time) = rfc_3339.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, offset_s) = zone(time)?;
    let clock = clock.split_once('.').map_or(clock, |(whole, _)| whole);
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=9_999).contains(&year)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    fits.then(|| days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_s)
}

/// Splits `02:13:07+01:00` into the time and the seconds that it is ahead of UTC.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let (sign, at) = time.rfind('+').map(|at| (1, at)).or_else(|| Some((-1, time.rfind('-')?)))?;
    let (clock, offset) = time.split_at_checked(at)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let hours: i64 = hours.parse().ok().filter(|hours| (0..24).contains(hours))?;
    let minutes: i64 = minutes.parse().ok().filter(|minutes| (0..60).contains(minutes))?;
    Some((clock, sign * (hours * 3_600 + minutes * 60)))
}

/// Days since 1970 of a date in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_is_there_and_nothing_for_what_is_not() {
        let object = json!({
            "metadata": {"name": "web", "labels": {"app.kubernetes.io/name": "web"}},
            "spec": {"replicas": 3, "paused": true, "ports": [{"port": 80}]},
        });
        assert_eq!(object.text("metadata.name"), "web");
        assert_eq!(object.at("metadata.labels").key("app.kubernetes.io/name"), "web");
        assert_eq!((object.int("spec.replicas"), object.flag("spec.paused")), (Some(3), true));
        assert_eq!(object.items("spec.ports").len(), 1);
        assert_eq!(object.entries("metadata.labels").count(), 1);
        assert_eq!(selector(object.at("metadata.labels")), "app.kubernetes.io/name=web");
        for path in ["", "metadata.name.more", "spec.ports.port", "nothing"] {
            let seen = (object.text(path), object.int(path), object.items(path).len());
            assert_eq!(seen, ("", None, 0), "{path}");
        }
    }

    #[test]
    fn knows_what_a_selector_takes() {
        let labels = json!({"app": "web", "tier": "front"});
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (selector, expected) in [
            (json!({}), true),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "cart"}}), false),
            (json!({"matchLabels": {"app": "web", "x": "y"}}), false),
            (expression("tier", "In", &["front", "back"]), true),
            (expression("x", "In", &["front"]), false),
            (expression("tier", "NotIn", &["front"]), false),
            (expression("x", "NotIn", &["front"]), true),
            (expression("app", "Exists", &[]), true),
            (expression("app", "DoesNotExist", &[]), false),
            (expression("app", "Near", &["web"]), false),
        ] {
            assert_eq!(selects(&selector, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn reads_times() {
        for (time, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2026-11-21T02:13:07Z", Some(1_795_227_187)),
            ("2026-11-21T02:13:07.654321Z", Some(1_795_227_187)),
            ("2026-11-21T04:13:07+02:00", Some(1_795_227_187)),
            ("2026-11-20T21:43:07-04:30", Some(1_795_227_187)),
            ("2026-13-21T02:13:07Z", None),
            ("2026-11-21", None),
            ("2026-11-21T02:13Z", None),
            ("2026-11-21T02:13:07+ü:00", None),
            ("9999999999999999999-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(seconds(time), expected, "{time}");
        }
    }

    #[test]
    fn tells_ages() {
        let clock = Clock::at("2026-11-21T02:13:07Z").unwrap();
        assert_eq!(clock.age_s("2026-11-21T02:10:07Z"), Some(180));
        assert_eq!(clock.age_s("2026-11-22T02:10:07Z"), Some(0), "the future");
        assert_eq!(clock.age("2026-11-19T02:13:07Z"), "2d");
        assert_eq!(clock.age("yesterday"), "<unknown>");
    }
}
