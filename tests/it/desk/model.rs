//! What a desk should hold, kept apart from how it holds it, and both asked the same at random.

use super::*;

/// What the desk should hold of one request, kept apart from how the desk does it.
struct Expected {
    id: ApprovalId,
    digest: String,
    approvers: usize,
    own_counts: bool,
    expires: i64,
    /// Who said yes, and whether to this request.
    yes: BTreeMap<&'static str, bool>,
    no: bool,
    is_executing: bool,
}

impl Expected {
    fn counts(&self, who: &str) -> bool {
        self.own_counts || who != "alice@os"
    }

    fn n_yes(&self) -> usize {
        self.yes.keys().filter(|who| self.counts(who)).count()
    }

    fn is_foreign(&self) -> bool {
        self.yes.values().any(|is_right| !is_right)
    }

    /// What a look decides at this time, if anything.
    fn decision(&self, now: i64) -> Option<Status> {
        if now >= self.expires {
            Some(Status::Expired)
        } else if self.no {
            Some(Status::Denied)
        } else if self.is_foreign() {
            Some(Status::Failed)
        } else {
            (self.n_yes() >= self.approvers).then_some(Status::Approved)
        }
    }

    /// What a person sees.
    fn status(&self, now: i64) -> Status {
        match self.decision(now) {
            _ if self.is_executing => Status::Executing,
            None | Some(Status::Failed) => Status::Pending,
            Some(decided) => decided,
        }
    }

    fn takes(&self, who: &str, approve: bool, now: i64) -> bool {
        match self.status(now) {
            Status::Pending if approve => !self.yes.contains_key(who) && self.counts(who),
            Status::Pending | Status::Approved => !approve,
            Status::Executing
            | Status::Denied
            | Status::Executed
            | Status::Failed
            | Status::Expired
            | Status::Interrupted => false,
        }
    }
}

/// One run: a desk, and what it should hold.
struct Run {
    office: Office,
    desk: Option<Desk>,
    open: BTreeMap<&'static str, Expected>,
    over: BTreeMap<ApprovalId, Status>,
    digests: BTreeMap<ApprovalId, String>,
    n_approved: u32,
}

const NAMES: [&str; 3] = ["web", "api", "db"];

impl Run {
    fn new() -> Self {
        let mut office = Office::new();
        let desk = Some(office.desk());
        let (open, over, digests) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { office, desk, open, over, digests, n_approved: 0 }
    }

    fn desk(&self) -> &Desk {
        self.desk.as_ref().unwrap()
    }

    fn now(&self) -> i64 {
        self.office.now.load(Ordering::SeqCst)
    }

    fn submit(&mut self, dice: &mut Dice) {
        let name = NAMES[pick(dice, NAMES.len())];
        let own_counts = dice.roll(2) == 0;
        let terms = ApprovalTerms {
            approvers: u8::try_from(1 + dice.roll(3)).unwrap(),
            requester_may_approve: own_counts,
            ..ApprovalTerms { reason_required: false, ..strict() }
        };
        let id = submit(self.desk(), "alice", name, &terms).id;
        if let Some(open) = self.open.get(name) {
            assert_eq!(open.id, id, "the same question is the same request");
            return;
        }
        let digest = self.office.answers().find(&id).unwrap().request_sha256;
        assert!(self.digests.insert(id.clone(), digest.clone()).is_none(), "a new id");
        let expected = Expected {
            id,
            digest,
            approvers: terms.approvers.into(),
            own_counts,
            expires: self.now() + 600,
            yes: BTreeMap::new(),
            no: false,
            is_executing: false,
        };
        self.open.insert(name, expected);
    }

    fn answer(&mut self, dice: &mut Dice) {
        let Some((id, digest)) = self.any_id(dice) else { return };
        let who = PEOPLE[pick(dice, PEOPLE.len())].0;
        let (approve, is_right, now) = (dice.roll(8) > 0, dice.roll(10) > 0, self.now());
        let seen = if is_right { digest } else { "0".repeat(64) };
        let taken = self.office.answers().answer(&id, &seen, says(approve, who));
        let open = self.open.values_mut().find(|open| open.id == id);
        let takes = is_right && open.as_ref().is_some_and(|open| open.takes(who, approve, now));
        assert_eq!(taken.is_ok(), takes, "{who} {approve} to {id}: {taken:?}");
        if let (true, Some(open)) = (takes, open) {
            if approve {
                open.yes.insert(who, true);
            } else {
                open.no = true;
            }
        }
    }

    /// A file that nobody checked on its way.
    fn plant(&mut self, dice: &mut Dice) {
        let name = NAMES[pick(dice, NAMES.len())];
        let (who, is_right) = (pick(dice, PEOPLE.len()), dice.roll(3) > 0);
        let Some(open) = self.open.get_mut(name) else { return };
        let mut file = genuine(if is_right { &open.digest } else { "another" });
        file["by"] = json!(PEOPLE[who].0);
        let (id, text) = (open.id.clone(), file.to_string());
        open.yes.insert(PEOPLE[who].0, is_right);
        self.office.plant(&id, &format!("yes.{}.json", PEOPLE[who].1), &text);
    }

    fn collect(&mut self) {
        let now = self.now();
        let found: BTreeSet<_> = self
            .desk()
            .collect()
            .into_iter()
            .map(|d| (d.ticket.id, d.status.to_string()))
            .collect();
        let mut expected = BTreeSet::new();
        for open in self.open.values_mut().filter(|open| !open.is_executing) {
            if let Some(status) = open.decision(now) {
                expected.insert((open.id.clone(), status.to_string()));
                if status == Status::Approved {
                    open.is_executing = true;
                    self.n_approved += 1;
                } else {
                    self.over.insert(open.id.clone(), status);
                }
            }
        }
        self.open.retain(|_, open| !self.over.contains_key(&open.id));
        assert_eq!(found, expected);
    }

    fn settle(&mut self, dice: &mut Dice) {
        let name = NAMES[pick(dice, NAMES.len())];
        let Some(open) = self.open.get(name).filter(|open| open.is_executing) else { return };
        let (id, key) = (open.id.clone(), Key::from(&request("alice", name)));
        let (done, status) = match dice.roll(3) {
            0 => (Err(CapabilityError::Conflict("changed".to_owned())), Status::Failed),
            _ => (Ok(()), Status::Executed),
        };
        self.desk().settle(&key, &id, done);
        assert!(!matches!(self.desk().find(&key).unwrap().settled, Settled::Executing));
        self.open.remove(name);
        self.over.insert(id, status);
    }

    /// The process ends, with a word or without, and another begins.
    fn restart(&mut self, dice: &mut Dice) {
        let desk = self.desk.take().unwrap();
        let is_killed = dice.roll(2) == 0;
        if !is_killed {
            desk.close();
        }
        drop(desk);
        let desk = self.office.desk();
        desk.sweep();
        self.desk = Some(desk);
        for open in std::mem::take(&mut self.open).into_values() {
            let status = if open.is_executing { Status::Interrupted } else { Status::Expired };
            self.over.insert(open.id, status);
        }
    }

    fn any_id(&self, dice: &mut Dice) -> Option<(ApprovalId, String)> {
        let held: Vec<_> = self.open.values().map(|open| &open.id).collect();
        let all: Vec<_> = self.digests.keys().collect();
        let from = if dice.roll(4) > 0 && !held.is_empty() { held } else { all };
        let id = from.get(pick(dice, from.len().max(1))).copied()?.clone();
        let digest = self.digests.get(&id).cloned()?;
        Some((id, digest))
    }

    fn compare(&self, dice: &mut Dice) {
        let Some((id, _)) = self.any_id(dice) else { return };
        let open = self.open.values().find(|open| open.id == id);
        let expected = open.map(|open| open.status(self.now())).or(self.over.get(&id).copied());
        assert_eq!(Some(self.office.status(&id)), expected, "{id}");
    }
}

fn pick(dice: &mut Dice, n: usize) -> usize {
    usize::try_from(dice.roll(n as u64)).unwrap()
}

#[test]
fn does_what_a_model_of_it_says() {
    let (mut n_approved, mut n_over) = (0, BTreeMap::<Status, u32>::new());
    for seed in 0..16 {
        let (mut run, mut dice) = (Run::new(), Dice(seed));
        for _ in 0..300 {
            match dice.roll(20) {
                0..=4 => run.submit(&mut dice),
                5..=11 => run.answer(&mut dice),
                12 => run.plant(&mut dice),
                13..=15 => run.collect(),
                16..=17 => run.settle(&mut dice),
                18 => run.office.wait(i64::try_from(dice.roll(240)).unwrap()),
                _ if dice.roll(4) == 0 => run.restart(&mut dice),
                _ => {}
            }
            run.compare(&mut dice);
        }
        n_approved += run.n_approved;
        for status in run.over.values() {
            *n_over.entry(*status).or_default() += 1;
        }
    }
    // Every end was reached, many times.
    assert!(n_approved > 50, "{n_approved}");
    for status in
        [Status::Denied, Status::Executed, Status::Failed, Status::Expired, Status::Interrupted]
    {
        assert!(n_over.get(&status).is_some_and(|n| *n > 5), "{status}: {n_over:?}");
    }
}
