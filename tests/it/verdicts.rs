//! What may be done, against a second opinion in random worlds.

use std::time::Duration;

use toolgate::domain::decision::{ApprovalTerms, Verdict};
use toolgate::domain::mode::Mode;
use toolgate::domain::principal::Principal;
use toolgate::domain::scope::{Patterns, Scope, Target};
use toolgate::governance::guard::Guard;
use toolgate::governance::policy::{Approvals, Policy, Question};

use crate::oracle::{self, Above, Answer, Ask, Dice};

/// Worlds, and questions in each: a million questions where the code is optimised. Without, they take
/// minutes, and a tenth of them has to do.
const WORLDS: usize = if cfg!(debug_assertions) { 50 } else { 500 };
const QUESTIONS: usize = 2_000;

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
            let ApprovalTerms { approvers, reason_required, expires_after, .. } = terms;
            Answer::Ask((approvers, reason_required, expires_after.as_secs()))
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
    let halves = halves.map(|seed| std::thread::spawn(move || compared(seed, WORLDS / 2)));
    let mut given = [0; 3];
    for half in halves {
        for (sum, n) in given.iter_mut().zip(half.join().expect("the two agree")) {
            *sum += n;
        }
    }
    assert_eq!(given.iter().sum::<usize>(), WORLDS * QUESTIONS);
    // Each answer is given often enough to mean something.
    assert!(given.iter().all(|n| *n > WORLDS * QUESTIONS / 50), "{given:?}");
}
