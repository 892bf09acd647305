//! The program as people run it: processes of their own, in folders of their own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use expect_test::Expect;
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;
use toolgate_tests::{Part, patient, target_dir, toolgate};

/// What comes at all has come by then, also on a machine that is busy.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_mins(1);

/// The tools of the first-party plugins, in the order in which they are listed.
pub(crate) const TOOLS: [&str; 29] = [
    "check_access",
    "check_services",
    "cordon_node",
    "describe_node",
    "describe_pod",
    "diagnose_workload",
    "explain_network_policies",
    "find_recent_changes",
    "get_node_status",
    "get_pod_logs",
    "get_pod_status",
    "get_recent_events",
    "get_resource",
    "get_workload_logs",
    "list_autoscalers",
    "list_deployments",
    "list_failing_pods",
    "list_ingresses",
    "list_pods",
    "list_quotas",
    "list_resources",
    "pause_deployment",
    "restart_deployment",
    "restart_pod",
    "rollback_deployment",
    "rollout_status",
    "scale_deployment",
    "top_nodes",
    "top_pods",
];

/// A person's home folder, in which the program is run.
pub(crate) struct Home {
    dir: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Makes a file below the folder.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Lays out plugins and the configuration that the program finds by itself; it names no folder.
    pub(crate) fn furnish(&self, sources: &[&str], config: &str) {
        for source in sources {
            Part::find(source).lay_out(&self.path().join("plugins"));
        }
        std::fs::create_dir_all(self.path().join("plugins")).unwrap();
        let config = format!("plugins_dir = \"plugins\"\nstate_dir = \"state\"\n{config}");
        self.put("toolgate.toml", patient(&config));
    }

    /// The program with these arguments, and with nothing of our own environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(toolgate());
        command.args(arguments).current_dir(self.path()).env_clear();
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command.stdin(Stdio::null());
        command
    }

    /// What the program is given: folders below this one, but compiled code is shared, so that each
    /// component is compiled once.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        let shown = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            ("HOME", shown(self.path().to_owned())),
            ("USER", "ada".to_owned()),
            ("XDG_STATE_HOME", shown(self.path().join("xdg-state"))),
            ("XDG_CACHE_HOME", shown(target_dir().join("test-cache"))),
        ]
    }

    /// Somebody who watches requests for writes, and what they see, until it is dropped.
    pub(crate) fn watch(&self, options: &[&str]) -> (Running, Receiver<String>) {
        let mut command = self.command(&[options, &["approvals", "watch"]].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut child = Running(child);
        let lines = lines_of(child.0.stdout.take().unwrap());
        (child, lines)
    }

    /// Runs a command that answers and ends.
    pub(crate) fn run(&self, arguments: &[&str]) -> Printed {
        Printed::of(&self.command(arguments).output().unwrap())
    }

    /// A command as it looks in a terminal, save that nothing has a colour: nobody looks.
    pub(crate) fn seen(&self, arguments: &[&str]) -> String {
        let Printed { code, out, mut err } = self.run(arguments);
        assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "{out:?} {err:?}");
        if !err.is_empty() {
            err.insert_str(0, "--- on standard error\n");
        }
        let code = code.expect("it ends by itself");
        let line = arguments.join(" ");
        self.tame(&format!("$ toolgate {line}\n{out}{err}--- exit code {code}\n"))
    }

    /// Compares commands as they look in a terminal.
    pub(crate) fn check(&self, commands: &[&[&str]], expected: &Expect) {
        let all: Vec<_> = commands.iter().map(|arguments| self.seen(arguments)).collect();
        expected.assert_eq(&all.join("\n"));
    }

    /// Takes out of a text what differs from run to run.
    pub(crate) fn tame(&self, text: &str) -> String {
        let text = text.replace(self.path().to_str().unwrap(), "<home>");
        let filters = [
            (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z?", "<time>"),
            (r"\bcode=[0-9A-Za-z_-]{60,}", "code=<code>"),
            (r"\b[0-9a-f]{64}\b", "<digest>"),
            (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uid>"),
            (r"\b[0-9a-f]{12}\b", "<digest>"),
            (r"\b[a-z0-9]{16}\b", "<id>"),
            (r"(?m)^<time> [a-z0-9]{8} ", "<time> <call> "),
            (r"127\.0\.0\.1:[1-9][0-9]{3,4}\b", "127.0.0.1:<port>"),
            (r"[0-9]+ bytes in [0-9.]+ ms", "<n> bytes in <n> ms"),
            (r"[0-9]+ KB", "<n> KB"),
            // Said where the shared cache has no compiled code yet: a matter of what ran before.
            (r"(?m)^<time>  INFO progress: compiling; .*\n", ""),
            (r"(?m)[ ]+$", ""),
        ];
        filters.iter().fold(text, |text, (pattern, word)| {
            Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
        })
    }
}

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Printed {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it prints text");
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The answer of a command that went well.
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// The answer as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// What stands between the lines around untrusted text.
pub(crate) fn unfenced(text: &str) -> &str {
    let Some((fence, rest)) = text.split_once('\n').filter(|(f, _)| f.starts_with("<untrusted-"))
    else {
        return text;
    };
    let (text, end) = rest.rsplit_once('\n').expect("the fence has an end");
    assert_eq!(end, fence.replace('<', "</"), "the same line, closed");
    text
}

/// A server with one client, over its standard input and output.
pub(crate) struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    n_requests: u64,
    /// Everything that came out of standard output.
    pub(crate) lines: Vec<String>,
}

impl Pipe {
    /// Starts the program; nothing is said yet.
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        Self::start_command(home, home.command(arguments))
    }

    fn start_command(home: &Home, mut command: Command) -> Self {
        let log = std::fs::File::create(home.path().join("stderr.log")).unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let output = lines_of(child.stdout.take().unwrap());
        let input = child.stdin.take();
        Self { child, input, output, n_requests: 0, lines: Vec::new() }
    }

    /// Starts the program and opens a session of the previous era, as most clients do.
    pub(crate) fn open(home: &Home, arguments: &[&str]) -> Self {
        Self::open_command(home, home.command(arguments))
    }

    /// The same for a command of [`Home::command`] with more to it.
    pub(crate) fn open_command(home: &Home, command: Command) -> Self {
        let mut session = Self::start_command(home, command);
        let hello = session.request("initialize", hello());
        assert_eq!(hello["result"]["protocolVersion"], "2025-11-25", "{hello}");
        session.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        session
    }

    /// Sends a line.
    pub(crate) fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// The next line.
    pub(crate) fn hear(&mut self) -> Value {
        let line = self.output.recv_timeout(ANSWERED_WITHIN).expect("it says something");
        let message = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.lines.push(line);
        message
    }

    /// Listens for a moment, in which the server is not to say anything by itself.
    pub(crate) fn hear_nothing(&mut self) {
        let heard = self.output.recv_timeout(Duration::from_millis(50));
        assert!(heard.is_err(), "nobody asked for {heard:?}");
    }

    /// Sends a request and waits for the answer to it.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        self.n_requests += 1;
        let id = self.n_requests;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.say(&message.to_string());
        loop {
            let heard = self.hear();
            if heard["id"] == id {
                return heard;
            }
        }
    }

    /// Calls a tool; the answer is a result, if only one that says that it failed.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let mut answer = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    /// The most memory that the process ever had, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Closes the input and waits for the end, which is to be a good one.
    pub(crate) fn close(mut self) -> Vec<String> {
        self.input = None;
        while let Ok(line) = self.output.recv_timeout(ANSWERED_WITHIN) {
            self.lines.push(line);
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        std::mem::take(&mut self.lines)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// What a client of the previous era says first.
pub(crate) fn hello() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "suite", "version": "1"},
    })
}

/// A server for many clients, over HTTP.
pub(crate) struct Http {
    child: Child,
    log: Mutex<Receiver<String>>,
    address: String,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Http {
    /// Starts the program with arguments that make it listen on any port.
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        let mut server = Self { child, log: Mutex::new(log), address: String::new() };
        while server.address.is_empty() {
            let log = server.log.get_mut().unwrap();
            let line = log.recv_timeout(ANSWERED_WITHIN).expect("it says where it listens");
            if let Some((_, rest)) = line.split_once("http://")
                && let Some((address, _)) = rest.split_once("/mcp")
            {
                address.clone_into(&mut server.address);
            }
        }
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// `127.0.0.1:` and the port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a message with these headers beside the usual ones; one of the same name replaces it.
    pub(crate) fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let length = body.len().to_string();
        let usual = [
            ("Host", self.address.as_str()),
            ("Connection", "close"),
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("Content-Length", &length),
        ];
        let kept = usual.iter().filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
        let mut head = "POST /mcp HTTP/1.1\r\n".to_owned();
        for (name, value) in kept.chain(headers) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A server that has refused already may close before it has read everything.
        let _ = stream.write_all(body);
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        assert!(!bytes.is_empty(), "no answer: {read:?}");
        Answer::read(&bytes)
    }

    /// Asks it to end as an init system does, and gives its exit code and the rest of its log.
    #[cfg(unix)]
    pub(crate) fn terminate(mut self) -> (Option<i32>, String) {
        terminate(&self.child);
        let mut rest = String::new();
        let log = self.log.get_mut().unwrap();
        while let Ok(line) = log.recv_timeout(ANSWERED_WITHIN) {
            rest.push_str(&line);
            rest.push('\n');
        }
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            unchunked(body)
        } else {
            body.to_owned()
        };
        Self { status, head: head.to_owned(), body }
    }

    /// The one message in it: as it is, or the last one of a stream.
    pub(crate) fn message(&self) -> Value {
        let mut events = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
        let text = events.rfind(|data| !data.trim().is_empty()).unwrap_or(&self.body);
        serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, chunks)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).expect("the length of a chunk");
        body.push_str(&chunks[..length]);
        rest = chunks[length..].trim_start_matches("\r\n");
    }
    body
}

/// The lines of a pipe, read by a thread so that waiting for one can end.
pub(crate) fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            if send.send(line).is_err() {
                return;
            }
        }
    });
    receive
}

/// The lines up to the first that holds the word, with it.
pub(crate) fn until(lines: &Receiver<String>, word: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        heard.push(lines.recv_timeout(ANSWERED_WITHIN).unwrap_or_else(|_| panic!("{heard:?}")));
        if heard.last().unwrap().contains(word) {
            return heard;
        }
    }
}

/// Asks a process to end as an init system does.
#[cfg(unix)]
pub(crate) fn terminate(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

/// A program of somebody else's, as `cargo xtask test` names it in a variable. None where such are
/// left out on purpose: silence would look like a test that went well.
#[expect(clippy::disallowed_methods, reason = "xtask names programs in variables")]
pub(crate) fn foreign(variable: &str, left_out: &str, flag: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    assert!(
        std::env::var_os(left_out).is_some(),
        "`{variable}` is not set: `cargo xtask test` fetches the program and sets it; \
         `cargo xtask test {flag}` leaves these tests out"
    );
    eprintln!("left out: {left_out} is set");
    None
}

/// A process that is ended with the test, also with one that fails.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// Ends a process of ours that a failed test left, and one that ended long ago.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
