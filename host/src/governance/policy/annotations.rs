//! What is written above a rule: its name, and how people are asked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::decision::ApprovalTerms;
use crate::domain::similar::similar;

/// The names of a rule that no rule of a file may have: records use them for something else.
const RESERVED: [&str; 4] = ["no-rule", "policy-error", "destructive-always-asks", "tool"];

/// The longest name: it stands in every record.
const ID_BYTES_MAX: usize = 64;

/// People who can be made to agree; more of them are never awake at once.
const APPROVERS_MAX: u8 = 5;

/// Nobody reads a plan in less.
const EXPIRES_MIN: Duration = Duration::from_mins(1);

/// A cluster looks different a day later.
const EXPIRES_MAX: Duration = Duration::from_hours(24);

const KNOWN: [&str; 7] =
    ["id", "approval", "approvers", "reason", "confirm", "requester", "expires"];

/// What a rule's annotations say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Its name, where it has one.
    pub(super) id: Option<String>,
    /// How a person is asked; none where nobody is.
    pub(super) asks: Option<ApprovalTerms>,
}

/// Reads them; each problem is a text and a hint.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each annotation")]
pub(super) fn read<'a>(
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
    is_permit: bool,
    defaults: &ApprovalTerms,
) -> Result<Said, Vec<(String, String)>> {
    let said: BTreeMap<&str, &str> = annotations.collect();
    let mut problems = Vec::new();
    let mut wrong = |text: String, hint: &str| problems.push((text, hint.to_owned()));
    let mut terms = defaults.clone();
    let mut id = None;
    for (key, value) in &said {
        let shown = shown(value);
        match *key {
            "id" if is_id(value) => id = Some((*value).to_owned()),
            "id" if RESERVED.contains(value) => {
                wrong(format!("records use the name `{shown}` themselves"), "say another name");
            }
            "id" => wrong(
                format!("`{shown}` is no name for a rule"),
                "use lower-case letters, digits and `-`, at most 64",
            ),
            "approval" if *value == "required" => {}
            "approval" => wrong(
                format!("`@approval(\"{shown}\")` means nothing"),
                "say `@approval(\"required\")`, or leave it out",
            ),
            "approvers" => match value.parse() {
                Ok(n) if (1..=APPROVERS_MAX).contains(&n) && !value.starts_with('+') => {
                    terms.approvers = n;
                }
                _ => wrong(
                    format!("`{shown}` is no number of people who approve"),
                    "say a number from 1 to 5, in quotation marks",
                ),
            },
            "reason" if *value == "required" => terms.reason_required = true,
            "confirm" if *value == "caller" => terms.caller_may_confirm = true,
            "requester" if *value == "may-approve" => terms.requester_may_approve = true,
            "reason" => {
                wrong(format!("`@reason(\"{shown}\")` means nothing"), "say `required`");
            }
            "confirm" => {
                wrong(format!("`@confirm(\"{shown}\")` means nothing"), "say `caller`");
            }
            "requester" => {
                wrong(format!("`@requester(\"{shown}\")` means nothing"), "say `may-approve`");
            }
            "expires" => match duration(value) {
                Some(time) if (EXPIRES_MIN..=EXPIRES_MAX).contains(&time) => {
                    terms.expires_after = time;
                }
                _ => wrong(
                    format!("`{shown}` is not how long a request can wait"),
                    "say `10m`, `90s` or `1h`: from 1m to 24h",
                ),
            },
            unknown => {
                let hint = match similar(unknown, KNOWN) {
                    Some(meant) => format!("did you mean `@{meant}`?"),
                    None => format!("there are @{}", KNOWN.join(", @")),
                };
                wrong(format!("there is no annotation `@{}`", self::shown(unknown)), &hint);
            }
        }
    }
    let asks = said.contains_key("approval");
    if asks && !is_permit {
        wrong(
            "a `forbid` asks nobody".to_owned(),
            "put `@approval` on the `permit`, or leave it out",
        );
    }
    let lonely = said.keys().find(|key| KNOWN.contains(key) && !["id", "approval"].contains(key));
    if let (false, Some(key)) = (asks, lonely) {
        let text = format!("`@{key}` says how people are asked, and this rule asks nobody");
        wrong(text, "add `@approval(\"required\")`, or leave it out");
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Said { id, asks: asks.then_some(terms) })
}

fn is_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    first && text.len() <= ID_BYTES_MAX && text.bytes().all(fits) && !RESERVED.contains(&text)
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| digits)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    number.checked_mul(unit_s).map(Duration::from_secs)
}

/// A foreign text, short and without anything that a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(annotations: &[(&str, &str)]) -> Result<Said, Vec<(String, String)>> {
        read(annotations.iter().copied(), true, &ApprovalTerms::default())
    }

    #[test]
    fn reads_how_people_are_asked() {
        let all = [
            ("id", "two-people"),
            ("approval", "required"),
            ("approvers", "2"),
            ("reason", "required"),
            ("confirm", "caller"),
            ("requester", "may-approve"),
            ("expires", "90s"),
        ];
        let terms = ApprovalTerms {
            approvers: 2,
            reason_required: true,
            requester_may_approve: true,
            caller_may_confirm: true,
            expires_after: Duration::from_secs(90),
        };
        assert_eq!(said(&all), Ok(Said { id: Some("two-people".to_owned()), asks: Some(terms) }));
        assert_eq!(said(&[]), Ok(Said { id: None, asks: None }));
    }

    #[test]
    fn what_it_does_not_know_is_a_problem() {
        for annotation in [
            ("aproval", "required"),
            ("approval", ""),
            ("approval", "Required"),
            ("approvers", "0"),
            ("approvers", "6"),
            ("approvers", "+2"),
            ("approvers", "two"),
            ("reason", ""),
            ("confirm", "anybody"),
            ("requester", "yes"),
            ("expires", "10"),
            ("expires", "59s"),
            ("expires", "25h"),
            ("expires", "99999999999999999999h"),
            ("expires", "ü"),
            ("id", "No Rule"),
            ("id", "no-rule"),
            ("id", ""),
        ] {
            let problems = said(&[("approval", "required"), annotation]);
            assert!(problems.is_err(), "{annotation:?}: {problems:?}");
        }
        assert!(said(&[("approvers", "2")]).is_err(), "nobody is asked");
        let on_forbid = [("approval", "required")];
        assert!(read(on_forbid.into_iter(), false, &ApprovalTerms::default()).is_err());
    }
}
