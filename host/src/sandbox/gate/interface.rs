//! What an imported interface means: which authority it asks for, in words.

use std::fmt;
use std::str::FromStr;

use crate::domain::capability::Capability;

/// The name of an interface: `toolgate:plugin/kubernetes-logs@0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    /// `toolgate`
    pub namespace: String,
    /// `plugin`
    pub package: String,
    /// `kubernetes-logs`
    pub interface: String,
    /// `0.1.0`
    pub version: Option<String>,
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.namespace, self.package, self.interface)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

/// A name that is not one of an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name is not that of an interface, such as `toolgate:plugin/log@0.1.0`")]
pub struct NotAnInterfaceName;

impl FromStr for InterfaceName {
    type Err = NotAnInterfaceName;

    fn from_str(text: &str) -> Result<Self, NotAnInterfaceName> {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let (namespace, rest) = path.split_once(':').ok_or(NotAnInterfaceName)?;
        let (package, interface) = rest.split_once('/').ok_or(NotAnInterfaceName)?;
        let word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphabetic())
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let number = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
        if ![namespace, package, interface].into_iter().all(word)
            || !version.is_none_or(|v| !v.is_empty() && v.bytes().all(number))
        {
            return Err(NotAnInterfaceName);
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            package: package.to_owned(),
            interface: interface.to_owned(),
            version: version.map(ToOwned::to_owned),
        })
    }
}

impl InterfaceName {
    /// Whether it belongs to the contract that this host speaks: `toolgate:plugin`, `0.1.x`.
    pub fn is_contract(&self) -> bool {
        self.is_of_plugin_package() && self.is_version("0.1.")
    }

    pub(super) fn is_of_plugin_package(&self) -> bool {
        self.namespace == "toolgate" && self.package == "plugin"
    }

    fn is_version(&self, prefix: &str) -> bool {
        let patch = self.version.as_deref().and_then(|version| version.strip_prefix(prefix));
        patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()))
    }
}

/// A part of WASI that is linked, but leads nowhere outside of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sealed {
    /// `wasi:clocks`
    Clocks,
    /// `wasi:random`
    Random,
    /// `wasi:io`: streams, errors and polls, which carry only what other interfaces give.
    Io,
    /// `wasi:cli/stdin`, `stdout`, `stderr`
    Stdio,
    /// `wasi:cli/environment`
    Environment,
    /// `wasi:cli/exit`
    Exit,
    /// `wasi:cli/terminal-*`
    Terminal,
}

impl Sealed {
    /// Every part.
    pub const ALL: [Self; 7] = [
        Self::Clocks,
        Self::Random,
        Self::Io,
        Self::Stdio,
        Self::Environment,
        Self::Exit,
        Self::Terminal,
    ];

    /// What a guest finds there.
    pub fn words(self) -> &'static str {
        match self {
            Self::Clocks => "reads the time",
            Self::Random => "draws random numbers",
            Self::Io => "moves bytes inside of the call",
            Self::Stdio => "input is empty, output goes to the plugin's own log",
            Self::Environment => "no variables, no arguments, no directory",
            Self::Exit => "ends the call",
            Self::Terminal => "there is no terminal",
        }
    }

    fn of(package: &str, interface: &str) -> Option<Self> {
        Some(match (package, interface) {
            ("clocks", "monotonic-clock" | "wall-clock") => Self::Clocks,
            ("random", "random" | "insecure" | "insecure-seed") => Self::Random,
            ("io", "error" | "poll" | "streams") => Self::Io,
            ("cli", "stdin" | "stdout" | "stderr") => Self::Stdio,
            ("cli", "environment") => Self::Environment,
            ("cli", "exit") => Self::Exit,
            (
                "cli",
                "terminal-input" | "terminal-output" | "terminal-stdin" | "terminal-stdout"
                | "terminal-stderr",
            ) => Self::Terminal,
            _ => return None,
        })
    }
}

/// What importing an interface means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportClass {
    /// An authority of the contract: needs both keys.
    Contract(Capability),
    /// The shared words of the contract.
    ContractTypes,
    /// A sealed part of WASI.
    Wasi(Sealed),
    /// Never linked, whatever is granted; with what it would reach.
    Forbidden(&'static str),
    /// Nothing that this host knows.
    Unknown,
}

/// Says what importing `interface` means.
pub fn classify(interface: &InterfaceName) -> ImportClass {
    let name = interface.interface.as_str();
    if interface.is_contract() {
        if matches!(name, "types" | "writes") {
            return ImportClass::ContractTypes;
        }
        return name.parse().map_or(ImportClass::Unknown, ImportClass::Contract);
    }
    if interface.namespace != "wasi" {
        return ImportClass::Unknown;
    }
    let sealed = Sealed::of(&interface.package, name).filter(|_| interface.is_version("0.2."));
    match (interface.package.as_str(), sealed) {
        (_, Some(sealed)) => ImportClass::Wasi(sealed),
        ("sockets" | "http", None) => ImportClass::Forbidden("network"),
        ("filesystem", None) => ImportClass::Forbidden("files"),
        ("keyvalue" | "blobstore" | "messaging" | "config", None) => {
            ImportClass::Forbidden("services of another host")
        }
        (_, None) => ImportClass::Unknown,
    }
}

/// The import in words, for people who decide whether to let a plugin in.
pub fn words(interface: &InterfaceName) -> String {
    match classify(interface) {
        ImportClass::Contract(capability) => {
            let key = if capability.needs_grant() { ", if granted" } else { "" };
            format!("may {}{key} ({})", capability.words(), capability.tier())
        }
        ImportClass::ContractTypes => "shared words of the contract; no authority".to_owned(),
        ImportClass::Wasi(sealed) => format!("sealed WASI: {}", sealed.words()),
        ImportClass::Forbidden(what) => {
            format!("never granted: {what}; this host refuses the plugin")
        }
        ImportClass::Unknown if interface.is_of_plugin_package() && !interface.is_contract() => {
            "another version of the contract; this host speaks 0.1.x and refuses the plugin"
                .to_owned()
        }
        ImportClass::Unknown => "unknown to this host, which refuses the plugin".to_owned(),
    }
}
