//! Secrets that are none, made of parts when a test runs, and lines of logs that hold none.
//!
//! Shared with the unit tests of the host. No file holds anything that looks like a secret.

use std::fmt::Write as _;

/// The rules that come with Toolgate, with an example of each kind.
pub const RULES: &str = include_str!("../../host/src/governance/redact/rules.toml");

/// Numbers that are the same in every run.
pub struct Random(u64);

impl Random {
    /// Begins at a number.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one (splitmix64).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.draw() % u64::try_from(n.max(1)).unwrap()).unwrap()
    }

    /// One of them.
    pub fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// So many characters of a class.
    pub fn text(&mut self, class: &str, n: usize) -> String {
        const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
        const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        const DIGIT: &str = "0123456789";
        let alphabet = match class {
            "digit" => DIGIT.to_owned(),
            "hex" => "0123456789abcdef".to_owned(),
            "lower" | "lowernum" => [LOWER, DIGIT].concat(),
            "upper" => [UPPER, DIGIT].concat(),
            "alnum" => [LOWER, UPPER, DIGIT].concat(),
            "url" => [LOWER, UPPER, DIGIT, "_-"].concat(),
            "base64" => [LOWER, UPPER, DIGIT, "+/"].concat(),
            other => panic!("no class `{other}`"),
        };
        let alphabet = alphabet.as_bytes();
        (0..n).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

/// A made-up secret in the text around it.
#[derive(Debug, Clone)]
pub struct Planted {
    /// What its marker says.
    pub kind: String,
    /// The text that holds it.
    pub text: String,
    /// Its random parts: no eight characters of one may be seen again.
    pub parts: Vec<String>,
}

/// How much of a secret must not be seen.
pub const SEEN_BYTES: usize = 8;

impl Planted {
    /// Made of a template: `ghp_{alnum:36}`.
    pub fn of(kind: &str, template: &str, random: &mut Random) -> Self {
        let (mut text, mut parts) = (String::new(), Vec::new());
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            text.push_str(before);
            let part = behind.split_once('}').and_then(|(part, behind)| {
                let (class, n) = part.split_once(':')?;
                Some((class, n.parse::<usize>().ok()?, behind))
            });
            if let Some((class, n, behind)) = part {
                let part = random.text(class, n);
                text.push_str(&part);
                parts.push(part);
                rest = behind;
            } else {
                text.push('{');
                rest = behind;
            }
        }
        text.push_str(rest);
        Self { kind: kind.to_owned(), text, parts }
    }

    /// What of it can be seen in a text.
    pub fn seen_in(&self, text: &str) -> Option<&str> {
        self.parts.iter().filter(|part| part.len() >= SEEN_BYTES).find_map(|part| {
            let windows = (0..=part.len() - SEEN_BYTES).map(|at| &part[at..at + SEEN_BYTES]);
            windows.into_iter().find(|window| text.contains(window))
        })
    }
}

/// A rule's name and examples.
#[derive(Debug, Clone)]
pub struct Kind {
    /// What the marker says.
    pub name: String,
    /// Whether the tier that is always on has it.
    pub always: bool,
    /// Whether it is found from its first characters on, and has no white space: then a line's end
    /// may break it.
    pub is_token: bool,
    /// What the pattern begins with.
    pub keyword: String,
    /// A template that it finds.
    pub hit: String,
    /// One that it does not.
    pub miss: String,
}

/// Every rule.
pub fn kinds() -> Vec<Kind> {
    let file: toml::Value = toml::from_str(RULES).unwrap();
    let rules = file["rule"].as_array().unwrap();
    let kind = |rule: &toml::Value| {
        let text = |key: &str| rule[key].as_str().unwrap().to_owned();
        let hit = text("hit");
        let keywords = rule["keywords"].as_array().unwrap();
        let begins = keywords.iter().filter_map(|k| k.as_str()).find(|k| hit.starts_with(k));
        Kind {
            name: text("name"),
            always: rule.get("always").is_some_and(|v| v.as_bool() == Some(true)),
            is_token: begins.is_some() && rule.get("reach").is_none() && is_one_word(&hit),
            keyword: begins.unwrap_or_default().to_owned(),
            miss: text("miss"),
            hit,
        }
    };
    rules.iter().map(kind).collect()
}

/// Whether a template makes one word of what tokens are made of.
fn is_one_word(template: &str) -> bool {
    let literal = template.split('{').map(|part| part.split_once('}').map_or(part, |(_, b)| b));
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.=".contains(c);
    literal.into_iter().all(|part| part.chars().all(plain))
}

/// Secrets that only the name beside them, or what they stand in, gives away.
pub const STRUCTURES: &[(&str, &str)] = &[
    ("named", "DB_PASSWORD={alnum:16}"),
    ("named", "export API_KEY='{alnum:20}'"),
    ("named", r#"{"user":"app","password":"{alnum:16}","n":1}"#),
    ("named", r#"{\"clientSecret\":\"{alnum:24}\"}"#),
    ("named", "spring.datasource.password: {alnum:16}"),
    ("named", "Server=db;User Id=app;Password={alnum:16};Encrypt=true"),
    ("named", "jdbc:postgresql://db:5432/x?user=app&password={alnum:16}&ssl=true"),
    ("named", "<secret>{alnum:16}</secret>"),
    ("named", "- name: SMTP_PASSWORD\n  value: {alnum:16}"),
    ("named", r#"{"name":"SIGNING_KEY","value":"{alnum:32}"}"#),
    ("named", "GET /callback?access_token={alnum:32}&state=1 HTTP/1.1"),
    ("named", "    token: {alnum:40}"),
    ("named", "refresh_token => \"{alnum:40}\""),
    ("named", "x-api-key: {hex:32}"),
    ("named", "AWS_SECRET_ACCESS_KEY={base64:40}"),
    ("password", "amqp://app:{alnum:16}@mq:5672/v"),
    ("password", "redis://:{alnum:16}@cache:6379/0"),
    ("password", "https://ci:{alnum:20}@git.example.org/shop.git"),
    ("authorization", "Authorization: Basic {base64:28}"),
    ("authorization", "authorization=\"Bearer {url:48}\""),
    ("cookie", "Cookie: sid={alnum:32}; theme=dark"),
    ("secret", r#"{"apiVersion":"v1","kind":"Secret","data":{"a.txt":"{base64:40}"}}"#),
    ("secret", "apiVersion: v1\nkind: Secret\nstringData:\n  a.txt: {alnum:24}\n"),
    (
        "private-key",
        "-----BEGIN PRIVATE KEY-----\n{base64:64}\n{base64:64}\n-----END PRIVATE KEY-----",
    ),
    ("private-key", "-----BEGIN OPENSSH PRIVATE KEY-----\n{base64:70}\n"),
    (
        "private-key",
        r#"{"key":"-----BEGIN EC PRIVATE KEY-----\n{base64:64}\n-----END EC PRIVATE KEY-----\n"}"#,
    ),
    (
        "private-key",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{base64:64}\n-----END PGP PRIVATE KEY BLOCK-----",
    ),
];

/// A line of an ordinary log, without a secret: some forty shapes.
pub fn clean_line(random: &mut Random) -> String {
    let r = random;
    let time = format!(
        "2026-11-{:02}T{:02}:{:02}:{:02}.{}Z",
        1 + r.below(28),
        r.below(24),
        r.below(60),
        r.below(60),
        r.text("digit", 6)
    );
    let uuid = |r: &mut Random| {
        let part = |r: &mut Random, n| r.text("hex", n);
        format!("{}-{}-4{}-a{}-{}", part(r, 8), part(r, 4), part(r, 3), part(r, 3), part(r, 12))
    };
    let ip = |r: &mut Random| format!("10.{}.{}.{}", r.below(256), r.below(256), r.below(256));
    let pod = |r: &mut Random| {
        let app = r.one(&[
            "checkout",
            "cart-db",
            "payments-api",
            "disk-cleaner",
            "task-runner",
            "sk-proxy",
        ]);
        format!("{app}-{}-{}", r.text("lower", 10), r.text("lower", 5))
    };
    let n = r.below(100_000);
    let mut line = String::new();
    let _ = match r.below(42) {
        0 => write!(line, "{time} INFO order placed order=ord_{n} total={}.00", n % 97),
        1 => write!(line, "{time} DEBUG request id={} path=/v1/items/{n}", uuid(r)),
        2 => write!(
            line,
            "{} - - [21/Nov/2026:02:13:07 +0000] \"GET /assets/{}.js HTTP/1.1\" 200 {n} \"https://shop.example.org/\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\"",
            ip(r),
            r.text("hex", 20)
        ),
        3 => write!(
            line,
            "{{\"level\":\"info\",\"ts\":\"{time}\",\"msg\":\"reconciled\",\"pod\":\"{}\",\"took_ms\":{n}}}",
            pod(r)
        ),
        4 => write!(
            line,
            "Pulling image \"registry.example.org/shop/checkout@sha256:{}\"",
            r.text("hex", 64)
        ),
        5 => write!(line, "HEAD is now at {} fix: retry on conflict", r.text("hex", 40)),
        6 => write!(line, "\tat org.example.shop.CartService.load(CartService.java:{})", n % 900),
        7 => write!(
            line,
            "Caused by: java.lang.IllegalStateException: connection pool exhausted, active={n}"
        ),
        8 => write!(
            line,
            "goroutine {n} [running]: main.(*Server).handle(0xc000{}, 0x1a2b)",
            r.text("hex", 6)
        ),
        9 => write!(
            line,
            "E1121 02:13:07.{} 1 reflector.go:150] \"Failed to watch\" err=\"failed to list *v1.Secret: secrets is forbidden: User cannot list resource\"",
            r.text("digit", 6)
        ),
        10 => write!(
            line,
            "I1121 02:13:07.{} 1 controller.go:{}] \"Synced\" secret=\"shop/web-tls\" key=\"shop/{}\"",
            r.text("digit", 6),
            n % 999,
            pod(r)
        ),
        11 => write!(
            line,
            "MountVolume.SetUp failed for volume \"kube-api-access-{}\" : failed to fetch token: serviceaccounts \"web\" not found",
            r.text("lower", 5)
        ),
        12 => write!(line, "couldn't find key password in Secret shop/db-credentials"),
        13 => write!(line, "{time} WARN token: expired, asking for a new one; attempt={}", n % 9),
        14 => write!(line, "SyntaxError: Unexpected token: punc (}}) at line {}", n % 999),
        15 => write!(
            line,
            "traceparent=00-{}-{}-01 span={}",
            r.text("hex", 32),
            r.text("hex", 16),
            r.text("hex", 16)
        ),
        16 => write!(line, "etag: W/\"{}\" x-request-id: {}", r.text("hex", 32), uuid(r)),
        17 => write!(
            line,
            "uploaded s3://shop-reports/2026/11/{}.parquet md5={} bytes={n}",
            r.text("alnum", 24),
            r.text("hex", 32)
        ),
        18 => write!(
            line,
            "message id {}== published to topic orders partition {}",
            r.text("base64", 22),
            n % 12
        ),
        19 => write!(
            line,
            "GET http://cart.shop.svc:8080/items/{n}?page=2&sort=key 200 {}ms",
            n % 900
        ),
        20 => write!(
            line,
            "postgres: LOG: checkpoint complete: wrote {n} buffers; lsn={}/{}",
            r.text("hex", 2),
            r.text("hex", 8)
        ),
        21 => write!(
            line,
            "redis: {n}:M 21 Nov 2026 02:13:07.123 * Background saving terminated with success"
        ),
        22 => write!(line, "cache hit key=user:{n}:profile ttl=300 shard={}", n % 16),
        23 => {
            write!(line, "kubelet: Created container: {} in pod {} ({})", pod(r), pod(r), uuid(r))
        }
        24 => write!(line, "Successfully assigned shop/{} to node-{}", pod(r), n % 9),
        25 => write!(line, "tokens=4096 max_tokens={n} prompt_tokens=512 model=small"),
        26 => write!(line, "secret-sync: 3 secrets checked, 0 changed; next in {n}s"),
        27 => write!(line, "password authentication failed for user \"app\" from {}", ip(r)),
        28 => write!(
            line,
            "helm.sh/chart: shop-1.{}.0 app.kubernetes.io/managed-by=Helm checksum/config: {}",
            n % 99,
            r.text("hex", 64)
        ),
        29 => write!(
            line,
            "npm WARN deprecated inflight@1.0.6; integrity sha512-{}==",
            r.text("base64", 86)
        ),
        30 => write!(
            line,
            "Traceback (most recent call last): File \"/app/main.py\", line {}, in <module>",
            n % 999
        ),
        31 => write!(line, "KeyError: 'user_{n}' while reading primary key"),
        32 => write!(
            line,
            "level=info ts={time} caller=main.go:{} component=tsdb msg=\"WAL segment loaded\" segment={n}",
            n % 500
        ),
        33 => write!(
            line,
            "[{time}] \"POST /oauth/token HTTP/2\" 401 - via_upstream - \"-\" 0 {n} \"{}\"",
            uuid(r)
        ),
        34 => write!(
            line,
            "cert-manager: Certificate will expire; secret_name=web-tls issuer=letsencrypt serial={}",
            r.text("hex", 36)
        ),
        35 => write!(
            line,
            "disk-{} attached to /dev/sd{} size={n}Gi",
            uuid(r),
            r.one(&["a", "b", "c"])
        ),
        36 => write!(
            line,
            "<div class=\"token-list\" id=\"key-{n}\">basic authentication is disabled</div>"
        ),
        37 => write!(
            line,
            "containerd: time=\"{time}\" level=info msg=\"RemoveContainer for \\\"{}\\\"\"",
            r.text("hex", 64)
        ),
        38 => write!(line, "ssh: server key SHA256:{} accepted, user ops", r.text("base64", 43)),
        39 => write!(
            line,
            "session {} opened by {} (uid=0)",
            r.text("alnum", 26),
            r.one(&["ops", "root", "app"])
        ),
        40 => {
            write!(line, "auth: bearer scheme not offered; authorization: required; cookie: none")
        }
        _ => write!(line, "order 日本-{n} für Jürgen geändert – {}", r.text("alnum", 12)),
    };
    line
}
