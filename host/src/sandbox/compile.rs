//! Compiling a component: in a child process with bounds on its time and memory, because a
//! compiler's appetite is no bug of the compiler, and a panic in it must not end the server.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use wasmtime::Engine;

use super::engine;

/// The argument that makes the program a compiler: it reads a component and writes code.
pub const CHILD_ARGUMENT: &str = "compile-component";

/// Address space of the compiler. A `CPython` guest takes 400 MB.
#[cfg(target_os = "linux")]
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In a child: the program to run, which is Toolgate's own.
    Child(PathBuf),
    /// In this process, without bounds: for components that one trusts.
    InProcess,
}

impl Compiler {
    /// Compiles bytes that passed the gate.
    ///
    /// # Errors
    /// Why not, for the operator.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        bytes: &[u8],
        cpu_s: u64,
    ) -> Result<Vec<u8>, String> {
        match self {
            Self::InProcess => {
                let compile = std::panic::AssertUnwindSafe(|| engine.precompile_component(bytes));
                match std::panic::catch_unwind(compile) {
                    Ok(code) => code.map_err(|error| format!("{error:#}")),
                    Err(_) => Err("the compiler failed on it".to_owned()),
                }
            }
            Self::Child(program) => child(program, bytes, cpu_s),
        }
    }
}

fn child(program: &std::path::Path, bytes: &[u8], cpu_s: u64) -> Result<Vec<u8>, String> {
    let io = |error: std::io::Error| format!("the compiler cannot be run: {error}");
    let mut child = Command::new(program)
        .arg(CHILD_ARGUMENT)
        .arg(cpu_s.to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err("the compiler has no pipes".to_owned());
    };
    let (code, complaint) = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A child that dies early says why on its standard error.
            let _ = stdin.write_all(bytes);
        });
        let complaint = scope.spawn(move || {
            let mut text = String::new();
            let _ = stderr.take(4_096).read_to_string(&mut text);
            text
        });
        let mut code = Vec::new();
        let read = stdout.read_to_end(&mut code).map(|_| code);
        (read, complaint.join().unwrap_or_default())
    });
    let status = child.wait().map_err(io)?;
    if status.success() {
        return code.map_err(io);
    }
    let complaint = complaint.trim();
    Err(if complaint.is_empty() {
        format!(
            "the compiler was stopped ({status}): it may use {cpu_s} s of CPU \
             (`limits.compile_cpu_s`) and 2 GiB of memory"
        )
    } else {
        complaint.to_owned()
    })
}

/// The child's side: bounds itself, then compiles standard input to standard output.
///
/// # Errors
/// Why the component does not compile.
pub fn child_main(cpu_s: u64) -> anyhow::Result<()> {
    bound_self(cpu_s)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let engine = Engine::new(&engine::config())?;
    let code = engine.precompile_component(&bytes)?;
    std::io::stdout().lock().write_all(&code)?;
    Ok(())
}

#[cfg(unix)]
fn bound_self(cpu_s: u64) -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let at_most = |bound| Rlimit { current: Some(bound), maximum: Some(bound) };
    setrlimit(Resource::Cpu, at_most(cpu_s.max(1)))?;
    // Elsewhere than on Linux the address space is not bounded; the CPU is.
    #[cfg(target_os = "linux")]
    setrlimit(Resource::As, at_most(MEMORY_BYTES_MAX))?;
    Ok(())
}

#[cfg(not(unix))]
fn bound_self(_cpu_s: u64) -> anyhow::Result<()> {
    Ok(())
}
