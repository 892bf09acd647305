//! What the program is told: all of it, as `--name=value`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

pub(crate) struct Arguments {
    /// `address:port`
    pub(crate) listen: String,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The authority whose certificates may connect.
    pub(crate) clients: PathBuf,
    /// `host:port`
    pub(crate) api_server: String,
    /// The authority that signed the API server's certificate.
    pub(crate) authority: PathBuf,
    /// Of the service account that reads.
    pub(crate) token: PathBuf,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let mut values = BTreeMap::new();
        for word in words {
            let pair = word.strip_prefix("--").and_then(|word| word.split_once('='));
            let Some((name, value)) = pair else { bail!("`{word}` is not `--name=value`") };
            values.insert(name.to_owned(), value.to_owned());
        }
        let mut take =
            |name: &str| values.remove(name).with_context(|| format!("`--{name}` is missing"));
        let arguments = Self {
            listen: take("listen")?,
            certificate: take("certificate")?.into(),
            key: take("key")?.into(),
            clients: take("clients")?.into(),
            api_server: take("api-server")?,
            authority: take("authority")?.into(),
            token: take("token")?.into(),
        };
        match values.keys().next() {
            Some(name) => bail!("there is no `--{name}`"),
            None => Ok(arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "--listen=1.2.3.4:5 --certificate=c --key=k --clients=f --api-server=h:6 \
                       --authority=a --token=t";

    fn parsed(line: &str) -> Result<Arguments> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn wants_every_argument_and_no_other() {
        assert_eq!(parsed(ALL).unwrap().api_server, "h:6");
        for line in [ALL.replace("--key=k", ""), format!("{ALL} --x=y"), format!("{ALL} x")] {
            assert!(parsed(&line).is_err(), "{line}");
        }
    }
}
