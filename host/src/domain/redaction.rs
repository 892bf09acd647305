//! What the operator says about secrets in texts.

/// How much is looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RuleSet {
    /// Every rule.
    #[default]
    Full,
    /// Structure, and the formats that are common beside clusters: several times as fast.
    AlwaysOn,
}

/// A rule of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRule {
    /// Stands in the marker, as in `[redacted:NAME]`.
    pub name: String,
    /// Of bytes, in ASCII. A group is what is replaced; without one, it is everything that matches.
    pub pattern: String,
    /// A text without one of them is not searched. ASCII, however it is written.
    pub keywords: Vec<String>,
}

/// The operator's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redaction {
    /// Of the rules that come with Toolgate.
    pub rules: RuleSet,
    /// Beside them, in either set.
    pub own: Vec<OwnRule>,
}

/// Rules of the operator's own: each costs every text a little.
pub const OWN_RULES_MAX: usize = 64;

/// Bytes of the pattern of one.
pub const PATTERN_BYTES_MAX: usize = 1_024;

/// Keywords of one.
pub const KEYWORDS_MAX: usize = 16;

/// Bytes of a keyword, at least: shorter ones are in every text.
pub const KEYWORD_BYTES_MIN: usize = 3;

/// And at most.
pub const KEYWORD_BYTES_MAX: usize = 64;

/// How many bytes before a keyword the pattern of an own rule may begin.
pub const REACH_BYTES: usize = 128;

/// Bytes that a pattern may take once it is compiled.
pub const COMPILED_BYTES_MAX: usize = 256 << 10;
