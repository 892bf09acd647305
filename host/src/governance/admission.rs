//! May this call run? The answer is a [`Permit`], or there is no run.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::call::Call;
use crate::domain::capability::{Capability, Tier};
use crate::domain::decision::{Refusal, Rule};
use crate::domain::mode::{Mode, WriteMode};
use crate::domain::name::PluginId;
use crate::domain::principal::Principal;
use crate::domain::rates::Rates;
use crate::governance::policy::Policy;
use crate::governance::rate_limit::{CallLimiter, Turn};
use crate::schema::Schema;

/// The facts that admission looks at: of a tool, a prompt, a resource or a completion.
#[derive(Debug)]
pub struct Offer {
    /// Who offers it.
    pub plugin: PluginId,
    /// The code, exactly.
    pub digest: String,
    /// What a call may use.
    pub uses: BTreeSet<Capability>,
    /// What a call can do at most.
    pub tier: Tier,
    /// What arguments must look like.
    pub arguments: Schema,
}

/// The right to run one call, once. Only admission makes it, and running spends it.
#[derive(Debug)]
pub struct Permit {
    call: Call,
    offer: Arc<Offer>,
    /// Held for as long as the call runs.
    _turn: Turn,
}

impl Permit {
    /// The call that may run.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// What may run.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whether this call may use the capability at all.
    pub fn uses(&self, capability: Capability) -> bool {
        !capability.needs_grant() || self.offer.uses.contains(&capability)
    }
}

/// Decides on calls.
#[derive(Debug, Clone)]
pub struct Governor {
    mode: Mode,
    policy: Arc<Policy>,
    limiter: Arc<CallLimiter>,
}

impl Governor {
    /// Decides by the operator's mode and rules, and lets in as much as the rates allow.
    pub fn new(mode: Mode, policy: Arc<Policy>, rates: Rates) -> Self {
        Self { mode, policy, limiter: CallLimiter::new(rates) }
    }

    /// The mode decided by.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Whether the principal's calls can be admitted at all: what a list shows. The same rules as
    /// for [`Governor::admit`], so that what is hidden is refused and what is refused is hidden.
    ///
    /// # Errors
    /// The refusal that a call would meet.
    pub fn admits(&self, principal: &Principal, offer: &Offer) -> Result<(), Refusal> {
        if offer.tier.writes() && self.mode.writes() == WriteMode::Refuse {
            return Err(Refusal::Denied {
                rule: Rule::named("mode.read_only"),
                reason: "this server is read-only; its operator can change `mode.read_only`, or \
                         set `mode.dry_run` to allow plans"
                    .to_owned(),
            });
        }
        self.policy.may(principal, &offer.uses).map_err(|rule| {
            tracing::info!(%principal, plugin = %offer.plugin, %rule, "the policy allows no use of it");
            Refusal::Denied {
                rule,
                reason: "this server's policy allows you no use of it; its operator can say more"
                    .to_owned(),
            }
        })
    }

    /// Lets a caller in, before anything is looked at: whoever asks for what is not there, or is
    /// not allowed, asks as often as everybody else.
    ///
    /// # Errors
    /// `Busy`.
    pub fn enter(&self, principal: &Principal) -> Result<Turn, Refusal> {
        self.limiter.enter(principal)
    }

    /// Decides on one call of a caller who was let in, or was not.
    ///
    /// # Errors
    /// Why it does not run.
    pub fn admit(
        &self,
        call: Call,
        offer: Option<Arc<Offer>>,
        turn: Result<Turn, Refusal>,
    ) -> Result<Permit, Refusal> {
        let turn = turn?;
        let offer = offer.ok_or_else(|| Refusal::Unknown(call.subject.clone()))?;
        self.admits(&call.principal, &offer)?;
        self.limiter.share(&call.subject, &offer.plugin)?;
        let (weight, most) = (call.arguments_bytes(), Call::ARGUMENTS_BYTES_MAX);
        if weight > most {
            let problem = format!("they weigh {weight} bytes, and at most {most} are taken");
            return Err(Refusal::InvalidArguments(vec![problem]));
        }
        let problems = offer.arguments.problems(&call.arguments);
        if !problems.is_empty() {
            return Err(Refusal::InvalidArguments(problems));
        }
        Ok(Permit { call, offer, _turn: turn })
    }
}
