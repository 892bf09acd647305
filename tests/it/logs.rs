//! Logs: of a workload, searched, followed, and of any size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use expect_test::expect;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use toolgate_tests::{House, shown};

const SHOP: &str = "[grants.logs.kubernetes-logs]\nnamespaces = [\"shop\"]\n";

/// What comes at all has come by then, in a debug build and on a machine that is busy.
const ANSWERED_WITHIN: Duration = Duration::from_mins(5);

/// By how much memory may grow while a log of any size is read: what is under way on the wire, some
/// blocks of 64 KiB, and what is kept of it.
const GROWTH_BYTES_MAX: u64 = 24 << 20;

fn with(mut arguments: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        arguments[key] = value.clone();
    }
    arguments
}

/// The lines that begin a log, and what is said before them.
fn headers(answer: &str) -> String {
    let headers = answer.lines().enumerate().filter(|(n, line)| *n == 0 || line.starts_with("== "));
    headers.map(|(_, line)| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_workload_shows_its_containers_failing_pods_first_and_previous_runs_beside() {
    let house = House::of(&["plugins/logs"], SHOP).await;
    let ask = async |more: Value| {
        let arguments = with(json!({"namespace": "shop", "tail_lines": 2}), &more);
        house.ask("alice", "get_workload_logs", arguments).await
    };
    let both = ask(json!({"workload": "checkout"})).await;
    expect![[r#"
        output (truncated): `checkout` in `shop`: 3 pods, 3 shown, failing first. Lines are oldest first. More was left out: `include`, `container` and `since_seconds` narrow.
        == checkout-7d9f8b6c54-qp7rj checkout, previous run: the newest 2 lines
        == checkout-7d9f8b6c54-qp7rj checkout: waiting, CrashLoopBackOff: back-off 2m40s restarting failed container=checkout pod=checkout-7d9f8b6c54-qp7rj_shop(4a6ded86-e03c-43ca-acd5-22cd675cc86b)
        == checkout-7d9f8b6c54-x2v8k checkout, previous run: the newest 2 lines
        == checkout-7d9f8b6c54-x2v8k checkout: the newest 2 lines
        == checkout-7d9f8b6c54-mk4zq checkout, previous run: the newest 2 lines
        == checkout-7d9f8b6c54-mk4zq checkout: the newest 2 lines
    "#]].assert_eq(&headers(&both));
    let by_selector = ask(json!({"label_selector": "app=checkout", "run": "previous"})).await;
    expect![[r#"
        output (truncated): `app=checkout` in `shop`: 3 pods, 3 shown, failing first. Lines are oldest first. More was left out: `include`, `container` and `since_seconds` narrow.
        == checkout-7d9f8b6c54-qp7rj checkout, previous run: the newest 2 lines
        == checkout-7d9f8b6c54-x2v8k checkout, previous run: the newest 2 lines
        == checkout-7d9f8b6c54-mk4zq checkout, previous run: the newest 2 lines
    "#]].assert_eq(&headers(&by_selector));
    let filtered = json!({
        "workload": "checkout", "run": "both", "include": "ERROR|OutOfMemory", "exclude": "cart cache",
    });
    expect![[r#"
        output: `checkout` in `shop`: 3 pods, 3 shown, failing first. Lines are oldest first. Secrets redacted: 10. Control characters removed: 101.

        == checkout-7d9f8b6c54-qp7rj checkout, previous run: 2 lines
        ERROR payment declined order=ord_5551234 details
        java.lang.OutOfMemoryError: Java heap space

        == checkout-7d9f8b6c54-qp7rj checkout: waiting, CrashLoopBackOff: back-off 2m40s restarting failed container=checkout pod=checkout-7d9f8b6c54-qp7rj_shop(4a6ded86-e03c-43ca-acd5-22cd675cc86b)

        == checkout-7d9f8b6c54-x2v8k checkout, previous run: 1 line
        java.lang.OutOfMemoryError: Java heap space

        == checkout-7d9f8b6c54-x2v8k checkout: 0 lines

        == checkout-7d9f8b6c54-mk4zq checkout, previous run: 1 line
        java.lang.OutOfMemoryError: Java heap space

        == checkout-7d9f8b6c54-mk4zq checkout: 0 lines"#]].assert_eq(&ask(filtered).await);
    expect![[r#"
        received  alice@os get_workload_logs {"namespace":"shop","tail_lines":2,"workload":"checkout"}
        admitted  logs (read)
        used      kubernetes-logs get demo:Deployment:shop/checkout allowed
        used      kubernetes-logs list demo:Pod:shop/* allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-qp7rj allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-x2v8k allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-mk4zq allowed
        completed output
        received  alice@os get_workload_logs {"namespace":"shop","tail_lines":2,"label_selector":"app=checkout","run":"previous"}
        admitted  logs (read)
        used      kubernetes-logs list demo:Pod:shop/* allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-qp7rj allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-x2v8k allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-mk4zq allowed
        completed output
        received  alice@os get_workload_logs {"namespace":"shop","tail_lines":2,"workload":"checkout","run":"both","include":"ERROR|OutOfMemory","exclude":"cart cache"}
        admitted  logs (read)
        used      kubernetes-logs get demo:Deployment:shop/checkout allowed
        used      kubernetes-logs list demo:Pod:shop/* allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-qp7rj allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-x2v8k allowed
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-mk4zq allowed
        completed output
    "#]].assert_eq(&house.record().text().await);
}

#[tokio::test]
async fn what_is_not_granted_is_not_in_a_workload() {
    let config = "[grants.logs.kubernetes-logs]\nnamespaces = [\"shop\"]\nnames = [\"*-qp7rj\"]\n";
    let house = House::of(&["plugins/logs"], config).await;
    let ask =
        async |arguments: Value| headers(&house.ask("alice", "get_workload_logs", arguments).await);
    let by_selector =
        json!({"namespace": "shop", "label_selector": "app=checkout", "tail_lines": 1});
    expect![[r#"
        output (truncated): `app=checkout` in `shop`: 1 pods, 1 shown, failing first. Lines are oldest first. More was left out: `include`, `container` and `since_seconds` narrow.
        == checkout-7d9f8b6c54-qp7rj checkout, previous run: the newest 1 lines
        == checkout-7d9f8b6c54-qp7rj checkout: waiting, CrashLoopBackOff: back-off 2m40s restarting failed container=checkout pod=checkout-7d9f8b6c54-qp7rj_shop(4a6ded86-e03c-43ca-acd5-22cd675cc86b)
    "#]].assert_eq(&ask(by_selector).await);
    // The deployment's own name is not granted, and another namespace is not either.
    for arguments in [
        json!({"namespace": "shop", "workload": "checkout"}),
        json!({"namespace": "payments", "label_selector": "app=ledger"}),
        json!({"namespace": "payments", "workload": "ledger"}),
    ] {
        let answer = ask(arguments).await;
        assert!(answer.starts_with("tool-error: not found: "), "{answer}");
    }
    let requests = house.cluster("demo").requests();
    assert!(requests.iter().all(|r| r.path.contains("/shop/") && !r.path.contains("deployments")));
    assert!(!requests.iter().any(|r| r.path.contains("mk4zq")), "only what is granted is read");
}

#[tokio::test]
async fn a_pattern_is_no_oracle_for_what_is_redacted() {
    let house = House::of(&["plugins/logs"], SHOP).await;
    let ask = async |pattern: &str| {
        let pod = "checkout-7d9f8b6c54-qp7rj";
        let arguments = json!({
            "namespace": "shop", "pod_name": pod, "previous": true, "include": pattern,
        });
        house.ask("eve", "get_pod_logs", arguments).await
    };
    let redacted = ask("s3 client AWS_ACCESS_KEY_ID=\\[redacted:aws-access-key\\]").await;
    assert!(redacted.contains(": 1 of "), "{redacted}");
    // Whatever the secret begins with: no letter of it is told from another.
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9');
    for guess in letters.map(|letter| format!("AWS_ACCESS_KEY_ID={letter}")) {
        let answer = ask(&guess).await;
        assert!(answer.contains(": 0 of "), "{guess}: {answer}");
    }
}

/// An API server with one pod, whose log is made while it is read.
struct Server {
    address: String,
    seen: Arc<Seen>,
    /// Where its kubeconfig lies: it is read when the first request needs it.
    folder: tempfile::TempDir,
}

#[derive(Default)]
struct Seen {
    /// The most memory that this process had while a log was written.
    rss_bytes: AtomicU64,
    written_bytes: AtomicU64,
    /// A log's reader has gone before its end.
    is_left: AtomicBool,
    /// A log is being written.
    is_open: AtomicBool,
    last_query: std::sync::Mutex<String>,
}

const LINE: &str = "level=info msg=\"order placed\" customer=c10492 items=3 took=41ms cart=5b694a0c \
                    region=eu-west total=128.13 currency=EUR";

impl Server {
    async fn start(log_bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    if answer(stream, log_bytes, &seen).await.is_none() {
                        seen.is_left.store(true, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { address, seen: kept, folder: tempfile::tempdir().unwrap() }
    }

    /// A house whose only cluster this is.
    async fn house(&self) -> House {
        let kubeconfig = self.folder.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "big",
            "clusters": [{"name": "big", "cluster": {"server": self.address}}],
            "users": [{"name": "big", "user": {}}],
            "contexts": [{"name": "big", "context": {"cluster": "big", "user": "big"}}],
        });
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        let config = format!(
            "{SHOP}[clusters.big]\nkubeconfig = '{}'\ncontext = \"big\"\n\
             [limits]\ndeadline_ms = 290000\n",
            kubeconfig.display()
        );
        House::builder().with("plugins/logs").config(&config).build().await
    }
}

/// One connection; `None` where the client leaves within an answer.
async fn answer(mut stream: TcpStream, log_bytes: u64, seen: &Seen) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return Some(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let uri = head.split(' ').nth(1).unwrap();
    if !uri.contains("/log?") {
        let running = json!({"running": {"startedAt": "2026-11-21T02:00:00Z"}});
        let pod = json!({
            "metadata": {"name": "web-1"}, "spec": {"containers": [{"name": "app"}]},
            "status": {"containerStatuses": [{
                "name": "app", "image": "web", "imageID": "", "ready": true, "restartCount": 0,
                "state": running,
            }]},
        });
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]});
        let asked = if uri.contains("/pods?") { list.to_string() } else { pod.to_string() };
        let length = asked.len();
        let text = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{asked}"
        );
        return stream.write_all(text.as_bytes()).await.ok();
    }
    uri.clone_into(&mut seen.last_query.lock().unwrap());
    let tail: Option<u64> =
        uri.split_once("tailLines=").map(|(_, n)| n.split('&').next().unwrap().parse().unwrap());
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    seen.is_open.store(true, Ordering::SeqCst);
    let lines = log_bytes / (LINE.len() as u64 + 32);
    let first = tail.map_or(0, |tail| lines.saturating_sub(tail));
    let mut n = first;
    while n < lines {
        let mut piece = String::with_capacity(300 << 10);
        for _ in 0..1_000 {
            if n < lines {
                // One line in the middle of the log is another.
                let what = if n == lines / 2 { "level=error msg=\"card declined\"" } else { LINE };
                piece.push_str(&format!("2026-11-21T02:13:07.{n:09}Z {what}\n"));
                n += 1;
            }
        }
        seen.written_bytes.fetch_add(piece.len() as u64, Ordering::SeqCst);
        stream.write_all(piece.as_bytes()).await.ok()?;
        seen.rss_bytes.fetch_max(rss_bytes(), Ordering::SeqCst);
    }
    if uri.contains("follow=true") {
        // Until the client leaves.
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
        return None;
    }
    Some(())
}

/// What this process holds in memory; 0 where the system does not say.
fn rss_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or(0, |kib| kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: `cargo xtask test` runs it alone, after the others"]
async fn a_log_of_200_mb_is_tailed_and_searched_in_bounded_memory() {
    let server = Server::start(200 << 20).await;
    let house = server.house().await;
    let ask = async |more: Value| {
        let arguments = with(json!({"namespace": "shop", "pod_name": "web-1"}), &more);
        let answer = house.ask("alice", "get_pod_logs", arguments);
        tokio::time::timeout(ANSWERED_WITHIN, answer).await.expect("an answer")
    };
    let tailed = ask(json!({"tail_lines": 3})).await;
    assert_eq!(tailed.lines().count(), 5, "{tailed}");
    assert!(server.seen.written_bytes.load(Ordering::SeqCst) < 1_000, "the server cuts the tail");

    let before = rss_bytes();
    server.seen.rss_bytes.store(0, Ordering::SeqCst);
    let began = Instant::now();
    let found = ask(json!({"include": "card declined|no such line"})).await;
    let took = began.elapsed();
    let growth = server.seen.rss_bytes.load(Ordering::SeqCst).saturating_sub(before);
    eprintln!(
        "200 MB searched in {:.1} s, memory grew by {} KiB",
        took.as_secs_f64(),
        growth >> 10
    );
    assert!(found.contains(": 1 of 1"), "{found}");
    assert!(found.ends_with("level=error msg=\"card declined\""), "{found}");
    assert!(server.seen.written_bytes.load(Ordering::SeqCst) > 199 << 20);
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes");
}

/// "0 lines" is no "there are none" where a log is longer than what is searched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_that_does_not_reach_the_beginning_says_so() {
    let server = Server::start(20 << 20).await;
    let house = server.house().await;
    let ask = async |include: &str| {
        let selector = json!({"namespace": "shop", "label_selector": "app=web"});
        let arguments = with(selector, &json!({"include": include}));
        headers(&house.ask("alice", "get_workload_logs", arguments).await)
    };
    expect![[r#"
        output (truncated): `app=web` in `shop`: 1 pods, 1 shown, failing first. Lines are oldest first. More was left out: `include`, `container` and `since_seconds` narrow.
        == web-1 app: 0 lines among the newest 100000; older ones were not searched
        output (truncated): `app=web` in `shop`: 1 pods, 1 shown, failing first. Lines are oldest first. More was left out: `include`, `container` and `since_seconds` narrow.
        == web-1 app: 1 line among the newest 100000; older ones were not searched
    "#]].assert_eq(&[ask("no such line").await, ask("card declined").await].concat());
    assert!(server.seen.last_query.lock().unwrap().contains("tailLines=100001"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_ends_with_its_pattern_its_time_or_its_caller_and_so_does_the_request() {
    let server = Server::start(2_000).await;
    let house = Arc::new(server.house().await);
    let ask = async |more: Value, cancel: CancellationToken| {
        let arguments = json!({"namespace": "shop", "pod_name": "web-1", "container": "app"});
        server.seen.is_left.store(false, Ordering::SeqCst);
        server.seen.is_open.store(false, Ordering::SeqCst);
        let call = house.call_until("alice", "get_pod_logs", with(arguments, &more), cancel);
        let answer = tokio::time::timeout(ANSWERED_WITHIN, call).await.expect("an answer");
        eventually(&server.seen.is_left).await;
        shown(&answer)
    };
    let until = json!({"follow_seconds": 60, "until": "card", "tail_lines": 10});
    let answer = ask(until, CancellationToken::new()).await;
    assert!(answer.contains("Followed until the last of them."), "{answer}");
    assert!(answer.ends_with("level=error msg=\"card declined\""), "{answer}");
    assert!(server.seen.last_query.lock().unwrap().contains("follow=true&tailLines=10"));

    let answer = ask(json!({"follow_seconds": 1, "include": "nothing"}), CancellationToken::new());
    let answer = answer.await;
    assert!(answer.contains(": 0 of 1"), "{answer}");
    assert!(answer.contains("Followed for at most 1 s."), "{answer}");

    let cancel = CancellationToken::new();
    let (answer, ()) = tokio::join!(ask(json!({"follow_seconds": 60}), cancel.clone()), async {
        eventually(&server.seen.is_open).await;
        cancel.cancel();
    });
    assert_eq!(answer, "cancelled");
}

async fn eventually(flag: &AtomicBool) {
    let began = Instant::now();
    while !flag.load(Ordering::SeqCst) {
        assert!(began.elapsed() < ANSWERED_WITHIN, "it does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
