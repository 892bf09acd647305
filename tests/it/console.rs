//! The operator's console as a browser's requests see it: who enters, what every answer carries,
//! and what changes nothing. How it looks and feels is shown by `browser.rs`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use expect_test::expect;
use serde_json::json;
use toolgate::governance::approval::Status;
use toolgate_tests::{grants, repository};

use crate::program::{ANSWERED_WITHIN, Answer, Home, Http, copy_folder, hello};

/// Two plugins, one write that waits, and a console.
fn config() -> String {
    let reach = "namespaces = [\"shop\"]";
    let console = "[console]\nlisten = \"127.0.0.1:0\"\n[mode]\nread_only = false\n\
                   [clusters.demo]\ndemo = true\n";
    PLUGINS.iter().fold(console.to_owned(), |text, source| text + &grants(source, reach))
}

const PLUGINS: [&str; 2] = ["plugins/pods", "plugins/remediation"];

pub(crate) const SERVE: [&str; 4] = ["serve", "--http", "--listen", "127.0.0.1:0"];

/// Everything that a caller can say, and a page must not obey.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script> \"><img src=x onerror=alert(2)> \
     </textarea></title> javascript:alert(3) &lt;b&gt; \u{202e}txt.exe\u{202c} \u{200b}z \u{1b}[31mred";

/// A server with a console, and a home with the configuration.
pub(crate) struct Served {
    pub(crate) home: Home,
    pub(crate) http: Http,
}

impl Served {
    pub(crate) fn start(more: &str) -> Self {
        let home = Home::new();
        home.furnish(&PLUGINS, &format!("{}{more}", config()));
        let http = Http::start(&home, &SERVE);
        Self { home, http }
    }

    /// The address that signs in, as the command prints it.
    pub(crate) fn login_url(&self) -> String {
        self.home.run(&["console"]).good().trim().to_owned()
    }

    pub(crate) fn call(&self, client: &str, tool: &str, arguments: serde_json::Value) -> String {
        call(&self.http, client, tool, arguments)
    }

    /// Asks for a restart, and gives the request's id.
    pub(crate) fn request(&self, reason: &str) -> String {
        let arguments =
            json!({"namespace": "shop", "deployment_name": "checkout", "reason": reason});
        id_in(&self.call("suite", "restart_deployment", arguments))
    }

    pub(crate) fn status(&self, id: &str) -> Status {
        let shown = self.home.run(&["approvals", "show", id, "--json"]).json();
        serde_json::from_value(shown["status"].clone()).unwrap()
    }

    /// Waits until a request stands there; each look is a run of the program.
    fn wait_for(&self, id: &str, status: Status) {
        let reached = (0..1_000).any(|_| self.status(id) == status);
        assert!(reached, "{id} is {}", self.status(id));
    }

    fn visitor(&self) -> Visitor {
        Visitor::with(&self.login_url())
    }

    /// Somebody who has signed in.
    fn operator(&self) -> Visitor {
        self.visitor().enter()
    }
}

/// Calls a tool in a session of its own, as a client of that name.
pub(crate) fn call(http: &Http, client: &str, tool: &str, arguments: serde_json::Value) -> String {
    let mut hello = hello();
    hello["clientInfo"]["name"] = json!(client);
    let first = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello});
    let begun = http.post(&[], first.to_string().as_bytes());
    let session = begun.header("mcp-session-id").expect("a session").to_owned();
    let headers = [("mcp-session-id", session.as_str())];
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    http.post(&headers, ready.to_string().as_bytes());
    let params = json!({"name": tool, "arguments": arguments});
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
    http.post(&headers, call.to_string().as_bytes()).message().to_string()
}

/// The request that an answer to a caller names.
pub(crate) fn id_in(answer: &str) -> String {
    let (_, rest) = answer.split_once("\"approval_id\":\"").unwrap_or_else(|| panic!("{answer}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// Somebody with a program that speaks HTTP.
pub(crate) struct Visitor {
    address: String,
    /// `code=...`
    code: String,
    cookie: Option<String>,
}

impl Visitor {
    /// Somebody with an address that signs in.
    pub(crate) fn with(url: &str) -> Self {
        let (address, code) = url.strip_prefix("http://").unwrap().split_once("/login?").unwrap();
        Self { address: address.to_owned(), code: code.to_owned(), cookie: None }
    }

    /// Signs in.
    pub(crate) fn enter(mut self) -> Self {
        let entered = self.send("POST", "/login", &self.code);
        assert_eq!(entered.status, 303, "{entered:?}");
        let cookie = entered.header("set-cookie").expect("a cookie").to_owned();
        self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        self
    }

    /// Every page that a link leads to, with its address.
    pub(crate) fn every_page(&self) -> Vec<(String, String)> {
        let mut pages: Vec<(String, String)> = Vec::new();
        let mut next: Vec<String> = PAGES.map(str::to_owned).to_vec();
        while let Some(path) = next.pop() {
            if pages.iter().any(|(seen, _)| *seen == path) {
                continue;
            }
            let answer = self.get(&path);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            let links =
                answer.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
            let is_page = |link: &&str| link.starts_with('/') && !link.contains(['.', '#']);
            next.extend(links.filter(is_page).map(|link| link.replace("&amp;", "&")));
            pages.push((path, answer.body));
        }
        pages
    }

    /// As a page of the console's own would.
    fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        let own = [("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin")];
        let headers = if method == "POST" { &own[..] } else { &own[1..] };
        self.ask(method, path, headers, body)
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let length = body.len().to_string();
        let form = "application/x-www-form-urlencoded";
        let mut usual = vec![("Host", self.address.as_str()), ("Connection", "close")];
        if method == "POST" {
            usual.extend([("Content-Type", form), ("Content-Length", length.as_str())]);
        }
        if let Some(cookie) = &self.cookie {
            usual.push(("Cookie", cookie));
        }
        let kept = usual.into_iter().filter(|(name, _)| headers.iter().all(|(o, _)| o != name));
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in kept.chain(headers.iter().copied()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let _ = stream.write_all(body.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        Answer::read(&bytes)
    }

    /// What the form on a page carries beside what a person fills in.
    fn form(&self, path: &str) -> String {
        let page = self.get(path).body;
        let hidden = |name: &str| {
            let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
            rest.split_once('"').unwrap().0.to_owned()
        };
        format!("form={}&request_sha256={}", hidden("form"), hidden("request_sha256"))
    }
}

const PAGES: [&str; 6] =
    ["/", "/history", "/trail", "/plugins", "/limits", "/trail?q=x&only=writes"];

/// What every answer carries, whatever it answers.
const CARRIED: [(&str, &str); 9] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    (
        "permissions-policy",
        "camera=(), clipboard-read=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

#[test]
fn every_answer_carries_what_keeps_a_browser_from_mischief() {
    let served = Served::start("");
    let id = served.request("it leaks");
    let (operator, stranger) = (served.operator(), served.visitor());
    let evil = [("Host", "evil.example")];
    let mut answers = vec![
        (421, operator.ask("GET", "/", &evil, "")),
        (403, operator.ask("GET", "/", &[("Sec-Fetch-Site", "cross-site")], "")),
        (303, stranger.get("/")),
        (401, stranger.send("POST", "/logout", "")),
        (200, stranger.get("/login")),
        (403, stranger.send("POST", "/login", "code=AAAA")),
        (405, stranger.send("DELETE", "/login", "")),
        (404, operator.get("/nowhere")),
        (404, operator.get("/requests/..%2f..%2fetc")),
        (404, operator.get("/calls/aaaaaaaaaaaaaaaa")),
        (405, operator.get(&format!("/requests/{id}/answer"))),
        (413, operator.send("POST", "/logout", &"a".repeat(17 << 10))),
        (
            415,
            operator.ask(
                "POST",
                "/logout",
                &[("Content-Type", "text/plain"), ("Sec-Fetch-Site", "same-origin")],
                "",
            ),
        ),
        (200, operator.get(&format!("/requests/{id}"))),
    ];
    answers.extend(PAGES.map(|page| (200, operator.get(page))));
    let files = ["/style.css", "/live.js", "/icon.svg"];
    answers.extend(files.map(|file| (200, stranger.get(file))));
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{answer:?}");
        for (name, value) in CARRIED {
            assert_eq!(answer.header(name), Some(value), "{name} in {answer:?}");
        }
        // Nothing inline, nothing from elsewhere, no other script than ours.
        let page = answer.body.to_ascii_lowercase();
        for odd in ["<script>", " style=", "<style", " onclick", "javascript:", "src=\"http", "//"]
        {
            assert!(
                !page.contains(odd)
                    || answer.header("content-type") != Some("text/html; charset=utf-8"),
                "{odd} in {page}"
            );
        }
    }
}

#[test]
fn nobody_sees_or_does_anything_without_signing_in() {
    let served = Served::start("");
    let id = served.request("it leaks");
    let stranger = served.visitor();
    let mut forged = served.visitor();
    let name = served.operator().cookie.unwrap();
    let name = name.split_once('=').unwrap().0;
    forged.cookie = Some(format!("{name}={}", "A".repeat(43)));
    let request = format!("/requests/{id}");
    let answer = format!("{request}/answer");
    for visitor in [&stranger, &forged] {
        for page in PAGES.into_iter().chain([request.as_str(), "/events", "/nowhere", "/calls/x"]) {
            let sent_on = visitor.get(page);
            assert_eq!(
                (sent_on.status, sent_on.header("location")),
                (303, Some("/login")),
                "{page}"
            );
            assert_eq!(sent_on.body, "", "{page}");
            let of_script = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors")];
            let refused = visitor.ask("GET", page, &of_script, "");
            assert_eq!(refused.status, 401, "{page}");
            assert!(!refused.body.contains("checkout"), "{page}");
        }
        for page in [answer.as_str(), "/logout"] {
            assert_eq!(visitor.send("POST", page, "answer=approve").status, 401, "{page}");
        }
    }
    assert_eq!(served.status(&id), Status::Pending);
}

#[test]
fn a_code_signs_in_once_and_guessing_has_to_wait() {
    let served = Served::start("");
    let visitor = served.visitor();
    // What looks at the address in advance does not spend it, and shows no cookie.
    let looked = visitor.get(&format!("/login?{}", visitor.code));
    assert_eq!((looked.status, looked.header("set-cookie")), (200, None));
    let entered = visitor.send("POST", "/login", &visitor.code);
    assert_eq!((entered.status, entered.header("location")), (303, Some("/")));
    let cookie = entered.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
    let (name, token) = pair.split_once('=').unwrap();
    let port = visitor.address.rsplit(':').next().unwrap();
    assert_eq!((name, token.len()), (format!("toolgate_console_{port}").as_str(), 43));
    // Nine more, and the door is shut for a while, to a good code too.
    let mut codes: Vec<_> = vec![visitor.code.clone(), "code=".to_owned(), String::new()];
    codes.extend((0..7).map(|n| format!("code=AAAA{n}")));
    for code in codes {
        let refused = visitor.send("POST", "/login", &code);
        assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{code}");
    }
    let wait = visitor.send("POST", "/login", &served.visitor().code);
    assert_eq!(wait.status, 429);
    assert!(wait.header("retry-after").unwrap().parse::<u64>().unwrap() <= 7);
}

/// The answer's code, headers of the request, and its form.
type Case<'a> = (u16, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn pages_and_forms_of_others_change_nothing() {
    let served = Served::start("");
    let id = served.request("it leaks");
    let (operator, other) = (served.operator(), served.operator());
    let page = format!("/requests/{id}");
    let path = format!("{page}/answer");
    let form = format!("{}&answer=approve", operator.form(&page));
    let own = format!("http://{}", operator.address);
    let ask = |headers: &[(&str, &str)], form: &str| operator.ask("POST", &path, headers, form);
    let cases: [Case<'_>; 12] = [
        (403, &[], &form),
        (403, &[("Origin", "https://evil.example")], &form),
        (403, &[("Origin", "http://127.0.0.1:1")], &form),
        (403, &[("Origin", "null")], &form),
        (403, &[("Origin", &own), ("Sec-Fetch-Site", "cross-site")], &form),
        (403, &[("Origin", &own), ("Sec-Fetch-Site", "same-site")], &form),
        (403, &[("Sec-Fetch-Site", "none")], &form),
        (421, &[("Host", "evil.example"), ("Origin", "http://evil.example")], &form),
        (403, &[("Origin", &own)], "answer=approve"),
        (403, &[("Origin", &own)], &form.replacen("form=", "form=A", 1)),
        (400, &[("Origin", &own)], &format!("{form}&answer=deny")),
        (415, &[("Origin", &own), ("Content-Type", "text/plain")], &form),
    ];
    for (status, headers, form) in cases {
        assert_eq!(ask(headers, form).status, status, "{headers:?} {form}");
    }
    // A form of another session, although both are ours.
    let theirs = format!("{}&answer=approve", other.form(&page));
    assert_eq!(operator.send("POST", &path, &theirs).status, 403);
    assert_eq!(operator.send("POST", &path, &form.replace("approve", "maybe")).status, 400);
    assert_eq!(
        operator.send("POST", &path, &format!("{form}&reason={}", "a".repeat(501))).status,
        400
    );
    assert_eq!(operator.get(&path).status, 405);
    assert_eq!(served.status(&id), Status::Pending);
    // The same form from where it belongs.
    assert_eq!(operator.send("POST", &path, &form).status, 303);
}

#[test]
fn invariant_08_an_answer_by_browser_is_bound_to_what_was_shown() {
    let served = Served::start("");
    let id = served.request("it leaks");
    let operator = served.operator();
    let page = format!("/requests/{id}");
    let path = format!("{page}/answer");
    let form = format!("{}&answer=approve&reason=seen", operator.form(&page));
    let (before, digest) = form.split_once("request_sha256=").unwrap();
    let other = format!("{before}request_sha256={}{}", "0".repeat(64), &digest[64..]);
    let refused = operator.send("POST", &path, &other);
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(served.status(&id), Status::Pending);

    // Somebody changes what is shown after the page was loaded: what was seen is not what is there.
    let file = served.home.path().join(format!("state/approvals/{id}.request.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"pods_total\": 3", "\"pods_total\": 1")).unwrap();
    assert_eq!(operator.send("POST", &path, &form).status, 409);
    assert_eq!(served.status(&id), Status::Pending);
    std::fs::write(&file, text).unwrap();

    assert_eq!(operator.send("POST", &path, &form).status, 303);
    served.wait_for(&id, Status::Executed);
    let again = operator.send("POST", &path, &form.replace("approve", "deny"));
    assert_eq!(again.status, 409);
    assert!(again.body.contains("Too late"), "{again:?}");
    let shown = served.home.run(&["approvals", "show", &id, "--json"]).json();
    let answer = &shown["answers"][0];
    assert_eq!(
        (&answer["by"], &answer["channel"], &answer["reason"]),
        (&json!("ada@os"), &json!("console"), &json!("seen"))
    );
}

#[test]
fn what_others_wrote_is_text_on_every_page() {
    let served = Served::start("");
    let id = served.request(HOSTILE);
    let named = json!({"namespace": "shop", "pod_name": HOSTILE});
    served.call(HOSTILE, "get_pod_status", named);
    served.call(HOSTILE, HOSTILE, json!({}));
    let operator = served.operator();
    let trail = operator.get("/trail").body;
    let calls = trail.match_indices("/calls/").map(|(at, _)| trail[at..at + 23].to_owned());
    let mut pages: Vec<String> = calls.collect();
    assert_eq!(pages.len(), 2, "{trail}");
    pages.extend(PAGES.map(str::to_owned));
    pages.extend([format!("/requests/{id}"), "/trail?q=%3Cscript%3Ealert(1)&only=all".to_owned()]);
    let mut n_texts = 0;
    for page in pages {
        let answer = operator.get(&page);
        let body = &answer.body;
        assert_eq!(answer.status, 200, "{page}");
        for markup in ["<script>", "<img", "</textarea></title", " &lt;b&gt; "] {
            assert!(!body.contains(markup), "{markup} on {page}: {body}");
        }
        assert!(!body.contains(['\u{202e}', '\u{202c}', '\u{200b}', '\u{1b}']), "{page}: {body}");
        n_texts += body.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count();
    }
    assert!(n_texts >= 6, "it is shown {n_texts} times");
}

/// Markup that a cluster's objects and a container's log carry, where names and lines are shown.
#[test]
fn invariant_11_names_and_lines_of_a_cluster_are_text_on_every_page() {
    let home = Home::new();
    let scenario = home.path().join("scenario");
    copy_folder(&repository().join("host/scenarios/checkout-oom"), &scenario);
    let file = scenario.join("objects/shop-checkout.yaml");
    let pod = "checkout-7d9f8b6c54-qp7rj";
    let name = json!(format!("{pod}{HOSTILE}")).to_string();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&format!("name: {pod}\n"), &format!("name: {name}\n")))
        .unwrap();
    let reporter = "nightly-report-29384775-w8dzx";
    let folder = scenario.join(format!("logs/shop/{reporter}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("report.log"), format!("-1s ERROR {HOSTILE}\n")).unwrap();
    let with_logs = format!(
        "{}{}",
        config().replace("demo = true", &format!("demo = true\nscenario = {}", json!(scenario))),
        grants("plugins/logs", "namespaces = [\"shop\"]")
    );
    home.furnish(&["plugins/pods", "plugins/remediation", "plugins/logs"], &with_logs);
    let served = Served { http: Http::start(&home, &SERVE), home };
    let shop = json!({"namespace": "shop"});
    let listed = served.call("suite", "list_pods", shop);
    assert!(listed.contains("onerror=alert"), "the pod is there: {listed}");
    let of_pod = json!({"namespace": "shop", "pod_name": reporter});
    let log = served.call("suite", "get_pod_logs", of_pod);
    assert!(log.contains("onerror=alert"), "the line is there: {log}");
    let id = served.request("it leaks");
    let pages = served.operator().every_page();
    assert!(pages.len() >= 10, "{}", pages.len());
    for (page, body) in &pages {
        for markup in ["<script>", "<img", "</textarea></title", " &lt;b&gt; "] {
            assert!(!body.contains(markup), "{markup} on {page}: {body}");
        }
        assert!(!body.contains(['\u{202e}', '\u{202c}', '\u{200b}', '\u{1b}']), "{page}: {body}");
    }
    let request = pages.iter().find(|(page, _)| *page == format!("/requests/{id}"));
    let (_, request) = request.expect("a link leads to it");
    assert!(request.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{request}");
}

#[test]
fn invariant_07_the_console_and_the_protocol_share_no_listener() {
    let served = Served::start("");
    let operator = served.operator();
    let callers = Visitor {
        address: served.http.address().to_owned(),
        code: String::new(),
        cookie: operator.cookie.clone(),
    };
    for path in ["/", "/login", "/trail", "/style.css", "/events"] {
        assert_eq!(callers.get(path).status, 404, "{path}");
    }
    for path in ["/mcp", "/healthz", "/readyz"] {
        assert_eq!(operator.get(path).status, 404, "{path}");
        assert_eq!(operator.send("POST", path, "").status, 404, "{path}");
    }
}

#[test]
fn leaving_ends_the_session_at_the_server() {
    let served = Served::start("");
    served.request("it leaks");
    let (operator, other) = (served.operator(), served.operator());
    let page = operator.get("/").body;
    let (_, token) = page.split_once("name=\"form\" value=\"").unwrap();
    let form = format!("form={}", token.split_once('"').unwrap().0);
    let left = operator.send("POST", "/logout", &form);
    assert_eq!((left.status, left.header("location")), (303, Some("/login")));
    assert!(left.header("set-cookie").unwrap().contains("=; "), "{left:?}");
    assert_eq!(operator.get("/").status, 303);
    assert_eq!(other.get("/").status, 200);
}

#[test]
fn connections_are_few_and_come_back() {
    let served = Served::start("");
    let operator = served.operator();
    let idle: Vec<_> = (0..64).map(|_| TcpStream::connect(&operator.address).unwrap()).collect();
    let mut late = TcpStream::connect(&operator.address).unwrap();
    late.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
    let _ = late.write_all(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    let mut bytes = Vec::new();
    let _ = late.read_to_end(&mut bytes);
    assert!(bytes.is_empty(), "{}", String::from_utf8_lossy(&bytes));
    drop(idle);
    let answers = |_: &usize| {
        let mut stream = TcpStream::connect(&operator.address).unwrap();
        stream.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
        let _ = stream
            .write_all(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes.starts_with(b"HTTP/1.1 200")
    };
    assert!((0..1_000).any(|n| answers(&n)), "places come back");
}

#[test]
fn without_a_console_there_is_nothing_to_open() {
    let home = Home::new();
    home.furnish(&[], "[clusters.demo]\ndemo = true\n");
    home.check(&[&["console"], &["serve", "--http", "--console", "0.0.0.0:1"]], &expect![[r#"
        $ toolgate console
        --- on standard error
        error: no console is served

        hint: `toolgate serve --console 127.0.0.1:<port>` serves one, or `[console] listen` in the configuration
        --- exit code 1

        $ toolgate serve --http --console 0.0.0.0:1
        --- on standard error
        error: invalid value '0.0.0.0:1' for '--console <ADDR>': other machines can reach `0.0.0.0:1`, and callers would be anonymous

        hint: listen on `127.0.0.1` or `[::1]`, and reach it from elsewhere through `kubectl port-forward`, a tunnel, or a proxy that authenticates
        --- exit code 2
    "#]]);
    let served = Served::start("");
    let url = served.login_url();
    let json = served.home.run(&["console", "--json"]).json();
    assert_eq!(json["expires_in_s"], 120);
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    // A server that was killed leaves its key; the next one who asks learns that nobody is there.
    let Served { home, http } = served;
    drop(http);
    assert_eq!(home.run(&["console"]).code, Some(1));
    assert_eq!(std::fs::read_dir(home.path().join("state/console")).unwrap().count(), 0);
}
