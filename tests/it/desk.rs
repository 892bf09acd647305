//! The desk alone: what an answer has to be to count, whoever forges one, and a model of its states.

mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use toolgate::capability::{CapabilityError, Clock, WriteRequest};
use toolgate::domain::decision::{ApprovalTerms, Rule};
use toolgate::domain::name::ApprovalId;
use toolgate::domain::principal::Principal;
use toolgate::domain::scope::{Patterns, Scope};
use toolgate::domain::write::{Body, Plan, Verb, Version, WorkloadKind, WorkloadRef, WriteTarget};
use toolgate::governance::approval::{
    Answer, Answers, ApprovalError, Approver, Channel, Desk, Key, Settled, Status, Submitted,
    Ticket,
};

/// Who asks for the n-th deployment.
pub(crate) fn request(who: &str, name: &str) -> WriteRequest {
    WriteRequest {
        call: "call000000000001".parse().unwrap(),
        principal: Principal::local(who),
        on_behalf_of: None,
        plugin: "remediation".parse().unwrap(),
        digest: "0".repeat(64),
        tool: "restart_deployment".parse().unwrap(),
        verb: Verb::Restart,
        target: WriteTarget::Workload(WorkloadRef {
            cluster: "demo".parse().unwrap(),
            kind: WorkloadKind::Deployment,
            namespace: "shop".parse().unwrap(),
            name: name.parse().unwrap(),
        }),
        scope: Scope {
            clusters: Patterns::all(),
            namespaces: Patterns::all(),
            kinds: Patterns::all(),
            names: Patterns::all(),
        },
        reason: None,
        resumes: false,
    }
}

pub(crate) fn plan(request: &WriteRequest) -> Plan {
    Plan {
        verb: request.verb,
        target: request.target.clone(),
        uid: "u1".to_owned(),
        version: Version::Generation(3),
        changes: Vec::new(),
        pods: Vec::new(),
        pods_total: 0,
        replicas_left: None,
        budgets: Vec::new(),
        warnings: Vec::new(),
        owner: None,
        body: Body::new("{}"),
    }
}

/// A folder, a clock that the test turns, and the desks that come and go over it.
struct Office {
    state: tempfile::TempDir,
    now: Arc<AtomicI64>,
    n_desks: u32,
}

impl Office {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        Self { state, now: Arc::new(AtomicI64::new(1_800_000_000)), n_desks: 0 }
    }

    fn folder(&self) -> PathBuf {
        self.state.path().join("approvals")
    }

    fn clock(&self) -> Arc<dyn Clock> {
        let now = Arc::clone(&self.now);
        Arc::new(move || Timestamp::from_second(now.load(Ordering::SeqCst)).unwrap())
    }

    fn desk(&mut self) -> Desk {
        self.n_desks += 1;
        Desk::open(&self.folder(), format!("desk{}", self.n_desks), self.clock()).unwrap()
    }

    fn answers(&self) -> Answers {
        Answers::open(&self.folder(), self.clock()).unwrap()
    }

    fn wait(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Writes a file as the account could that the server runs under, past everything.
    fn plant(&self, id: &ApprovalId, name: &str, text: &str) {
        let folder = self.folder().join(format!("{id}.answers"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn status(&self, id: &ApprovalId) -> Status {
        self.answers().find(id).unwrap().status
    }
}

fn says(approve: bool, by: &str) -> Answer {
    let by: Approver = by.parse().unwrap();
    Answer { approve, by, channel: Channel::Console, reason: None }
}

fn submit(desk: &Desk, who: &str, name: &str, terms: &ApprovalTerms) -> Ticket {
    let request = request(who, name);
    let plan = plan(&request);
    let key = Key::from(&request);
    let rule = Rule::named("writes-need-approval");
    let Submitted { ticket, .. } = desk.submit(request, plan, rule, terms.clone()).unwrap();
    desk.announce(&key, &ticket.id);
    ticket
}

fn told(desk: &Desk) -> Vec<(ApprovalId, Status, Option<String>)> {
    desk.collect().into_iter().map(|d| (d.ticket.id, d.status, d.by)).collect()
}

fn no_because(by: &str) -> Answer {
    Answer { reason: Some("no".to_owned()), ..says(false, by) }
}

/// Two other people, each with a reason.
fn strict() -> ApprovalTerms {
    ApprovalTerms {
        approvers: 2,
        reason_required: true,
        requester_may_approve: false,
        caller_may_confirm: false,
        expires_after: Duration::from_mins(10),
    }
}

#[test]
fn it_takes_as_many_people_as_the_terms_say() {
    let mut office = Office::new();
    let (desk, answers) = (office.desk(), office.answers());
    let id = submit(&desk, "alice", "web", &strict()).id;
    let seen = answers.find(&id).unwrap();
    assert_eq!((seen.status, seen.missing), (Status::Pending, 2));
    let give = |answer: Answer| answers.answer(&id, &seen.request_sha256, answer);
    let because = |by: &str| Answer { reason: Some("INC-1".to_owned()), ..says(true, by) };

    let without = give(says(true, "bob@os")).unwrap_err();
    assert!(matches!(without, ApprovalError::ReasonRequired(_)), "{without}");
    let own = give(because("alice@os")).unwrap_err();
    assert!(matches!(own, ApprovalError::SelfApproval { .. }), "{own}");
    let client = give(Answer { channel: Channel::Client, ..because("bob@os") }).unwrap_err();
    assert!(matches!(client, ApprovalError::SelfApproval { .. }), "{client}");
    let other = answers.answer(&id, &"0".repeat(64), because("bob@os")).unwrap_err();
    assert!(matches!(other, ApprovalError::Altered(_)), "{other}");
    let long = Answer { reason: Some("x".repeat(501)), ..says(true, "bob@os") };
    assert!(matches!(give(long).unwrap_err(), ApprovalError::Reason));
    let nobody = "nobody22nobody22".parse().unwrap();
    let unknown = answers.answer(&nobody, "", because("bob@os")).unwrap_err();
    assert!(matches!(unknown, ApprovalError::Unknown(_)), "{unknown}");
    assert_eq!(answers.find(&id).unwrap().missing, 2, "none of them counts");

    assert_eq!(give(because("bob@os")).unwrap().missing, 1);
    for again in ["bob@os", "Bob@OS"] {
        let again = give(because(again)).unwrap_err();
        assert!(matches!(again, ApprovalError::AlreadyAnswered { .. }), "{again}");
    }
    assert_eq!(told(&desk), []);
    assert_eq!(give(because("carol@os")).unwrap().status, Status::Approved);
    let both = Some("bob@os, carol@os".to_owned());
    assert_eq!(told(&desk), [(id.clone(), Status::Approved, both)]);
    assert_eq!(office.status(&id), Status::Executing);
    let late = give(Answer { approve: false, ..because("dave@os") }).unwrap_err();
    assert!(matches!(late, ApprovalError::Over { status: Status::Executing, .. }), "{late}");
    assert_eq!(told(&desk), [], "once");
}

/// Whoever drops answers does not wait until the request is on record; what is executed does.
#[test]
fn no_answer_counts_before_the_request_is_announced() {
    let mut office = Office::new();
    let (desk, answers) = (office.desk(), office.answers());
    let terms = ApprovalTerms::default();
    let submit = || {
        let request = request("alice", "web");
        let plan = plan(&request);
        let key = Key::from(&request);
        let rule = Rule::named("writes-need-approval");
        (key, desk.submit(request, plan, rule, terms.clone()).unwrap())
    };
    let yes = |id: &ApprovalId| {
        let digest = answers.find(id).unwrap().request_sha256;
        answers.answer(id, &digest, says(true, "bob@os")).unwrap();
    };
    let (key, first) = submit();
    yes(&first.ticket.id);
    let (_, second) = submit();
    assert!(second.is_anothers && !first.is_anothers, "one request, and one who announces it");
    assert_eq!(told(&desk), []);
    desk.withdraw(&key, &first.ticket.id);
    assert_eq!((told(&desk), office.status(&first.ticket.id)), (vec![], Status::Failed));

    let (key, third) = submit();
    yes(&third.ticket.id);
    assert_eq!(told(&desk), []);
    desk.announce(&key, &third.ticket.id);
    let by = Some("bob@os".to_owned());
    assert_eq!(told(&desk), [(third.ticket.id, Status::Approved, by)]);
}

#[test]
fn the_first_no_ends_it_also_of_who_said_yes_or_asked() {
    let mut office = Office::new();
    let (desk, answers) = (office.desk(), office.answers());
    for (name, yes, no) in
        [("web", "bob@os", "carol@os"), ("api", "bob@os", "bob@os"), ("db", "bob@os", "alice@os")]
    {
        let terms = ApprovalTerms { reason_required: false, ..strict() };
        let id = submit(&desk, "alice", name, &terms).id;
        let digest = answers.find(&id).unwrap().request_sha256;
        answers.answer(&id, &digest, says(true, yes)).unwrap();
        assert_eq!(answers.answer(&id, &digest, says(false, no)).unwrap().status, Status::Denied);
        let late = answers.answer(&id, &digest, says(true, "dave@os")).unwrap_err();
        assert!(matches!(late, ApprovalError::Over { status: Status::Denied, .. }), "{late}");
        assert_eq!(told(&desk), [(id.clone(), Status::Denied, Some(no.to_owned()))]);
        assert_eq!(office.status(&id), Status::Denied);
    }
}

#[test]
fn a_yes_is_taken_back_until_something_came_of_it() {
    let mut office = Office::new();
    let (desk, answers) = (office.desk(), office.answers());
    let id = submit(&desk, "alice", "web", &ApprovalTerms::default()).id;
    let digest = answers.find(&id).unwrap().request_sha256;
    assert_eq!(
        answers.answer(&id, &digest, says(true, "bob@os")).unwrap().status,
        Status::Approved
    );
    assert_eq!(answers.answer(&id, &digest, says(false, "bob@os")).unwrap().status, Status::Denied);
    assert_eq!(told(&desk), [(id, Status::Denied, Some("bob@os".to_owned()))]);
}

/// A small generator of numbers, the same for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// Who answers here, and how their files are called: by digest of the name.
const PEOPLE: [(&str, &str); 4] = [
    ("alice@os", "f9697b7bede2dcced17504c430cf5704"),
    ("bob@os", "f5861d0fbe4b144d50e092f1aefc55cb"),
    ("carol@os", "d6b40f1eae19bcf16281955dd4bfbe9e"),
    ("dave@os", "b209d7b79f846244940d82309bcaf055"),
];

fn key(by: &str) -> &'static str {
    PEOPLE.iter().find(|(name, _)| *name == by).expect("one of the people").1
}

/// A yes that would count, if it were true.
fn genuine(digest: &str) -> Value {
    json!({
        "approve": true, "by": "bob@os", "channel": "console", "reason": "INC-1",
        "at": "2027-01-15T08:00:00Z", "request_sha256": digest,
    })
}

/// One forgery, out of many kinds: the name of the file, and what stands in it.
fn forgery(dice: &mut Dice, digest: &str, other_digest: &str) -> (String, String) {
    let mut answer = genuine(digest);
    let mut name = format!("yes.{}.json", key("bob@os"));
    match dice.roll(12) {
        0 => answer["request_sha256"] = json!(other_digest),
        1 => {
            let at = usize::try_from(dice.roll(64)).unwrap();
            let mut letters: Vec<char> = digest.chars().collect();
            letters[at] = if letters[at] == '0' { '1' } else { '0' };
            answer["request_sha256"] = json!(letters.iter().collect::<String>());
        }
        2 => answer["request_sha256"] = json!(digest.to_uppercase() + "0"),
        3 => {
            // The one who asked.
            answer["by"] = json!("alice@os");
            name = format!("yes.{}.json", key("alice@os"));
        }
        4 => name = format!("yes.{:032x}.json", dice.roll(u64::MAX)),
        5 => answer["channel"] = json!("client"),
        6 => answer["reason"] = Value::Null,
        7 => answer["approve"] = json!("true"),
        8 => answer["extra"] = json!(1),
        9 => {
            let text = answer.to_string();
            let end = usize::try_from(dice.roll(text.len() as u64)).unwrap();
            return (name, text[..end].to_owned());
        }
        10 => {
            // The same member twice: which one counts?
            let text = answer.to_string();
            return (name, text.replacen('{', "{\"approve\":true,", 1));
        }
        _ => {
            let by = ["bob\u{200b}@os", "bob", "", "@os", "bob@os\n"];
            answer["by"] = json!(by[usize::try_from(dice.roll(5)).unwrap()]);
        }
    }
    (name, answer.to_string())
}

#[test]
fn of_two_thousand_forged_answers_none_counts() {
    let mut office = Office::new();
    let (desk, mut dice) = (office.desk(), Dice(7));
    let terms = ApprovalTerms { approvers: 1, ..strict() };
    let other = submit(&desk, "mallory", "other", &terms);
    let other_digest = office.answers().find(&other.id).unwrap().request_sha256;
    let mut kinds: BTreeMap<Status, u32> = BTreeMap::new();
    for n in 0..2_000 {
        let id = submit(&desk, "alice", "web", &terms).id;
        let digest = office.answers().find(&id).unwrap().request_sha256;
        let (name, text) = forgery(&mut dice, &digest, &other_digest);
        office.plant(&id, &name, &text);
        let came_of_it = told(&desk);
        assert!(!came_of_it.iter().any(|(_, status, _)| *status == Status::Approved), "{n} {text}");
        let status = office.status(&id);
        *kinds.entry(status).or_default() += 1;
        if status == Status::Pending {
            // It is open still: a no clears the desk.
            office.answers().answer(&id, &digest, no_because("carol@os")).unwrap();
            assert_eq!(told(&desk).len(), 1);
        }
        desk.forget(&Key::from(&request("alice", "web")), &id);
    }
    // Those that name another request end this one; the others are none.
    assert_eq!(kinds.keys().copied().collect::<Vec<_>>(), [Status::Pending, Status::Failed]);
    // And the same answer, were it true, is one.
    let id = submit(&desk, "alice", "web", &terms).id;
    let digest = office.answers().find(&id).unwrap().request_sha256;
    office.plant(&id, &format!("yes.{}.json", key("bob@os")), &genuine(&digest).to_string());
    assert_eq!(told(&desk), [(id, Status::Approved, Some("bob@os".to_owned()))]);
}
