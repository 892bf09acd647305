//! Compiling, and what is kept of it: nothing on the disk is believed without its seal.

use std::path::{Path, PathBuf};

use expect_test::expect;
use serde_json::json;
use tempfile::TempDir;
use toolgate::sandbox::Compiler;
use toolgate_tests::{House, Part, generate};

/// A folder for compiled code, and the files in it.
struct Cache {
    dir: TempDir,
}

impl Cache {
    fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// The cache of a house that has compiled `source`.
    async fn of(source: &str) -> Self {
        let cache = Self::empty();
        House::builder().with(source).cache_dir(cache.dir.path()).build().await;
        cache
    }

    /// The one compiled file.
    fn file(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.dir.path().join("compiled")).unwrap();
        let mut files = entries.map(|entry| entry.unwrap().path());
        files.find(|file| file.extension().is_some_and(|end| end == "cwasm")).expect("a file")
    }

    /// A house that finds only this cache, and no compiler.
    async fn house(&self, source: &str) -> House {
        let nowhere = Compiler::Child(self.dir.path().join("no-compiler"));
        let builder = House::builder().with(source).cache_dir(self.dir.path());
        builder.compiler(nowhere).build().await
    }

    /// Asserts that the file is not believed, and that it is replaced where that is possible.
    async fn is_not_believed(&self, why: &str) {
        let failures = self.house("guests/echo").await.failures();
        let missing =
            "plugin `echo` does not load: echo.wasm does not compile: the compiler cannot be run";
        assert!(failures.starts_with(missing), "{why}: {failures}");
        let again = House::builder().with("guests/echo").cache_dir(self.dir.path()).build().await;
        answers(&again).await;
        answers(&self.house("guests/echo").await).await;
    }
}

async fn answers(house: &House) {
    assert_eq!(house.ask("bob", "echo", json!({})).await, "output: {}");
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(file).unwrap();
    change(&mut bytes);
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn what_is_compiled_once_needs_no_compiler_again() {
    let cache = Cache::of("guests/echo").await;
    answers(&cache.house("guests/echo").await).await;
}

#[tokio::test]
async fn an_altered_file_is_compiled_again() {
    let cache = Cache::of("guests/echo").await;
    let file = cache.file();
    let length = std::fs::read(&file).unwrap().len();
    // In the seal, at its end, at the beginning of the code, within, and at the end.
    for at in [0, 31, 32, length / 3, length / 2, length - 1] {
        change(&file, |bytes| bytes[at] ^= 1);
        cache.is_not_believed(&format!("byte {at}")).await;
    }
}

#[tokio::test]
async fn a_file_cut_short_or_grown_is_compiled_again() {
    let cache = Cache::of("guests/echo").await;
    let file = cache.file();
    for length in [0, 16, 32, 33, 1_000] {
        change(&file, |bytes| bytes.truncate(length));
        cache.is_not_believed(&format!("{length} bytes")).await;
    }
    change(&file, |bytes| bytes.push(0));
    cache.is_not_believed("one byte more").await;
}

#[tokio::test]
async fn the_file_of_another_component_is_compiled_again() {
    let (cache, other) = (Cache::of("guests/echo").await, Cache::of("guests/counter").await);
    let own = cache.file();
    std::fs::copy(other.file(), &own).unwrap();
    cache.is_not_believed("sealed under another key").await;

    // Sealed under this very key, but for another name.
    House::builder().with("guests/counter").cache_dir(cache.dir.path()).build().await;
    let folder = std::fs::read_dir(cache.dir.path().join("compiled")).unwrap();
    let files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    let is_counter = |f: &&PathBuf| **f != own && f.extension().is_some_and(|end| end == "cwasm");
    std::fs::copy(files.iter().find(is_counter).unwrap(), &own).unwrap();
    cache.is_not_believed("sealed for another name").await;
}

#[tokio::test]
async fn another_key_makes_every_file_a_strangers() {
    let cache = Cache::of("guests/echo").await;
    change(&cache.dir.path().join("compiled/key"), |key| key[0] ^= 1);
    cache.is_not_believed("another key").await;
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_costs_time_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("compiled"), "a file, not a folder").unwrap();
    let house = House::builder().with("guests/echo").cache_dir(folder.path()).build().await;
    answers(&house).await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_look_into_the_cache() {
    use std::os::unix::fs::PermissionsExt as _;
    let cache = Cache::of("guests/echo").await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&cache.dir.path().join("compiled")), 0o700);
    assert_eq!(mode(&cache.dir.path().join("compiled/key")), 0o600);
    assert_eq!(mode(&cache.file()), 0o600);
}

#[tokio::test]
async fn a_compiler_that_takes_too_long_is_stopped() {
    // The gate lets it in: its function is just small enough. It takes the compiler seconds.
    let bomb = Part::of_bytes("bomb", "huge", generate::huge_function(13_000));
    let builder = House::builder().with_part(bomb).with("guests/echo");
    let cache = Cache::empty();
    let house = builder.cache_dir(cache.dir.path()).config("[limits]\ncompile_cpu_s = 1\n").build();
    let house = house.await;
    expect!["plugin `bomb` does not load: bomb.wasm does not compile: the compiler was stopped (signal: 9 (SIGKILL)): it may use 1 s of CPU (`limits.compile_cpu_s`) and 2 GiB of memory"].assert_eq(&house.failures());
    answers(&house).await;
}
