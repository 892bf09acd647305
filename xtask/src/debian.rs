//! Fetching single packages from the archive that this machine already trusts, from suites it may
//! not be configured for. Lists and downloads lie in a folder of their own: the system's apt
//! configuration is read, never written, and nothing of that is installed. And installing packages of
//! the suite that the machine has, where root asks for tests that need them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::progress;

/// The smallest and the most likely first; each is asked only if the one before did not have it.
const SUITES: [&str; 4] = ["trixie-backports", "trixie", "forky", "sid"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const APT: &str = "/etc/apt";

/// Installs packages of the system's own suite.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if process::find("apt-get").is_none() {
        bail!("`apt-get` is not here to install {}", packages.join(", "));
    }
    if process::output(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("only root can install {}", packages.join(", "));
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        apt
    };
    process::output(apt().arg("update"))?;
    process::output(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))?;
    Ok(())
}

/// Where packages come from, and by which keys they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirror {
    uri: String,
    signed_by: Option<String>,
}

pub(crate) struct Archive {
    mirror: Mirror,
    work: PathBuf,
    updated: Vec<&'static str>,
}

impl Archive {
    pub(crate) fn open(work: &Path) -> Result<Self> {
        let mirror = configured_mirror(Path::new(APT)).with_context(|| {
            format!("found no Debian mirror in `{APT}/sources.list` or `{APT}/sources.list.d`")
        })?;
        Ok(Self { mirror, work: work.to_path_buf(), updated: Vec::new() })
    }

    /// Downloads and unpacks the first version of `package` that `wanted` accepts.
    pub(crate) fn unpack(
        &mut self,
        package: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<PathBuf> {
        let mut refused = Vec::new();
        for suite in SUITES {
            // A mirror need not have every suite.
            if let Err(error) = self.update(suite) {
                refused.push(format!("{suite}: {error:#}"));
                continue;
            }
            let listed = process::output(self.apt("apt-cache", suite).args(["madison", package]))?;
            match versions(&listed).find(|version| wanted(version)) {
                Some(version) => return self.download(suite, package, version),
                None => refused.push(format!("{suite}: no such version")),
            }
        }
        bail!("no fitting `{package}` in Debian's archive ({})", refused.join("; "))
    }

    /// Downloads the source of `package` as its authors released it, and returns the archive.
    pub(crate) fn source(&self, package: &str, suite: &str, folder: &Path) -> Result<PathBuf> {
        self.fetch_lists("deb-src", suite)?;
        let mut apt = self.apt("apt-get", suite);
        apt.current_dir(folder).args(["-qq", "source", "--download-only", package]);
        process::output(&mut apt)?;
        let found = fs::read_dir(folder)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().contains(".orig.tar."));
        found.with_context(|| format!("`apt-get source {package}` left no archive"))
    }

    fn update(&mut self, suite: &'static str) -> Result<()> {
        if self.updated.contains(&suite) {
            return Ok(());
        }
        self.fetch_lists("deb", suite)?;
        self.updated.push(suite);
        Ok(())
    }

    fn fetch_lists(&self, kind: &str, suite: &str) -> Result<()> {
        let folder = self.suite_folder(suite);
        for part in ["state/lists/partial", "cache/archives/partial", "log"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let signed_by = self.mirror.signed_by.as_ref();
        let options = signed_by.map_or(String::new(), |keys| format!("[signed-by={keys}] "));
        let line = format!("{kind} {options}{} {suite} main\n", self.mirror.uri);
        fs::write(folder.join("sources.list"), line)?;
        process::output(self.apt("apt-get", suite).args(["-qq", "--error-on=any", "update"]))?;
        Ok(())
    }

    fn download(&self, suite: &str, package: &str, version: &str) -> Result<PathBuf> {
        progress::note(&format!("downloading {package} {version} from {suite}"));
        let folder = self.work.join(package);
        // What an interrupted run left behind would be unpacked beside the new files.
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut apt = self.apt("apt-get", suite);
        apt.current_dir(&folder).args(["-qq", "download"]).arg(format!("{package}={version}"));
        process::output(&mut apt)?;
        let file = fs::read_dir(&folder)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|end| end == "deb"))
            .with_context(|| format!("`apt-get download {package}` left no file"))?;
        let unpacked = folder.join("files");
        process::output(Command::new("dpkg").arg("-x").arg(&file).arg(&unpacked))?;
        Ok(unpacked)
    }

    /// An apt program that sees one suite, and writes under our folder only.
    fn apt(&self, program: &str, suite: &str) -> Command {
        let folder = self.suite_folder(suite);
        let mut apt = Command::new(program);
        for (key, part) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State", "state"),
            ("Dir::Cache", "cache"),
            ("Dir::Log", "log"),
        ] {
            apt.arg("-o").arg(format!("{key}={}", folder.join(part).display()));
        }
        // The sandbox user could not read our folder; the rest keeps apt to what was asked for.
        apt.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "APT::Sandbox::User="]);
        apt.args(["-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3"]);
        apt
    }

    fn suite_folder(&self, suite: &str) -> PathBuf {
        self.work.join("apt").join(suite)
    }
}

/// The second column of `apt-cache madison`.
fn versions(listed: &str) -> impl Iterator<Item = &str> {
    listed.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim)
}

fn configured_mirror(apt: &Path) -> Option<Mirror> {
    let mut files = vec![apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(apt.join("sources.list.d")) {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut mirror = files.iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        match file.extension()?.to_str()? {
            "sources" => mirror_of_stanzas(&text),
            "list" => mirror_of_lines(&text),
            _ => None,
        }
    })?;
    if mirror.signed_by.is_none() && Path::new(KEYRING).is_file() {
        mirror.signed_by = Some(KEYRING.to_owned());
    }
    Some(mirror)
}

/// A mirror has the suites that we ask for only if it is Debian's own main archive.
fn is_main_archive(uri: &str, suites: &str, components: &str) -> bool {
    let path = uri.trim_end_matches('/');
    let debian = path.ends_with("/debian") || path.contains("debian.list");
    debian && !suites.contains("-security") && components.split_whitespace().any(|c| c == "main")
}

/// The format of `*.sources` files.
fn mirror_of_stanzas(text: &str) -> Option<Mirror> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then_some(value.trim())
            })
        };
        let enabled = field("Enabled").is_none_or(|value| !value.eq_ignore_ascii_case("no"));
        let uri = field("URIs")?.split_whitespace().next()?;
        let main = is_main_archive(uri, field("Suites")?, field("Components")?);
        let signed_by = field("Signed-By").filter(|keys| keys.starts_with('/')).map(str::to_owned);
        (enabled && main).then(|| Mirror { uri: uri.to_owned(), signed_by })
    })
}

/// The format of `*.list` files: `deb [options] uri suite component...`.
fn mirror_of_lines(text: &str) -> Option<Mirror> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        let components = words.collect::<Vec<_>>().join(" ");
        let signed_by = options.split_whitespace().find_map(|word| word.strip_prefix("signed-by="));
        is_main_archive(uri, suite, &components)
            .then(|| Mirror { uri: uri.to_owned(), signed_by: signed_by.map(str::to_owned) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_main_archive_among_stanzas() {
        let text = "Types: deb\nURIs: http://m.test/debian-security\nSuites: trixie-security\n\
            Components: main\n\nTypes: deb\n# kept\nURIs: http://m.test/debian\n\
            Suites: trixie trixie-updates\nComponents: main\nSigned-By: /keys.gpg\n";
        let mirror = mirror_of_stanzas(text).unwrap();
        assert_eq!(mirror.uri, "http://m.test/debian");
        assert_eq!(mirror.signed_by.as_deref(), Some("/keys.gpg"));
    }

    #[test]
    fn finds_the_main_archive_among_lines() {
        let table = [
            ("deb http://m.test/debian trixie main", Some("http://m.test/debian")),
            (
                "deb [arch=amd64 signed-by=/k] https://m.test/debian/ sid contrib main",
                Some("https://m.test/debian/"),
            ),
            ("# deb http://m.test/debian trixie main", None),
            ("deb http://m.test/debian-security trixie-security main", None),
            ("deb https://apt.example.test stable main", None),
            ("deb [broken http://m.test/debian trixie main", None),
            ("", None),
        ];
        for (line, uri) in table {
            let mirror = mirror_of_lines(line);
            assert_eq!(mirror.as_ref().map(|mirror| mirror.uri.as_str()), uri, "{line}");
        }
    }

    #[test]
    fn skips_a_stanza_that_is_switched_off() {
        let text = "Enabled: no\nURIs: http://m.test/debian\nSuites: sid\nComponents: main\n";
        assert_eq!(mirror_of_stanzas(text), None);
    }

    #[test]
    fn reads_versions_from_a_listing() {
        let listed =
            " rust-src | 1.95.0+dfsg1-1~bpo13+1 | http://m.test/debian trixie-backports\n\n";
        assert_eq!(versions(listed).collect::<Vec<_>>(), ["1.95.0+dfsg1-1~bpo13+1"]);
    }
}
