//! What each command does, as a list of steps. Everything that takes time is announced first, and
//! a step with nothing left to do is decided by looking at files only.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::process::Command as Process;

use anyhow::{Context, Result, bail};

use crate::browser::{self, Browser};
use crate::cli::Command;
use crate::clients::{self, Clients};
use crate::e2e::{self, What};
use crate::layout;
use crate::process;
use crate::progress::{self, Steps};
use crate::toolchain::{Toolchain, WasmTarget};
use crate::wasm_target;
use crate::workspace::{Component, Room, Workspace};

const HOST: &str = "toolgate";
const TESTS: &str = "toolgate-tests";

pub(crate) fn run(command: Command, rest: &[String]) -> Result<()> {
    match command {
        Command::Demo => House::open()?.demo(rest),
        Command::Test => House::open()?.test(rest),
        Command::Plugins => House::open()?.plugins(),
        Command::Bench => House::open()?.bench(rest),
        Command::E2e => e2e(e2e::parse(rest)?),
        Command::Check => House::open()?.check(),
        Command::Setup => House::open()?.setup(),
    }
}

/// Only the run itself builds anything that another chore builds too.
fn e2e(request: e2e::Request) -> Result<()> {
    match request.what {
        What::Run => return House::open()?.e2e(request),
        What::Up => {
            let cluster = e2e::up(&Workspace::open()?, request.named)?;
            progress::result(&cluster.kubeconfig.display().to_string());
        }
        What::Down => e2e::down()?,
        What::Status => progress::result(&e2e::status(request.named)?),
        What::Kubeconfig => progress::result(&e2e::kubeconfig(request.named)?),
    }
    Ok(())
}

/// What every chore works on.
struct House {
    workspace: Workspace,
    toolchain: Toolchain,
    /// Held while targets, plugins and clients are set up, so that two terminals do not mix.
    lock: Option<File>,
}

impl House {
    fn open() -> Result<Self> {
        let workspace = Workspace::open()?;
        let toolchain = Toolchain::detect()?;
        let lock = Some(lock(&workspace)?);
        Ok(Self { workspace, toolchain, lock })
    }

    fn demo(&mut self, rest: &[String]) -> Result<()> {
        let mut steps = Steps::new(4);
        self.targets(&mut steps, &self.used_targets(&[Room::Plugins])?)?;
        self.room(&mut steps, Room::Plugins)?;
        self.build_host(&mut steps)?;
        steps.fresh("serving the demo cluster; stop it with Ctrl-C");
        let mut host = Process::new(self.workspace.target.join("debug").join(HOST));
        host.arg("demo").arg("--plugins").arg(layout::folder(&self.workspace, Room::Plugins));
        self.lock = None;
        become_program(host.args(rest))
    }

    fn test(&mut self, rest: &[String]) -> Result<()> {
        let without_clients = rest.iter().any(|word| word == "--no-clients");
        let without_browser = rest.iter().any(|word| word == "--no-browser");
        let own = ["--no-clients", "--no-browser"];
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let rest: Vec<&str> = rest.into_iter().filter(|word| !own.contains(word)).collect();
        let mut steps = Steps::new(9);
        self.targets(&mut steps, &self.used_targets(&Room::ALL)?)?;
        for room in Room::ALL {
            self.room(&mut steps, room)?;
        }
        self.build_host(&mut steps)?;
        let clients = if without_clients {
            steps.fresh("independent clients: left out, and with them the tests that drive them");
            None
        } else {
            Some(self.clients(&mut steps)?)
        };
        let browser = if without_browser {
            steps.fresh("browser: left out, and with it the tests that drive it");
            None
        } else {
            Some(Self::browser(&mut steps)?)
        };
        self.lock = None;

        let step = steps.begin("testing the plugins' own code, natively");
        let plugins = self.workspace.components(Room::Plugins)?;
        if !plugins.is_empty() {
            // Their tests only: a component's exports have names that a native linker refuses.
            let mut cargo = self.cargo(&["test", "--lib"]);
            for plugin in &plugins {
                cargo.args(["-p", &plugin.package]);
            }
            process::run(&mut cargo)?;
        }
        steps.end(&step);

        let step = steps.begin("testing the host, the sdk and the whole");
        // The same packages for both commands, so that nothing is built with two sets of features.
        let packages = ["test", "-p", HOST, "-p", "xtask", "-p", "toolgate-sdk", "-p", TESTS];
        let mut cargo = self.cargo(&packages);
        match clients {
            Some(clients) => clients.export(&mut cargo),
            None => {
                cargo.env("TOOLGATE_NO_CLIENTS", "1");
            }
        }
        match browser {
            Some(browser) => browser.export(&mut cargo),
            None => {
                cargo.env("TOOLGATE_NO_BROWSER", "1");
            }
        }
        process::run(cargo.args(&rest))?;
        steps.end(&step);

        // Whatever ran beside them would be measured too.
        let step = steps.begin("testing what is measured, one after the other");
        let mut cargo = self.cargo(&packages);
        cargo.env("RUST_TEST_THREADS", "1").args(["--test", "it"]);
        process::run(cargo.args(left_out(&rest)))?;
        steps.end(&step);
        Ok(())
    }

    fn plugins(&mut self) -> Result<()> {
        let mut steps = Steps::new(3);
        self.targets(&mut steps, &self.used_targets(&Room::ALL)?)?;
        for room in Room::ALL {
            self.room(&mut steps, room)?;
        }
        for room in Room::ALL {
            let components = self.workspace.components(room)?;
            progress::result(&layout::table(&self.workspace, room, &components));
        }
        Ok(())
    }

    fn bench(&mut self, rest: &[String]) -> Result<()> {
        let mut steps = Steps::new(5);
        self.targets(&mut steps, &self.used_targets(&Room::ALL)?)?;
        for room in Room::ALL {
            self.room(&mut steps, room)?;
        }
        self.lock = None;
        // Two commands: one that names both would give the program the features of its own tests.
        let step = steps.begin("building the host as it is shipped (minutes the first time)");
        process::run(&mut self.cargo(&["build", "--release", "-p", HOST]))?;
        let bench = ["bench", "-p", "toolgate-bench", "--bench", "call"];
        process::run(self.cargo(&bench).arg("--no-run"))?;
        steps.end(&step);
        let step = steps.begin("measuring; leave the machine alone meanwhile");
        process::run(self.cargo(&bench).arg("--").args(rest))?;
        steps.end(&step);
        Ok(())
    }

    fn e2e(&mut self, request: e2e::Request) -> Result<()> {
        let mut steps = Steps::new(4);
        self.targets(&mut steps, &self.used_targets(&[Room::Plugins])?)?;
        self.room(&mut steps, Room::Plugins)?;
        self.build_host(&mut steps)?;
        self.lock = None;
        let is_own = request.named.is_none();
        let cluster = e2e::up(&self.workspace, request.named)?;

        let step = steps.begin("testing against the cluster");
        let mut cargo = self.cargo(&["test", "-p", "toolgate-tests", "--test", "e2e"]);
        cluster.export(&mut cargo);
        let tested = process::run(cargo.args(&request.rest));
        if request.down && is_own {
            if tested.is_err() {
                e2e::keep_logs(&self.workspace.target.join("e2e-logs"))?;
            }
            e2e::down()?;
        }
        tested.context("hint: `cargo xtask e2e status` names the logs of the cluster")?;
        steps.end(&step);
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        self.lock = None;
        let mut steps = Steps::new(4);
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        // It is no part of `--all-targets`, as it is none of `cargo test`: it wants a cluster.
        let e2e = ["clippy", "-p", "toolgate-tests", "--test", "e2e", "--", "-D", "warnings"];
        for (what, arguments) in [
            ("formatting", ["fmt", "--all", "--check"].as_slice()),
            ("lints, with warnings denied", clippy.as_slice()),
            ("lints of the tests that want a real cluster", e2e.as_slice()),
        ] {
            let step = steps.begin(what);
            process::run(&mut self.cargo(arguments))?;
            steps.end(&step);
        }
        if process::find("cargo-deny").is_none() {
            steps.fresh("dependency rules: left out, `cargo-deny` is not installed");
            return Ok(());
        }
        let step = steps.begin("dependency rules: licences, sources, bans");
        // It reads the crates of other systems too, which no build here has fetched.
        process::run(&mut self.cargo(&["fetch", "--locked"]))?;
        // Advisories need their database from the network, and change without any change here.
        let arguments = ["deny", "--offline", "check", "bans", "licenses", "sources"];
        process::run(&mut self.cargo(&arguments))?;
        steps.end(&step);
        Ok(())
    }

    fn setup(&mut self) -> Result<()> {
        let mut steps = Steps::new(3);
        self.targets(&mut steps, &WasmTarget::ALL)?;
        self.clients(&mut steps)?;
        Self::browser(&mut steps)?;
        Ok(())
    }

    /// The wasm targets that the crates in `rooms` are built for.
    fn used_targets(&self, rooms: &[Room]) -> Result<Vec<WasmTarget>> {
        let mut used = Vec::new();
        for room in rooms {
            used.extend(self.workspace.components(*room)?.iter().map(|component| component.target));
        }
        used.sort_unstable();
        used.dedup();
        Ok(used)
    }

    fn targets(&self, steps: &mut Steps, wanted: &[WasmTarget]) -> Result<()> {
        let names = wanted.iter().map(|target| target.triple()).collect::<Vec<_>>().join(", ");
        let missing = wasm_target::missing(&self.toolchain, wanted);
        if missing.is_empty() {
            steps.fresh(&format!("wasm targets: present ({names})"));
            return Ok(());
        }
        let step = steps.begin(&format!("giving the toolchain {names}"));
        wasm_target::add(&self.workspace, &self.toolchain, &missing)?;
        steps.end(&step);
        Ok(())
    }

    fn room(&self, steps: &mut Steps, room: Room) -> Result<()> {
        let components: Vec<Component> = self.workspace.components(room)?;
        let count = format!("{} {}", components.len(), room.name());
        if layout::is_fresh(&self.workspace, &self.toolchain, room, &components)? {
            steps.fresh(&format!("{count}: up to date"));
            return Ok(());
        }
        let step = steps.begin(&format!("building {count}"));
        layout::build(&self.workspace, &self.toolchain, room, &components)?;
        steps.end(&step);
        Ok(())
    }

    fn build_host(&self, steps: &mut Steps) -> Result<()> {
        let step = steps.begin("building the host (minutes the first time)");
        process::run(&mut self.cargo(&["build", "-p", HOST]))?;
        steps.end(&step);
        Ok(())
    }

    fn clients(&self, steps: &mut Steps) -> Result<Clients> {
        if let Some(clients) = clients::present(&self.workspace) {
            steps.fresh("independent clients: present");
            return Ok(clients);
        }
        let step = steps.begin("fetching independent clients for the tests");
        let clients = clients::install(&self.workspace)?;
        steps.end(&step);
        Ok(clients)
    }

    fn browser(steps: &mut Steps) -> Result<Browser> {
        if let Some(browser) = browser::present() {
            steps.fresh("browser: present");
            return Ok(browser);
        }
        let step = steps.begin("installing a browser for the tests of the console");
        let browser = browser::install()?;
        steps.end(&step);
        Ok(browser)
    }

    fn cargo(&self, arguments: &[&str]) -> Process {
        let mut cargo = process::cargo();
        cargo.current_dir(&self.workspace.root).args(arguments);
        cargo.env("CARGO_TARGET_DIR", &self.workspace.target);
        cargo
    }
}

/// What a person told `cargo test`, and that it is to run the tests that it leaves out otherwise:
/// those that measure.
fn left_out<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    let mut parts = rest.splitn(2, |word| *word == "--");
    let (ours, harness) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut words = [ours, &["--", "--ignored"]].concat();
    // The harness takes neither of them beside the other, nor twice.
    words.extend(harness.iter().filter(|word| !["--ignored", "--include-ignored"].contains(word)));
    words
}

fn lock(workspace: &Workspace) -> Result<File> {
    let path: PathBuf = workspace.target.join("xtask.lock");
    let open = || {
        std::fs::create_dir_all(&workspace.target)?;
        File::create(&path)
    };
    let file = open().with_context(|| format!("could not open `{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress::note("waiting for another `cargo xtask` to finish its set-up");
            file.lock().with_context(|| format!("could not lock `{}`", path.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            bail!("could not lock `{}`: {error}", path.display());
        }
    }
    Ok(file)
}

/// Becomes the program, so that signals and the terminal are its own.
#[cfg(unix)]
fn become_program(command: &mut Process) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let program: OsString = command.get_program().to_owned();
    let error = command.exec();
    Err(error).with_context(|| format!("could not run `{}`", program.display()))
}

#[cfg(not(unix))]
fn become_program(command: &mut Process) -> Result<()> {
    let program: OsString = command.get_program().to_owned();
    let status =
        command.status().with_context(|| format!("could not run `{}`", program.display()))?;
    if !status.success() {
        bail!("`{}` failed with {status}", program.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::left_out;

    #[test]
    fn tests_that_measure_are_asked_for_as_all_others_are() {
        let table = [
            ("", "-- --ignored"),
            ("fairness", "fairness -- --ignored"),
            ("fairness -- --nocapture", "fairness -- --ignored --nocapture"),
            ("-- --include-ignored --exact", "-- --ignored --exact"),
        ];
        for (told, words) in table {
            let told: Vec<&str> = told.split_whitespace().collect();
            assert_eq!(left_out(&told).join(" "), words, "{told:?}");
        }
    }
}
