//! What stands in the files of an approval: typed facts, made by the host, and people's answers.

use serde::{Deserialize, Serialize};

use super::approver::{Approver, Channel};
use crate::domain::decision::ApprovalTerms;
use crate::domain::write::{Budget, Plan};

/// What a person is shown: typed facts, made by the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApprovalFile {
    /// Names it.
    pub id: String,
    /// The process that holds the request.
    pub instance: String,
    /// The call that asked.
    pub call: String,
    /// For whom.
    pub principal: String,
    /// For whom the caller says to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// By which plugin.
    pub plugin: String,
    /// By which code.
    pub digest: String,
    /// By which tool.
    pub tool: String,
    /// The caller's own words: a quotation, never more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What would be done.
    pub plan: PlanFile,
    /// The rule that asks people: `writes-need-approval:12`.
    pub rule: String,
    /// Whose yes it takes.
    pub terms: TermsFile,
    /// RFC 3339.
    pub requested: String,
    /// RFC 3339.
    pub expires: String,
}

/// A plan as it stands in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanFile {
    /// `restart`
    pub verb: String,
    /// Of `scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Of `rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The object.
    pub target: TargetFile,
    /// Its identity.
    pub uid: String,
    /// Its specification, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Its specification, by SHA-256, where the kind has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// `(path, before, after)`
    pub changes: Vec<(String, Option<String>, Option<String>)>,
    /// Pods that would end or be replaced.
    pub pods: Vec<String>,
    /// How many.
    pub pods_total: u32,
    /// Replicas that serve meanwhile, at the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas_left: Option<u32>,
    /// The disruption budgets that cover those pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetFile>,
    /// `ReplicaSet web-5d4f`: who makes the successor of a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What to know first.
    pub warnings: Vec<String>,
}

/// An object as it stands in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetFile {
    /// The cluster.
    pub cluster: String,
    /// The kind.
    pub kind: String,
    /// The namespace; nodes have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// A disruption budget as it stands in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BudgetFile {
    /// Its name.
    pub name: String,
    /// Pods that may be disrupted now.
    pub allowed: u32,
    /// Pods that are healthy now.
    pub healthy: u32,
    /// Pods that have to be.
    pub desired_healthy: u32,
}

impl From<&Budget> for BudgetFile {
    fn from(budget: &Budget) -> Self {
        let Budget { name, allowed, healthy, desired_healthy } = budget.clone();
        Self { name, allowed, healthy, desired_healthy }
    }
}

impl From<&Plan> for PlanFile {
    fn from(plan: &Plan) -> Self {
        let changes = plan.changes.iter();
        Self {
            verb: plan.verb.as_str().to_owned(),
            replicas: plan.verb.replicas(),
            revision: plan.verb.revision(),
            target: TargetFile {
                cluster: plan.target.cluster().to_string(),
                kind: plan.target.kind().to_owned(),
                namespace: plan.target.namespace().map(ToString::to_string),
                name: plan.target.name().to_string(),
            },
            uid: plan.uid.clone(),
            generation: plan.version.generation(),
            content: plan.version.content().map(str::to_owned),
            changes: changes.map(|c| (c.path.clone(), c.before.clone(), c.after.clone())).collect(),
            pods: plan.pods.clone(),
            pods_total: plan.pods_total,
            replicas_left: plan.replicas_left,
            budgets: plan.budgets.iter().map(BudgetFile::from).collect(),
            owner: plan.owner.as_ref().map(|owner| format!("{} {}", owner.kind, owner.name)),
            warnings: plan.warnings.clone(),
        }
    }
}

/// Whose yes it takes, as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermsFile {
    /// People who have to say yes, each another one.
    pub approvers: u8,
    /// Whether an answer says why.
    pub reason_required: bool,
    /// Whether who asked may say yes too, where caller and operator are one person.
    pub requester_may_approve: bool,
    /// Whether the caller's own client may be asked.
    pub caller_may_confirm: bool,
}

impl From<&ApprovalTerms> for TermsFile {
    fn from(terms: &ApprovalTerms) -> Self {
        let ApprovalTerms {
            approvers,
            reason_required,
            requester_may_approve,
            caller_may_confirm,
            expires_after: _, // The request says when.
        } = *terms;
        Self { approvers, reason_required, requester_may_approve, caller_may_confirm }
    }
}

/// One person's answer. Bound to the exact request by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFile {
    /// Yes or no.
    pub approve: bool,
    /// Who.
    pub by: Approver,
    /// Which way it came.
    pub channel: Channel,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// RFC 3339.
    pub at: String,
    /// SHA-256 of the request's file as the person saw it.
    pub request_sha256: String,
}

/// What the host notes once of the end of the answering (`decided`), before it acts on it, and once
/// of the end of it all (`ended`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteFile {
    /// Where it stands.
    pub status: Status,
    /// Why, where no answer says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// RFC 3339.
    pub at: String,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Waits for an answer.
    Pending,
    /// Yes, not executed yet.
    Approved,
    /// The host executes it now.
    Executing,
    /// No.
    Denied,
    /// Done.
    Executed,
    /// Tried, and not done.
    Failed,
    /// Nobody answered in time.
    Expired,
    /// The host stopped while it executed: look at the cluster.
    Interrupted,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Denied => "denied",
            Self::Executed => "executed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Interrupted => "interrupted",
        })
    }
}
