//! Sealed WASI: what a compiler's standard library cannot be built without, leading nowhere.
//!
//! No network, no files, no arguments, no variables: those interfaces are not linked at all. Input is
//! empty; output goes, bounded, to the plugin's own log and never to the protocol's.

use std::collections::BTreeSet;

use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::{cli, clocks, random};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiView as _};

use super::gate::Sealed;
use super::state::State;

/// Random bytes of one request: the default of 64 MiB is a cheap way to waste a host's time.
const RANDOM_BYTES_MAX: u64 = 4_096;

/// Output of a call, kept apart until the call is over.
#[derive(Clone)]
pub(super) struct Streams {
    stdout: MemoryOutputPipe,
    stderr: MemoryOutputPipe,
}

impl Streams {
    fn new(log_bytes_max: usize) -> Self {
        let pipe = || MemoryOutputPipe::new(log_bytes_max);
        Self { stdout: pipe(), stderr: pipe() }
    }

    /// What the guest wrote: standard output, then standard error.
    pub(super) fn contents(&self) -> [(&'static str, bytes::Bytes); 2] {
        [("stdout", self.stdout.contents()), ("stderr", self.stderr.contents())]
    }
}

/// A context without anything in it, and where its output goes.
pub(super) fn context(log_bytes_max: usize) -> (WasiCtx, Streams) {
    let streams = Streams::new(log_bytes_max);
    let context = WasiCtxBuilder::new()
        .stdout(streams.stdout.clone())
        .stderr(streams.stderr.clone())
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_blocking_current_thread(false)
        .build();
    (context, streams)
}

/// Links the parts that a component imports.
pub(super) fn link(linker: &mut Linker<State>, parts: &BTreeSet<Sealed>) -> wasmtime::Result<()> {
    for part in parts {
        match part {
            Sealed::Clocks => {
                clocks::wall_clock::add_to_linker::<State, wasmtime_wasi::clocks::WasiClocks>(linker, wasmtime_wasi::clocks::WasiClocksView::clocks)?;
                clocks::monotonic_clock::add_to_linker::<State, wasmtime_wasi::clocks::WasiClocks>(linker, wasmtime_wasi::clocks::WasiClocksView::clocks)?;
            }
            Sealed::Random => {
                random::random::add_to_linker::<State, wasmtime_wasi::random::WasiRandom>(linker, |s| s.ctx().ctx.random())?;
                random::insecure::add_to_linker::<State, wasmtime_wasi::random::WasiRandom>(linker, |s| s.ctx().ctx.random())?;
                random::insecure_seed::add_to_linker::<State, wasmtime_wasi::random::WasiRandom>(linker, |s| s.ctx().ctx.random())?;
            }
            Sealed::Io => {
                wasmtime_wasi_io::add_to_linker_async(linker)?;
            }
            Sealed::Stdio => {
                use wasmtime_wasi::cli::{WasiCli, WasiCliView};
                cli::stdin::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
                cli::stdout::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
                cli::stderr::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
            }
            Sealed::Environment => {
                use wasmtime_wasi::cli::{WasiCli, WasiCliView};
                cli::environment::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
            }
            Sealed::Exit => {
                use wasmtime_wasi::cli::{WasiCli, WasiCliView};
                cli::exit::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
            }
            Sealed::Terminal => {
                use wasmtime_wasi::cli::{WasiCli, WasiCliView};
                cli::terminal_input::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
                cli::terminal_output::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
                cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
                cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
                cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, WasiCliView::cli)?;
            }
        }
    }
    Ok(())
}
