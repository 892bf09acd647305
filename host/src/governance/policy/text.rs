//! Where things stand in a policy's text: the parser tells offsets, people look for lines.

/// A policy's text, scanned for what matters before it is parsed.
pub(super) struct Scanned {
    /// The line on which each rule begins, in order.
    pub(super) rules: Vec<u32>,
    /// How deep brackets are nested, at most.
    pub(super) depth: usize,
    /// Bytes of the longest rule.
    pub(super) longest: usize,
}

/// The line of an offset, from 1.
pub(super) fn line(text: &str, offset: usize) -> u32 {
    let before = text.as_bytes().iter().take(offset);
    let n_breaks = before.filter(|byte| **byte == b'\n').count();
    u32::try_from(n_breaks + 1).unwrap_or(u32::MAX)
}

/// Finds the rules without understanding them: what ends with `;` outside of texts and comments.
pub(super) fn scan(text: &str) -> Scanned {
    let mut scanned = Scanned { rules: Vec::new(), depth: 0, longest: 0 };
    let (mut depth, mut number) = (0_usize, 1_u32);
    let mut began: Option<(usize, u32)> = None;
    let mut rest = text.char_indices().peekable();
    while let Some((at, letter)) = rest.next() {
        match letter {
            '\n' => number = number.saturating_add(1),
            '/' if rest.peek().is_some_and(|(_, next)| *next == '/') => {
                while rest.next_if(|(_, next)| *next != '\n').is_some() {}
            }
            _ if letter.is_whitespace() => {}
            ';' => {
                if let Some((from, line)) = began.take() {
                    scanned.rules.push(line);
                    scanned.longest = scanned.longest.max(at - from);
                }
                depth = 0;
            }
            _ => {
                began.get_or_insert((at, number));
                match letter {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    '"' => number = number.saturating_add(skip_text(&mut rest)),
                    _ => {}
                }
                scanned.depth = scanned.depth.max(depth);
            }
        }
    }
    if let Some((from, _)) = began {
        scanned.longest = scanned.longest.max(text.len() - from);
    }
    scanned
}

/// Skips a text behind its first quotation mark; tells how many lines it goes over.
fn skip_text(rest: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> u32 {
    let mut n_lines = 0;
    while let Some((_, letter)) = rest.next() {
        match letter {
            '"' => break,
            '\n' => n_lines += 1,
            '\\' => {
                rest.next();
            }
            _ => {}
        }
    }
    n_lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_begin_where_their_first_word_stands() {
        let text = "// one; two\n\n@id(\"a;\\\"b\")\npermit (principal, action, resource)\nwhen \
                    { [1].contains(1) };\n  forbid(principal,\naction,resource); permit(";
        let scanned = scan(text);
        assert_eq!(scanned.rules, [3, 6]);
        assert_eq!(scanned.depth, 2);
        assert_eq!(scanned.longest, text.find("};").unwrap() + 1 - text.find('@').unwrap());
        assert_eq!(line(text, text.find("permit").unwrap()), 4);
    }

    #[test]
    fn what_never_ends_is_no_rule() {
        for text in ["", "\"", "permit \"\\", "// permit;", "((((", ";;;"] {
            assert!(scan(text).rules.is_empty(), "{text}");
        }
    }
}
