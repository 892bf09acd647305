//! What is found of secrets that are made up, and what of ordinary logs is taken for one.

#![allow(clippy::print_stdout, reason = "figures, for who wants them")]

use super::*;
use crate::domain::redaction::{OwnRule, RuleSet};

#[path = "../../../../tests/src/secrets.rs"]
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "shared with the tests of the whole, which lint it by their own rules"
)]
mod secrets;

use secrets::{Planted, Random, STRUCTURES, clean_line, kinds};

/// Where secrets stand.
const PLACES: [&str; 8] = [
    "@",
    "2026-11-21T02:13:07.5Z INFO upstream said @ and went on",
    "{\"level\":\"warn\",\"msg\":\"got @\",\"n\":1}",
    "{\\\"msg\\\":\\\"got @\\\"}",
    "value: '@'",
    "a=1 b=@ c=3",
    "first\\n@\\nthird",
    "before\n@\nbehind",
];

fn scanner_of(rules: RuleSet) -> Scanner {
    Scanner::new(&Redaction { rules, own: Vec::new() })
}

/// The kinds of which too many are seen, of `n` of each in every place.
fn seen(
    scanner: &Scanner,
    n: usize,
    is_tried: impl Fn(&secrets::Kind) -> bool,
) -> (usize, Vec<String>) {
    let mut random = Random::new(1);
    let (mut total, mut seen) = (0, Vec::new());
    for kind in kinds().into_iter().filter(is_tried) {
        for _ in 0..n {
            let planted = Planted::of(&kind.name, &kind.hit, &mut random);
            for place in PLACES {
                total += 1;
                let text = place.replace('@', &planted.text);
                let (safe, found) = redact_with(scanner, &text, false);
                if found == 0 || planted.seen_in(&safe).is_some() {
                    seen.push(format!("{}: {safe}", kind.name));
                }
            }
        }
    }
    (total, seen)
}

#[test]
fn secrets_of_every_format_are_found_in_every_place() {
    let (total, seen) = seen(&scanner_of(RuleSet::Full), 10, |_| true);
    assert!(total >= 8_000, "{total}");
    // One in 200 may be missed.
    assert!(
        seen.len() * 200 <= total,
        "{} of {total}:\n{}",
        seen.len(),
        seen[..20.min(seen.len())].join("\n")
    );
    println!("{} of {total} are seen", seen.len());
    let (total, seen) = self::seen(&scanner_of(RuleSet::AlwaysOn), 10, |kind| kind.always);
    assert!(
        seen.len() * 200 <= total,
        "{} of {total}:\n{}",
        seen.len(),
        seen[..20.min(seen.len())].join("\n")
    );
}

#[test]
fn what_only_looks_alike_stays() {
    let scanner = scanner_of(RuleSet::Full);
    let mut random = Random::new(2);
    let mut wrong = Vec::new();
    for kind in kinds() {
        for _ in 0..10 {
            let text = Planted::of(&kind.name, &kind.miss, &mut random).text;
            let (safe, n) = redact_with(&scanner, &text, false);
            if n > 0 {
                wrong.push(format!("{}: {text} -> {safe}", kind.name));
            }
        }
    }
    wrong.dedup_by_key(|line| line.split(':').next().unwrap_or_default().to_owned());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_structure_gives_away_is_always_found() {
    let scanner = scanner_of(RuleSet::Full);
    let mut random = Random::new(3);
    let mut seen = Vec::new();
    for (kind, template) in STRUCTURES {
        for _ in 0..20 {
            let planted = Planted::of(kind, template, &mut random);
            // What stands in a text of JSON needs its own quotes; the others stand everywhere.
            for place in
                PLACES.iter().filter(|place| !template.contains('\n') || !place.contains('"'))
            {
                let text = place.replace('@', &planted.text);
                let (safe, n) = redact_with(&scanner, &text, false);
                if n == 0 || planted.seen_in(&safe).is_some() {
                    seen.push(format!("{kind}: {} -> {safe}", planted.text));
                }
            }
        }
    }
    assert!(seen.is_empty(), "{}:\n{}", seen.len(), seen[..20.min(seen.len())].join("\n"));
}

#[test]
fn ordinary_logs_stay_as_they_are() {
    let scanner = scanner_of(RuleSet::Full);
    let mut random = Random::new(4);
    let n_lines = 50_000;
    let mut wrong = Vec::new();
    for _ in 0..n_lines {
        let line = clean_line(&mut random);
        let (safe, n) = redact_with(&scanner, &line, false);
        if n > 0 {
            wrong.push(format!("{line} -> {safe}"));
        }
    }
    println!("{} of {n_lines} lines", wrong.len());
    // One of 10,000.
    assert!(
        wrong.len() * 10_000 <= n_lines,
        "{}:\n{}",
        wrong.len(),
        wrong[..20.min(wrong.len())].join("\n")
    );
}

#[test]
fn a_token_that_a_line_breaks_is_found() {
    let scanner = scanner_of(RuleSet::Full);
    let mut random = Random::new(5);
    let mut seen = Vec::new();
    let mut tried = 0;
    for kind in kinds().into_iter().filter(|kind| kind.is_token) {
        let planted = Planted::of(&kind.name, &kind.hit, &mut random);
        let least = kind.keyword.len() + 1;
        for at in (least..planted.text.len() - 1).step_by(7) {
            let (head, tail) = planted.text.split_at(at);
            for seam in ["\n", "\n    ", "\n2026-11-21T02:13:07.123456789Z "] {
                tried += 1;
                let text =
                    format!("2026-11-21T02:13:07.1Z INFO {:>50} {head}{seam}{tail}\nnext line", "");
                let (safe, _) = redact_with(&scanner, &text, false);
                let cut = Planted {
                    parts: vec![head[kind.keyword.len()..].to_owned(), tail.to_owned()],
                    ..planted.clone()
                };
                if cut.seen_in(&safe).is_some() || !safe.ends_with("next line") {
                    seen.push(format!("{}: {text:?} -> {safe:?}", kind.name));
                }
            }
        }
    }
    println!("{} of {tried} broken tokens are seen", seen.len());
    assert!(tried > 1_000, "{tried}");
    assert!(
        seen.len() * 200 <= tried,
        "{} of {tried}:\n{}",
        seen.len(),
        seen[..20.min(seen.len())].join("\n")
    );
}

/// Texts that are made to trouble the rules.
fn odd_text(random: &mut Random, kinds: &[secrets::Kind]) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(12) {
        match random.below(9) {
            0 => text.push_str(
                &Planted::of("", &random.one(&kinds.iter().collect::<Vec<_>>()).hit, random).text,
            ),
            1 => text.push_str(&Planted::of("", random.one(STRUCTURES_OF), random).text),
            2 => text.push_str(random.one(&[
                "password",
                "token",
                "SECRET",
                "key",
                "://",
                "eyJ",
                "bearer ",
                "PRIVATE KEY-----",
            ])),
            3 => text.push_str(random.one(&[
                "=", ": ", "\"", "'", "\\", "\\\"", "@", "\n", "\n  ", " ", ",", "{", "}", "a:b@c",
            ])),
            4 => text.push_str(&random.text("base64", 1 + 7)),
            5 => text.push_str(random.one(&[
                "\u{1b}[31m",
                "\u{202e}",
                "\u{200b}",
                "ä",
                "日本",
                "🎉",
                "\0",
                "\r",
            ])),
            6 => text.push_str(&clean_line(random)),
            7 => text.push(
                char::from_u32(u32::try_from(random.below(0x11_0000)).unwrap()).unwrap_or('?'),
            ),
            _ => text.push_str(random.one(&[
                "[redacted:jwt]",
                "***",
                "-----BEGIN PRIVATE KEY-----",
                "kind: Secret\n",
                "data:\n  a: b\n",
            ])),
        }
    }
    text
}

const STRUCTURES_OF: &[&str] =
    &["password={alnum:5}", "a://b:{alnum:3}@", "pwd:\"{digit:2}\"", "token: {url:9}"];

#[test]
fn whatever_it_is_given_once_is_enough_and_nothing_forbidden_is_left() {
    let kinds = kinds();
    let mut random = Random::new(6);
    for _ in 0..4_000 {
        let text = odd_text(&mut random, &kinds);
        let safe = make_safe(&text);
        assert!(safe.text.len() <= 2 * text.len(), "{text:?} -> {}", safe.text);
        let again = make_safe(&safe.text);
        assert_eq!(
            (again.redacted, again.removed),
            (0, Removed::default()),
            "{text:?} -> {:?} -> {:?}",
            safe.text,
            again.text
        );
    }
}

#[test]
fn no_text_is_costly_because_of_its_keywords() {
    let scanner = scanner_of(RuleSet::Full);
    for part in [
        "eyJ-",
        "://a:",
        "-us1",
        "sk-",
        "password:\"",
        "kind: Secret\n",
        "curl -u ",
        "\"kind\":\"Secret\"",
        "xoxb-\n",
        "token=token=",
    ] {
        let text = part.repeat((64 << 10) / part.len());
        let began = tokio::time::Instant::now();
        let (safe, _) = redact_with(&scanner, &text, false);
        assert!(!safe.is_empty());
        // A hundred times what it takes in a development build.
        assert!(began.elapsed().as_secs() < 20, "{part}: {:?}", began.elapsed());
        println!("{part:?} {:?}", began.elapsed());
    }
}

#[test]
fn rules_of_the_operators_own_hold_in_either_set() {
    let own = OwnRule {
        name: "shop-token".to_owned(),
        pattern: r"shop_[a-f0-9]{8}\b".to_owned(),
        keywords: vec!["shop_".to_owned()],
    };
    for rules in [RuleSet::Full, RuleSet::AlwaysOn] {
        let scanner = Scanner::new(&Redaction { rules, own: vec![own.clone()] });
        let (safe, n) = redact_with(&scanner, "with shop_0123abcd, not shop_name", false);
        assert_eq!((safe.as_ref(), n), ("with [redacted:shop-token], not shop_name", 1));
    }
}

#[test]
fn replaces_secrets_and_leaves_prose() {
    for (text, safe, n) in [
        ("all is well", "all is well", 0),
        ("login password=hunter2 ok", "login password=[redacted:named] ok", 1),
        (r#"{"db_password": "correct horse"}"#, r#"{"db_password": "[redacted:named]"}"#, 1),
        (r#"{\"token\":\"abc123\"}"#, r#"{\"token\":\"[redacted:named]\"}"#, 1),
        (r#"{"db_password": "swordfish"}"#, r#"{"db_password": "[redacted:named]"}"#, 1),
        ("token: expired", "token: expired", 0),
        ("secret=null", "secret=null", 0),
        ("id AKIAIOSFODNN7EXAMPLE used", "id [redacted:aws-access-key] used", 1),
        ("postgres://app:s3cr3t@db:5432/x", "postgres://app:[redacted:password]@db:5432/x", 1),
        (
            "Authorization: Bearer abcdefghijklmnop",
            "Authorization: Bearer [redacted:authorization]",
            1,
        ),
        ("see http://host:8080/path", "see http://host:8080/path", 0),
    ] {
        assert_eq!(redact(text), (safe.into(), n), "{text}");
        assert_eq!(redact(safe).1, 0, "again: {safe}");
    }
}

#[test]
fn an_invisible_character_hides_no_secret() {
    let safe = make_safe("pass\u{200b}word=hunt\u{1b}[0mer2");
    assert_eq!(safe.text, "password=[redacted:named]");
    assert!(safe.removed.total() > 0);
}

#[test]
fn a_private_key_goes_with_its_body() {
    let safe = make_safe(
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----\nnext",
    );
    assert_eq!(safe.text, "[redacted:private-key]\nnext");
}

#[test]
fn a_private_key_goes_where_each_line_has_a_time_and_where_its_ends_are_cut() {
    let time = "2026-11-21T02:13:07Z";
    let body = "MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW7tVqzKnWqkKq8p9X2H";
    let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
    for text in [
        format!("{time} {begin}\n{time} {body}\n{time} {body}\n{time} {end}\n{time} next"),
        format!("{time} before\n{time} {body}\n{time} {body}\n{time} {end}\n{time} next"),
        format!("{time} before\n{time} {begin}\n{time} {body}\n{time} {body}"),
    ] {
        let safe = make_safe(&text);
        assert!(!safe.text.contains("MIIE") && safe.redacted == 1, "{}", safe.text);
    }
}
