//! Promise P8: whatever is done to a log before its last checkpoint is found.

use std::path::Path;

use super::super::chain::Hash;
use super::super::files::{self, Trust};
use super::super::key::PublicKey;
use super::super::record::AuditLine;
use super::super::verify::{Report, Verifier};
use super::super::{AuditLog, CHECKPOINTS_FILE, FILE, PUBLIC_KEY_FILE, Rotation};
use super::{found, record, settings, verified};

const RECORDS: usize = 1_000;

struct Written {
    folder: tempfile::TempDir,
    key: PublicKey,
    lines: Vec<Vec<u8>>,
    anchors: Vec<u8>,
}

async fn written() -> Written {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::with(settings(folder.path(), Rotation::default())).unwrap();
    for number in 0..RECORDS - 2 {
        record(&log, number).await;
    }
    log.close().await.unwrap();
    let text = std::fs::read(folder.path().join(FILE)).unwrap();
    let lines: Vec<_> = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    assert!(lines.len() >= RECORDS, "{}", lines.len());
    let anchors = std::fs::read(folder.path().join(CHECKPOINTS_FILE)).unwrap();
    let key = std::fs::read_to_string(folder.path().join(PUBLIC_KEY_FILE)).unwrap();
    assert_eq!(found(&verified(folder.path())), Vec::<&str>::new());
    Written { folder, key: key.parse().unwrap(), lines, anchors }
}

impl Written {
    fn verifier(&self) -> Verifier {
        let mut verifier = Verifier::new(vec![self.key], 0);
        for (index, line) in self.anchors.split(|b| *b == b'\n').enumerate() {
            if !line.is_empty() {
                verifier.anchor("checkpoints", index as u64 + 1, line);
            }
        }
        verifier.file(FILE, None);
        verifier
    }

    fn report(&self, text: &[u8]) -> Report {
        let mut verifier = self.verifier();
        feed(&mut verifier, text, true);
        verifier.finish()
    }
}

/// Lines to the verifier, as reading a file would give them.
fn feed(verifier: &mut Verifier, text: &[u8], is_end: bool) {
    let mut rest = text;
    while !rest.is_empty() {
        match rest.iter().position(|b| *b == b'\n') {
            Some(at) => {
                verifier.line(&rest[..at], false);
                rest = &rest[at + 1..];
            }
            None => return verifier.line(rest, is_end),
        }
    }
}

#[tokio::test]
async fn every_byte_that_is_changed_is_found() {
    let written = written().await;
    assert_eq!(written.report(&written.lines.concat()).n_findings, 0);
    let mut before = written.verifier();
    let mut n_flips = 0;
    for (index, line) in written.lines.iter().enumerate() {
        // The change shows in its own line or in the next; what follows is as it was.
        let next = written.lines.get(index + 1).map_or(&[][..], Vec::as_slice);
        let is_end = next.is_empty();
        for at in 0..line.len() {
            // Another letter, the other case, or what is no text.
            let mask = [0x01, 0x20, 0x80][(index + at) % 3];
            let mut text = line.clone();
            text[at] ^= mask;
            let text = [&text, next].concat();
            let mut verifier = before.clone();
            feed(&mut verifier, &text, is_end);
            n_flips += 1;
            if verifier.n_findings() == 0 {
                // Lines that are no records are judged at the end.
                let report = verifier.finish();
                let cut = |f: &str| f.contains("the log was cut");
                let seen = report.findings.iter().any(|f| !cut(&f.text));
                assert!(seen, "record {index}, byte {at}: {}", text.escape_ascii());
            }
        }
        feed(&mut before, line, false);
    }
    assert!(n_flips > 250 * RECORDS, "{n_flips}");
    // And in the whole, for some of them.
    for index in (0..written.lines.len()).step_by(50) {
        let mut lines = written.lines.clone();
        let at = (index * 7) % lines[index].len();
        lines[index][at] ^= 1;
        let report = written.report(&lines.concat());
        assert!(report.n_findings > 0, "record {index}");
        let lines = report.findings.iter().filter_map(|finding| finding.line);
        assert!(lines.min().unwrap().abs_diff(index as u64 + 1) <= 1, "{report:?}");
    }
}

#[tokio::test]
async fn records_that_are_missing_doubled_or_swapped_are_found_where_they_are() {
    let written = written().await;
    // All but the closing checkpoint: nothing is signed to come with it.
    for index in 0..written.lines.len() - 1 {
        let lines = &written.lines;
        let without = [&lines[..index], &lines[index + 1..]].concat();
        let doubled = [&lines[..=index], &lines[index..]].concat();
        let mut swapped = lines.clone();
        swapped.swap(index, index + 1);
        // Only what is around the place: the states before it are the same.
        let around = |changed: &[Vec<u8>]| {
            let from = index.saturating_sub(2);
            let to = changed.len().min(index + 4);
            let mut verifier = Verifier::new(vec![written.key], 0);
            verifier.file(FILE, None);
            feed(&mut verifier, &changed[from..to].concat(), false);
            // The first of what is looked at is not the first of its instance.
            let report = verifier.finish();
            let begins = |text: &str| text.starts_with("is the first") && from > 0;
            report.findings.into_iter().filter(|f| !begins(&f.text)).collect::<Vec<_>>()
        };
        assert_eq!(around(lines), [], "{index}");
        assert!(!around(&without).is_empty(), "without record {index}");
        assert!(!around(&doubled).is_empty(), "record {index} twice");
        assert!(!around(&swapped).is_empty(), "record {index} and the next swapped");
    }
}

#[tokio::test]
async fn a_log_that_was_cut_is_found_at_every_record() {
    let written = written().await;
    let mut before = written.verifier();
    let mut n_found = 0;
    for line in &written.lines {
        // Here, and within the line.
        for cut in [0, 1, 40, line.len() / 2, line.len() - 1] {
            let mut verifier = before.clone();
            feed(&mut verifier, &line[..cut], true);
            n_found += usize::from(verifier.finish().n_findings > 0);
        }
        feed(&mut before, line, false);
    }
    // But for the last line feed: every record that is signed is there, and so is its checkpoint.
    assert_eq!(n_found, written.lines.len() * 5 - 1);

    // With the checkpoints cut as well, nothing in the folder tells; what was kept elsewhere does.
    let log = written.lines[..written.lines.len() - 1].concat();
    let (folder, elsewhere) = (written.folder.path(), tempfile::tempdir().unwrap());
    let copy = elsewhere.path().join("checkpoints.jsonl");
    std::fs::copy(folder.join(CHECKPOINTS_FILE), &copy).unwrap();
    std::fs::write(folder.join(FILE), log).unwrap();
    expect_test::expect![
        "is a checkpoint that is kept beside the log, and is not here: the log was cut"
    ]
    .assert_eq(&found(&verified(folder)).join("\n"));
    let anchors = written.anchors.split_inclusive(|b| *b == b'\n').collect::<Vec<_>>();
    std::fs::write(folder.join(CHECKPOINTS_FILE), anchors[..anchors.len() - 1].concat()).unwrap();
    assert_eq!(found(&verified(folder)), Vec::<&str>::new());
    let trust = Trust { checkpoints: vec![copy], ..Trust::default() };
    let report = files::verify(folder, trust, &mut |_, _| ()).unwrap();
    assert_eq!(found(&report).len(), 1, "{report:?}");
}

/// Somebody without the key puts records of their own in place of a checkpoint.
#[tokio::test]
async fn a_checkpoint_that_was_replaced_is_found() {
    let written = written().await;
    let (last, before) = written.lines.split_last().unwrap();
    let instead = String::from_utf8(last.clone()).unwrap();
    let body = instead.rsplit_once(",\"hash\":").unwrap().0.replace("checkpoint", "abandoned");
    let hash = Hash::of(body.as_bytes());
    let text = [before.concat(), format!("{body},\"hash\":\"{hash}\"}}\n").into_bytes()].concat();
    expect_test::expect![
        "is not the checkpoint that is kept beside the log: the chain was written anew"
    ]
    .assert_eq(&found(&written.report(&text)).join("\n"));
}

#[tokio::test]
async fn a_log_that_was_written_anew_is_found_by_its_checkpoints() {
    let written = written().await;
    // Somebody without the key writes another log of the same instance.
    let forged = tempfile::tempdir().unwrap();
    let log = AuditLog::with(settings(forged.path(), Rotation::default())).unwrap();
    for number in 0..RECORDS - 2 {
        record(&log, number + 1).await;
    }
    log.close().await.unwrap();
    std::fs::copy(forged.path().join(FILE), written.folder.path().join(FILE)).unwrap();
    let report = verified(written.folder.path());
    let texts = found(&report).join("\n");
    assert!(texts.contains("which is not trusted here"), "{texts}");
    assert!(texts.contains("the chain was written anew"), "{texts}");

    // With the whole log gone, its checkpoints are left, and the other way round.
    std::fs::write(written.folder.path().join(FILE), "").unwrap();
    expect_test::expect!["is signed to have been written; nothing of its instance is here"]
        .assert_eq(&found(&verified(written.folder.path())).join("\n"));
    std::fs::write(written.folder.path().join(FILE), written.lines.concat()).unwrap();
    std::fs::remove_file(written.folder.path().join(CHECKPOINTS_FILE)).unwrap();
    assert_eq!(verified(written.folder.path()).n_findings, 0);
}

/// Somebody without the key removes files, and says in a record of their own that this was meant.
#[tokio::test]
async fn files_that_nobody_signed_away_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { file_bytes_max: 8 << 10, keep_files: None };
    let log = AuditLog::with(settings(folder.path(), rotation)).unwrap();
    for number in 0..60 {
        record(&log, number).await;
    }
    log.close().await.unwrap();
    let copy = folder.path().join("kept-elsewhere");
    std::fs::copy(folder.path().join(CHECKPOINTS_FILE), &copy).unwrap();
    let retired = |number| folder.path().join(super::super::disk::retired_name(number));
    let n_files = (1..100).take_while(|number| retired(*number).exists()).count();
    assert!(n_files >= 2, "{n_files}");
    for number in 1..=n_files as u64 {
        std::fs::remove_file(retired(number)).unwrap();
    }
    let said = |instance: &str, seq: u64, prev: &str| {
        let body = format!(
            "{{\"schema\":\"toolgate.audit/2\",\"instance\":\"{instance}\",\"seq\":{seq},\
             \"prev\":\"{prev}\",\"at\":\"1970-01-01T00:00:00Z\",\"stage\":\"continued\",\
             \"file\":{},\"why\":\"it was full\",\"removed_to\":{n_files}",
            n_files + 1
        );
        format!("{body},\"hash\":\"{}\"}}\n", Hash::of(body.as_bytes()))
    };
    let path = folder.path().join(FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    let last: AuditLine = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let of_its_own = said("fedcba9876543210", 1, &Hash::ZERO.to_string());
    let of_the_same = said(&last.instance, last.seq + 1, &last.hash);
    for forged in [of_its_own, of_the_same] {
        std::fs::write(&path, format!("{text}{forged}")).unwrap();
        let trust = Trust { checkpoints: vec![copy.clone()], ..Trust::default() };
        let report = files::verify(folder.path(), trust, &mut |_, _| ()).unwrap();
        assert_eq!(found(&report), ["is the first of its instance: those before it are missing"]);
    }
}

#[test]
fn what_is_no_log_at_all_is_found_and_breaks_nothing() {
    let seed = [0x1d_u8, 0x7b, 0x22, 0x0a, 0xff, 0x00, 0x7d, 0x68];
    let mut state = 1_u64;
    for _ in 0..2_000 {
        let mut text = br#"{"schema":"toolgate.audit/2","instance":"a","seq":"#.to_vec();
        for _ in 0..64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push(seed[(state >> 60) as usize & 7]);
        }
        let mut verifier = Verifier::new(Vec::new(), 0);
        verifier.anchor("checkpoints", 1, &text);
        verifier.file(FILE, None);
        feed(&mut verifier, &text, true);
        assert!(verifier.finish().n_findings > 0);
    }
    let nobody = Path::new("/nonexistent");
    assert!(files::verify(nobody, Trust::default(), &mut |_, _| ()).is_err());
}
