//! Every verb on every resource that the API server offers, asked for by the account: what it may,
//! and that the API server itself refuses the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::account::{Account, Atom, atoms, post, printed_atoms};
use super::ground::Ground;

/// Requests under way at once: the API server answers most of them without looking at anything.
const AT_ONCE: usize = 16;

/// How often a server that is busy is asked.
const ATTEMPTS: usize = 20;

/// In the order of the table, each with the letter that stands for it there.
const VERBS: [(&str, char); 8] = [
    ("create", 'c'),
    ("delete", 'd'),
    ("deletecollection", 'D'),
    ("get", 'g'),
    ("list", 'l'),
    ("patch", 'p'),
    ("update", 'u'),
    ("watch", 'w'),
];

/// Two objects that some of the grants name, and one that none does. None of them has to be there:
/// who may not ask is not told.
const WEB: &str = "web";
const NOBODY: &str = "nobody";

/// Groups that tests define while they run.
const OF_TESTS: [&str; 2] = ["toolgate.test", "parity.example"];

/// A resource or a part of one: `pods`, `pods/log`.
#[derive(Debug, Default)]
struct Offered {
    namespaced: bool,
    /// What may be asked of it, and a version in which it may.
    verbs: BTreeMap<String, String>,
}

/// By group and name.
type Resources = BTreeMap<(String, String), Offered>;

/// One cell's place in a row: its title, the namespace, the object's name.
#[derive(Debug, Clone)]
struct Column {
    title: &'static str,
    place: Option<String>,
    name: Option<String>,
}

/// One request.
#[derive(Debug, Clone)]
struct Question {
    column: &'static str,
    asks: Atom,
    method: &'static str,
    path: String,
    /// As whom else.
    instead: Option<String>,
}

/// Asks for everything, and compares: what is allowed is what was printed, and what every account
/// may. Gives the table.
pub(super) async fn check(ground: &Ground) -> String {
    let admin = &ground.one.cluster.client;
    let resources = resources(admin).await;
    let client = ground.account.client().await;
    // One that has been given nothing has what every account has.
    let nobody = Account::open(&ground.other).await.client().await;
    let basic = rules(&nobody, &ground.other.name).await;
    let printed = printed_atoms(&ground.printed);
    for space in [&ground.one, &ground.two, &ground.other] {
        let here = |atom: &Atom| Atom { place: Some(space.name.clone()), ..atom.clone() };
        let held = printed
            .iter()
            .filter(|atom| atom.place.as_ref().is_none_or(|place| *place == space.name));
        let expected: BTreeSet<Atom> = held.chain(&basic).map(here).collect();
        assert_eq!(rules(&client, &space.name).await, expected, "the rules in `{}`", space.name);
    }

    let columns = columns(ground);
    let mut questions = Vec::new();
    for ((group, resource), offered) in &resources {
        for column in &columns {
            questions.extend(asked(group, resource, offered, column));
        }
    }
    questions.extend(other_paths(admin).await);
    questions.extend(as_others(ground));
    let n_questions = questions.len();
    let answers = answers(&client, &ground.account.user, questions).await;

    let wrong: Vec<String> = answers
        .iter()
        .filter(|(question, _)| !question.asks.group.starts_with('('))
        .filter(|(question, allowed)| {
            // What every account may, it may anywhere.
            let may = |given: &Atom| {
                given.covers(&question.asks)
                    || basic.contains(given)
                        && Atom { place: None, ..given.clone() }.covers(&question.asks)
            };
            printed.iter().chain(&basic).any(may) != *allowed
        })
        .map(|(question, allowed)| {
            format!("{} is {}", question.asks, if *allowed { "allowed" } else { "refused" })
        })
        .collect();
    assert!(wrong.is_empty(), "other than printed:\n{}", wrong.join("\n"));
    let n_refused = answers.iter().filter(|(_, allowed)| !allowed).count();
    assert_eq!(answers.len(), n_questions);
    eprintln!("{n_questions} requests, {n_refused} refused with 403");
    shown(&resources, &columns, &answers)
}

/// What the API server says that it offers, whatever the version.
async fn resources(admin: &Client) -> Resources {
    let get = async |path: &str| -> Value {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        admin.request(request).await.unwrap_or_else(|error| panic!("`{path}`: {error}"))
    };
    let mut roots = vec![(String::new(), "v1".to_owned())];
    for group in get("/apis").await["groups"].as_array().unwrap() {
        let name = group["name"].as_str().unwrap();
        if OF_TESTS.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        for version in group["versions"].as_array().unwrap() {
            roots.push((name.to_owned(), version["version"].as_str().unwrap().to_owned()));
        }
    }
    let mut resources = Resources::new();
    for (group, version) in roots {
        let list = get(&root(&group, &version)).await;
        for entry in list["resources"].as_array().unwrap() {
            let name = entry["name"].as_str().unwrap().to_owned();
            let offered = resources.entry((group.clone(), name)).or_default();
            offered.namespaced = entry["namespaced"] == true;
            for verb in entry["verbs"].as_array().unwrap() {
                let verb = verb.as_str().unwrap();
                assert!(VERBS.iter().any(|(known, _)| *known == verb), "{entry}");
                offered.verbs.entry(verb.to_owned()).or_insert_with(|| version.clone());
            }
        }
    }
    resources
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

fn columns(ground: &Ground) -> Vec<Column> {
    let column = |title, place: Option<&str>, name: Option<&str>| Column {
        title,
        place: place.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    let (one, two) = (Some(ground.one.name.as_str()), Some(ground.two.name.as_str()));
    vec![
        column("one", one, Some(NOBODY)),
        column("one/web", one, Some(WEB)),
        column("two", two, Some(NOBODY)),
        column("two/web", two, Some(WEB)),
        column("other", Some(&ground.other.name), Some(NOBODY)),
        column("other/web", Some(&ground.other.name), Some(WEB)),
        column("cluster", None, Some(NOBODY)),
        column("cluster/node", None, Some(ground.node())),
    ]
}

/// Every verb of a resource that can be asked for in a column.
fn asked(group: &str, resource: &str, offered: &Offered, column: &Column) -> Vec<Question> {
    let (plural, part) = match resource.split_once('/') {
        Some((plural, part)) => (plural, Some(part)),
        None => (resource, None),
    };
    // To the authorizer a namespace lies in itself.
    let are_places = group.is_empty() && plural == "namespaces";
    let is_second = column.title.contains('/');
    let mut questions = Vec::new();
    for (verb, version) in &offered.verbs {
        let of_one =
            matches!(verb.as_str(), "get" | "patch" | "update" | "delete") || part.is_some();
        let fits = match (are_places, offered.namespaced, &column.place) {
            (true, _, Some(_)) => of_one && !is_second,
            // A list over all namespaces, and what else is no object's.
            (true, _, None) | (false, true, None) => !of_one && !is_second,
            (false, true, Some(_)) | (false, false, None) => of_one || !is_second,
            (false, false, Some(_)) => false,
        };
        if !fits {
            continue;
        }
        let mut path = root(group, version);
        let name = if are_places { column.place.clone() } else { column.name.clone() };
        if let (Some(place), false) = (&column.place, are_places) {
            path.push_str(&format!("/namespaces/{place}"));
        }
        path.push_str(&format!("/{plural}"));
        let name = name.filter(|_| of_one);
        for word in [name.as_deref(), part].into_iter().flatten() {
            path.push_str(&format!("/{word}"));
        }
        let (method, query) = match verb.as_str() {
            "get" | "list" => ("GET", ""),
            "watch" => ("GET", "?watch=true&timeoutSeconds=1"),
            "create" => ("POST", "?dryRun=All"),
            "update" => ("PUT", "?dryRun=All"),
            "patch" => ("PATCH", "?dryRun=All"),
            _ => ("DELETE", "?dryRun=All"),
        };
        questions.push(Question {
            column: column.title,
            asks: Atom {
                place: column.place.clone(),
                group: group.to_owned(),
                resource: resource.to_owned(),
                verb: verb.clone(),
                name,
            },
            method,
            path: path + query,
            instead: None,
        });
    }
    questions
}

/// What is no resource, and is shown below the table.
fn beside(group: &str, resource: &str, path: &str, instead: Option<String>) -> Question {
    let asks = Atom {
        place: None,
        group: group.to_owned(),
        resource: resource.to_owned(),
        verb: "get".to_owned(),
        name: None,
    };
    Question { column: "", asks, method: "GET", path: path.to_owned(), instead }
}

/// The paths of an API server that are no resources.
async fn other_paths(admin: &Client) -> Vec<Question> {
    let request = http::Request::get("/").body(Vec::new()).unwrap();
    let listed: Value = admin.request(request).await.expect("the paths of the API server");
    let listed = listed["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap());
    let more = ["/", "/debug/pprof/", "/debug/flags/v", "/logs/kube-apiserver.log"];
    let of_tests = |path: &str| OF_TESTS.iter().any(|end| path.contains(end));
    let paths: BTreeSet<&str> = listed.filter(|path| !of_tests(path)).chain(more).collect();
    paths.into_iter().map(|path| beside("(path)", path, path, None)).collect()
}

fn as_others(ground: &Ground) -> Vec<Question> {
    let path = format!("/api/v1/namespaces/{}/pods", ground.one.name);
    let account = format!("system:serviceaccount:{}:default", ground.one.name);
    [("users", "somebody"), ("serviceaccounts", &account)]
        .map(|(what, who)| beside("(impersonate)", what, &path, Some(who.to_owned())))
        .into()
}

/// Asks them all; whether each is allowed.
async fn answers(client: &Client, user: &str, questions: Vec<Question>) -> Vec<(Question, bool)> {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut work = JoinSet::new();
    for (number, question) in questions.into_iter().enumerate() {
        let (client, gate, user) = (client.clone(), Arc::clone(&gate), user.to_owned());
        work.spawn(async move {
            let _turn = gate.acquire().await.unwrap();
            let allowed = is_allowed(&client, &user, &question).await;
            (number, (question, allowed))
        });
    }
    let mut answers = BTreeMap::new();
    while let Some(answer) = work.join_next().await {
        let (number, answer) = answer.unwrap();
        answers.insert(number, answer);
    }
    answers.into_values().collect()
}

async fn is_allowed(client: &Client, user: &str, question: &Question) -> bool {
    for _ in 0..ATTEMPTS {
        let (code, body) = ask(client, question).await;
        match code {
            // Too much at once: it has not been looked at.
            429 => tokio::task::yield_now().await,
            403 => {
                // The authorizer's own words: no admission and no other server says them.
                let status: Value = serde_json::from_str(&body).expect("a status");
                let said = status["message"].as_str().unwrap();
                let is_authorizer = said.contains(&format!("User \"{user}\" cannot "));
                assert!(status["reason"] == "Forbidden" && is_authorizer, "{question:?}: {status}");
                return false;
            }
            401 | 500.. => panic!("{question:?}: {code}: {body}"),
            _ => return true,
        }
    }
    panic!("{question:?}: the API server is too busy")
}

async fn ask(client: &Client, question: &Question) -> (u16, String) {
    let content = match question.method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let mut request = http::Request::builder()
        .method(question.method)
        .uri(&question.path)
        .header("content-type", content);
    if let Some(who) = &question.instead {
        request = request.header("impersonate-user", who);
    }
    let body = match question.method {
        "POST" | "PUT" | "PATCH" => b"{}".to_vec(),
        _ => Vec::new(),
    };
    let answered = client.send(request.body(Body::from(body)).unwrap()).await;
    let response = answered.unwrap_or_else(|error| panic!("{question:?}: {error}"));
    let code = response.status().as_u16();
    let bytes = response.into_body().collect_bytes().await.expect("a body");
    (code, String::from_utf8_lossy(&bytes).into_owned())
}

/// What the API server itself says that a client may do in a namespace: verbs that are in no
/// discovery, such as `bind` and `escalate`, are among them.
async fn rules(client: &Client, namespace: &str) -> BTreeSet<Atom> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let found = post(client, path, &review).await;
    assert_eq!(found["status"]["incomplete"], false, "{found}");
    atoms(&found["status"]["resourceRules"], Some(&namespace.to_owned()))
}

fn shown(resources: &Resources, columns: &[Column], answers: &[(Question, bool)]) -> String {
    const WIDTH: usize = 9;
    let mut cells: BTreeMap<(&str, &str, &str, &str), bool> = BTreeMap::new();
    for (Question { column, asks, .. }, allowed) in answers {
        cells.insert((&asks.group, &asks.resource, *column, &asks.verb), *allowed);
    }
    let n_refused = answers.iter().filter(|(_, allowed)| !allowed).count();
    let mut text = format!(
        "{} requests, {} allowed, {n_refused} refused with 403 by the API server itself.\n\
         A letter is a verb that is allowed, `-` one that is refused, both in this order:\n",
        answers.len(),
        answers.len() - n_refused,
    );
    let verbs = VERBS.map(|(verb, letter)| format!("{letter} {verb}"));
    let _ = writeln!(text, "{}.\n", verbs.join(", "));
    let titles = columns.iter().map(|column| format!("{:WIDTH$}", column.title));
    let name = |group: &str, resource: &str| {
        let slash = if group.is_empty() { "" } else { "/" };
        format!("{group}{slash}{resource}")
    };
    let widest = resources.keys().map(|(group, resource)| name(group, resource).len()).max();
    let widest = widest.unwrap_or_default() + 1;
    let mut lines = vec![format!("{:widest$}{}", "", titles.collect::<Vec<_>>().join(" "))];
    for (group, resource) in resources.keys() {
        let cell = |column: &Column| -> String {
            let letter = |(verb, letter): &(&str, char)| {
                let allowed = cells.get(&(group.as_str(), resource.as_str(), column.title, *verb));
                allowed.map(|allowed| if *allowed { *letter } else { '-' })
            };
            let letters: String = VERBS.iter().filter_map(letter).collect();
            format!("{letters:width$}", width = WIDTH.max(column.title.len()))
        };
        let row = columns.iter().map(cell).collect::<Vec<_>>().join(" ");
        lines.push(format!("{:widest$}{row}", name(group, resource)));
    }
    for line in lines {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for (group, title) in [("(path)", "Paths"), ("(impersonate)", "Impersonation")] {
        let of = |wanted: bool| -> Vec<&str> {
            let found = answers
                .iter()
                .filter(|(question, allowed)| question.asks.group == group && *allowed == wanted);
            found.map(|(question, _)| question.asks.resource.as_str()).collect()
        };
        let _ = writeln!(text, "\n{title}, allowed: {}", or_none(&of(true)));
        let _ = writeln!(text, "{title}, refused: {}", or_none(&of(false)));
    }
    text
}

fn or_none(words: &[&str]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}
