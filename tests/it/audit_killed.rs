//! Killed at any point: what was done is on record, and the record is what was written.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use toolgate::backend::demo::DemoCluster;
use toolgate::governance::audit::files::{Trust, parts, verify};
use toolgate::governance::audit::{AuditLine, Stage};
use toolgate_tests::{Served, changes};

use crate::program::{ANSWERED_WITHIN, Home, lines_of};

/// Processes that are killed.
const KILLS: u64 = 1_000;

/// Of those, how many share a folder, one after the other: each begins on what the last one left.
const KILLS_OF_A_FOLDER: u64 = 25;

/// How many are killed at once.
const AT_ONCE: u64 = 4;

/// The longest that a process lives after its first effect.
const LIFE_US: u64 = 4_000;

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }
}

/// Every line that is a record, in all files of the log.
fn records(folder: &Path) -> Vec<AuditLine> {
    let texts = parts(folder).unwrap().into_iter();
    let texts = texts.map(|part| std::io::read_to_string(part.file).unwrap());
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
}

fn assert_whole(folder: &Path) {
    let report = verify(folder, Trust::default(), &mut |_, _| ()).unwrap();
    assert_eq!(report.findings, [], "{}", folder.display());
}

/// Runs a process until it is killed, and returns the effects that it had.
fn killed(folder: &Path, instance: &str, random: &mut Random) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intents"));
    let mut child =
        command.arg(folder).arg(instance).stdout(Stdio::piped()).spawn().expect("it starts");
    let effects = lines_of(child.stdout.take().unwrap());
    let mut had = Vec::new();
    // Some are killed before their first effect: while they open the log.
    let early = random.below(8) == 0;
    if !early {
        had.push(effects.recv_timeout(ANSWERED_WITHIN).expect("it has an effect"));
    }
    let until = Instant::now() + Duration::from_micros(random.below(LIFE_US));
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        had.extend(effects.recv_timeout(left));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    had.extend(effects.iter());
    had
}

#[test]
fn no_effect_is_without_its_intent_when_a_process_is_killed_at_any_point() {
    let n_effects = AtomicU64::new(0);
    let threads = (0..AT_ONCE).map(|thread| {
        let n_effects = &n_effects;
        move || {
            let mut random = Random(thread + 1);
            for folder_number in 0..KILLS / AT_ONCE / KILLS_OF_A_FOLDER {
                let folder = tempfile::tempdir().unwrap();
                let mut had = HashSet::new();
                for number in 0..KILLS_OF_A_FOLDER {
                    let instance = format!("{thread}{folder_number:03}{number:04}");
                    had.extend(killed(folder.path(), &instance, &mut random));
                }
                let intended: HashSet<_> = records(folder.path())
                    .into_iter()
                    .filter(|line| matches!(line.stage, Stage::Intent(_)))
                    .filter_map(|line| line.call)
                    .collect();
                let without: Vec<_> = had.difference(&intended).collect();
                assert!(without.is_empty(), "effects without an intent: {without:?}");
                assert_whole(folder.path());
                n_effects.fetch_add(had.len() as u64, Ordering::Relaxed);
            }
        }
    });
    std::thread::scope(|scope| {
        let running: Vec<_> = threads.map(|thread| scope.spawn(thread)).collect();
        for thread in running {
            thread.join().unwrap();
        }
    });
    let n_effects = n_effects.into_inner();
    assert!(n_effects > KILLS, "too few effects to tell anything: {n_effects}");
}

/// Of the whole program, with an API server in another process: ours.
const PROGRAMS: u32 = 20;

#[test]
fn no_write_of_the_program_reaches_a_cluster_without_its_intent() {
    let cluster = DemoCluster::builtin().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let home = Home::new();
    let serve = || {
        let served = runtime.block_on(Served::start(&cluster));
        home.put("kubeconfig", served.kubeconfig());
        served
    };
    let grants: String = ["restart", "scale", "rollback", "pause", "delete-pod"]
        .iter()
        .map(|verb| format!("[grants.remediation.kubernetes-{verb}]\nnamespaces = [\"shop\"]\n"))
        .collect();
    let config = format!(
        "[clusters.demo]\ncontext = \"toolgate-demo\"\nkubeconfig = \"kubeconfig\"\n\
         [mode]\nread_only = false\n[approvals]\nrequired = false\n{grants}"
    );
    home.furnish(&["plugins/remediation"], &config);
    let call = [
        &["call", "restart_deployment", "--arg", "namespace=shop"][..],
        &["--arg", "deployment_name=checkout"],
    ];
    let call = call.concat();
    let served = serve();
    let begun = Instant::now();
    home.run(&call).good(); // Compiles, if nobody did.
    let first = Instant::now();
    home.run(&call).good();
    let whole = first.elapsed().min(begun.elapsed());
    runtime.block_on(served.drain());

    let folder = home.path().join("state/audit");
    let n_writes = || changes(&cluster).len();
    let n_intents = || {
        let lines = records(&folder);
        lines.iter().filter(|line| matches!(line.stage, Stage::Intent(_))).count()
    };
    assert_eq!((n_writes(), n_intents()), (2, 2));
    let mut random = Random(7);
    for number in 0..PROGRAMS {
        let (writes, intents) = (n_writes(), n_intents());
        let served = serve();
        let mut child = home.command(&call).stdout(Stdio::piped()).spawn().unwrap();
        // The last part of its life is where it writes.
        let part = u64::from(number + 1).saturating_mul(90) / u64::from(PROGRAMS) + 10;
        let life = whole * u32::try_from(part + random.below(10)).unwrap() / 100;
        let lines = lines_of(child.stdout.take().unwrap());
        let _ = lines.recv_timeout(life);
        child.kill().unwrap();
        child.wait().unwrap();
        runtime.block_on(served.drain());
        let (wrote, intended) = (n_writes() - writes, n_intents() - intents);
        assert!(wrote <= intended, "{wrote} writes with {intended} intents");
        assert!(intended <= 1);
        assert_whole(&folder);
    }
}
