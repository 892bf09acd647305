//! A browser that is driven over `WebDriver`: the little of the protocol that the tests of the console
//! need.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use toolgate_tests::target_dir;

use crate::program::{ANSWERED_WITHIN, Running, foreign};

/// What `WebDriver` calls keys that are no letters.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

/// Between two looks at a page that changes by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A browser with one window, and a profile that nobody had before.
pub(crate) struct Browser {
    address: String,
    session: String,
    _driver: Running,
    _profile: TempDir,
}

fn program(variable: &str) -> Option<PathBuf> {
    foreign(variable, "TOOLGATE_NO_BROWSER", "--no-browser")
}

impl Browser {
    /// Starts one; `arguments` are added to those that a machine without screen and network needs.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        let (driver, chromium) = (program("TOOLGATE_CHROMEDRIVER")?, program("TOOLGATE_CHROMIUM")?);
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(driver);
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = Running(command.spawn().unwrap());
        let said = BufReader::new(driver.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port = |line: String| {
            let (_, rest) = line.split_once("started successfully on port ")?;
            Some(rest.trim_end_matches('.').to_owned())
        };
        let port = said.into_iter().find_map(port).expect("the driver says where it listens");
        let mut flags: Vec<String> = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            "--window-size=1140,860",
        ]
        .map(str::to_owned)
        .to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        flags.extend(arguments.iter().map(|flag| (*flag).to_owned()));
        let options = json!({"binary": chromium, "args": flags});
        let logs = json!({"browser": "ALL"});
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": logs});
        let mut browser = Self {
            address: format!("127.0.0.1:{port}"),
            session: String::new(),
            _driver: driver,
            _profile: profile,
        };
        let wanted = json!({"capabilities": {"alwaysMatch": wanted}});
        let begun = browser.ask("POST", "/session", &wanted).expect("a session");
        browser.session = format!("/session/{}", begun["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// One command of the protocol; an error is its name.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("{}{path}", self.session);
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes).unwrap();
        let mut answer: Value = serde_json::from_slice(&bytes).unwrap();
        match answer["value"]["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["value"].take()),
        }
    }

    pub(crate) fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({"url": url})).unwrap();
    }

    /// What a script on the page says. The page's own rules do not hold for it.
    pub(crate) fn run(&self, script: &str) -> Value {
        let script = json!({"script": script, "args": []});
        self.ask("POST", "/execute/sync", &script).unwrap_or_else(|e| panic!("{e}: {script}"))
    }

    /// The text of a part of the page, as somebody reads it.
    pub(crate) fn text(&self, selector: &str) -> String {
        let found = json!({"using": "css selector", "value": selector});
        let Ok(element) = self.ask("POST", "/element", &found) else { return String::new() };
        let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        let text = self.ask("GET", &format!("/element/{id}/text"), &Value::Null);
        text.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Waits until a part of the page says something, without loading the page again.
    pub(crate) fn wait_for(&self, selector: &str, words: &str, within: Duration) {
        let begun = Instant::now();
        loop {
            let text = self.text(selector);
            if text.contains(words) {
                return;
            }
            assert!(begun.elapsed() < within, "`{selector}` says {text:?} and not {words:?}");
            let (_never, pause) = std::sync::mpsc::channel::<()>();
            let _ = pause.recv_timeout(LOOK_EVERY);
        }
    }

    /// Presses keys one after the other, wherever the focus is.
    pub(crate) fn press(&self, keys: &str) {
        let each = keys.chars().flat_map(|key| {
            let key = key.to_string();
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
        });
        let actions = json!([{"type": "key", "id": "keys", "actions": each.collect::<Vec<_>>()}]);
        self.ask("POST", "/actions", &json!({"actions": actions})).unwrap();
    }

    /// Presses Tab until what has the focus fits the selector, as somebody without a mouse would.
    pub(crate) fn tab_to(&self, selector: &str) {
        let fits = format!("return document.activeElement.matches({})", json!(selector));
        for _ in 0..60 {
            self.press(TAB);
            if self.run(&fits) == true {
                return;
            }
        }
        panic!("Tab does not come to `{selector}`");
    }

    pub(crate) fn click(&self, selector: &str) {
        let found = json!({"using": "css selector", "value": selector});
        let element = self.ask("POST", "/element", &found).unwrap();
        let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.ask("POST", &format!("/element/{id}/click"), &json!({})).unwrap();
    }

    pub(crate) fn path(&self) -> String {
        let url = self.ask("GET", "/url", &Value::Null).unwrap();
        let url = url.as_str().unwrap().to_owned();
        url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default()
    }

    pub(crate) fn title(&self) -> String {
        self.ask("GET", "/title", &Value::Null).unwrap().as_str().unwrap().to_owned()
    }

    /// Whether a script of the page has opened a dialogue.
    pub(crate) fn has_dialogue(&self) -> bool {
        self.ask("GET", "/alert/text", &Value::Null) != Err("no such alert".to_owned())
    }

    /// What the browser complained about since the last time: a rule that was broken, a file that
    /// is missing.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", &json!({"type": "browser"})).unwrap();
        let entries = log.as_array().unwrap().iter();
        entries.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Light or dark, as the person's system says.
    pub(crate) fn scheme(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let params = json!({"features": features});
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": params});
        self.ask("POST", "/goog/cdp/execute", &command).unwrap();
    }

    /// Keeps a picture of the window in `target/screenshots`.
    pub(crate) fn picture(&self, name: &str) {
        let picture = self.ask("GET", "/screenshot", &Value::Null).unwrap();
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            picture.as_str().unwrap(),
        );
        let folder = target_dir().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // The driver ends its browser with the session, and would leave it alone otherwise.
            let _ = self.ask("DELETE", "", &Value::Null);
        }
    }
}
