//! Who may answer what: pure rules over names and terms.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::folder::hex;
use crate::domain::decision::ApprovalTerms;
use crate::domain::principal::Principal;

/// The longest name of an approver. Identity providers' subjects end at 255.
const NAME_BYTES_MAX: usize = 320;

/// The issuer of people whom the operating system knows.
const OS: &str = "os";

/// The issuer of callers on this machine whom nobody knows.
const LOOPBACK: &str = "loopback";

/// Who answers, as the channel found it: `alice@os`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Approver(String);

/// Why a text names no approver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an approver is named like `alice@os`: visible characters around one `@` or more")]
pub struct NotAnApprover;

impl Approver {
    /// The person of that login name on this machine.
    ///
    /// # Errors
    /// Where the name has characters that nobody sees.
    pub fn local(user: &str) -> Result<Self, NotAnApprover> {
        format!("{user}@{OS}").parse()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for every way to write the same name: two answers of one person are not those of
    /// two people.
    pub(super) fn key(&self) -> String {
        let digest = hex(&Sha256::digest(self.0.to_lowercase().as_bytes()));
        digest.chars().take(32).collect()
    }

    fn issuer(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, issuer)| issuer)
    }

    /// Whether this may be the one who asked. Of a caller whom nobody knows, everyone at this
    /// machine may be.
    pub(super) fn may_be(&self, requester: &Principal) -> bool {
        let is_same = self.0.to_lowercase() == requester.to_string().to_lowercase();
        let is_anybody = requester.issuer == LOOPBACK && [OS, LOOPBACK].contains(&self.issuer());
        is_same || is_anybody
    }
}

impl FromStr for Approver {
    type Err = NotAnApprover;

    fn from_str(text: &str) -> Result<Self, NotAnApprover> {
        // What looks alike to a person must not count as two of them.
        let is_visible = |c: char| c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ';
        let is_whole = text.rsplit_once('@').is_some_and(|(subject, issuer)| {
            !subject.is_empty() && !issuer.is_empty() && text.trim() == text
        });
        if is_whole && text.len() <= NAME_BYTES_MAX && text.chars().all(is_visible) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnApprover)
        }
    }
}

impl TryFrom<String> for Approver {
    type Error = NotAnApprover;

    fn try_from(text: String) -> Result<Self, NotAnApprover> {
        text.parse()
    }
}

impl TryFrom<&Principal> for Approver {
    type Error = NotAnApprover;

    fn try_from(principal: &Principal) -> Result<Self, NotAnApprover> {
        principal.to_string().parse()
    }
}

impl From<Approver> for String {
    fn from(approver: Approver) -> Self {
        approver.0
    }
}

impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which way an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// `toolgate approvals`
    CommandLine,
    /// The operator's web page.
    Console,
    /// A file that a script dropped.
    File,
    /// A reply to a webhook.
    Webhook,
    /// The caller's own client: whoever sits there answers as the one who asked.
    Client,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "command-line",
            Self::Console => "console",
            Self::File => "file",
            Self::Webhook => "webhook",
            Self::Client => "client",
        })
    }
}

/// Whether the terms let this one say yes to a request of that one. Everybody may say no.
///
/// Where caller and operator are one person (over standard input and output, and on the loopback
/// listener, which nobody else reaches), the answer in the operator's channel is the operator's,
/// unless the terms say that who asked never approves. An authenticated caller of a shared
/// deployment never does, whatever the terms say: nothing there shows that a person and not their
/// agent has answered.
pub(super) fn may_approve(
    terms: &ApprovalTerms,
    requester: &Principal,
    by: &Approver,
    channel: Channel,
) -> bool {
    let is_alone = [OS, LOOPBACK].contains(&requester.issuer.as_str());
    match channel {
        // The client speaks for the one who asked, under whatever name.
        Channel::Client => terms.caller_may_confirm && is_alone,
        Channel::CommandLine | Channel::Console | Channel::File | Channel::Webhook => {
            !by.may_be(requester) || (terms.requester_may_approve && is_alone)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(text: &str) -> Principal {
        let (subject, issuer) = text.rsplit_once('@').unwrap();
        Principal { subject: subject.to_owned(), groups: Vec::new(), issuer: issuer.to_owned() }
    }

    #[test]
    fn who_asked_approves_only_where_caller_and_operator_are_one() {
        for (requester, by, channel, strict, alone, confirm) in [
            ("alice@os", "alice@os", Channel::CommandLine, false, true, false),
            ("alice@os", "Alice@OS", Channel::CommandLine, false, true, false),
            ("alice@os", "bob@os", Channel::CommandLine, true, true, true),
            ("alice@os", "alice@os", Channel::File, false, true, false),
            ("alice@os", "alice@os", Channel::Client, false, false, true),
            ("alice@os", "bob@os", Channel::Client, false, false, true),
            // Nobody knows who called, so nobody here can be said to be another.
            ("anonymous@loopback", "alice@os", Channel::CommandLine, false, true, false),
            ("anonymous@loopback", "alice@example", Channel::Console, true, true, true),
            ("alice@example", "alice@example", Channel::Console, false, false, false),
            ("alice@example", "alice@example", Channel::Client, false, false, false),
            ("alice@example", "bob@example", Channel::Console, true, true, true),
            ("alice@example", "alice@os", Channel::CommandLine, true, true, true),
        ] {
            let may = |requester_may_approve, caller_may_confirm| {
                let terms = ApprovalTerms {
                    requester_may_approve,
                    caller_may_confirm,
                    ..ApprovalTerms::default()
                };
                may_approve(&terms, &principal(requester), &by.parse().unwrap(), channel)
            };
            let told = [may(false, false), may(true, false), may(false, true)];
            assert_eq!(told, [strict, alone, confirm], "{by} to {requester} through {channel}");
        }
    }

    #[test]
    fn an_approver_is_seen_in_full() {
        for (text, ok) in [
            ("alice@os", true),
            ("a@b@example", true),
            ("Ada Lovelace@os", true),
            ("zoë@os", true),
            ("CORP\\alice@ad", true),
            ("alice", false),
            ("@os", false),
            ("alice@", false),
            (" alice@os", false),
            ("alice\u{200b}@os", false),
            ("alice\u{202e}@os", false),
            ("alice\n@os", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Approver>().is_ok(), ok, "{text:?}");
        }
        assert!(format!("{}@os", "a".repeat(400)).parse::<Approver>().is_err());
        let key = |text: &str| text.parse::<Approver>().unwrap().key();
        assert_eq!(key("Alice@os"), key("alice@OS"));
        assert_ne!(key("alice@os"), key("alice@example"));
    }
}
