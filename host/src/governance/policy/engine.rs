//! Asking the language's evaluator: from our words to entities, and from its answer to ours.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicyId, Request, RestrictedExpression, Schema,
};
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::rules::Rules;
use super::{Question, verbs};
use crate::domain::name::Namespace;
use crate::domain::principal::Principal;
use crate::domain::scope::Target;

/// Stack for one evaluation. A guest's call asks from the guest's own stack, whose end the evaluator
/// cannot see: on a stack of its own it measures right, and refuses what is nested too deeply.
const STACK_BYTES: usize = 1 << 20;

/// What the evaluator said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// These permits apply, and no forbid.
    Permitted(Vec<PolicyId>),
    /// These forbids apply; none where nothing permits.
    Forbidden(Vec<PolicyId>),
    /// It could not be decided: the rule where it went wrong, if one is known, and how.
    Failed(Option<PolicyId>, String),
}

/// The types of the schema, and its actions as entities.
#[derive(Debug)]
pub(super) struct Words {
    user: EntityTypeName,
    group: EntityTypeName,
    cluster: EntityTypeName,
    namespace: EntityTypeName,
    object: EntityTypeName,
    action: EntityTypeName,
    actions: Entities,
}

impl Words {
    pub(super) fn of(schema: &Schema) -> Result<Self, String> {
        let name = |text: &str| text.parse::<EntityTypeName>().map_err(|error| error.to_string());
        Ok(Self {
            user: name("User")?,
            group: name("Group")?,
            cluster: name("Cluster")?,
            namespace: name("Namespace")?,
            object: name("Object")?,
            action: name("Action")?,
            actions: schema.action_entities().map_err(|error| error.to_string())?,
        })
    }

    pub(super) fn user(&self, principal: &Principal) -> EntityUid {
        uid(&self.user, &principal.to_string())
    }

    pub(super) fn groups<'a>(
        &'a self,
        principal: &'a Principal,
    ) -> impl Iterator<Item = EntityUid> + 'a {
        principal.groups.iter().map(|group| uid(&self.group, group))
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

/// The namespace that the target lies in; a namespace lies in itself.
pub(super) fn namespace_of(target: &Target) -> Option<&str> {
    match (&target.namespace, &target.name) {
        (Some(namespace), _) => Some(namespace.as_str()),
        (None, Some(name)) if target.kind == "Namespace" => Some(name),
        (None, _) => None,
    }
}

/// Asks, on a stack of its own.
pub(super) fn ask(rules: &Rules, question: &Question<'_>, approvals_required: bool) -> Found {
    stacker::grow(STACK_BYTES, || {
        evaluate(rules, question, approvals_required)
            .unwrap_or_else(|error| Found::Failed(None, error))
    })
}

fn evaluate(rules: &Rules, question: &Question<'_>, approvals: bool) -> Result<Found, String> {
    let words = &rules.words;
    let Some((_, tier)) = verbs::find(question.verb) else {
        return Err(format!("rules know no verb `{}`", question.verb));
    };
    let Target { cluster, kind, name, .. } = question.target;
    let namespace = namespace_of(question.target);

    let principal = words.user(question.principal);
    let user = Entity::new(
        principal.clone(),
        HashMap::from([
            ("subject".to_owned(), text(&question.principal.subject)),
            ("issuer".to_owned(), text(&question.principal.issuer)),
        ]),
        words.groups(question.principal).collect(),
    )
    .map_err(|error| error.to_string())?;

    let mut facts = HashMap::from([
        ("cluster".to_owned(), text(cluster.as_str())),
        ("kind".to_owned(), text(kind)),
    ]);
    let mut places = HashSet::from([uid(&words.cluster, cluster.as_str())]);
    if let Some(namespace) = namespace {
        facts.insert("namespace".to_owned(), text(namespace));
        places.insert(uid(&words.namespace, &format!("{cluster}/{namespace}")));
    }
    if let Some(name) = name {
        facts.insert("name".to_owned(), text(name));
    }
    let resource = uid(&words.object, &object_id(question.target));
    let object = Entity::new(resource.clone(), facts, places).map_err(|error| error.to_string())?;

    let (time, weekday) = moment(question.at);
    let context = Context::from_pairs([
        ("plugin".to_owned(), text(question.plugin.as_str())),
        ("digest".to_owned(), text(question.digest)),
        ("tool".to_owned(), text(question.tool)),
        ("capability".to_owned(), text(question.capability.as_str())),
        ("tier".to_owned(), text(tier.as_str())),
        ("dry_run".to_owned(), RestrictedExpression::new_bool(question.dry_run)),
        ("time".to_owned(), RestrictedExpression::new_datetime(time)),
        ("weekday".to_owned(), text(weekday)),
        ("approvals_required".to_owned(), RestrictedExpression::new_bool(approvals)),
    ])
    .map_err(|error| error.to_string())?;

    let action = uid(&words.action, question.verb);
    let request = Request::new(principal, action, resource, context, Some(&rules.schema))
        .map_err(|error| error.to_string())?;
    let entities = words
        .actions
        .clone()
        .add_entities([user, object], None)
        .map_err(|error| error.to_string())?;
    let answer = Authorizer::new().is_authorized(&request, &rules.set, &entities);
    // A rule that fails is passed over by the evaluator: a `forbid` would then not forbid.
    if let Some(AuthorizationError::PolicyEvaluationError(error)) =
        answer.diagnostics().errors().next()
    {
        let error = (error.policy_id().clone(), error.inner().to_string());
        return Ok(Found::Failed(Some(error.0), error.1));
    }
    let reasons = answer.diagnostics().reason().cloned().collect();
    Ok(match answer.decision() {
        cedar_policy::Decision::Allow => Found::Permitted(reasons),
        cedar_policy::Decision::Deny => Found::Forbidden(reasons),
    })
}

/// `prod/shop/Deployment/checkout`; what has no namespace or no name leaves its place empty.
fn object_id(target: &Target) -> String {
    let namespace = target.namespace.as_ref().map(Namespace::as_str).unwrap_or_default();
    let name = target.name.as_deref().unwrap_or_default();
    format!("{}/{namespace}/{}/{name}", target.cluster, target.kind)
}

/// The time as the language writes it, and the day.
fn moment(at: Timestamp) -> (String, &'static str) {
    let at = at.to_zoned(TimeZone::UTC);
    let weekday = match at.weekday() {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    };
    (at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(), weekday)
}
