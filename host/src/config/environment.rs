//! The environment variables that Toolgate reads, all in one place.

use std::path::{Path, PathBuf};

use super::problem::ConfigError;

/// What the process was given. Everything else in Toolgate takes it from here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The person's home folder.
    pub home: Option<PathBuf>,
    /// `XDG_STATE_HOME`
    pub state_home: Option<PathBuf>,
    /// `XDG_CACHE_HOME`
    pub cache_home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`
    pub config_home: Option<PathBuf>,
    /// `TOOLGATE_CONFIG`: the configuration, where `--config` does not name it.
    pub config: Option<PathBuf>,
    /// The person's login name.
    pub user: Option<String>,
}

/// The file that is looked for where none is named.
pub const FILE_NAME: &str = "toolgate.toml";

impl Environment {
    /// Reads the environment of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        // The specification of these folders says to ignore a relative one.
        let folder = |name| path(name).filter(|path: &PathBuf| path.is_absolute());
        let text = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self {
            home: std::env::home_dir().filter(|home| home.is_absolute()),
            state_home: folder("XDG_STATE_HOME"),
            cache_home: folder("XDG_CACHE_HOME"),
            config_home: folder("XDG_CONFIG_HOME"),
            config: path("TOOLGATE_CONFIG"),
            user: text("USER").or_else(|| text("LOGNAME")).or_else(account),
        }
    }

    /// Where approvals and the audit log lie if the configuration does not say.
    pub fn state_dir(&self) -> Option<PathBuf> {
        self.below(self.state_home.as_deref(), ".local/state")
    }

    /// Where compiled code lies if the configuration does not say.
    pub fn cache_dir(&self) -> Option<PathBuf> {
        self.below(self.cache_home.as_deref(), ".cache")
    }

    fn below(&self, xdg: Option<&Path>, in_home: &str) -> Option<PathBuf> {
        let home = || self.home.as_ref().map(|home| home.join(in_home));
        xdg.map(Path::to_owned).or_else(home).map(|folder| folder.join("toolgate"))
    }

    /// The configuration to read: the one that was named, else the first that there is.
    ///
    /// # Errors
    /// None is named and none is there.
    pub fn find_config(&self, named: Option<&Path>) -> Result<PathBuf, ConfigError> {
        if let Some(named) = named.or(self.config.as_deref()) {
            return Ok(named.to_owned());
        }
        let in_config = self.below(self.config_home.as_deref(), ".config");
        let looked: Vec<PathBuf> =
            [Some(PathBuf::from(FILE_NAME)), in_config.map(|folder| folder.join(FILE_NAME))]
                .into_iter()
                .flatten()
                .collect();
        match looked.iter().find(|path| path.is_file()) {
            Some(found) => Ok(found.clone()),
            None => Err(ConfigError::NotFound { looked }),
        }
    }

    /// The path from the configuration's folder, `~/` from home.
    pub(super) fn resolve(&self, text: &str, base_dir: &Path) -> Option<PathBuf> {
        match text.strip_prefix("~/") {
            Some(rest) => self.home.as_ref().map(|home| home.join(rest)),
            None => Some(base_dir.join(text)),
        }
    }
}

/// The account by number: a record names somebody even where nothing says the name.
fn account() -> Option<String> {
    #[cfg(unix)]
    let account = Some(format!("uid-{}", rustix::process::getuid().as_raw()));
    #[cfg(not(unix))]
    let account = None;
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_file_wins_over_the_environment() {
        let environment =
            Environment { config: Some("/env.toml".into()), ..Environment::default() };
        let found = |named: Option<&Path>| environment.find_config(named).unwrap();
        assert_eq!(found(Some(Path::new("/flag.toml"))), Path::new("/flag.toml"));
        assert_eq!(found(None), Path::new("/env.toml"));
    }

    #[test]
    fn finds_the_file_of_the_person_or_says_where_it_looked() {
        let home = tempfile::tempdir().unwrap();
        let environment =
            Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        let error = environment.find_config(None).unwrap_err();
        assert!(error.to_string().contains(".config/toolgate/toolgate.toml"), "{error}");

        let folder = home.path().join(".config/toolgate");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(FILE_NAME), "").unwrap();
        assert_eq!(environment.find_config(None).unwrap(), folder.join(FILE_NAME));
    }

    #[test]
    fn folders_follow_the_xdg_variables_and_fall_back_to_home() {
        let home = Environment { home: Some("/home/ada".into()), ..Environment::default() };
        assert_eq!(home.state_dir(), Some("/home/ada/.local/state/toolgate".into()));
        assert_eq!(home.cache_dir(), Some("/home/ada/.cache/toolgate".into()));
        let xdg = Environment { state_home: Some("/state".into()), ..home };
        assert_eq!(xdg.state_dir(), Some("/state/toolgate".into()));
        assert_eq!(Environment::default().state_dir(), None);
    }
}
