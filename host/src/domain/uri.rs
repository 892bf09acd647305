//! URIs of resources, and templates of them. A template puts variables in place of whole segments,
//! and there is one way to read a URI with it: no plugin parses one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::limits::{TEMPLATE_VARIABLES_MAX, URI_BYTES_MAX, VARIABLE_BYTES_MAX};
use super::name::ArgumentName;

/// Why a text is no URI, or no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Too long.
    #[error("it has more than {URI_BYTES_MAX} bytes")]
    TooLong,
    /// Not `scheme://path`.
    #[error("it is not `scheme://path` of printable characters; write others as `%20`")]
    Shape,
    /// A brace where none belongs.
    #[error(
        "`{{variable}}` stands for one whole segment between slashes, and has a lower-case name"
    )]
    Variable,
    /// Too many variables.
    #[error("it has more than {TEMPLATE_VARIABLES_MAX} variables")]
    TooManyVariables,
    /// One variable in two places.
    #[error("it has the same variable twice")]
    VariableTwice,
}

/// The URI of one resource: `k8s://demo/namespaces`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceUri(String);

impl ResourceUri {
    /// The URI as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ResourceUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (_, path) = split(text)?;
        if path.contains(['{', '}']) {
            return Err(UriError::Shape);
        }
        Ok(Self(text.to_owned()))
    }
}

/// `scheme://path`, of characters that a URI may have, and braces.
fn split(text: &str) -> Result<(&str, &str), UriError> {
    if text.len() > URI_BYTES_MAX {
        return Err(UriError::TooLong);
    }
    let (scheme, path) = text.split_once("://").ok_or(UriError::Shape)?;
    let printable = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'`');
    let good = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
        && !path.is_empty()
        && path.bytes().all(printable);
    if good { Ok((scheme, path)) } else { Err(UriError::Shape) }
}

/// One part of a path. In this order: where two templates read one URI, words go before variables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Word(String),
    Variable(ArgumentName),
}

/// A URI in which whole segments may be variables: `k8s://{cluster}/namespaces`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UriTemplate {
    segments: Vec<Segment>,
    scheme: String,
}

impl UriTemplate {
    /// The scheme.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The variables, in the order in which they stand.
    pub fn variables(&self) -> impl Iterator<Item = &ArgumentName> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Variable(name) => Some(name),
            Segment::Word(_) => None,
        })
    }

    /// Whether it is one resource, and no family.
    pub fn is_fixed(&self) -> bool {
        self.variables().next().is_none()
    }

    /// Whether both read exactly the same URIs: alike but for the names of their variables.
    pub fn reads_the_same(&self, other: &Self) -> bool {
        let alike = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Word(one), Segment::Word(other)) => one == other,
            (Segment::Variable(_), Segment::Variable(_)) => true,
            (Segment::Word(_), Segment::Variable(_)) | (Segment::Variable(_), Segment::Word(_)) => {
                false
            }
        };
        self.scheme == other.scheme
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(alike)
    }

    /// The variables of a URI that is of this family; none where it is of another.
    pub fn read(&self, uri: &ResourceUri) -> Option<BTreeMap<ArgumentName, String>> {
        let (scheme, path) = uri.0.split_once("://")?;
        let parts: Vec<&str> = path.split('/').collect();
        if scheme != self.scheme || parts.len() != self.segments.len() {
            return None;
        }
        let mut found = BTreeMap::new();
        for (segment, part) in self.segments.iter().zip(parts) {
            match segment {
                Segment::Word(word) if word == part => {}
                Segment::Word(_) => return None,
                Segment::Variable(name) => {
                    found.insert(name.clone(), value(part)?);
                }
            }
        }
        Some(found)
    }
}

impl fmt::Display for UriTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        for (idx, segment) in self.segments.iter().enumerate() {
            let slash = if idx == 0 { "" } else { "/" };
            match segment {
                Segment::Word(word) => write!(f, "{slash}{word}")?,
                Segment::Variable(name) => write!(f, "{slash}{{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for UriTemplate {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, path) = split(text)?;
        let segment = |part: &str| {
            if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                return name.parse().map(Segment::Variable).map_err(|_| UriError::Variable);
            }
            if part.contains(['{', '}']) {
                return Err(UriError::Variable);
            }
            Ok(Segment::Word(part.to_owned()))
        };
        let segments = path.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        let template = Self { segments, scheme: scheme.to_owned() };
        let names: Vec<_> = template.variables().collect();
        if names.len() > TEMPLATE_VARIABLES_MAX {
            return Err(UriError::TooManyVariables);
        }
        if names.iter().enumerate().any(|(idx, name)| names.iter().skip(idx + 1).any(|n| n == name))
        {
            return Err(UriError::VariableTwice);
        }
        Ok(template)
    }
}

/// One segment, decoded: something, and nothing that would be a segment more or a control character.
fn value(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |b: u8| char::from(b).to_digit(16);
            let code = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
            bytes.push(u8::try_from(code).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let plain = !text.is_empty()
        && text.len() <= VARIABLE_BYTES_MAX
        && !text.contains('/')
        && !text.chars().any(char::is_control);
    plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> UriTemplate {
        text.parse().unwrap()
    }

    fn read(by: &str, uri: &str) -> Option<String> {
        let found = template(by).read(&uri.parse().ok()?)?;
        Some(
            found
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    #[test]
    fn reads_what_is_of_the_family_and_nothing_else() {
        let pod = "k8s://{cluster}/namespaces/{namespace}/pods/{pod}";
        assert_eq!(template(pod).to_string(), pod);
        for (uri, expected) in [
            (
                "k8s://demo/namespaces/shop/pods/web-1",
                Some("cluster=demo namespace=shop pod=web-1"),
            ),
            ("k8s://demo/namespaces/shop/pods/a%20b", Some("cluster=demo namespace=shop pod=a b")),
            ("k8s://demo/namespaces/shop/pods/", None),
            ("k8s://demo/namespaces/shop/pods/web-1/log", None),
            ("k8s://demo/namespaces/shop/pods/..%2Fx", None),
            ("k8s://demo/namespaces/shop/pods/%0a", None),
            ("k8s://demo/namespaces/shop/pods/%ff", None),
            ("k8s://demo/namespaces/shop/pods/%4", None),
            ("k8s://demo/Namespaces/shop/pods/web-1", None),
            ("k9s://demo/namespaces/shop/pods/web-1", None),
            ("k8s://demo/namespaces/shop/pods/{pod}", None),
        ] {
            assert_eq!(read(pod, uri).as_deref(), expected, "{uri}");
        }
        let long = format!("k8s://demo/namespaces/shop/pods/{}", "x".repeat(254));
        assert_eq!(read(pod, &long), None);
    }

    #[test]
    fn refuses_what_is_no_uri_and_no_template() {
        let long = format!("k8s://{}", "x".repeat(URI_BYTES_MAX));
        for text in
            ["", "k8s", "k8s:/x", "k8s://", "K8s://x", "k8s://a b", "k8s://a\n", "k8s://ä", &long]
        {
            assert!(text.parse::<ResourceUri>().is_err(), "{text:?}");
            assert!(text.parse::<UriTemplate>().is_err(), "{text:?}");
        }
        for text in ["k8s://{a", "k8s://a}", "k8s://x{a}", "k8s://{a}{b}", "k8s://{}", "k8s://{A}"]
        {
            assert_eq!(text.parse::<UriTemplate>(), Err(UriError::Variable), "{text}");
        }
        assert_eq!("k8s://{a}/{a}".parse::<UriTemplate>(), Err(UriError::VariableTwice));
        let many = format!(
            "k8s://{}",
            (b'a'..=b'i').map(|c| format!("{{{}}}", char::from(c))).collect::<Vec<_>>().join("/")
        );
        assert_eq!(many.parse::<UriTemplate>(), Err(UriError::TooManyVariables));
    }

    #[test]
    fn puts_words_before_variables() {
        let mut found = ["k8s://{a}/pods", "k8s://demo/pods", "k8s://{a}/{b}"].map(template);
        found.sort();
        let order = found.each_ref().map(ToString::to_string);
        assert_eq!(order, ["k8s://demo/pods", "k8s://{a}/pods", "k8s://{a}/{b}"]);
        assert!(template("k8s://{a}/x").reads_the_same(&template("k8s://{b}/x")));
        assert!(!template("k8s://{a}/x").reads_the_same(&template("k8s://a/x")));
    }
}
