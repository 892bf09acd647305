//! What each command does, as a list of steps. Everything that takes time is announced first, and
//! a step with nothing left to do is decided by looking at files only.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::process::Command as Process;

use anyhow::{Context, Result, bail};

use crate::cli::Command;
use crate::clients::{self, Clients};
use crate::layout;
use crate::process;
use crate::progress::{self, Steps};
use crate::toolchain::{Toolchain, WasmTarget};
use crate::wasm_target;
use crate::workspace::{Component, Room, Workspace};

const HOST: &str = "toolgate";

pub(crate) fn run(command: Command, rest: &[String]) -> Result<()> {
    let mut house = House::open()?;
    match command {
        Command::Demo => house.demo(rest),
        Command::Test => house.test(rest),
        Command::Plugins => house.plugins(),
        Command::Bench => house.bench(rest),
        Command::Check => house.check(),
        Command::Setup => house.setup(),
    }
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
        let rest: Vec<&String> = rest.iter().filter(|word| *word != "--no-clients").collect();
        let mut steps = Steps::new(7);
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
        let mut cargo = self.cargo(&["test", "-p", HOST, "-p", "xtask"]);
        for (folder, package) in [("sdk", "toolgate-sdk"), ("tests", "toolgate-tests")] {
            if self.workspace.has_package(folder) {
                cargo.args(["-p", package]);
            }
        }
        match clients {
            Some(clients) => clients.export(&mut cargo),
            None => {
                cargo.env("TOOLGATE_NO_CLIENTS", "1");
            }
        }
        process::run(cargo.args(rest))?;
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

    fn check(&mut self) -> Result<()> {
        self.lock = None;
        let mut steps = Steps::new(3);
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        for (what, arguments) in [
            ("formatting", ["fmt", "--all", "--check"].as_slice()),
            ("lints, with warnings denied", clippy.as_slice()),
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
        // Advisories need their database from the network, and change without any change here.
        let arguments = ["deny", "--offline", "check", "bans", "licenses", "sources"];
        process::run(&mut self.cargo(&arguments))?;
        steps.end(&step);
        Ok(())
    }

    fn setup(&mut self) -> Result<()> {
        let mut steps = Steps::new(2);
        self.targets(&mut steps, &WasmTarget::ALL)?;
        self.clients(&mut steps)?;
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

    fn cargo(&self, arguments: &[&str]) -> Process {
        let mut cargo = process::cargo();
        cargo.current_dir(&self.workspace.root).args(arguments);
        cargo.env("CARGO_TARGET_DIR", &self.workspace.target);
        cargo
    }
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
