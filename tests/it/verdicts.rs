//! What may be done, as a whole: against a second opinion in random worlds, and every use that the
//! shipped plugins can make as a table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect_file;
use jiff::Timestamp;
use toolgate::domain::capability::Capability;
use toolgate::domain::decision::{ApprovalTerms, Verdict};
use toolgate::domain::grant::Grants;
use toolgate::domain::kind;
use toolgate::domain::manifest::{Manifest, highest};
use toolgate::domain::mode::Mode;
use toolgate::domain::principal::Principal;
use toolgate::domain::rates::Rates;
use toolgate::domain::scope::{Patterns, Scope, Target};
use toolgate::governance::admission::{Governor, Offer};
use toolgate::governance::guard::Guard;
use toolgate::governance::policy::{Approvals, Policy, Question, kinds_of, verbs_of};
use toolgate::sandbox::{self, Terms};
use toolgate::schema::Schema;
use toolgate_tests::Part;

use crate::oracle::{self, Above, Answer, Ask, Dice};

/// Questions in each world.
const QUESTIONS: usize = 2_000;

/// Where this is set, unoptimised code is asked a million questions too.
const MILLION: &str = "TOOLGATE_TEST_MILLION";

/// A million questions where the code is optimised. Without, they take minutes, and a tenth of them
/// has to do unless somebody asks for all.
#[expect(clippy::disallowed_methods, reason = "how much is asked is no setting of the product")]
fn worlds() -> usize {
    let is_quick = cfg!(debug_assertions) && std::env::var_os(MILLION).is_none();
    if is_quick { 50 } else { 500 }
}

fn patterns(words: &[&str]) -> Patterns {
    Patterns::new(words.iter().map(|word| (*word).to_owned())).unwrap()
}

fn approvals(required: bool) -> Approvals {
    Approvals { required, expires_after: Duration::from_secs(oracle::WAITS_S) }
}

fn person(at: usize) -> Principal {
    let (subject, issuer, groups) = oracle::PEOPLE[at];
    Principal {
        subject: subject.to_owned(),
        issuer: issuer.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

/// What the host says.
fn decided(above: &Above, scope: Option<&Scope>, mode: &Mode, policy: &Policy, ask: Ask) -> Answer {
    let (verb, _, capability) = oracle::VERBS[ask.verb];
    let (kind, is_namespaced) = oracle::KINDS[ask.kind];
    let target = Target {
        cluster: oracle::CLUSTERS[ask.cluster].parse().unwrap(),
        namespace: ask.namespace.map(|n| oracle::NAMESPACES[n].parse().unwrap()),
        kind: kind.into(),
        name: ask.name.map(|n| oracle::NAMES[n].to_owned()),
    };
    let question = Question {
        principal: &person(ask.person),
        plugin: &oracle::PLUGINS[ask.plugin].parse().unwrap(),
        digest: "0",
        tool: oracle::TOOLS[ask.tool],
        capability: capability.parse().unwrap(),
        verb,
        target: &target,
        dry_run: above.dry_run,
        at: oracle::TIMES[ask.time].0.parse().unwrap(),
    };
    match (Guard { mode, scope, policy }).decide(&question, is_namespaced) {
        Verdict::Allow { .. } => Answer::Allow,
        Verdict::Deny { .. } => Answer::Deny,
        Verdict::Ask { terms, .. } => {
            let ApprovalTerms {
                approvers,
                reason_required,
                requester_may_approve,
                caller_may_confirm,
                expires_after,
            } = terms;
            Answer::Ask(oracle::Terms {
                people: approvers,
                reason: reason_required,
                wait_s: expires_after.as_secs(),
                own: (requester_may_approve, caller_may_confirm),
            })
        }
    }
}

/// Compares the two in so many worlds; how often each answer was given.
fn compared(seed: u64, worlds: usize) -> [usize; 3] {
    let mut dice = Dice(seed);
    let mut given = [0; 3];
    for world in 0..worlds {
        let (rules, above) = (oracle::Policy::random(&mut dice), Above::random(&mut dice));
        let text = rules.text();
        let policy = Policy::parse(&text, "`random.cedar`", approvals(rules.approvals_required))
            .unwrap_or_else(|error| panic!("seed {seed} world {world}: {error}\n{text}"));
        let mode = Mode {
            read_only: above.read_only,
            dry_run: above.dry_run,
            namespaces: patterns(above.namespaces),
        };
        let scope = above.grant.map(|[clusters, namespaces, kinds, names]| Scope {
            clusters: patterns(clusters),
            namespaces: patterns(namespaces),
            kinds: patterns(kinds),
            names: patterns(names),
        });
        for _ in 0..QUESTIONS {
            let ask = Ask::random(&mut dice);
            let expected = oracle::decide(&above, &rules, ask);
            let found = decided(&above, scope.as_ref(), &mode, &policy, ask);
            assert_eq!(found, expected, "seed {seed} world {world}\n{ask:?}\n{above:?}\n{text}");
            given[match expected {
                Answer::Allow => 0,
                Answer::Ask(_) => 1,
                Answer::Deny => 2,
            }] += 1;
        }
    }
    given
}

/// A promise of SECURITY.md: a second opinion on a million questions, and none of them open.
#[test]
fn random_decisions_are_those_of_an_independent_oracle() {
    let halves = [0x9e37_79b9_7f4a_7c15, 0x2545_f491_4f6c_dd1d];
    let worlds = worlds();
    let halves = halves.map(|seed| std::thread::spawn(move || compared(seed, worlds / 2)));
    let mut given = [0; 3];
    for half in halves {
        for (sum, n) in given.iter_mut().zip(half.join().expect("the two agree")) {
            *sum += n;
        }
    }
    assert_eq!(given.iter().sum::<usize>(), worlds * QUESTIONS);
    // Each answer is given often enough to mean something.
    assert!(given.iter().all(|n| *n > worlds * QUESTIONS / 50), "{given:?}");
}

/// Every plugin that comes with Toolgate.
fn shipped() -> Vec<(Manifest, String)> {
    let folder = tempfile::tempdir().unwrap();
    let plugins = toolgate_tests::repository().join("plugins");
    for entry in std::fs::read_dir(plugins).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        Part::find(&format!("plugins/{name}")).lay_out(folder.path());
    }
    let mut grants = Grants::default();
    for capability in Capability::ALL.into_iter().filter(|capability| capability.needs_grant()) {
        grants.give(capability, Scope::all());
    }
    let terms = |_: &_| Terms { grants: grants.clone(), ..Terms::default() };
    let (plugins, failures) = sandbox::check(folder.path(), terms).unwrap();
    assert!(failures.is_empty(), "{failures:?}");
    plugins.into_iter().map(|found| (found.manifest, "0".repeat(64))).collect()
}

const RULES: &str = r#"
    permit (principal, action in Action::"read", resource);
    @id("sre") @approval("required")
    permit (principal in Group::"sre", action in Action::"write", resource);
    @id("two") @approval("required") @approvers("2")
    permit (principal in Group::"sre", action in Action::"write", resource)
    when { resource.kind == "StatefulSet" };
    @id("bank") forbid (principal, action, resource)
    when { resource has namespace && resource.namespace == "bank" }
    unless { principal in Group::"sre" };
    @id("kube") forbid (principal, action in Action::"write", resource)
    when { resource has namespace && resource.namespace like "kube-*" };
"#;

const HEAD: &str = "\
What every tool of the shipped plugins may do, by who asks, capability, place and mode. Written by
tests/it/verdicts.rs; `UPDATE_EXPECT=1 cargo test` writes it anew.

  +  allowed              m  against the mode      .  the tool is hidden, and its calls are refused
  ?  a person is asked    g  outside of the grant
  2  two people are       p  against the policy

Columns: five places in each of four modes. The places: an object in `shop`, `bank`, `kube-system` and
`dev`, of which `dev` is not granted, and all namespaces at once where they are. The modes: as shipped
(read-only), writing, dry run, writing in `shop` only. A node is the same node in each place.

";
const PLACES: [Option<&str>; 5] =
    [Some("shop"), Some("bank"), Some("kube-system"), Some("dev"), None];

#[test]
fn what_every_shipped_tool_may_do() {
    let mut text = HEAD.to_owned();
    let shipped = shipped();
    let default = Arc::new(Policy::shipped(approvals(true)).unwrap());
    let rules = Arc::new(Policy::parse(RULES, "`rules.cedar`", approvals(true)).unwrap());
    let people: [(&str, &Arc<Policy>, Principal); 4] = [
        ("anybody, by the rules that come with Toolgate", &default, person(1)),
        ("alice of sre, by the rules below", &rules, person(0)),
        ("bob of dev, by the rules below", &rules, person(1)),
        ("an anonymous caller of the loopback listener, by the rules below", &rules, person(3)),
    ];
    for (who, policy, principal) in &people {
        let _ = writeln!(text, "== {who}\n");
        let _ = writeln!(
            text,
            "{:<26} {:<27} {:<10} {:<12} shipped writes  dry-run shop",
            "tool", "capability", "verb", "kind"
        );
        for (manifest, digest) in &shipped {
            rows(&mut text, manifest, digest, policy, principal);
        }
        text.push('\n');
    }
    let rules: Vec<&str> = RULES.trim().lines().map(str::trim_start).collect();
    let _ = writeln!(text, "== the rules\n\n{}", rules.join("\n"));
    expect_file!["../snapshots/decision-matrix.txt"].assert_eq(&text);
}

fn modes() -> [Mode; 4] {
    let writing = Mode { read_only: false, ..Mode::default() };
    [
        Mode::default(),
        writing.clone(),
        Mode { dry_run: true, ..Mode::default() },
        Mode { namespaces: patterns(&["shop"]), ..writing },
    ]
}

fn rows(
    text: &mut String,
    manifest: &Manifest,
    digest: &str,
    policy: &Arc<Policy>,
    who: &Principal,
) {
    let scope = Scope {
        namespaces: patterns(&["shop", "bank", "kube-*"]),
        kinds: patterns(&["*", "Secret"]),
        ..Scope::all()
    };
    let whole = Scope { namespaces: Patterns::all(), ..scope.clone() };
    for (tool, uses) in &manifest.tools {
        let offer = offer(manifest, digest, uses);
        for capability in uses {
            for verb in verbs_of(*capability) {
                for kind in kinds_of(*capability) {
                    let columns = modes().map(|mode| {
                        let governor =
                            Governor::new(mode.clone(), Arc::clone(policy), Rates::default());
                        let admitted = governor.admits(who, &offer).is_ok();
                        PLACES
                            .map(|place| {
                                let target = target(verb, kind, place);
                                let scope = if place.is_none() { &whole } else { &scope };
                                let question = Question {
                                    principal: who,
                                    plugin: &manifest.id,
                                    digest,
                                    tool: tool.as_str(),
                                    capability: *capability,
                                    verb,
                                    target: &target,
                                    dry_run: mode.dry_run,
                                    at: Timestamp::UNIX_EPOCH,
                                };
                                let guard = Guard { mode: &mode, scope: Some(scope), policy };
                                let is_namespaced =
                                    kind::own(kind).is_none_or(|kind| kind.namespaced);
                                let verdict = guard.decide(&question, is_namespaced);
                                if admitted { letter(&verdict) } else { '.' }
                            })
                            .iter()
                            .collect::<String>()
                    });
                    let _ = writeln!(
                        text,
                        "{:<26} {:<27} {verb:<10} {kind:<12} {}",
                        tool.as_str(),
                        capability.as_str(),
                        columns.map(|column| format!("{column:<7}")).join(" ").trim_end()
                    );
                }
            }
        }
    }
}

fn target(verb: &str, kind: &str, place: Option<&str>) -> Target {
    let is_namespaced = kind::own(kind).is_none_or(|kind| kind.namespaced);
    let place = place.filter(|_| is_namespaced);
    let named = verb != "list" && (place.is_some() || !is_namespaced);
    Target {
        cluster: "prod".parse().unwrap(),
        namespace: place.map(|place| place.parse().unwrap()),
        kind: kind.to_owned().into(),
        name: named.then(|| "web-1".to_owned()),
    }
}

fn offer(manifest: &Manifest, digest: &str, uses: &BTreeSet<Capability>) -> Offer {
    Offer {
        plugin: manifest.id.clone(),
        digest: digest.to_owned(),
        uses: uses.clone(),
        tier: highest(uses),
        arguments: Schema::compile(r#"{"type":"object"}"#).unwrap(),
    }
}

fn letter(verdict: &Verdict) -> char {
    match verdict {
        Verdict::Allow { .. } => '+',
        Verdict::Ask { terms, .. } if terms.approvers == 1 => '?',
        Verdict::Ask { terms, .. } => char::from_digit(terms.approvers.into(), 10).unwrap(),
        Verdict::Deny { rule } if rule.id.starts_with("mode.") => 'm',
        Verdict::Deny { rule } if rule.id.starts_with("grants.") => 'g',
        Verdict::Deny { .. } => 'p',
    }
}
