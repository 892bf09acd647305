use serde_json::{Value, json};

use super::registry::Kind;
use super::store::set;

/// A refusal as the API server words it: one `Status` object and its HTTP code.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: u16,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    /// A fresh token that goes with an expired one.
    resume: Option<String>,
}

/// One entry of a validation error.
pub(super) struct Cause {
    reason: &'static str,
    field: String,
    message: String,
}

impl Cause {
    pub(super) fn invalid(field: &str, value: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueInvalid",
            field: field.to_owned(),
            message: format!("Invalid value: {value}: {why}"),
        }
    }

    pub(super) fn forbidden(field: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueForbidden",
            field: field.to_owned(),
            message: format!("Forbidden: {why}"),
        }
    }

    pub(super) fn required(field: &str, why: &str) -> Self {
        Self {
            reason: "FieldValueRequired",
            field: field.to_owned(),
            message: match why {
                "" => "Required value".to_owned(),
                why => format!("Required value: {why}"),
            },
        }
    }

    pub(super) fn not_supported(field: &str, value: &str, supported: &str) -> Self {
        Self {
            reason: "FieldValueNotSupported",
            field: field.to_owned(),
            message: format!("Unsupported value: {value}: supported values: {supported}"),
        }
    }
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: None, resume: None }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        let mut details = json!({ "kind": kind.plural });
        if !kind.group.is_empty() {
            set(&mut details, &["group"], json!(kind.group));
        }
        if !name.is_empty() {
            set(&mut details, &["name"], json!(name));
        }
        self.details = Some(details);
        self
    }

    pub(super) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", kind.qualified()))
            .about(kind, name)
    }

    pub(super) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.qualified()))
            .about(kind, name)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    /// A write lost a race: `why` is the server's explanation.
    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.qualified());
        Self::new(409, "Conflict", message).about(kind, name)
    }

    /// The conflict of a stale `resourceVersion`.
    pub(super) fn modified(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        )
    }

    /// A validation error of a resource's own object.
    pub(super) fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        Self::invalid_options(kind.group, kind.kind, name, causes)
    }

    /// A validation error of any group and kind, such as `PodLogOptions`.
    pub(super) fn invalid_options(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let texts: Vec<String> =
            causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let all = match texts.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut failure =
            Self::new(422, "Invalid", format!("{qualified} {name:?} is invalid: {all}"));
        let causes: Vec<Value> = causes
            .iter()
            .map(|c| json!({ "reason": c.reason, "message": c.message, "field": c.field }))
            .collect();
        let mut details = json!({ "causes": causes });
        if !kind.is_empty() {
            set(&mut details, &["kind"], json!(kind));
        }
        if !group.is_empty() {
            set(&mut details, &["group"], json!(group));
        }
        if !name.is_empty() {
            set(&mut details, &["name"], json!(name));
        }
        failure.details = Some(details);
        failure
    }

    /// A patch that could not be applied.
    pub(super) fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        let mut failure = Self::new(422, "Invalid", message.to_owned());
        failure.details = Some(json!({}));
        failure
    }

    /// A write that a rule of its namespace forbids.
    pub(super) fn forbidden(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", kind.qualified());
        Self::new(403, "Forbidden", message).about(kind, name)
    }

    /// A creation in a namespace that is going.
    pub(super) fn terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut failure = Self::forbidden(kind, name, &why);
        let cause = json!({
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        });
        if let Some(details) = failure.details.as_mut() {
            set(details, &["causes"], json!([cause]));
        }
        failure
    }

    /// A deletion whose precondition does not hold. The server names the kind here, not the
    /// resource.
    pub(super) fn precondition(kind: &Kind, name: &str, why: &str) -> Self {
        let qualified = if kind.group.is_empty() {
            kind.kind.to_owned()
        } else {
            format!("{}.{}", kind.kind, kind.group)
        };
        let message = format!("Operation cannot be fulfilled on {qualified} {name:?}: {why}");
        let mut failure = Self::new(409, "Conflict", message).about(kind, name);
        if let Some(details) = failure.details.as_mut() {
            set(details, &["kind"], json!(kind.kind));
        }
        failure
    }

    /// The same refusal of a part of the resource, as the server names it.
    pub(super) fn of_part(mut self, kind: &Kind, part: &str) -> Self {
        let whole = kind.qualified();
        let named = whole.replacen(kind.plural, &format!("{}/{part}", kind.plural), 1);
        self.message = self.message.replacen(&whole, &named, 1);
        if let Some(details) = self.details.as_mut().filter(|d| d.get("kind").is_some()) {
            set(details, &["kind"], json!(format!("{}/{part}", kind.plural)));
        }
        self
    }

    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message.into())
    }

    /// An expired page, with the token that continues inconsistently.
    pub(super) fn expired_page(resume: String) -> Self {
        let mut failure = Self::expired(
            "The provided continue parameter is too old to display a consistent list result. You \
             can start a new list without the continue parameter, or use the continue token in \
             this response to retrieve the remainder of the results. Continuing with the provided \
             token results in an inconsistent list - objects that were created, modified, or \
             deleted between the time the first chunk was returned and now may show up in the \
             list.",
        );
        failure.resume = Some(resume);
        failure
    }

    pub(super) fn version_too_large(wanted: u64, current: u64) -> Self {
        let mut failure = Self::new(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {wanted}, current: {current}"),
        );
        failure.details = Some(json!({
            "causes": [{
                "reason": "ResourceVersionTooLarge",
                "message": "Too large resource version",
            }],
            "retryAfterSeconds": 1,
        }));
        failure
    }

    /// A path below a served group that names no resource of it.
    pub(super) fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        let mut failure = Self::new(404, "NotFound", message.to_owned());
        failure.details = Some(json!({}));
        failure
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource".to_owned(),
        )
    }

    pub(super) fn not_acceptable() -> Self {
        Self::new(
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json".to_owned(),
        )
    }

    pub(super) fn unsupported_media_type(accepted: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 {accepted}"
            ),
        )
    }

    pub(super) fn body_too_large(bytes_max: usize) -> Self {
        Self::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {bytes_max}"),
        )
    }

    pub(super) fn too_many_requests() -> Self {
        let mut failure = Self::new(
            429,
            "TooManyRequests",
            "The server has received too many requests and has asked us to try again later"
                .to_owned(),
        );
        failure.details = Some(json!({ "retryAfterSeconds": 1 }));
        failure
    }

    /// An eviction that a disruption budget forbids for now.
    pub(super) fn disruption_budget(budget: &str, needs: i64, has: i64) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let why = format!(
            "The disruption budget {budget} needs {needs} healthy pods and has {has} currently"
        );
        let mut failure = Self::new(429, "TooManyRequests", message.to_owned());
        failure.details =
            Some(json!({ "causes": [{ "reason": "DisruptionBudget", "message": why }] }));
        failure
    }

    /// An error that the server itself did not foresee carries no reason.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self::new(500, "", message.into())
    }

    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        self.details.as_ref()?.get("retryAfterSeconds")?.as_u64()
    }

    /// The `Status` object of the wire.
    pub(super) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            set(&mut status, &["reason"], json!(self.reason));
        }
        if let Some(details) = &self.details {
            set(&mut status, &["details"], details.clone());
        }
        if let Some(resume) = &self.resume {
            set(&mut status, &["metadata", "continue"], json!(resume));
        }
        status
    }
}
