//! API servers that fail, through the program itself: what the caller reads, what the operator's
//! log says, how long it takes, and that nobody has to restart anything afterwards.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use regex::Regex;
use serde_json::json;
use toolgate_tests::api_server::{ApiServer, Conduct, answer, head_and_body, pods, status};
use toolgate_tests::authority::{Authority, Signed, Validity, tls};

use crate::program::{Home, Pipe, unfenced};

/// What the configuration says; short, so that silence is soon over.
const DEADLINE: Duration = Duration::from_secs(2);

/// Beyond the deadline, for a machine that does a lot besides this.
const SLACK: Duration = Duration::from_secs(8);

/// What the program may have had in memory, whatever was sent to it: an answer of 32 MiB in a
/// buffer that doubles, beside itself.
#[cfg(target_os = "linux")]
const RSS_KB_MAX: u64 = 256 << 10;

const GOOD: &str = "1 pod in `shop`";

/// A server of its own authority, the program that asks it, and what both keep.
struct Scene {
    home: Home,
    authority: Authority,
    server: ApiServer,
    session: Option<Pipe>,
    log_bytes_seen: usize,
}

impl Scene {
    /// Nothing runs yet but the server. `user` is the kubeconfig's, in one line of YAML, in which
    /// `@/` is the home folder.
    async fn new(user: &str) -> Self {
        let authority = Authority::new("the authority");
        let own = authority.server(&["127.0.0.1"], Validity::Now);
        let server = ApiServer::start(tls(&own, None)).await;
        let home = Home::new();
        home.furnish(
            &["plugins/pods"],
            &format!(
                "[clusters.prod]\ncontext = \"here\"\nkubeconfig = \"kube/config\"\n\
                 request_deadline_ms = {}\n\
                 [grants.pods.kubernetes-read]\nnamespaces = [\"*\"]\n\
                 [grants.pods.kubernetes-events]\nnamespaces = [\"*\"]\n",
                DEADLINE.as_millis()
            ),
        );
        let scene = Self { home, authority, server, session: None, log_bytes_seen: 0 };
        scene.kubeconfig(user, &format!("https://{}", scene.server.address()));
        scene.home.put("kube/ca.pem", &scene.authority.pem);
        scene
    }

    fn kubeconfig(&self, user: &str, server: &str) {
        let user = user.replace("@/", &format!("{}/", self.home.path().display()));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: elsewhere\n\
             clusters: [{{name: c, cluster: {{server: '{server}', \
             certificate-authority: ca.pem}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n\
             contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n"
        );
        self.home.put("kube/config", text);
    }

    fn keep(&self, name: &str, signed: &Signed) {
        self.home.put(&format!("kube/{name}.pem"), &signed.pem);
        self.home.put(&format!("kube/{name}.key"), &signed.key_pem);
    }

    /// Asks for the pods; gives the answer's text and what the log says of it.
    fn ask(&mut self) -> (String, String) {
        let home = &self.home;
        let session = self.session.get_or_insert_with(|| Pipe::open(home, &["serve"]));
        let begun = Instant::now();
        let result = session.call("list_pods", json!({"namespace": "shop"}));
        let took = begun.elapsed();
        let text = result["content"][0]["text"].as_str().expect("an answer has a text").to_owned();
        assert!(took < DEADLINE + SLACK, "{took:?} for {text}");
        let log = std::fs::read_to_string(self.home.path().join("stderr.log")).unwrap();
        let new = &log[self.log_bytes_seen..];
        let lines = new.lines().filter(|line| line.contains("a port did not answer"));
        let said: Vec<_> = lines.map(|line| self.home.tame(line)).collect();
        self.log_bytes_seen = log.len();
        (text, said.join("\n"))
    }

    fn ask_well(&mut self) {
        let (text, log) = self.ask();
        assert!(unfenced(&text).starts_with(GOOD) && log.is_empty(), "{text}\n{log}");
    }

    /// What the caller reads and the operator reads, as a row of a table.
    fn row(&mut self, name: &str) -> String {
        let (text, log) = self.ask();
        let host = self.server.address().to_string();
        assert!(!text.contains(&host) && !text.contains("internal"), "{name}: {text}");
        let error = log.split_once(" error=").map_or("", |(_, error)| error);
        let error = error.split(" capability=").next().unwrap_or(error);
        let error = Regex::new("[0-9]{9,}").unwrap().replace_all(error, "<n>");
        format!("{name}\n  caller: {text}\n  log:    {error}\n")
    }
}

fn chunked(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

/// 256 MiB of zeros in 1.7 MB, written by hand: a literal, then `the last byte 258 times` so often.
fn bomb() -> Vec<u8> {
    let mut bits: Vec<u8> = vec![1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
    for _ in 0..(256 << 20) / 258 {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    bits.extend([0; 7]);
    let bytes = bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit));
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff].into_iter().chain(bytes).collect()
}

fn conducts(elsewhere: &str) -> Vec<(&'static str, Conduct)> {
    use Conduct::{BreaksOff, Deaf, LaterPages, NeverEnds, Says, Silent};
    let html = "<html><body>Please log in</body></html>";
    let redirect = |code| head_and_body(code, &format!("Location: {elsewhere}/api\r\n"), b"");
    let whole = answer(200, "application/json", pods(""));
    let kind = |kind: &str| {
        answer(200, "application/json", json!({"kind": kind, "metadata": {}, "items": []}))
    };
    let at_once = Duration::ZERO;
    let (gzip, json) = ("Content-Encoding: gzip\r\n", "application/json");
    vec![
        ("takes the connection and says nothing", Deaf),
        ("takes the request and says nothing", Silent),
        ("drips", NeverEnds(chunked(""), b"1\r\n \r\n".into(), Duration::from_millis(50))),
        ("429", Says(status(429, "TooManyRequests", ""))),
        ("429, come back in 1 s", Says(status(429, "TooManyRequests", "Retry-After: 1\r\n"))),
        (
            "429, come back in an hour",
            Says(status(429, "TooManyRequests", "Retry-After: 3600\r\n")),
        ),
        ("500", Says(status(500, "InternalError", ""))),
        ("503", Says(status(503, "ServiceUnavailable", ""))),
        ("503 of a proxy", Says(answer(503, "text/html", html))),
        ("410 within a list", LaterPages(status(410, "Expired", ""))),
        ("401", Says(status(401, "Unauthorized", ""))),
        ("403", Says(status(403, "Forbidden", ""))),
        ("404 of a proxy", Says(answer(404, "text/html", html))),
        ("200 with a page to log in", Says(answer(200, "text/html", html))),
        ("nothing but 200", Says(answer(200, "text/plain", ""))),
        ("half of the JSON", Says(answer(200, json, &pods("").to_string()[..90]))),
        ("another kind", Says(kind("ConfigMapList"))),
        ("no list", Says(kind("Pod"))),
        ("a number", Says(answer(200, json, 1))),
        ("brackets without an end", Says(answer(200, json, "[".repeat(1 << 20)))),
        ("a gzip bomb", Says(head_and_body(200, gzip, &bomb()))),
        ("a body without an end", {
            let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
            NeverEnds(chunked(""), chunk.into(), at_once)
        }),
        ("headers without an end", {
            let more = "X-More: and more\r\n".repeat(1000);
            NeverEnds(b"HTTP/1.1 200 OK\r\n".into(), more.into(), at_once)
        }),
        ("`continue` without an end", {
            NeverEnds(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".into(), Duration::from_millis(1))
        }),
        ("not HTTP", Says(b"SSH-2.0-OpenSSH_9.9\r\n".into())),
        ("ends at once", Says(Vec::new())),
        ("is reset", BreaksOff(Vec::new())),
        ("is reset within the body", BreaksOff(whole[..whole.len() - 20].to_vec())),
        ("302 to elsewhere", Says(redirect(302))),
        ("307 to elsewhere", Says(redirect(307))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_misbehaves_is_told_in_time_and_forgiven_at_once() {
    let mut scene = Scene::new("token: hunter2").await;
    let own = scene.authority.server(&["127.0.0.1"], Validity::Now);
    let elsewhere = ApiServer::start(tls(&own, None)).await;
    let mut table = String::new();
    for (name, conduct) in conducts(&format!("https://{}", elsewhere.address())) {
        scene.server.behave(conduct);
        table.push_str(&scene.row(name));
        scene.server.behave(Conduct::Well);
        scene.ask_well();
    }
    assert_eq!(elsewhere.asked(), [], "our token was carried elsewhere");
    #[cfg(target_os = "linux")]
    {
        let peak_kb = scene.session.as_ref().expect("it was asked").peak_kb();
        assert!(peak_kb < RSS_KB_MAX, "{peak_kb} KiB");
    }
    TABLE.assert_eq(&table);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_at_our_start_or_later_is_found_when_it_is_back() {
    let mut scene = Scene::new("token: hunter2").await;
    scene.server.stop().await;
    let away = scene.row("stopped");
    scene.server.resume().await;
    scene.ask_well();
    scene.server.stop().await;
    assert_eq!(scene.row("stopped"), away);
    scene.server.resume().await;
    scene.ask_well();
    expect![[r#"
        stopped
          caller: unavailable: the cluster does not answer; try again later
          log:    listing pod in `shop`: ServiceError: client error (Connect): tcp connect error: Connection refused (os error 111); check that the api server runs and that this machine reaches it
    "#]].assert_eq(&away);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_went_dead_costs_one_request() {
    let mut scene = Scene::new("token: hunter2").await;
    scene.ask_well();
    // The connection that is kept open is one on which nothing comes any more.
    scene.server.behave(Conduct::Silent);
    let (text, _) = scene.ask();
    assert_eq!(text, "unavailable: the cluster did not answer in time; try again later");
    scene.server.behave(Conduct::Well);
    scene.ask_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_not_trusted_are_told_and_read_again() {
    let mut scene = Scene::new("token: hunter2").await;
    let mut table = String::new();
    let good = scene.authority.server(&["127.0.0.1"], Validity::Now);

    let expired = scene.authority.server(&["127.0.0.1"], Validity::Expired);
    scene.server.speak(tls(&expired, None));
    table.push_str(&scene.row("the server's certificate has expired"));
    scene.server.speak(tls(&good, None));
    scene.ask_well();

    let other_name = scene.authority.server(&["other.example"], Validity::Now);
    scene.server.speak(tls(&other_name, None));
    reconnect(&mut scene).await;
    table.push_str(&scene.row("the server's certificate is another's"));
    scene.server.speak(tls(&good, None));
    scene.ask_well();

    // The authority is replaced, first at the server, then in our file.
    let successor = Authority::new("the next authority");
    let next = successor.server(&["127.0.0.1"], Validity::Now);
    scene.server.speak(tls(&next, None));
    reconnect(&mut scene).await;
    table.push_str(&scene.row("the server's authority is not ours"));
    scene.home.put("kube/ca.pem", &successor.pem);
    scene.ask_well();

    // And once more while we hold a client of the old one: nobody notices.
    scene.server.speak(tls(&good, None));
    scene.home.put("kube/ca.pem", &scene.authority.pem);
    reconnect(&mut scene).await;
    scene.ask_well();
    expect![[r#"
        the server's certificate has expired
          caller: unavailable: this server does not trust the cluster's certificate; its operator can say more
          log:    listing pod in `shop`: ServiceError: client error (Connect): invalid peer certificate: certificate expired: verification time <n> (UNIX), but certificate is not valid after <n> (<n> seconds ago); renew the api server's certificate, or give its authority in the kubeconfig: it is read again for the next request
        the server's certificate is another's
          caller: unavailable: this server does not trust the cluster's certificate; its operator can say more
          log:    listing pod in `shop`: ServiceError: client error (Connect): invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("other.example"); renew the api server's certificate, or give its authority in the kubeconfig: it is read again for the next request
        the server's authority is not ours
          caller: unavailable: this server does not trust the cluster's certificate; its operator can say more
          log:    listing pod in `shop`: ServiceError: client error (Connect): invalid peer certificate: UnknownIssuer; renew the api server's certificate, or give its authority in the kubeconfig: it is read again for the next request
    "#]].assert_eq(&table);
}

/// Ends the connections that are open, so that the next request makes one.
async fn reconnect(scene: &mut Scene) {
    scene.server.resume().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_certificate_is_read_again_once_it_was_renewed() {
    let mut scene = Scene::new("client-certificate: us.pem, client-key: us.key").await;
    let own = scene.authority.server(&["127.0.0.1"], Validity::Now);
    let clients = Authority::new("the clients' authority");
    scene.server.speak(tls(&own, Some(&clients)));
    let mut table = String::new();

    scene.keep("us", &clients.client(Validity::Expired));
    table.push_str(&scene.row("our certificate has expired"));
    scene.keep("us", &Authority::new("a stranger").client(Validity::Now));
    table.push_str(&scene.row("our certificate is a stranger's"));
    scene.keep("us", &clients.client(Validity::Now));
    scene.ask_well();

    let next = Authority::new("the clients' next authority");
    scene.server.speak(tls(&own, Some(&next)));
    scene.keep("us", &next.client(Validity::Now));
    reconnect(&mut scene).await;
    scene.ask_well();
    expect![[r#"
        our certificate has expired
          caller: unavailable: the cluster does not accept this server's credentials; its operator can say more
          log:    listing pod in `shop`: ServiceError: client error (SendRequest): connection error: received fatal alert: CertificateExpired; renew the token or the certificate of the context, or log in to the cluster again: both are read again for the next request
        our certificate is a stranger's
          caller: unavailable: the cluster does not accept this server's credentials; its operator can say more
          log:    listing pod in `shop`: ServiceError: client error (SendRequest): connection error: received fatal alert: UnknownCA; renew the token or the certificate of the context, or log in to the cluster again: both are read again for the next request
    "#]].assert_eq(&table);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_rotated_under_way_is_used_at_once() {
    // As every editor leaves a file, and as a service account's is mounted.
    let program = "command: sh, args: [-c, 'cat @/kube/said'], apiVersion: \
                   client.authentication.k8s.io/v1, interactiveMode: Never";
    for user in ["tokenFile: @/kube/token".to_owned(), format!("exec: {{{program}}}")] {
        let mut scene = Scene::new(&user).await;
        for (token, said) in [("one", "one\n"), ("two", "two"), ("three", "three\r\n")] {
            scene.home.put("kube/token", said);
            let status = json!({"token": token});
            let credential = json!({"kind": "ExecCredential", "status": status,
                                    "apiVersion": "client.authentication.k8s.io/v1"});
            scene.home.put("kube/said", credential.to_string());
            scene.server.accept_only(token);
            scene.ask_well();
        }
        scene.server.asked();
        scene.server.accept_only("four");
        let (text, _) = scene.ask();
        assert_eq!(
            text,
            "unavailable: the cluster does not accept this server's credentials; its operator can \
             say more"
        );
        let n_asked = scene.server.asked().len();
        assert_eq!(n_asked, 2, "asked once more with what is in the file now, and no more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiring_token_of_a_program_is_fetched_again_and_a_failing_program_is_told() {
    let program = "command: sh, args: [-c, 'cat @/kube/said && echo >> @/kube/runs'], apiVersion: \
                   client.authentication.k8s.io/v1, interactiveMode: Never";
    let mut scene = Scene::new(&format!("exec: {{{program}}}")).await;
    let say = |scene: &Scene, token: &str| -> PathBuf {
        // It is over for whoever looks at the clock, so each request asks for the next.
        let status = json!({"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"});
        let credential = json!({"kind": "ExecCredential", "status": status,
                                "apiVersion": "client.authentication.k8s.io/v1"});
        scene.server.accept_only(token);
        scene.home.put("kube/said", credential.to_string())
    };
    say(&scene, "one");
    scene.ask_well();
    let said = say(&scene, "two");
    scene.ask_well();
    std::fs::remove_file(said).unwrap();
    let table = scene.row("the credential program fails");
    say(&scene, "three");
    scene.ask_well();
    assert!(std::fs::read(scene.home.path().join("kube/runs")).unwrap().len() >= 3);
    expect![[r#"
        the credential program fails
          caller: unavailable: this server has no valid credentials for the cluster; its operator can say more
          log:    listing pod in `shop`: its credential program failed with exit status: 1: cat: <home>/kube/said: No such file or directory; run the program by hand; it cannot ask questions here, so log in beforehand
    "#]].assert_eq(&table);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_not_asked() {
    let mut scene = Scene::new("token: hunter2").await;
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let mut command = scene.home.command(&["serve"]);
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        command.env(name, &address);
    }
    scene.session = Some(Pipe::open_command(&scene.home, command));
    scene.ask_well();
    assert!(proxy.accept().is_err(), "the proxy was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_nowhere_is_told_in_time() {
    let mut scene = Scene::new("token: hunter2").await;
    scene.kubeconfig("token: hunter2", "https://api.toolgate.invalid:6443");
    let (text, log) = scene.ask();
    // Without any network the system itself may look for longer than we wait.
    let expected = [
        "unavailable: the cluster does not answer; try again later",
        "unavailable: the cluster did not answer in time; try again later",
    ];
    assert!(expected.contains(&text.as_str()), "{text}");
    assert!(log.contains("listing pod in `shop`"), "{log}");
    scene.kubeconfig("token: hunter2", &format!("https://{}", scene.server.address()));
}

const TABLE: Expect = expect![[r#"
    takes the connection and says nothing
      caller: unavailable: the cluster did not answer in time; try again later
      log:    listing pod in `shop`: no answer within 2 s; look whether the api server is overloaded or something on the way drops packets; `request_deadline_ms` of the cluster says how long to wait
    takes the request and says nothing
      caller: unavailable: the cluster did not answer in time; try again later
      log:    listing pod in `shop`: no answer within 2 s; look whether the api server is overloaded or something on the way drops packets; `request_deadline_ms` of the cluster says how long to wait
    drips
      caller: unavailable: the cluster did not answer in time; try again later
      log:    listing pod in `shop`: no answer within 2 s; look whether the api server is overloaded or something on the way drops packets; `request_deadline_ms` of the cluster says how long to wait
    429
      caller: unavailable: the cluster is too busy and did nothing; try again later
      log:    listing pod in `shop`: 429: TooManyRequests, says etcd-7.internal; look at who sends it so many requests, and at its flow schemas
    429, come back in 1 s
      caller: unavailable: the cluster is too busy and did nothing; try again later
      log:    listing pod in `shop`: 429: TooManyRequests, says etcd-7.internal; look at who sends it so many requests, and at its flow schemas
    429, come back in an hour
      caller: unavailable: the cluster is too busy and did nothing; try again later
      log:    listing pod in `shop`: 429: TooManyRequests, says etcd-7.internal; look at who sends it so many requests, and at its flow schemas
    500
      caller: unavailable: the cluster has a fault; try again later
      log:    listing pod in `shop`: 500: InternalError, says etcd-7.internal; look at the api server's own log, and at `kubectl get --raw '/readyz?verbose'`
    503
      caller: unavailable: the cluster has a fault; try again later
      log:    listing pod in `shop`: 503: ServiceUnavailable, says etcd-7.internal; look at the api server's own log, and at `kubectl get --raw '/readyz?verbose'`
    503 of a proxy
      caller: unavailable: the cluster has a fault; try again later
      log:    listing pod in `shop`: 503: <html><body>Please log in</body></html>; look at the api server's own log, and at `kubectl get --raw '/readyz?verbose'`
    410 within a list
      caller: the list changed while it was read and its page token has expired; ask again from the first page
      log:    
    401
      caller: unavailable: the cluster does not accept this server's credentials; its operator can say more
      log:    listing pod in `shop`: 401: Unauthorized, says etcd-7.internal; renew the token or the certificate of the context, or log in to the cluster again: both are read again for the next request
    403
      caller: unavailable: the cluster does not allow this server to do that; its operator can say more
      log:    the api server refuses: listing pod in `shop`: 403: Forbidden, says etcd-7.internal; `toolgate rbac` prints the rights that it needs
    404 of a proxy
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: 404: <html><body>Please log in</body></html>; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    200 with a page to log in
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: expected value at line 1 column 1; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    nothing but 200
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: EOF while parsing a value at line 1 column 0; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    half of the JSON
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: EOF while parsing a string at line 1 column 90; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    another kind
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: a list of kind "ConfigMapList"; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    no list
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: a list of kind "Pod"; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    a number
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: invalid type: integer `1`, expected struct ListAnswer at line 1 column 1; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    brackets without an end
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: invalid type: sequence, expected a string at line 1 column 1; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    a gzip bomb
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: expected value at line 1 column 1; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    a body without an end
      caller: limit exceeded: the cluster's answer is larger than 32 MiB; ask for less at a time
      log:    
    headers without an end
      caller: unavailable: the cluster does not answer; try again later
      log:    listing pod in `shop`: ServiceError: client error (SendRequest): message head is too large; check that the api server runs and that this machine reaches it
    `continue` without an end
      caller: unavailable: the cluster did not answer in time; try again later
      log:    listing pod in `shop`: no answer within 2 s; look whether the api server is overloaded or something on the way drops packets; `request_deadline_ms` of the cluster says how long to wait
    not HTTP
      caller: unavailable: the cluster does not answer; try again later
      log:    listing pod in `shop`: ServiceError: client error (SendRequest): invalid HTTP version parsed; check that the api server runs and that this machine reaches it
    ends at once
      caller: unavailable: the cluster does not answer; try again later
      log:    listing pod in `shop`: ServiceError: client error (SendRequest): connection closed before message completed; check that the api server runs and that this machine reaches it
    is reset
      caller: unavailable: the cluster does not answer; try again later
      log:    listing pod in `shop`: ServiceError: client error (SendRequest): connection error: Connection reset by peer (os error 104); check that the api server runs and that this machine reaches it
    is reset within the body
      caller: unavailable: the cluster does not answer; try again later
      log:    listing pod in `shop`: ServiceError: error reading a body from connection: Connection reset by peer (os error 104); check that the api server runs and that this machine reaches it
    302 to elsewhere
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: 302: it sends us to "https://127.0.0.1:<port>/api", where we do not go; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
    307 to elsewhere
      caller: unavailable: the cluster's answer makes no sense; its operator can say more
      log:    listing pod in `shop`: 307: it sends us to "https://127.0.0.1:<port>/api", where we do not go; look whether the context's `server` is the api server itself, and not a log-in page or a proxy on the way to it
"#]];
