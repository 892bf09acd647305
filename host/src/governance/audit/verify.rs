//! Tells whether a log is what was written.
//!
//! Every line depends on the instance's line before it, so a change shows where it was made, or one
//! line later. What a signed checkpoint covers cannot be made good by whoever lacks the key, and
//! what stands in the checkpoints beside the log cannot be cut off its end, nor can those checkpoints themselves. What comes after the last
//! checkpoint is checked too, but could have been written anew, or cut off, by whoever can write the
//! file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chain::{Hash, hash_of};
use super::key::{Checkpoint, PublicKey};
use super::record::{AuditLine, SCHEMA, Stage};

/// Findings that are kept in words. One cause makes few; a log of another program makes many.
pub const FINDINGS_MAX: usize = 100;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file's name, where it is about a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Whose record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Which record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What is wrong.
    pub text: String,
}

/// What was found out about one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its name.
    pub instance: String,
    /// The number of its first record that is there.
    pub first: u64,
    /// The number of its last record.
    pub last: u64,
    /// The number of the last record that a signature covers; 0 where none does.
    pub covered: u64,
    /// Whether it ended with a checkpoint that says so. Else it runs, or died.
    pub is_closed: bool,
}

/// What was found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records whose place in their chain was checked.
    pub n_records: u64,
    /// Signatures that were checked.
    pub n_checkpoints: u64,
    /// Lines that a process did not finish: records, where a later one tells of them, and
    /// checkpoints.
    pub n_torn: u64,
    /// In order of their first record.
    pub instances: Vec<Instance>,
    /// The first of them.
    pub findings: Vec<Finding>,
    /// All of them.
    pub n_findings: u64,
    /// The last line of the current file is not finished: it is being written, or a process died.
    pub is_unfinished: bool,
}

#[derive(Debug, Clone)]
struct Known {
    order: u64,
    seq: u64,
    /// None after a line that was changed: what its hash should be, nobody knows.
    head: Option<Hash>,
    first: u64,
    /// The number of the file that it says to begin in; none where it begins elsewhere.
    begins_in: Option<u64>,
    first_place: (String, u64),
    covered: u64,
    is_closed: bool,
    /// Files that a process says to have removed, with the number of the record that says so: for
    /// nothing until a signature covers it, since else anybody could say so.
    removed: Vec<(u64, u64)>,
    /// The number of a checkpoint that stands beside the log, so that it has to stand in it.
    owed: Option<u64>,
}

/// Reads a log line by line.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    keys: Vec<PublicKey>,
    chains: BTreeMap<String, Known>,
    /// Checkpoints from beside the log, by instance and number.
    anchors: BTreeMap<String, BTreeMap<u64, (Hash, u64)>>,
    place: (String, u64),
    /// The number of the first file.
    first_file: Option<u64>,
    /// Files up to this number were removed by a process that said so, or are left out on purpose.
    left_out_to: u64,
    /// Lines that are no records: where, how long, their hash.
    strays: Vec<((String, u64), u64, Hash)>,
    /// What records tell of such lines.
    torn: Vec<(u64, String)>,
    report: Report,
}

/// What every line has.
#[derive(Deserialize)]
struct Link {
    schema: String,
    instance: String,
    seq: u64,
    prev: String,
    stage: String,
    #[serde(default)]
    file: Option<u64>,
}

impl Verifier {
    /// One that trusts these keys. Files up to `left_out_to` are left out on purpose.
    pub fn new(keys: Vec<PublicKey>, left_out_to: u64) -> Self {
        Self { keys, left_out_to, ..Self::default() }
    }

    /// A checkpoint that was kept beside the log. Those that exist before the log is read have to be
    /// found in it.
    pub fn anchor(&mut self, file: &str, line: u64, bytes: &[u8]) {
        self.place = (file.to_owned(), line);
        let checkpoint = match serde_json::from_slice::<Checkpoint>(bytes) {
            Ok(checkpoint) => checkpoint,
            // A process died within it, or the disk was full. It is missing here, as if its line had
            // never been begun; the log has it.
            Err(error) if error.is_eof() => {
                self.report.n_torn += 1;
                return;
            }
            Err(_) => return self.finding(None, "is no checkpoint".to_owned()),
        };
        let link = Some((checkpoint.instance.clone(), checkpoint.through));
        let Some(head) = checkpoint.head() else {
            return self.finding(link, "is no checkpoint: its `head` is no hash".to_owned());
        };
        if let Err(text) = self.check_signature(&checkpoint) {
            return self.finding(link, text);
        }
        let of = self.anchors.entry(checkpoint.instance).or_default();
        of.insert(checkpoint.through, (head, checkpoint.file));
    }

    /// The next file begins.
    pub fn file(&mut self, name: &str, number: Option<u64>) {
        self.place = (name.to_owned(), 0);
        if self.first_file.is_none() {
            self.first_file = number;
        }
    }

    /// The file's next line, without its line feed; `is_last` where it has none, and nothing follows
    /// in the log.
    pub fn line(&mut self, bytes: &[u8], is_last: bool) {
        self.place.1 += 1;
        if bytes.is_empty() {
            return;
        }
        match hash_of(bytes) {
            Some((said, is_right)) => self.record(bytes, said, is_right),
            None => match second_start(bytes).and_then(|start| bytes.split_at_checked(start)) {
                // One process left half a line, and another went on behind it.
                Some((stray, rest)) if hash_of(rest).is_some() => {
                    self.stray(stray);
                    if let Some((said, is_right)) = hash_of(rest) {
                        self.record(rest, said, is_right);
                    }
                }
                _ if is_last && self.is_beginning_of_next(bytes) => {
                    self.report.is_unfinished = true;
                }
                _ => self.stray(bytes),
            },
        }
    }

    /// Everything was read.
    pub fn finish(mut self) -> Report {
        for ((file, line), len, hash) in std::mem::take(&mut self.strays) {
            let claim = (len, hash.to_string());
            if let Some(at) = self.torn.iter().position(|torn| *torn == claim) {
                self.torn.swap_remove(at);
                self.report.n_torn += 1;
            } else {
                self.place = (file, line);
                self.finding(None, "is no record, and no record tells of it".to_owned());
            }
        }
        self.check_beginnings();
        self.check_anchors();
        let mut known: Vec<_> = std::mem::take(&mut self.chains).into_iter().collect();
        known.sort_by_key(|(_, known)| known.order);
        let instances = known.into_iter().map(|(instance, known)| {
            let Known { first, seq: last, covered, is_closed, .. } = known;
            Instance { instance, first, last, covered, is_closed }
        });
        self.report.instances = instances.collect();
        self.report
    }

    /// Findings so far.
    pub fn n_findings(&self) -> u64 {
        self.report.n_findings
    }

    fn record(&mut self, bytes: &[u8], said: Hash, is_right: bool) {
        let link = match serde_json::from_slice::<Link>(bytes) {
            Ok(link) => link,
            Err(_) if is_right => return self.finding(None, "is no record".to_owned()),
            Err(_) => return self.finding(None, "was changed: it is JSON no more".to_owned()),
        };
        let named = Some((link.instance.clone(), link.seq));
        if !is_right {
            self.finding(named, "was changed: its hash is not that of its bytes".to_owned());
            // Goes on as if it were the next one, so that one change is one finding.
            self.chains.entry(link.instance).and_modify(|known| {
                (known.seq, known.head) = (known.seq.saturating_add(1), None);
                known.owed.take_if(|owed| *owed == known.seq);
            });
            return;
        }
        if link.schema != SCHEMA {
            let text = format!("is of the schema `{}`, which has no chain", shown(&link.schema));
            return self.finding(named, text);
        }
        self.report.n_records += 1;
        self.follows(&link, said);
        let known = self.enter(&link, said);
        (known.seq, known.head, known.is_closed) = (link.seq, Some(said), false);
        let is_owed = known.owed.take_if(|owed| *owed <= link.seq) == Some(link.seq);
        if is_owed && link.stage != "checkpoint" {
            let text = "is not the checkpoint that is kept beside the log: the chain was written \
                        anew";
            self.finding(named, text.to_owned());
        }
        self.check_anchor(&link, said);
        self.check_stage(bytes, &link);
    }

    fn enter(&mut self, link: &Link, head: Hash) -> &mut Known {
        let (order, place) = (self.chains.len() as u64, self.place.clone());
        self.chains.entry(link.instance.clone()).or_insert_with(|| Known {
            order,
            seq: link.seq,
            head: Some(head),
            first: link.seq,
            begins_in: link.file,
            first_place: place,
            covered: 0,
            is_closed: false,
            removed: Vec::new(),
            owed: None,
        })
    }

    /// Whether the record comes after its instance's record before it.
    fn follows(&mut self, link: &Link, said: Hash) {
        let prev = Hash::parse(&link.prev);
        let named = Some((link.instance.clone(), link.seq));
        let Some(known) = self.chains.get(&link.instance) else {
            if link.seq == 1 && prev != Some(Hash::ZERO) {
                self.finding(named, "is the first of its instance, and follows another".to_owned());
            }
            return;
        };
        let next = known.seq.saturating_add(1);
        let text = if link.seq == next && (known.head.is_none() || prev == known.head) {
            return;
        } else if link.seq > next {
            format!("comes after record {}: {} missing between them", known.seq, {
                let n_missing = link.seq - next;
                if n_missing == 1 { "one is".to_owned() } else { format!("{n_missing} are") }
            })
        } else if link.seq < next && Some(said) == known.head {
            "is here twice".to_owned()
        } else if link.seq < next {
            format!("comes after record {}: it is here twice, or out of order", known.seq)
        } else {
            format!(
                "does not follow from record {} as it is here: that one was replaced",
                known.seq
            )
        };
        self.finding(named, text);
    }

    fn check_anchor(&mut self, link: &Link, said: Hash) {
        let anchors = self.anchors.get_mut(&link.instance);
        let Some((head, _)) = anchors.and_then(|of| of.remove(&link.seq)) else { return };
        if head == said {
            let covered = link.seq;
            self.cover(&link.instance, covered);
            self.chains
                .entry(link.instance.clone())
                .and_modify(|known| known.owed = covered.checked_add(1));
        } else {
            let named = Some((link.instance.clone(), link.seq));
            let text = "is not the one that a signed checkpoint is of: the chain was written anew";
            self.finding(named, text.to_owned());
        }
    }

    /// A signature is of the chain up to there.
    fn cover(&mut self, instance: &str, through: u64) {
        let Some(known) = self.chains.get_mut(instance) else { return };
        known.covered = through;
        let said = known.removed.extract_if(.., |(seq, _)| *seq <= through);
        self.left_out_to = said.map(|(_, number)| number).fold(self.left_out_to, u64::max);
    }

    fn check_stage(&mut self, bytes: &[u8], link: &Link) {
        let named = Some((link.instance.clone(), link.seq));
        // Stages that a later version knows are links all the same.
        let Ok(line) = serde_json::from_slice::<AuditLine>(bytes) else { return };
        match &line.stage {
            Stage::Torn { torn_bytes, torn_sha256 } => {
                self.torn.push((*torn_bytes, torn_sha256.clone()));
            }
            Stage::Continued { removed_to: Some(number), .. } => {
                let removed = (link.seq, *number);
                self.chains.entry(link.instance.clone()).and_modify(|k| k.removed.push(removed));
            }
            Stage::Checkpoint(_) => {
                let Some(checkpoint) = line.checkpoint() else { return };
                let is_place = checkpoint.through.checked_add(1) == Some(link.seq);
                if !is_place || checkpoint.head != link.prev {
                    let text = "is a checkpoint of another place of the chain".to_owned();
                    return self.finding(named, text);
                }
                if let Err(text) = self.check_signature(&checkpoint) {
                    return self.finding(named, text);
                }
                self.cover(&link.instance, checkpoint.through);
                self.chains
                    .entry(link.instance.clone())
                    .and_modify(|known| known.is_closed = checkpoint.closing);
            }
            Stage::Opened(_)
            | Stage::Continued { .. }
            | Stage::Received(_)
            | Stage::Admitted { .. }
            | Stage::Refused(_)
            | Stage::Used(_)
            | Stage::Request { .. }
            | Stage::Intent(_)
            | Stage::Effect { .. }
            | Stage::ApprovalRequested(_)
            | Stage::ApprovalDecided { .. }
            | Stage::Completed(_)
            | Stage::Abandoned => {}
        }
    }

    fn check_signature(&mut self, checkpoint: &Checkpoint) -> Result<(), String> {
        let key = self.keys.iter().find(|key| key.id() == checkpoint.key);
        let Some(key) = key else {
            let id = shown(&checkpoint.key);
            return Err(format!("is a checkpoint by the key `{id}`, which is not trusted here"));
        };
        if !checkpoint.is_signed_by(key) {
            return Err("is a checkpoint whose signature is wrong".to_owned());
        }
        self.report.n_checkpoints += 1;
        Ok(())
    }

    /// A line that is no record may be half of one, if a record tells so.
    fn stray(&mut self, bytes: &[u8]) {
        // A whole record without its line feed is no half of one.
        let is_record = hash_of(bytes).is_some();
        let is_more = bytes.iter().enumerate().any(|(at, b)| {
            *b == b'}' && bytes.get(..=at).and_then(hash_of).is_some_and(|(_, right)| right)
        });
        if is_record || is_more {
            return self.finding(None, "holds more than a record: a byte was changed".to_owned());
        }
        self.strays.push((self.place.clone(), bytes.len() as u64, Hash::of(bytes)));
    }

    /// Whether the bytes are how a next record may begin, as far as they go.
    fn is_beginning_of_next(&self, bytes: &[u8]) -> bool {
        let begins = |instance: &str, seq: u64, prev: Option<Hash>| {
            let Some(prev) = prev else { return false };
            let head = format!(
                "{{\"schema\":\"{SCHEMA}\",\"instance\":\"{instance}\",\"seq\":{seq},\"prev\":\"{prev}\","
            );
            let n = head.len().min(bytes.len());
            head.as_bytes().get(..n) == bytes.get(..n)
        };
        let mark = b",\"hash\":\"";
        let is_whole = bytes.windows(mark.len()).rposition(|w| w == mark);
        let is_whole = is_whole.is_some_and(|at| bytes.len() >= at + mark.len() + 64 + 2);
        let known = self.chains.iter();
        !is_whole
            && (known.clone().any(|(name, k)| begins(name, k.seq.saturating_add(1), k.head))
                || is_first_of_new(bytes))
    }

    fn check_beginnings(&mut self) {
        let first_file = self.first_file.unwrap_or(0);
        let chains = std::mem::take(&mut self.chains);
        for (instance, known) in &chains {
            let is_left_out = first_file > 0 && self.left_out_to >= first_file - 1;
            let is_allowed = is_left_out && known.begins_in == Some(first_file);
            if known.first != 1 && !is_allowed {
                self.place = known.first_place.clone();
                let named = Some((instance.clone(), known.first));
                let text = "is the first of its instance: those before it are missing".to_owned();
                self.finding(named, text);
            }
        }
        self.chains = chains;
    }

    /// Checkpoints that were kept beside the log and were not met in it.
    fn check_anchors(&mut self) {
        let first_file = self.first_file.unwrap_or(0);
        let ends = self.chains.iter().filter_map(|(instance, known)| {
            Some((instance.clone(), known.owed?, known.first_place.0.clone()))
        });
        for (instance, owed, file) in ends.collect::<Vec<_>>() {
            let is_found_below = |of: &BTreeMap<u64, _>| of.keys().any(|through| *through >= owed);
            if self.anchors.get(&instance).is_some_and(is_found_below) {
                continue;
            }
            self.place = (file, 0);
            let text =
                "is a checkpoint that is kept beside the log, and is not here: the log was cut";
            self.finding(Some((instance, owed)), text.to_owned());
        }
        for (instance, of) in std::mem::take(&mut self.anchors) {
            // One that is cut is cut once: the last checkpoint says how much is missing.
            let Some((through, (_, file))) = of.into_iter().next_back() else { continue };
            let known = self.chains.get(&instance).map(|k| (k.first, k.seq, k.first_place.clone()));
            let (place, text) = match known {
                Some((first, _, _)) if through < first => continue,
                Some((_, last, place)) if through > last => (
                    place,
                    format!(
                        "is signed to have been written, but its instance ends with record {last} \
                         here: the log was cut"
                    ),
                ),
                Some((_, _, place)) => {
                    (place, "is signed to have been written, and is not here".to_owned())
                }
                None if file < first_file && self.left_out_to >= first_file - 1 => continue,
                None => (
                    (String::new(), 0),
                    "is signed to have been written; nothing of its instance is here".to_owned(),
                ),
            };
            self.place = (place.0, 0);
            self.finding(Some((instance, through)), text);
        }
    }

    fn finding(&mut self, record: Option<(String, u64)>, text: String) {
        self.report.n_findings += 1;
        if self.report.findings.len() >= FINDINGS_MAX {
            return;
        }
        let (file, line) = &self.place;
        let (instance, seq) = record.unzip();
        self.report.findings.push(Finding {
            file: (!file.is_empty()).then(|| file.clone()),
            line: (*line > 0).then_some(*line),
            instance: instance.map(|name| shown(&name)),
            seq,
            text,
        });
    }
}

/// Where a second record begins within a line.
fn second_start(bytes: &[u8]) -> Option<usize> {
    let mark = b"{\"schema\":\"toolgate.audit/";
    bytes.windows(mark.len()).rposition(|window| window == mark).filter(|at| *at > 0)
}

/// Whether the bytes are how a process's first record may begin, as far as they go.
fn is_first_of_new(bytes: &[u8]) -> bool {
    let before = format!("{{\"schema\":\"{SCHEMA}\",\"instance\":\"");
    let n = before.len().min(bytes.len());
    if before.as_bytes().get(..n) != bytes.get(..n) {
        return false;
    }
    let rest = bytes.get(n..).unwrap_or_default();
    let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
    let after = rest.get(name..).unwrap_or_default();
    let wanted = format!("\",\"seq\":1,\"prev\":\"{}\",", Hash::ZERO);
    let n = wanted.len().min(after.len());
    wanted.as_bytes().get(..n) == after.get(..n)
}

/// What a log says, in a length for one line.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}
