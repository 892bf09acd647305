//! What the caller may do: everything, for nothing here authenticates anyone.

use serde_json::{Value, json};

use super::registry::Kind;
use super::request::Request;
use super::status::{Cause, Failure};
use super::store::{set, text};
use super::write::{Written, body};

/// Answers a review that a client posts about itself.
pub(super) fn answer(kind: &'static Kind, request: &Request) -> Written {
    let mut review = body(request)?;
    kind.check(&review).map_err(|error| {
        Failure::bad_request(format!(
            "{0} in version {1:?} cannot be handled as a {0}: {error}",
            kind.kind, kind.version
        ))
    })?;
    set(&mut review, &["kind"], json!(kind.kind));
    set(&mut review, &["apiVersion"], json!(kind.api_version()));
    set(&mut review, &["metadata", "creationTimestamp"], Value::Null);
    let status = if kind.plural == "selfsubjectrulesreviews" {
        if text(&review, "/spec/namespace").is_empty() {
            return Err(Failure::bad_request("no namespace on request"));
        }
        json!({
            "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
            "incomplete": false,
        })
    } else {
        let of = |field: &str| review.pointer(field).is_some_and(|value| !value.is_null());
        let (resource, other) = (of("/spec/resourceAttributes"), of("/spec/nonResourceAttributes"));
        if resource == other {
            let field = "spec.resourceAttributes";
            let cause = if resource {
                let why = "cannot be specified in combination with resourceAttributes";
                Cause::invalid("spec.nonResourceAttributes", "\"\"", why)
            } else {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be \
                           specified";
                Cause::invalid(field, "\"null\"", why)
            };
            // The server names the group alone here.
            return Err(Failure::invalid_options(kind.group, "", "", &[cause]));
        }
        json!({ "allowed": true })
    };
    set(&mut review, &["status"], status);
    Ok((201, review))
}
