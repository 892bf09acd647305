use std::{ops::Bound, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::registry::Kind;
use super::request::{Query, unparsable};
use super::select::Selection;
use super::status::{Cause, Failure};
use super::store::{Key, Store, set};

/// One page of a collection.
pub(super) struct Page {
    pub(super) items: Vec<Arc<Value>>,
    /// The `ListMeta` of the answer.
    pub(super) metadata: Value,
}

/// At which version of the store a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Now,
    Exactly(u64),
}

/// Cuts the page that the query asks for.
pub(super) fn page(
    store: &Store,
    kind: &'static Kind,
    namespace: Option<&str>,
    query: &Query,
) -> Result<Page, Failure> {
    let selection =
        Selection::parse(kind, query.text("labelSelector"), query.text("fieldSelector"))?;
    check_options(query)?;
    let limit = query.integer("limit")?.filter(|limit| *limit > 0);
    let token = query.text("continue").map(Token::decode).transpose()?;
    let asked = query.text("resourceVersion");
    // The cache serves version 0 whole, whatever limit goes with it.
    let limit = if token.is_none() && asked == Some("0") { None } else { limit };
    let at = match &token {
        Some(_) if asked.is_some_and(|version| version != "0") => {
            return Err(Failure::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        // A negative version continues at whatever is there now.
        Some(token) => u64::try_from(token.version).map_or(At::Now, At::Exactly),
        None => at(asked, query, limit.is_some(), store.version())?,
    };
    let (objects, version) = match at {
        At::Now => (store.all_at(kind, namespace, store.version()), store.version()),
        At::Exactly(version) => (store.all_at(kind, namespace, version), version),
    };
    let prefix = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
    let objects = objects.map_err(|_| match &token {
        Some(token) => Failure::expired_page(Token { version: -1, ..token.clone() }.encode()),
        None => Failure::expired("The resourceVersion for the provided list is too old."),
    })?;
    let first = match &token {
        Some(token) => Bound::Included(Key::at(kind, format!("{prefix}{}", token.start))),
        None => Bound::Unbounded,
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let mut rest = objects.range((first, Bound::Unbounded));
    let mut items = Vec::new();
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    while let Some((key, object)) = rest.next() {
        if !selection.matches(object) {
            continue;
        }
        items.push(object.clone());
        if items.len() == limit {
            let remaining = rest.count();
            if remaining > 0 {
                let start = key.path.strip_prefix(&prefix).unwrap_or(&key.path);
                let version = i64::try_from(version).unwrap_or(i64::MAX);
                let next = Token { version, start: format!("{start}\0") };
                set(&mut metadata, &["continue"], json!(next.encode()));
                if selection.is_everything() {
                    set(&mut metadata, &["remainingItemCount"], json!(remaining));
                }
            }
            break;
        }
    }
    Ok(Page { items, metadata })
}

/// The version in a query, in the words that the server has for a bad one.
pub(super) fn parse_version(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| {
        let why = unparsable("ParseUint", text);
        Failure::unknown(format!("resourceVersion: Invalid value: {text:?}: {why}"))
    })
}

fn check_options(query: &Query) -> Result<(), Failure> {
    let Some(rule) = query.text("resourceVersionMatch") else { return Ok(()) };
    let field = "resourceVersionMatch";
    let mut causes = Vec::new();
    if query.text("resourceVersion").is_none() {
        let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        causes.push(Cause::forbidden(field, why));
    }
    if query.text("continue").is_some() {
        let why = "resourceVersionMatch is forbidden when continue is provided";
        causes.push(Cause::forbidden(field, why));
    }
    if !matches!(rule, "Exact" | "NotOlderThan") {
        let supported = "\"Exact\", \"NotOlderThan\"";
        causes.push(Cause::not_supported(field, &format!("{rule:?}"), supported));
    }
    if rule == "Exact" && query.text("resourceVersion") == Some("0") {
        let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        causes.push(Cause::forbidden(field, why));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid_options("meta.k8s.io", "ListOptions", "", &causes))
}

fn at(asked: Option<&str>, query: &Query, limited: bool, current: u64) -> Result<At, Failure> {
    let Some(asked) = asked else { return Ok(At::Now) };
    let version = parse_version(asked)?;
    if version > current {
        return Err(Failure::version_too_large(version, current));
    }
    Ok(match query.text("resourceVersionMatch") {
        Some("Exact") => At::Exactly(version),
        None if limited && version > 0 => At::Exactly(version),
        _ => At::Now,
    })
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    version: i64,
    start: String,
}

impl Token {
    fn encode(&self) -> String {
        let token = json!({ "v": "meta.k8s.io/v1", "rv": self.version, "start": self.start });
        BASE64_URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn decode(text: &str) -> Result<Self, Failure> {
        let refuse = |why: &str| {
            Failure::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|error| {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _)
                | base64::DecodeError::InvalidLength(at)
                | base64::DecodeError::InvalidLastSymbol { offset: at, .. } => at,
                base64::DecodeError::InvalidPadding => text.len(),
            };
            refuse(&format!("illegal base64 data at input byte {at}"))
        })?;
        let token: Value =
            serde_json::from_slice(&bytes).map_err(|error| refuse(&error.to_string()))?;
        let format = token.get("v").and_then(Value::as_str).unwrap_or_default();
        if format != "meta.k8s.io/v1" {
            return Err(refuse(&format!(
                "server does not recognize this encoded version {format:?}"
            )));
        }
        let start = token.get("start").and_then(Value::as_str).unwrap_or_default();
        if start.is_empty() {
            return Err(refuse("encoded start key empty (version meta.k8s.io/v1)"));
        }
        // A key that climbs would leave the collection that the request named.
        if start.split('/').any(|part| part == "..") {
            return Err(refuse(start));
        }
        let version = token.get("rv").and_then(Value::as_i64).filter(|version| *version != 0);
        let version = version.ok_or_else(|| {
            refuse("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
        })?;
        Ok(Self { version, start: start.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::registry::find;
    use super::*;

    fn filled(names: &[&str]) -> (Store, &'static Kind) {
        let kind = find("", "v1", "configmaps").unwrap();
        let mut store = Store::new();
        for name in names {
            let (namespace, name) = name.split_once('/').unwrap();
            let labels = json!({ "odd": (name.len() % 2 == 1).to_string() });
            let metadata = json!({"namespace": namespace, "name": name, "labels": labels});
            store.write(kind, json!({ "metadata": metadata }));
        }
        (store, kind)
    }

    fn names(page: &Page) -> Vec<&str> {
        page.items.iter().map(|item| super::super::store::text(item, "/metadata/name")).collect()
    }

    fn next(page: &Page) -> String {
        page.metadata["continue"].as_str().unwrap().to_owned()
    }

    #[test]
    fn pages_are_consistent_and_count_what_remains() {
        let (mut store, kind) = filled(&["a/1", "a/2", "a/3", "b/4"]);
        let query = Query::parse("limit=2");
        let first = page(&store, kind, Some("a"), &query).unwrap();
        assert_eq!(names(&first), ["1", "2"]);
        assert_eq!(first.metadata["remainingItemCount"], 1);
        store.remove(kind, "a", "3");
        let query = Query::parse(&format!("limit=2&continue={}", next(&first)));
        let second = page(&store, kind, Some("a"), &query).unwrap();
        assert_eq!(names(&second), ["3"]);
        assert_eq!(second.metadata["resourceVersion"], first.metadata["resourceVersion"]);
        assert!(second.metadata.get("continue").is_none());
        assert!(second.metadata.get("remainingItemCount").is_none());
    }

    #[test]
    fn a_selected_page_does_not_count() {
        let (store, kind) = filled(&["a/1", "a/2", "a/33"]);
        let query = Query::parse("limit=1&labelSelector=odd%3Dtrue");
        let first = page(&store, kind, None, &query).unwrap();
        assert_eq!(names(&first), ["1"]);
        assert!(first.metadata.get("remainingItemCount").is_none());
        assert!(first.metadata.get("continue").is_some());
    }

    #[test]
    fn an_old_token_expires_with_one_that_goes_on() {
        let (mut store, kind) = filled(&["a/1", "a/2", "a/3"]);
        let first = page(&store, kind, None, &Query::parse("limit=1")).unwrap();
        store.keep_history(1);
        store.remove(kind, "a", "2");
        store.write(kind, json!({"metadata": {"namespace": "a", "name": "4"}}));
        let query = Query::parse(&format!("limit=1&continue={}", next(&first)));
        let status = page(&store, kind, None, &query).err().unwrap().status();
        assert_eq!((&status["code"], &status["reason"]), (&json!(410), &json!("Expired")));
        let query =
            Query::parse(&format!("continue={}", status["metadata"]["continue"].as_str().unwrap()));
        assert_eq!(names(&page(&store, kind, None, &query).unwrap()), ["3", "4"]);
    }

    #[test]
    fn refuses_what_the_server_refuses() {
        let (store, kind) = filled(&["a/1", "a/2"]);
        let encode = |token: Value| BASE64_URL_SAFE_NO_PAD.encode(token.to_string());
        let climbing = encode(json!({"v": "meta.k8s.io/v1", "rv": 1, "start": "../x"}));
        let foreign = encode(json!({"v": "v9", "rv": 1, "start": "x"}));
        for (query, code, message) in [
            ("continue=%25", 400, "invalid continue token: continue key is not valid: illegal"),
            (&format!("continue={climbing}"), 400, "invalid continue token: "),
            (&format!("continue={foreign}"), 400, "invalid continue token: "),
            ("limit=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("resourceVersion=x", 500, "resourceVersion: Invalid value: \"x\": strconv.ParseUint"),
            ("resourceVersion=99999999", 504, "Timeout: Too large resource version: 99999999"),
            ("resourceVersion=1&resourceVersionMatch=Exact", 410, "The resourceVersion for"),
            ("resourceVersionMatch=Exact", 422, "ListOptions.meta.k8s.io \"\" is invalid: "),
        ] {
            let failure = page(&store, kind, None, &Query::parse(query)).err().unwrap();
            let status = failure.status();
            assert_eq!(failure.code, code, "{query}");
            assert!(status["message"].as_str().unwrap().starts_with(message), "{status}");
        }
    }
}
