use bytes::Bytes;
use http::{HeaderMap, Method, header};

use super::registry::Kind;
use super::status::Failure;

/// One API request, parsed as far as its path and query say.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) query: Query,
    /// The shape the client accepts, or why none of the server's will do. A path that leads
    /// nowhere is refused for that first.
    pub(super) form: Result<Form, Failure>,
    /// The media type of the body, without parameters.
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
}

impl Request {
    /// The shape of the answer.
    pub(super) fn form(&self) -> Result<Form, Failure> {
        let whole = self.query.text("includeObject") == Some("Object");
        match self.form.clone()? {
            Form::Table if whole => Ok(Form::FullTable),
            form @ (Form::Plain | Form::Table | Form::FullTable | Form::Metadata) => Ok(form),
        }
    }
}

/// What a resource path points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A collection, of one namespace or of all.
    Collection { namespace: Option<String> },
    /// One object; `namespace` is empty for cluster-scoped kinds.
    Object { namespace: String, name: String },
    /// A part of one object.
    Subresource { namespace: String, name: String, part: String },
}

/// The shape that the client would like an answer in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// Rows and columns, each row with the object's metadata.
    Table,
    /// The same with whole objects, which `kubectl get --sort-by` asks for.
    FullTable,
    /// `PartialObjectMetadata` or a list of it.
    Metadata,
}

/// Splits a resource path; `None` where the server has no such route.
pub(super) fn target(
    path: &str,
    served: impl Fn(&str, &str, &str) -> Option<&'static Kind>,
) -> Option<(&'static Kind, Target)> {
    let segments: Vec<String> =
        path.split('/').skip(1).map(decode).collect::<Option<Vec<String>>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !group.is_empty() => (*group, *version, rest),
        _ => return None,
    };
    let find = |plural: &str| served(group, version, plural);
    if let ["namespaces", namespace, plural, rest @ ..] = rest
        && let Some(kind) = find(plural).filter(|kind| kind.namespaced)
    {
        let namespace = (*namespace).to_owned();
        let target = match rest {
            [] => Target::Collection { namespace: Some(namespace) },
            [name] => Target::Object { namespace, name: (*name).to_owned() },
            [name, part] => Target::Subresource {
                namespace,
                name: (*name).to_owned(),
                part: (*part).to_owned(),
            },
            _ => return None,
        };
        return Some((kind, target));
    }
    let (plural, rest) = rest.split_first()?;
    let kind = find(plural)?;
    let namespace = String::new();
    let target = match rest {
        [] => Target::Collection { namespace: None },
        [name] if !kind.namespaced => Target::Object { namespace, name: (*name).to_owned() },
        [name, part] if !kind.namespaced => {
            Target::Subresource { namespace, name: (*name).to_owned(), part: (*part).to_owned() }
        }
        _ => return None,
    };
    Some((kind, target))
}

/// Picks the first form of the `Accept` header that this server can produce.
pub(super) fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let accept: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if accept.is_empty() {
        return Ok(Form::Plain);
    }
    for range in accept.iter().flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        if !matches!(media, "application/json" | "application/*" | "*/*") {
            continue;
        }
        let parameter = |name: &str| {
            range
                .split(';')
                .skip(1)
                .filter_map(|part| part.trim().split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        match (parameter("as"), parameter("g"), parameter("v")) {
            (None, ..) => return Ok(Form::Plain),
            (Some("Table"), Some("meta.k8s.io"), Some("v1")) => return Ok(Form::Table),
            (
                Some("PartialObjectMetadata" | "PartialObjectMetadataList"),
                Some("meta.k8s.io"),
                Some("v1"),
            ) => return Ok(Form::Metadata),
            _ => {}
        }
    }
    Err(Failure::not_acceptable())
}

/// The media type of a request body, lower case and without parameters.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// The decoded query parameters, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(&key.replace('+', " "))?, decode(&value.replace('+', " "))?))
        });
        Self(pairs.collect())
    }

    /// The first value of `name`; an empty value counts as absent, as the server sees it.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Anything but `false` and `0` is true, once the parameter is there.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .is_some_and(|(_, value)| !value.eq_ignore_ascii_case("false") && value != "0")
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Failure::bad_request(unparsable("ParseInt", text)))
    }
}

/// How the server words a number that is not one.
pub(super) fn unparsable(function: &str, text: &str) -> String {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let why = if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        "value out of range"
    } else {
        "invalid syntax"
    };
    format!("strconv.{function}: parsing {text:?}: {why}")
}

/// Undoes percent-encoding; `None` if what results is not UTF-8 or an escape is broken.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_path_points_at() {
        let object = |namespace: &str, name: &str| {
            Some(Target::Object { namespace: namespace.into(), name: name.into() })
        };
        let collection = |namespace: Option<&str>| {
            Some(Target::Collection { namespace: namespace.map(str::to_owned) })
        };
        let part = |namespace: &str, name: &str, part: &str| {
            let (namespace, name, part) = (namespace.into(), name.into(), part.into());
            Some(Target::Subresource { namespace, name, part })
        };
        for (path, plural, expected) in [
            ("/api/v1/pods", "pods", collection(None)),
            ("/api/v1/namespaces/shop/pods", "pods", collection(Some("shop"))),
            ("/api/v1/namespaces/shop", "namespaces", object("", "shop")),
            ("/api/v1/namespaces/shop/status", "namespaces", part("", "shop", "status")),
            ("/api/v1/namespaces/a/pods/b/log", "pods", part("a", "b", "log")),
            ("/api/v1/nodes/n%31", "nodes", object("", "n1")),
            ("/apis/apps/v1/namespaces/a/deployments/b", "deployments", object("a", "b")),
            ("/apis/apps/v2/deployments", "", None),
            ("/api/v1/pods/b", "", None),
            ("/api/v1/%zz", "", None),
            ("/api/v1/namespaces/a/pods/b/c/d", "", None),
        ] {
            let found = target(path, super::super::registry::find);
            assert_eq!(found.as_ref().map(|(_, target)| target.clone()), expected, "{path}");
            assert_eq!(found.map_or("", |(kind, _)| kind.plural), plural, "{path}");
        }
    }

    #[test]
    fn reads_flags_as_the_server_does() {
        let query = Query::parse("a=true&b=0&c=False&d&e=1&x=%2B+y");
        let flags = ["a", "b", "c", "d", "e", "f"].map(|name| query.flag(name));
        assert_eq!(flags, [true, false, false, true, true, false]);
        assert_eq!(query.text("x"), Some("+ y"));
        assert_eq!(query.text("d"), None);
    }

    #[test]
    fn picks_the_first_form_it_can_make() {
        for (accept, expected) in [
            ("application/json", Some(Form::Plain)),
            ("*/*", Some(Form::Plain)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some(Form::Table)),
            (
                "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                Some(Form::Plain),
            ),
            ("application/vnd.kubernetes.protobuf,application/json", Some(Form::Plain)),
            ("text/html", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(form(&headers).ok(), expected, "{accept}");
        }
    }
}
