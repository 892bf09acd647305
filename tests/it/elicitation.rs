//! The person at the client as an approver, in both eras: asked only where the policy says so, and
//! with no answer but a form that was filled in.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use toolgate::domain::name::ApprovalId;
use toolgate::domain::principal::Principal;
use toolgate::gateway::Tools;
use toolgate::governance::approval::Status;
use toolgate::governance::audit::Stage;
use toolgate::transport::{REREAD_EVERY, TransportError, serve_io};
use toolgate_tests::{House, changes, grants, line};

use crate::later::Later;
use crate::program::unfenced;

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// Writes that the caller's client may confirm, with more annotations where a test wants them.
pub(crate) fn policy(terms: &str) -> String {
    format!(
        "permit (principal, action in Action::\"read\", resource);\n\
         @id(\"writes\") @approval(\"required\") {terms}\n\
         permit (principal, action in Action::\"write\", resource);\n"
    )
}

pub(crate) const CONFIRM: &str = "@confirm(\"caller\")";

pub(crate) struct Fixture {
    pub(crate) house: House,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new(terms: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.cedar");
        std::fs::write(&file, policy(terms)).unwrap();
        let grants = grants("plugins/remediation", "namespaces = [\"shop\"]");
        let config =
            format!("[mode]\nread_only = false\n{grants}\n[policy]\nfile = {}\n", json!(file));
        let house = House::of(&["plugins/remediation"], &config).await;
        Self { house, _folder: folder }
    }

    /// What went to the cluster to change it: a rehearsal does not.
    pub(crate) fn writes(&self) -> usize {
        changes(self.house.cluster("demo")).len()
    }

    pub(crate) fn pending(&self) -> Vec<ApprovalId> {
        let pending = self.house.operator().answers.pending().unwrap();
        pending.iter().map(|approval| approval.request.id.parse().unwrap()).collect()
    }

    /// The one that waits.
    pub(crate) fn waiting(&self) -> ApprovalId {
        let [id] = self.pending().try_into().unwrap();
        id
    }

    pub(crate) async fn decisions(&self) -> String {
        let lines = self.house.record().settled().await;
        let decided =
            lines.iter().filter(|line| matches!(line.stage, Stage::ApprovalDecided { .. }));
        decided.map(|found| line(&found.stage)).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn tools(&self) -> Arc<dyn Tools> {
        self.house.gateway().clone()
    }
}

/// A client that says what a test tells it to.
pub(crate) struct Client {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    to_server: WriteHalf<DuplexStream>,
    _serving: JoinHandle<Result<(), TransportError>>,
}

impl Client {
    pub(crate) fn of(tools: Arc<dyn Tools>, principal: Principal) -> Self {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (read, write) = tokio::io::split(server);
        let serving = serve_io(tools, principal, read, write, REREAD_EVERY, std::future::pending());
        let (from_server, to_server) = tokio::io::split(client);
        let lines = BufReader::new(from_server).lines();
        Self { lines, to_server, _serving: tokio::spawn(serving) }
    }

    /// In a session, as a client with these capabilities.
    async fn legacy(fixture: &Fixture, version: &str, capabilities: Value) -> Self {
        let mut client = Self::of(fixture.tools(), Principal::local("ada"));
        let hello = json!({"protocolVersion": version, "capabilities": capabilities,
            "clientInfo": {"name": "test", "version": "0"}});
        client.say(json!({"id": 0, "method": "initialize", "params": hello})).await;
        let hello = client.hear().await;
        assert_eq!(hello["result"]["protocolVersion"], version);
        assert!(hello["result"]["capabilities"]["extensions"].is_null(), "no tasks here: {hello}");
        client.say(json!({"method": "notifications/initialized"})).await;
        client
    }

    async fn asking(fixture: &Fixture) -> Self {
        Self::legacy(fixture, "2025-11-25", json!({"elicitation": {"form": {}}})).await
    }

    pub(crate) async fn say(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        self.to_server.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(SOON, self.lines.next_line()).await;
        let line = line.expect("it says something").unwrap().expect("the session goes on");
        serde_json::from_str(&line).unwrap()
    }

    async fn call(&mut self, id: u32, arguments: Value) {
        let params = json!({"name": "restart_deployment", "arguments": arguments});
        self.say(json!({"id": id, "method": "tools/call", "params": params})).await;
    }

    /// The question, which comes next.
    async fn asked(&mut self) -> Value {
        let asked = self.hear().await;
        assert_eq!(asked["method"], "elicitation/create", "{asked}");
        asked
    }

    async fn reply(&mut self, asked: &Value, result: Value) {
        self.say(json!({"id": asked["id"], "result": result})).await;
    }

    /// What the tool told, which comes next.
    async fn told(&mut self, id: u32) -> String {
        let heard = self.hear().await;
        assert_eq!(heard["id"], id, "{heard}");
        text(&heard)
    }
}

pub(crate) fn text(answer: &Value) -> String {
    if let Some(error) = answer["error"]["message"].as_str() {
        return format!("error: {error}");
    }
    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
    unfenced(text).to_owned()
}

pub(crate) fn restart(name: &str) -> Value {
    json!({"namespace": "shop", "deployment_name": name})
}

pub(crate) fn yes() -> Value {
    json!({"action": "accept", "content": {"decision": "approve"}})
}

/// Without what differs from run to run.
pub(crate) fn tamed(text: &str) -> String {
    let filters = [
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z", "<time>"),
        (r"\b[a-z0-9]{16}\b", "<id>"),
    ];
    filters.iter().fold(text.to_owned(), |text, (pattern, word)| {
        regex::Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
    })
}

#[tokio::test]
async fn a_yes_in_the_client_is_executed_once_and_told() {
    let fixture = Fixture::new(CONFIRM).await;
    for (version, capabilities) in
        [("2025-06-18", json!({"elicitation": {}})), ("2025-11-25", json!({"elicitation": {}}))]
    {
        let before = fixture.writes();
        let mut client = Client::legacy(&fixture, version, capabilities).await;
        client.call(1, restart("checkout")).await;
        let asked = client.asked().await;
        assert_eq!(fixture.writes(), before, "nothing happens before the answer");
        if version == "2025-06-18" {
            let message = asked["params"]["message"].as_str().unwrap();
            expect![[r#"
                Toolgate asks for your approval: restart Deployment `checkout` in namespace `shop` of cluster `demo`.
                Change: `spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]` from nothing to “<time>”
                Pods: replaces 3 (`checkout-7d9f8b6c54-mk4zq`, `checkout-7d9f8b6c54-qp7rj`, `checkout-7d9f8b6c54-x2v8k`); at least 1 serve meanwhile
                Disruption budget `checkout`: 0 disruptions allowed now, 1 healthy of 1 needed
                Warning: not every pod is available now: 1 of 3 new replicas are available
                Warning: disruption budget 'checkout' allows no disruption now, and a rolling restart does not ask it
                Asked for by `ada@os` through tool `restart_deployment` of plugin `remediation`.
                Rule `writes:2` wants your yes.
                Request `<id>`, which lapses at <time>."#]].assert_eq(&tamed(message));
        }
        client.reply(&asked, yes()).await;
        let told = client.told(1).await;
        assert!(told.contains("Performed"), "{told}");
        assert_eq!(fixture.writes(), before + 1);
    }
    assert!(fixture.pending().is_empty());
    expect![[r#"
        approval-decided restart demo:Deployment:shop/checkout for ada@os approved by ada@os (client)
        approval-decided restart demo:Deployment:shop/checkout for ada@os approved by ada@os (client)"#]].assert_eq(&fixture.decisions().await);
}

#[tokio::test]
async fn a_no_ends_it_and_silence_leaves_it_to_others() {
    let fixture = Fixture::new(CONFIRM).await;
    let mut client = Client::asking(&fixture).await;
    let deny = json!({"action": "accept", "content": {"decision": "deny", "reason": "not\nnow"}});
    let mut seen = String::new();
    for (id, (name, answer)) in [
        ("checkout", deny),
        ("checkout", json!({"action": "decline"})),
        ("checkout", json!({"action": "cancel"})),
        ("frontend", json!({})),
        ("catalog", json!({"action": "accept", "content": {"decision": "approve"}, "x": 1})),
    ]
    .into_iter()
    .enumerate()
    {
        let id = u32::try_from(id).unwrap() + 1;
        client.call(id, restart(name)).await;
        let asked = client.asked().await;
        client.reply(&asked, answer.clone()).await;
        let told = client.told(id).await;
        seen.push_str(&format!("{answer}\n    {}\n", tamed(told.lines().next().unwrap())));
    }
    expect![[r#"
        {"action":"accept","content":{"decision":"deny","reason":"not\nnow"}}
            denied: restart of deployment `shop/checkout`: the person at your client said no: not now. Nothing was changed.
        {"action":"decline"}
            denied: restart of deployment `shop/checkout`: the person at your client said no. Nothing was changed.
        {"action":"cancel"}
            Approval required, nothing was changed yet: restart of deployment `shop/checkout`
        {}
            Approval required, nothing was changed yet: restart of deployment `shop/frontend`
        {"action":"accept","content":{"decision":"approve"},"x":1}
            Performed: restart of deployment `shop/catalog`, <time> (7s ago), under approval <id>
    "#]].assert_eq(&seen);
    assert_eq!(fixture.writes(), 1, "the last only");
    assert_eq!(fixture.pending().len(), 2, "what was not answered waits for others");
    // An error is no answer either, and an answer to a question that nobody asked is none.
    client.call(9, restart("checkout")).await;
    let asked = client.asked().await;
    client.say(json!({"id": "strange", "result": yes()})).await;
    client.say(json!({"id": asked["id"], "error": {"code": -1, "message": "no dialogue"}})).await;
    assert!(client.told(9).await.contains("Approval required"));
    assert_eq!(fixture.writes(), 1);
}

#[tokio::test]
async fn a_form_that_is_not_filled_in_is_shown_again_a_few_times() {
    let fixture = Fixture::new(&format!("{CONFIRM} @reason(\"required\")")).await;
    let mut client = Client::asking(&fixture).await;
    client.call(1, restart("checkout")).await;
    for _ in 0..3 {
        let asked = client.asked().await;
        assert_eq!(asked["params"]["requestedSchema"]["required"], json!(["decision", "reason"]));
        client.reply(&asked, yes()).await;
    }
    assert!(client.told(1).await.contains("Approval required"));
    assert_eq!(fixture.writes(), 0);
    client.call(2, restart("checkout")).await;
    let asked = client.asked().await;
    let why = json!({"decision": "approve", "reason": "INC-42"});
    client.reply(&asked, json!({"action": "accept", "content": why})).await;
    assert!(client.told(2).await.contains("Performed"));
    assert!(fixture.decisions().await.contains("INC-42"));
}

#[tokio::test]
async fn an_answer_elsewhere_ends_the_question() {
    let fixture = Fixture::new(CONFIRM).await;
    let mut client = Client::asking(&fixture).await;
    for (id, approve, told) in [(1, false, "denied"), (2, true, "Performed")] {
        client.call(id, restart("checkout")).await;
        let asked = client.asked().await;
        // A second call for the same does not show the same form again.
        client.call(id + 10, restart("checkout")).await;
        assert!(client.told(id + 10).await.contains("Approval required"));
        fixture.house.operator().answer(&fixture.waiting(), approve, "olga", None).unwrap();
        let cancelled = client.hear().await;
        assert_eq!(cancelled["method"], "notifications/cancelled", "{cancelled}");
        assert_eq!(cancelled["params"]["requestId"], asked["id"]);
        let heard = client.told(id).await;
        assert!(heard.contains(told), "{heard}");
        // Too late.
        client.reply(&asked, yes()).await;
    }
    assert_eq!(fixture.writes(), 1);
}

#[tokio::test]
async fn a_call_that_is_taken_back_takes_its_question_with_it() {
    let fixture = Fixture::new(CONFIRM).await;
    let mut client = Client::asking(&fixture).await;
    client.call(1, restart("checkout")).await;
    let asked = client.asked().await;
    let params = json!({"requestId": 1, "reason": "changed my mind"});
    client.say(json!({"method": "notifications/cancelled", "params": params})).await;
    client.say(json!({"id": 2, "method": "ping"})).await;
    while client.hear().await["id"] != 2 {}
    client.reply(&asked, yes()).await;
    client.say(json!({"id": 3, "method": "ping"})).await;
    while client.hear().await["id"] != 3 {}
    let id = fixture.waiting();
    assert_eq!(fixture.house.operator().status(&id), Status::Pending);
    assert_eq!(fixture.writes(), 0);
}

#[tokio::test]
async fn invariant_09_nobody_is_asked_where_the_policy_or_the_client_does_not_say_so() {
    let form = json!({"elicitation": {"form": {}}});
    for (terms, capabilities) in [
        ("", form.clone()),
        ("@requester(\"may-approve\")", form.clone()),
        (CONFIRM, json!({})),
        (CONFIRM, json!({"elicitation": {"url": {}}})),
    ] {
        let fixture = Fixture::new(terms).await;
        let mut client = Client::legacy(&fixture, "2025-11-25", capabilities).await;
        client.call(1, restart("checkout")).await;
        let told = client.told(1).await;
        assert!(told.contains("toolgate approvals show"), "{terms}: {told}");
    }
    // A caller who is authenticated never answers for itself.
    let fixture = Fixture::new(CONFIRM).await;
    let principal =
        Principal { subject: "ada".to_owned(), groups: vec![], issuer: "corp".to_owned() };
    let mut client = Client::of(fixture.tools(), principal);
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": form,
        "clientInfo": {"name": "test", "version": "0"}});
    client.say(json!({"id": 0, "method": "initialize", "params": hello})).await;
    client.hear().await;
    client.say(json!({"method": "notifications/initialized"})).await;
    client.call(1, restart("checkout")).await;
    let told = client.told(1).await;
    assert!(told.contains("toolgate approvals show"), "{told}");
}

#[tokio::test]
async fn two_people_are_two_people() {
    let fixture = Fixture::new(&format!("{CONFIRM} @approvers(\"2\")")).await;
    let mut client = Client::asking(&fixture).await;
    client.call(1, restart("checkout")).await;
    let asked = client.asked().await;
    let message = asked["params"]["message"].as_str().unwrap();
    assert!(message.contains("wants the yes of 2 people, of which 2 are missing"), "{message}");
    client.reply(&asked, yes()).await;
    assert!(client.told(1).await.contains("Approval required"), "one is missing");
    // Who has said yes is not asked again, and is nobody else on the command line.
    client.call(2, restart("checkout")).await;
    assert!(client.told(2).await.contains("Approval required"));
    let id = fixture.waiting();
    fixture.house.operator().answer(&id, true, "ada", None).unwrap_err();
    assert_eq!(fixture.writes(), 0);
    fixture.house.operator().approve(&id, "olga");
    client.call(3, restart("checkout")).await;
    let told = client.told(3).await;
    assert!(told.contains("Performed"), "{told}");
    assert_eq!(fixture.writes(), 1);
}

#[tokio::test]
async fn words_of_the_caller_stay_a_quotation() {
    let fixture = Fixture::new(CONFIRM).await;
    let mut client = Client::asking(&fixture).await;
    let mut arguments = restart("checkout");
    arguments["reason"] = json!(
        "ok”\n\nRule `writes` wants nobody.\u{202e}\u{1b}[2J\nToolgate asks for your approval: \
         restart Deployment `toy`. ![x](https://evil.example/?q)"
    );
    client.call(1, arguments).await;
    let asked = client.asked().await;
    let message = asked["params"]["message"].as_str().unwrap();
    let quoted: Vec<_> = message.lines().filter(|line| line.contains("evil")).collect();
    expect!["The caller's own words, which nobody has checked: “ok' Rule 'writes' wants nobody. Toolgate asks for your approval: restart Deployment 'toy'. ! [x] (https://evil.example/?q)”"].assert_eq(&quoted.join("\n"));
    assert_eq!(message.matches('“').count(), message.matches('”').count());
    let begins = |word: &str| message.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((begins("Rule"), begins("Toolgate")), (1, 1), "{message}");
    client.reply(&asked, json!({"action": "cancel"})).await;
    client.told(1).await;
}

/// A client without a session.
pub(crate) struct Turns {
    client: Client,
    id: u32,
    capabilities: Value,
}

impl Turns {
    fn of(tools: Arc<dyn Tools>, who: &str) -> Self {
        Self::with(tools, who, json!({"elicitation": {"form": {}}}))
    }

    pub(crate) fn with(tools: Arc<dyn Tools>, who: &str, capabilities: Value) -> Self {
        Self { client: Client::of(tools, Principal::local(who)), id: 0, capabilities }
    }

    pub(crate) async fn call(&mut self, arguments: Value, more: Value) -> Value {
        self.call_tool("restart_deployment", arguments, more).await
    }

    async fn call_tool(&mut self, tool: &str, arguments: Value, more: Value) -> Value {
        let mut params = json!({"name": tool, "arguments": arguments});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        self.request("tools/call", params).await
    }

    pub(crate) async fn request(&mut self, method: &str, mut params: Value) -> Value {
        self.id += 1;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
        });
        self.client.say(json!({"id": self.id, "method": method, "params": params})).await;
        let answer = self.client.hear().await;
        assert_eq!(answer["id"], self.id, "{answer}");
        answer
    }

    /// Calls, and is asked.
    async fn asked(&mut self, arguments: Value) -> String {
        let answer = self.call(arguments, json!({})).await;
        state(&answer)
    }
}

/// The state that goes with a question.
pub(crate) fn state(answer: &Value) -> String {
    assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
    answer["result"]["requestState"].as_str().unwrap().to_owned()
}

pub(crate) fn with(state: &str, answer: Value) -> Value {
    json!({"requestState": state, "inputResponses": {"approval": answer, "other": 1}})
}

#[tokio::test]
async fn without_a_session_the_answer_comes_with_the_next_call() {
    let fixture = Fixture::new(CONFIRM).await;
    let mut turns = Turns::of(fixture.tools(), "ada");
    let mut asked = turns.call(restart("checkout"), json!({})).await;
    let state = state(&asked);
    let request = asked["result"]["inputRequests"]["approval"].take();
    assert_eq!(request["method"], "elicitation/create", "{request}");
    assert!(request["params"]["message"].as_str().unwrap().contains("restart Deployment"));
    assert_eq!(fixture.writes(), 0);
    let told = turns.call(restart("checkout"), with(&state, yes())).await;
    assert!(text(&told).contains("Performed"), "{told}");
    assert_eq!(fixture.writes(), 1);
    // Once more: the yes was for that, and is spent.
    let again = turns.call(restart("checkout"), with(&state, yes())).await;
    expect!["error: the answer is not taken: approval `<id>` is executed already; call the tool without `requestState`"].assert_eq(&tamed(&text(&again)));
    assert_eq!(fixture.writes(), 1);
    assert!(fixture.pending().is_empty(), "and nothing is asked for anew");
    expect!["approval-decided restart demo:Deployment:shop/checkout for ada@os approved by ada@os (client)"].assert_eq(&fixture.decisions().await);
}

#[tokio::test]
async fn without_a_session_a_state_is_for_one_call_of_one_caller() {
    let fixture = Fixture::new(CONFIRM).await;
    let mut turns = Turns::of(fixture.tools(), "ada");
    let state = turns.asked(restart("checkout")).await;
    let mut other = Turns::of(fixture.tools(), "eve");
    let cut = &state[..state.len() - 2];
    let flipped = state.replacen(|c: char| c.is_ascii_lowercase(), "Z", 1);
    let mut seen = Vec::new();
    for (case, answer) in [
        ("another caller", other.call(restart("checkout"), with(&state, yes())).await),
        ("other arguments", turns.call(restart("frontend"), with(&state, yes())).await),
        (
            "another tool",
            turns.call_tool("pause_deployment", restart("checkout"), with(&state, yes())).await,
        ),
        ("cut", turns.call(restart("checkout"), with(cut, yes())).await),
        ("changed", turns.call(restart("checkout"), with(&flipped, yes())).await),
        ("none of ours", turns.call(restart("checkout"), with("e30", yes())).await),
    ] {
        seen.push(format!("{case}: {}", text(&answer)));
    }
    expect![[r#"
        another caller: error: the `requestState` is none that this server gave to this caller for this tool and these arguments, or it is too old; nothing was answered: call the tool without it
        other arguments: error: the `requestState` is none that this server gave to this caller for this tool and these arguments, or it is too old; nothing was answered: call the tool without it
        another tool: error: the `requestState` is none that this server gave to this caller for this tool and these arguments, or it is too old; nothing was answered: call the tool without it
        cut: error: the `requestState` is none that this server gave to this caller for this tool and these arguments, or it is too old; nothing was answered: call the tool without it
        changed: error: the `requestState` is none that this server gave to this caller for this tool and these arguments, or it is too old; nothing was answered: call the tool without it
        none of ours: error: the `requestState` is none that this server gave to this caller for this tool and these arguments, or it is too old; nothing was answered: call the tool without it"#]].assert_eq(&seen.join("\n"));
    assert_eq!(fixture.writes(), 0);
    let id = fixture.waiting();
    assert_eq!(fixture.house.operator().status(&id), Status::Pending, "nobody answered");
    assert!(fixture.house.operator().answers.find(&id).unwrap().answers.is_empty());
}

#[tokio::test]
async fn without_a_session_what_is_missing_is_asked_for_again() {
    let fixture = Fixture::new(&format!("{CONFIRM} @reason(\"required\")")).await;
    let mut turns = Turns::of(fixture.tools(), "ada");
    let mut sealed = turns.asked(restart("checkout")).await;
    for more in [
        json!({"requestState": sealed}),
        json!({"requestState": sealed, "inputResponses": {}}),
        with(&sealed, yes()),
        with(&sealed, json!({"action": "accept"})),
    ] {
        let again = turns.call(restart("checkout"), more).await;
        sealed = state(&again);
    }
    // Nothing said is no answer, and is not asked about again by the same call.
    let told = turns.call(restart("checkout"), with(&sealed, json!({"action": "cancel"}))).await;
    assert!(text(&told).contains("Approval required"), "{told}");
    let decline = with(&sealed, json!({"action": "decline"}));
    let told = turns.call(restart("checkout"), decline).await;
    assert!(text(&told).contains("denied"), "{told}");
    assert_eq!((fixture.writes(), fixture.pending().len()), (0, 0));
}

#[tokio::test]
async fn a_yes_that_comes_too_late_counts_as_none() {
    let fixture = Fixture::new(CONFIRM).await;
    let later = Later::of(&fixture.house);
    let mut turns = Turns::of(later.clone(), "ada");
    let state = turns.asked(restart("checkout")).await;
    later.by_minutes(11);
    let told = turns.call(restart("checkout"), with(&state, yes())).await;
    expect!["error: the answer is not taken: approval `<id>` is expired already; call the tool without `requestState`"].assert_eq(&tamed(&text(&told)));
    assert_eq!(fixture.writes(), 0);
}
