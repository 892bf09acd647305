//! Files within texts: those that are secret as a whole, and lines that give a secret its value.

use super::names::is_secret_name;

/// Whether a text is likely to be a file: a value of a config map is, a field is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    Likely,
    Unlikely,
}

/// A file of nothing but base64 from this length on is something packed: nobody can say what.
const PACKED_BYTES_MIN: usize = 512;

/// What is to stand in place of the text, where it is secret as a whole.
pub(super) fn whole(text: &str, likely: Document) -> Option<&'static str> {
    if text.contains("PRIVATE KEY-----") {
        return Some("private-key");
    }
    let has = |word: &str| text.contains(word);
    let has_users = has("client-key-data") || has("client-certificate-data") || has("users");
    if has("clusters") && has("contexts") && has_users {
        return Some("kubeconfig");
    }
    if (has("\"auths\"") || has("\"credHelpers\"")) && has("{") || has("auth\":") && has("https://")
    {
        return Some("registry-credentials");
    }
    let is_packed = || {
        let packed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\n');
        text.len() >= PACKED_BYTES_MIN && text.bytes().all(packed)
    };
    (likely == Document::Likely && is_packed()).then_some("packed")
}

/// Replaces what follows a secret's name on a line, `db.password = ..`, also where it follows on the
/// lines below.
pub(super) fn redact_lines(text: String, likely: Document) -> (String, u32) {
    if likely == Document::Unlikely && !text.contains('\n') {
        return (text, 0);
    }
    let (mut safe, mut n) = (String::with_capacity(text.len()), 0u32);
    // The indentation of a name whose value is a block below it.
    let mut block: Option<usize> = None;
    for (idx, line) in text.split('\n').enumerate() {
        if idx > 0 {
            safe.push('\n');
        }
        let indent = line.len() - line.trim_start().len();
        if let Some(of_name) = block {
            if line.trim().is_empty() {
                continue;
            }
            if indent > of_name {
                safe.extend([line.get(..indent).unwrap_or_default(), "[redacted:named]"]);
                continue;
            }
            block = None;
        }
        match secret_value(line) {
            Some(Assigned::Value(at)) => {
                n = n.saturating_add(1);
                safe.extend([line.get(..at).unwrap_or_default(), "[redacted:named]"]);
            }
            Some(Assigned::Block) => {
                n = n.saturating_add(1);
                block = Some(indent);
                safe.push_str(line);
            }
            None => safe.push_str(line),
        }
    }
    if n == 0 { (text, 0) } else { (safe, n) }
}

/// Where a line says what a secret is.
enum Assigned {
    /// From this byte on.
    Value(usize),
    /// On the lines below.
    Block,
}

fn secret_value(line: &str) -> Option<Assigned> {
    let sign = line.find([':', '='])?;
    let name = line.get(..sign)?.trim_start();
    let name = ["- ", "export ", "set ", "#", "//"]
        .iter()
        .fold(name, |name, word| name.strip_prefix(word).unwrap_or(name).trim_start());
    let name = name.trim_end().trim_matches(['"', '\'']);
    if name.contains(char::is_whitespace) || !is_secret_name(name) {
        return None;
    }
    let rest = line.get(sign + 1..)?;
    let value = rest.trim_start();
    let at = line.len() - value.len();
    let bare = value.trim_end().trim_end_matches(',').trim_matches(['"', '\'']);
    let is_block = matches!(bare.trim_end_matches(['+', '-']), "|" | ">");
    // References tell where the value is, not what it is.
    let is_reference = bare.starts_with(['$', '{']) || bare.starts_with("[redacted:");
    let says_nothing = ["", "null", "none", "nil", "true", "false", "~", "["]
        .contains(&bare.to_ascii_lowercase().as_str());
    if is_block {
        Some(Assigned::Block)
    } else if is_reference || says_nothing {
        None
    } else {
        Some(Assigned::Value(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_the_values_of_secrets() {
        for (line, safe) in [
            ("db.password = swordfish", "db.password = [redacted:named]"),
            ("  password: swordfish", "  password: [redacted:named]"),
            ("- token: 'a b'", "- token: [redacted:named]"),
            ("export API_KEY=abc", "export API_KEY=[redacted:named]"),
            ("\"secret\": \"x\",", "\"secret\": [redacted:named]"),
            ("#password=old", "#password=[redacted:named]"),
            ("password: ${DB_PASSWORD}", "password: ${DB_PASSWORD}"),
            ("password:", "password:"),
            ("token: null", "token: null"),
            ("the token: expired", "the token: expired"),
            ("log.level=debug", "log.level=debug"),
            ("secretName: web-tls", "secretName: web-tls"),
        ] {
            let (redacted, n) = redact_lines(line.to_owned(), Document::Likely);
            assert_eq!(redacted, safe);
            assert_eq!(n, u32::from(line != safe));
        }
    }

    #[test]
    fn a_block_goes_with_its_name() {
        let text = "a: 1\npassword: |-\n  one\n\n  two\nb: 2";
        let (safe, n) = redact_lines(text.to_owned(), Document::Unlikely);
        assert_eq!(safe, "a: 1\npassword: |-\n  [redacted:named]\n\n  [redacted:named]\nb: 2");
        assert_eq!(n, 1);
    }

    #[test]
    fn secret_files_go_as_a_whole() {
        let packed = "QUJD".repeat(200);
        for (text, with) in [
            ("-----BEGIN EC PRIVATE KEY-----\nMIIE", Some("private-key")),
            (
                "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []",
                Some("kubeconfig"),
            ),
            (r#"{"auths":{"registry.example":{"auth":"dTpw"}}}"#, Some("registry-credentials")),
            (packed.as_str(), Some("packed")),
            ("-----BEGIN CERTIFICATE-----\nMIIE", None),
            ("server { listen 80; }", None),
            ("{\"level\": \"info\"}", None),
        ] {
            assert_eq!(whole(text, Document::Likely), with, "{text}");
        }
        assert_eq!(whole(&packed, Document::Unlikely), None);
    }
}
