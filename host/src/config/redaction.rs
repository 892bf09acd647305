//! `[redaction]`: what is looked for in texts, beside what comes with Toolgate.

use regex::bytes::RegexBuilder;

use super::document::{Document, KeyPath, list_words};
use super::problem::{shown, similar};
use super::raw::{RawOwnRule, RawRedaction, Table};
use crate::domain::redaction::{
    COMPILED_BYTES_MAX, KEYWORD_BYTES_MAX, KEYWORD_BYTES_MIN, KEYWORDS_MAX, OWN_RULES_MAX, OwnRule,
    PATTERN_BYTES_MAX, Redaction, RuleSet,
};

/// The longest name in a marker.
const NAME_BYTES_MAX: usize = 32;

pub(super) fn validate(
    raw: &RawRedaction,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Redaction {
    let RawRedaction { rules, rule } = raw;
    let words = ["full", "always-on"];
    let rules = match rules.as_deref() {
        None | Some("full") => RuleSet::Full,
        Some("always-on") => RuleSet::AlwaysOn,
        Some(other) => {
            let hint = match similar(other, words) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("say one of {}", list_words(&words)),
            };
            let text = format!("`{}` is no set of rules", shown(other));
            document.problem(&path.key("rules"), text, hint);
            RuleSet::Full
        }
    };
    let path = path.key("rule");
    if rule.len() > OWN_RULES_MAX {
        let text = format!("{} rules are too many", rule.len());
        let hint = format!("say at most {OWN_RULES_MAX}; one pattern may have many keywords");
        document.problem(&path, text, hint);
    }
    let own = rule.iter().enumerate().take(OWN_RULES_MAX);
    let own = own.filter_map(|(idx, Table(raw))| validate_rule(raw, &path.item(idx), document));
    Redaction { rules, own: own.collect() }
}

fn validate_rule(raw: &RawOwnRule, path: &KeyPath, document: &mut Document<'_>) -> Option<OwnRule> {
    let RawOwnRule { name, pattern, keywords } = raw;
    let mut complain = |path: &KeyPath, text: String, hint: &str| {
        document.problem(path, text, hint.to_owned());
        false
    };
    let is_name = |text: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(plain)
    };
    let name = name.as_deref().unwrap_or_default();
    let has_name = is_name(name)
        || complain(
            &path.key("name"),
            format!("`{}` is no name of a rule", shown(name)),
            "say up to 32 small letters, digits and hyphens; it stands in `[redacted:NAME]`",
        );
    let fits = |keyword: &String| {
        keyword.is_ascii() && (KEYWORD_BYTES_MIN..=KEYWORD_BYTES_MAX).contains(&keyword.len())
    };
    let has_keywords = ((1..=KEYWORDS_MAX).contains(&keywords.len()) && keywords.iter().all(fits))
        || complain(
            &path.key("keywords"),
            "a rule has 1 to 16 keywords of 3 to 64 ASCII characters".to_owned(),
            "say what every secret of this kind holds, or what stands right before it",
        );
    let pattern = pattern.as_deref().unwrap_or_default();
    let has_pattern = match problem_of(pattern) {
        None => true,
        Some(problem) => complain(
            &path.key("pattern"),
            problem,
            "say a regular expression of the secret; a group `(..)` is what is replaced",
        ),
    };
    (has_name && has_keywords && has_pattern).then(|| OwnRule {
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        keywords: keywords.clone(),
    })
}

fn problem_of(pattern: &str) -> Option<String> {
    if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
        return Some(format!("a pattern has 1 to {PATTERN_BYTES_MAX} bytes"));
    }
    let built = RegexBuilder::new(pattern).unicode(false).size_limit(COMPILED_BYTES_MAX).build();
    match built {
        Ok(regex) if regex.is_match(b"") => Some("the pattern matches the empty text".to_owned()),
        Ok(_) => None,
        Err(regex::Error::CompiledTooBig(_)) => Some("the pattern is too large".to_owned()),
        Err(error) => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            Some(format!("the pattern is none: {}", shown(last)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigError, Environment};

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let environment = Environment { home: Some("/home/ada".into()), ..Environment::default() };
        Config::parse_in(text, Path::new("/srv/toolgate"), &environment, "the file")
    }

    #[test]
    fn takes_rules_of_the_operators_own() {
        let redaction = parse(
            r#"
            [clusters.demo]
            demo = true
            [redaction]
            rules = "always-on"
            [[redaction.rule]]
            name = "shop-token"
            pattern = 'shop_[a-f0-9]{40}'
            keywords = ["shop_"]
            "#,
        );
        let redaction = redaction.unwrap().redaction;
        assert_eq!(redaction.rules, RuleSet::AlwaysOn);
        assert_eq!(redaction.own[0].name, "shop-token");
        let none = parse("[clusters.demo]\ndemo = true").unwrap().redaction;
        assert_eq!(none, Redaction::default());
    }

    #[test]
    fn refuses_rules_that_find_everything_or_nothing() {
        let refused = parse(
            r#"
            [redaction]
            rules = "al-ways-on"
            [[redaction.rule]]
            name = "Shop Token"
            pattern = '(shop'
            keywords = ["ab"]
            [[redaction.rule]]
            name = "all"
            pattern = '.*'
            keywords = []
            [[redaction.rule]]
            name = "large"
            pattern = '(?:[a-z]{1,900}){900}'
            keywords = ["large"]
            "#,
        );
        let text = refused.unwrap_err().to_string();
        for problem in [
            "`al-ways-on` is no set of rules",
            "`Shop Token` is no name of a rule",
            "the pattern is none: ",
            "a rule has 1 to 16 keywords of 3 to 64 ASCII characters",
            "the pattern matches the empty text",
            "the pattern is too large",
        ] {
            assert!(text.contains(problem), "{problem}: {text}");
        }
    }
}
