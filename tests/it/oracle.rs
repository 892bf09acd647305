//! A second opinion on what may be done: the rules of mode, grant and policy, written again in plain
//! Rust from their documentation, and a generator of worlds to compare them in. It knows nothing of
//! Cedar, and shares no code with the host but words.

mod cedar;
mod dice;

pub(crate) use dice::Dice;

/// Subject, issuer, groups.
pub(crate) const PEOPLE: [(&str, &str, &[&str]); 4] = [
    ("alice", "os", &["sre"]),
    ("bob", "os", &["dev"]),
    ("carol", "https://id.example", &["dev", "sre"]),
    ("anonymous", "loopback", &[]),
];
const GROUPS: [&str; 3] = ["sre", "dev", "nobody"];
pub(crate) const PLUGINS: [&str; 2] = ["pods", "remediation"];
pub(crate) const TOOLS: [&str; 3] = ["list_pods", "restart_deployment", "prompt:triage"];
pub(crate) const CLUSTERS: [&str; 2] = ["prod", "dev"];
pub(crate) const NAMESPACES: [&str; 4] = ["shop", "bank", "kube-system", "kube-public"];
pub(crate) const NAMES: [&str; 3] = ["web-1", "db-0", "shop"];

/// Kind, and whether it is in namespaces.
pub(crate) const KINDS: [(&str, bool); 7] = [
    ("Pod", true),
    ("Deployment", true),
    ("Secret", true),
    ("Event", true),
    ("Certificate.cert-manager.io", true),
    ("Node", false),
    ("Namespace", false),
];

/// Verb, tier, and the capability that it is used with here.
pub(crate) const VERBS: [(&str, &str, &str); 12] = [
    ("get", "read", "kubernetes-read"),
    ("get", "read", "kubernetes-secret-values"),
    ("list", "read", "kubernetes-read"),
    ("get-log", "read", "kubernetes-logs"),
    ("restart", "reversible", "kubernetes-restart"),
    ("scale", "reversible", "kubernetes-scale"),
    ("rollback", "reversible", "kubernetes-rollback"),
    ("pause", "reversible", "kubernetes-pause"),
    ("resume", "reversible", "kubernetes-pause"),
    ("cordon", "reversible", "kubernetes-cordon"),
    ("uncordon", "reversible", "kubernetes-cordon"),
    ("delete", "destructive", "kubernetes-delete-pod"),
];

/// RFC 3339, day, seconds of the day: UTC.
pub(crate) const TIMES: [(&str, &str, u32); 4] = [
    ("2026-11-21T09:00:00Z", "saturday", 32_400),
    ("2026-11-23T07:59:59Z", "monday", 28_799),
    ("2026-11-23T08:00:00Z", "monday", 28_800),
    ("2026-11-25T23:30:00Z", "wednesday", 84_600),
];

/// One question, by places in the tables above.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub person: usize,
    pub plugin: usize,
    pub tool: usize,
    pub verb: usize,
    pub cluster: usize,
    pub namespace: Option<usize>,
    pub kind: usize,
    pub name: Option<usize>,
    pub time: usize,
}

impl Ask {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let kind = dice.below(KINDS.len());
        let in_namespace = KINDS[kind].1 && !dice.once_in(6);
        let named = (in_namespace || !KINDS[kind].1) && !dice.once_in(4);
        Self {
            person: dice.below(PEOPLE.len()),
            plugin: dice.below(PLUGINS.len()),
            tool: dice.below(TOOLS.len()),
            verb: dice.below(VERBS.len()),
            cluster: dice.below(CLUSTERS.len()),
            namespace: in_namespace.then(|| dice.below(NAMESPACES.len())),
            kind,
            name: named.then(|| dice.below(NAMES.len())),
            time: dice.below(TIMES.len()),
        }
    }

    fn kind(self) -> &'static str {
        KINDS[self.kind].0
    }

    fn name(self) -> Option<&'static str> {
        self.name.map(|n| NAMES[n])
    }

    /// A namespace, as an object, lies in itself.
    fn namespace(self) -> Option<&'static str> {
        let own = self.name().filter(|_| self.kind() == "Namespace");
        self.namespace.map(|n| NAMESPACES[n]).or(own)
    }

    fn is_whole(self) -> bool {
        self.namespace.is_none() && KINDS[self.kind].1
    }
}

/// What is written in toolgate.toml above the rules.
#[derive(Debug, Clone)]
pub(crate) struct Above {
    pub read_only: bool,
    pub dry_run: bool,
    pub namespaces: &'static [&'static str],
    /// Clusters, namespaces, kinds, names; none where there is no grant.
    pub grant: Option<[&'static [&'static str]; 4]>,
}

impl Above {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let grant = [
            dice.one(&[&["*"][..], &["*"], &["*"], &["*"], &["prod"], &["d*", "x"]]),
            dice.one(&[
                &["*"][..],
                &["*"],
                &["*"],
                &["*"],
                &["shop"],
                &["kube-*", "bank"],
                &["*o*"],
            ]),
            dice.one(&[&["*"][..], &["*"], &["Pod", "Secret"], &["*.cert-manager.io", "N*"]]),
            dice.one(&[&["*"][..], &["*"], &["*"], &["*"], &["web-*"], &["*-0", "shop"]]),
        ];
        Self {
            read_only: dice.once_in(4),
            dry_run: dice.once_in(4),
            namespaces: dice.one(&[&["*"][..], &["*"], &["shop", "kube-*"]]),
            grant: (!dice.once_in(12)).then_some(grant),
        }
    }
}

/// What a rule is about.
#[derive(Debug, Clone)]
enum Place {
    Anywhere,
    Cluster(&'static str),
    Namespace(&'static str, &'static str),
    Object(&'static str, &'static str, &'static str, &'static str),
}

#[derive(Debug, Clone)]
enum Test {
    Namespace(&'static str),
    NamespaceLike(&'static str),
    Name(&'static str),
    NameLike(&'static str),
    Kind(&'static str),
    Tool(&'static str),
    Plugin(&'static str),
    Capability(&'static str),
    Tier(&'static str),
    Subject(&'static str),
    Group(&'static str),
    In(Place),
    Day(&'static str),
    Hours(u32, u32),
    DryRun,
    ApprovalsRequired,
    /// A sum that is too large for the language: an error, where it is reached.
    Fails,
    Not(Box<Test>),
    Both(Box<Test>, Box<Test>),
    Either(Box<Test>, Box<Test>),
}

#[derive(Debug, Clone)]
enum Who {
    Anybody,
    User(usize),
    Group(&'static str),
}

/// What a yes takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) people: u8,
    pub(crate) reason: bool,
    pub(crate) wait_s: u64,
    /// Whether whoever asked may be one of the people, and whether it may be their client.
    pub(crate) own: (bool, bool),
}

/// What a rule asks for that says no more than that it asks.
const USUAL: Terms = Terms { people: 1, reason: false, wait_s: WAITS_S, own: (false, false) };

#[derive(Debug, Clone)]
struct Rule {
    permits: bool,
    who: Who,
    /// Verbs and groups of them; none is all.
    actions: Option<Vec<&'static str>>,
    place: Place,
    when: Option<Test>,
    unless: Option<Test>,
    asks: Option<Terms>,
}

/// Rules, and what `approvals.required` says.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    rules: Vec<Rule>,
    pub approvals_required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Allow,
    Ask(Terms),
    Deny,
}

/// Seconds that a request waits where its rule does not say.
pub(crate) const WAITS_S: u64 = 600;

/// `*` for any letters: the slow way, which is easy to believe.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).any(|at| like(tail, &rest[at..]))),
    }
}

fn any_like(patterns: &[&str], text: &str) -> bool {
    patterns.iter().any(|pattern| like(pattern, text))
}

fn covers(action: &str, verb: usize) -> bool {
    let (word, tier, _) = VERBS[verb];
    action == word || action == tier || (action == "write" && tier != "read")
}

/// Mode, then grant, then rules.
pub(crate) fn decide(above: &Above, policy: &Policy, ask: Ask) -> Answer {
    let writes = VERBS[ask.verb].1 != "read";
    if writes && above.read_only && !above.dry_run {
        return Answer::Deny;
    }
    let Some([clusters, namespaces, kinds, names]) = above.grant else { return Answer::Deny };
    for allowed in [above.namespaces, namespaces] {
        let is_all = allowed.contains(&"*");
        if (ask.is_whole() && !is_all) || ask.namespace().is_some_and(|n| !any_like(allowed, n)) {
            return Answer::Deny;
        }
    }
    let kind = ask.kind();
    let covers_kind = match kind {
        "Event" => true,
        "Secret" => kinds.contains(&"Secret"),
        _ => kinds.iter().any(|p| p.contains('.') == kind.contains('.') && like(p, kind)),
    };
    if !covers_kind
        || !any_like(clusters, CLUSTERS[ask.cluster])
        || ask.name().is_some_and(|name| !any_like(names, name))
    {
        return Answer::Deny;
    }
    policy.decide(ask, above.dry_run)
}

impl Policy {
    fn decide(&self, ask: Ask, dry_run: bool) -> Answer {
        let about = |rule: &&Rule| rule.covers(ask.verb);
        if ask.is_whole() && self.rules.iter().filter(about).any(Rule::speaks_of_namespaces) {
            return Answer::Deny;
        }
        let (mut permitted, mut asks) = (false, None::<Terms>);
        let mut forbidden = false;
        for rule in self.rules.iter().filter(|rule| rule.is_aimed_at(ask)) {
            let facts = Facts { ask, dry_run, approvals_required: self.approvals_required };
            let Some(applies) = rule.applies(facts) else { return Answer::Deny };
            if !applies {
                continue;
            }
            if !rule.permits {
                forbidden = true;
                continue;
            }
            permitted = true;
            let Some(more) = rule.asks else { continue };
            let terms = asks.get_or_insert(more);
            terms.people = terms.people.max(more.people);
            terms.wait_s = terms.wait_s.min(more.wait_s);
            // What one of them wants is wanted; what one of them does not allow is not allowed.
            if more.reason {
                terms.reason = true;
            }
            if !more.own.0 {
                terms.own.0 = false;
            }
            if !more.own.1 {
                terms.own.1 = false;
            }
        }
        match (permitted && !forbidden, asks) {
            (false, _) => Answer::Deny,
            (true, Some(terms)) => Answer::Ask(terms),
            (true, None) if VERBS[ask.verb].1 == "destructive" => {
                Answer::Ask(Terms { own: (true, false), ..USUAL })
            }
            (true, None) => Answer::Allow,
        }
    }
}

#[derive(Clone, Copy)]
struct Facts {
    ask: Ask,
    dry_run: bool,
    approvals_required: bool,
}

impl Rule {
    fn covers(&self, verb: usize) -> bool {
        self.actions.as_ref().is_none_or(|actions| actions.iter().any(|a| covers(a, verb)))
    }

    fn is_aimed_at(&self, ask: Ask) -> bool {
        let who = match self.who {
            Who::Anybody => true,
            Who::User(person) => person == ask.person,
            Who::Group(group) => PEOPLE[ask.person].2.contains(&group),
        };
        who && self.covers(ask.verb) && self.place.holds(ask)
    }

    /// None where it cannot be said.
    fn applies(&self, facts: Facts) -> Option<bool> {
        if let Some(test) = &self.when
            && !test.holds(facts)?
        {
            return Some(false);
        }
        match &self.unless {
            Some(test) => Some(!test.holds(facts)?),
            None => Some(true),
        }
    }

    fn speaks_of_namespaces(&self) -> bool {
        self.place.speaks_of_namespaces()
            || [&self.when, &self.unless].into_iter().flatten().any(Test::speaks_of_namespaces)
    }
}

impl Place {
    fn holds(&self, ask: Ask) -> bool {
        let cluster = CLUSTERS[ask.cluster];
        match *self {
            Self::Anywhere => true,
            Self::Cluster(c) => c == cluster,
            Self::Namespace(c, n) => c == cluster && ask.namespace() == Some(n),
            Self::Object(c, n, kind, name) => {
                let namespace = ask.namespace.map(|n| NAMESPACES[n]);
                c == cluster
                    && namespace == Some(n)
                    && kind == ask.kind()
                    && ask.name() == Some(name)
            }
        }
    }

    fn speaks_of_namespaces(&self) -> bool {
        matches!(self, Self::Namespace(..) | Self::Object(..))
    }

    fn random(dice: &mut Dice) -> Self {
        let (cluster, namespace) = (dice.one(&CLUSTERS), dice.one(&NAMESPACES));
        match dice.below(4) {
            0 => Self::Cluster(cluster),
            1 | 2 => Self::Namespace(cluster, namespace),
            _ => Self::Object(cluster, namespace, dice.one(&KINDS).0, dice.one(&NAMES)),
        }
    }
}

impl Test {
    fn holds(&self, facts: Facts) -> Option<bool> {
        let Facts { ask, dry_run, approvals_required } = facts;
        let (subject, _, groups) = PEOPLE[ask.person];
        let (_, tier, capability) = VERBS[ask.verb];
        let (_, day, second) = TIMES[ask.time];
        Some(match self {
            Self::Namespace(n) => ask.namespace() == Some(*n),
            Self::NamespaceLike(p) => ask.namespace().is_some_and(|n| like(p, n)),
            Self::Name(n) => ask.name() == Some(*n),
            Self::NameLike(p) => ask.name().is_some_and(|n| like(p, n)),
            Self::Kind(kind) => ask.kind() == *kind,
            Self::Tool(tool) => TOOLS[ask.tool] == *tool,
            Self::Plugin(plugin) => PLUGINS[ask.plugin] == *plugin,
            Self::Capability(word) => capability == *word,
            Self::Tier(word) => tier == *word,
            Self::Subject(word) => subject == *word,
            Self::Group(group) => groups.contains(group),
            Self::In(place) => place.holds(ask),
            Self::Day(word) => day == *word,
            Self::Hours(from, to) => (from * 3_600..to * 3_600).contains(&second),
            Self::DryRun => dry_run,
            Self::ApprovalsRequired => approvals_required,
            Self::Fails => return None,
            Self::Not(test) => !test.holds(facts)?,
            Self::Both(a, b) => a.holds(facts)? && b.holds(facts)?,
            Self::Either(a, b) => a.holds(facts)? || b.holds(facts)?,
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others speak of something else")]
    fn speaks_of_namespaces(&self) -> bool {
        match self {
            Self::Namespace(_) | Self::NamespaceLike(_) => true,
            Self::In(place) => place.speaks_of_namespaces(),
            Self::Not(test) => test.speaks_of_namespaces(),
            Self::Both(a, b) | Self::Either(a, b) => {
                a.speaks_of_namespaces() || b.speaks_of_namespaces()
            }
            _ => false,
        }
    }

    fn random(dice: &mut Dice, depth: usize) -> Self {
        let inner = |dice: &mut Dice| Box::new(Self::random(dice, depth - 1));
        if depth > 0 && dice.once_in(2) {
            return match dice.below(3) {
                0 => Self::Not(inner(dice)),
                1 => Self::Both(inner(dice), inner(dice)),
                _ => Self::Either(inner(dice), inner(dice)),
            };
        }
        match dice.below(18) {
            0 => Self::Namespace(dice.one(&NAMESPACES)),
            1 => Self::NamespaceLike(dice.one(&["kube-*", "*o*", "s*p"])),
            2 => Self::Name(dice.one(&NAMES)),
            3 => Self::NameLike(dice.one(&["web-*", "*-*", "*"])),
            4 | 5 => Self::Kind(dice.one(&KINDS).0),
            6 => Self::Tool(dice.one(&TOOLS)),
            7 => Self::Plugin(dice.one(&PLUGINS)),
            8 => Self::Capability(dice.one(&VERBS).2),
            9 => Self::Tier(dice.one(&VERBS).1),
            10 => Self::Subject(dice.one(&PEOPLE).0),
            11 => Self::Group(dice.one(&GROUPS)),
            12 => Self::In(Place::random(dice)),
            13 if dice.once_in(3) => Self::Day(dice.one(&TIMES).1),
            14 if dice.once_in(3) => {
                let from = u32::try_from(dice.below(20)).unwrap();
                Self::Hours(from, from + 4)
            }
            15 => Self::DryRun,
            16 => Self::ApprovalsRequired,
            17 if dice.once_in(8) => Self::Fails,
            _ => Self::Kind("Pod"),
        }
    }
}

impl Policy {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let mut rules: Vec<Rule> = (0..dice.below(6)).map(|_| Rule::random(dice)).collect();
        // Most operators permit something to everybody, or all the rest would be about nothing.
        if !dice.once_in(6) {
            rules.push(Rule::broad(dice));
        }
        Self { rules, approvals_required: dice.once_in(2) }
    }
}

impl Rule {
    /// A permit without conditions: of everything, or of writes, with or without a person.
    fn broad(dice: &mut Dice) -> Self {
        let writes = dice.once_in(2);
        Self {
            permits: true,
            who: Who::Anybody,
            actions: writes.then(|| vec!["write"]),
            place: Place::Anywhere,
            when: None,
            unless: None,
            asks: writes.then_some(Terms { own: (true, true), ..USUAL }),
        }
    }

    fn random(dice: &mut Dice) -> Self {
        const ACTIONS: [&str; 6] =
            ["read", "write", "reversible", "destructive", "write", "reversible"];
        let who = match dice.below(4) {
            0 | 1 => Who::Anybody,
            2 => Who::User(dice.below(PEOPLE.len())),
            _ => Who::Group(dice.one(&GROUPS)),
        };
        let actions = match dice.below(5) {
            0 | 1 => None,
            2 => Some(vec![dice.one(&ACTIONS)]),
            3 => Some(vec![dice.one(&VERBS).0]),
            _ => Some(vec![dice.one(&VERBS).0, dice.one(&ACTIONS)]),
        };
        let permits = !dice.once_in(4);
        let is_write = |action: &str| {
            (0..VERBS.len()).all(|verb| !covers(action, verb) || VERBS[verb].1 != "read")
        };
        let may_ask =
            permits && actions.as_ref().is_some_and(|all| all.iter().all(|a| is_write(a)));
        let place = if dice.once_in(3) { Place::random(dice) } else { Place::Anywhere };
        Self {
            permits,
            who,
            actions,
            place,
            when: dice.once_in(2).then(|| Test::random(dice, 2)),
            unless: dice.once_in(4).then(|| Test::random(dice, 1)),
            asks: (may_ask && !dice.once_in(3)).then(|| {
                let people = u8::try_from(dice.below(5) + 1).unwrap();
                let (reason, wait_s) = (dice.once_in(2), dice.one(&[60, 300, 600, 3_600]));
                Terms { people, reason, wait_s, own: (dice.once_in(2), dice.once_in(2)) }
            }),
        }
    }
}
