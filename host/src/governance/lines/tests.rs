//! A stream is made safe as the same text in one piece would be.

use super::super::redact::make_safe;
use super::*;

const TIME: &str = "2026-11-21T02:13:07.123456789Z";

fn streamed(text: &[u8], piece: usize) -> (Vec<String>, SafeLines) {
    let mut lines = Vec::new();
    let mut safe = SafeLines::default();
    for piece in text.chunks(piece) {
        safe.push(piece);
        fetch(&mut safe, &mut lines);
    }
    safe.finish();
    fetch(&mut safe, &mut lines);
    (lines, safe)
}

fn fetch(safe: &mut SafeLines, lines: &mut Vec<String>) {
    while let Some(block) = safe.next_block() {
        lines.extend(block.lines().map(str::to_owned));
    }
}

fn key(lines: usize, before_each: &str) -> String {
    let body = "MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW7tVqzKnWqkKq8p9X2H\n";
    let body = format!("{before_each}{body}").repeat(lines);
    format!(
        "{before_each}-----BEGIN RSA PRIVATE KEY-----\n{body}{before_each}-----END RSA PRIVATE \
         KEY-----\n"
    )
}

#[test]
fn however_it_is_cut_a_stream_is_as_safe_as_one_text() {
    let text = format!(
        "one\n\n{TIME} \u{1b}[31mred\u{1b}[0m\r\npassword=hunter2\npassword:\n  hunter22\n{}grün\n\
         AKIAIOSFODNN7EXAMPLE and more\nlast \u{200b}without end",
        key(20, "")
    );
    let whole = make_safe(&text);
    let expected: Vec<&str> = whole.text.lines().collect();
    for piece in [1, 2, 3, 7, 64, 1_000, 100_000] {
        let (lines, safe) = streamed(text.as_bytes(), piece);
        assert_eq!(lines, expected, "in pieces of {piece}");
        assert_eq!((safe.redacted, safe.removed), (whole.redacted.into(), whole.removed));
    }
}

#[test]
fn a_secret_at_the_seam_of_two_blocks_is_found() {
    let secrets = [key(20, ""), key(26, &format!("{TIME} ")), "password:\n\nhunter22\n".to_owned()];
    for secret in secrets {
        // The seam falls into every line of the secret once.
        for back in (0..secret.len() + 200).step_by(29) {
            let before = "all is well\n".repeat(BLOCK_BYTES / 12 + 1);
            let before = &before[..BLOCK_BYTES - back];
            let text = format!("{before}\n{secret}{}", "and so on\n".repeat(20_000));
            let (lines, safe) = streamed(text.as_bytes(), 16 << 10);
            let leaks = |line: &&String| line.contains("MIIE") || line.contains("hunter22");
            assert_eq!(lines.iter().find(leaks), None, "{back} before the seam");
            assert_eq!(safe.redacted, 1, "{back} before the seam");
            assert_eq!(lines.last().unwrap(), "and so on");
        }
    }
}

#[test]
fn a_token_that_two_lines_share_is_found_at_every_seam_and_where_lines_come_slowly() {
    let token = ["ghp_", &"aB3dE6gH9".repeat(4)].concat();
    let (head, tail) = token.split_at(20);
    let secret = format!("{TIME} got {head}\n{TIME} {tail} and so on\n");
    let leaks = |line: &&String| line.contains("aB3dE6gH9") || line.contains("gH9aB3");
    for back in (0..secret.len() + 40).step_by(7) {
        let before = "all is well\n".repeat(BLOCK_BYTES / 12 + 1);
        let text =
            format!("{}\n{secret}{}", &before[..BLOCK_BYTES - back], "next\n".repeat(20_000));
        let (lines, safe) = streamed(text.as_bytes(), 16 << 10);
        assert_eq!(lines.iter().find(leaks), None, "{back} before the seam");
        assert_eq!(safe.redacted, 1, "{back} before the seam");
    }
    let (mut lines, mut safe) = (Vec::new(), SafeLines::default());
    for line in secret.split_inclusive('\n') {
        safe.push(line.as_bytes());
        safe.idle();
        fetch(&mut safe, &mut lines);
    }
    assert_eq!(lines.iter().find(leaks), None);
    assert_eq!((lines.len(), safe.redacted), (2, 1));
}

#[test]
fn a_key_without_an_end_hides_no_more_than_a_key_can_be_long() {
    let line = "MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW7tVqzKnWqkKq8p9X2H\n";
    let text = format!("a\n-----BEGIN PRIVATE KEY-----\n{}b\n", line.repeat(100_000));
    let (lines, safe) = streamed(text.as_bytes(), 8 << 10);
    assert_eq!(lines[..2], ["a", "[redacted:private-key]"]);
    assert_eq!(lines.last().unwrap(), "b");
    let hidden = 100_003 - lines.len();
    assert!((1_000..4_000).contains(&hidden), "{hidden} lines are hidden");
    assert_eq!(safe.redacted, 1);
}

#[test]
fn the_rest_of_a_key_is_hidden_also_where_lines_come_slowly() {
    let text = key(20, "");
    let cut = text.split_once('\n').unwrap().1;
    let mut lines = Vec::new();
    let mut safe = SafeLines::default();
    for line in cut.split_inclusive('\n') {
        safe.push(line.as_bytes());
        safe.idle();
        fetch(&mut safe, &mut lines);
    }
    assert_eq!(lines, ["[redacted:private-key]"]);
    safe.push(b"next\n");
    fetch(&mut safe, &mut lines);
    assert_eq!(lines.len(), 1, "it waits for more");
    safe.idle();
    fetch(&mut safe, &mut lines);
    assert_eq!(lines[1..], ["next"]);
}

#[test]
fn a_long_line_is_cut_before_what_the_cut_may_have_broken_and_takes_no_memory() {
    let secret = "password=correct-horse-battery-staple";
    for (fill, piece) in [("x ", 1_000), ("x ", 300_000), ("xx", 64 << 10)] {
        let mut text = fill.repeat((LONG_LINE_BYTES - 20) / 2);
        text.push_str(secret);
        text.push_str(&"y".repeat(1 << 20));
        text.push_str("\nnext\n");
        let (lines, safe) = streamed(text.as_bytes(), piece);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with(CUT) && !lines[0].contains("correct"), "{fill}{piece}");
        assert!(lines[0].len() <= 3 * BLOCK_BYTES && safe.has_dropped);
        assert_eq!(lines[1], "next");
        assert!(safe.pending.capacity() <= 4 * BLOCK_BYTES, "{}", safe.pending.capacity());
    }
}

#[test]
fn any_bytes_become_lines() {
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let (lines, safe) = streamed(&bytes, 4_093);
    assert!(lines.len() > 1_000 && safe.removed.total() > 1_000);
}
