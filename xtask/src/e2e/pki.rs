//! Keys and certificates of a cluster that lives for some hours, by `openssl`.

use std::process::Command;

use anyhow::{Context, Result};

use super::place::{Place, shown, write};
use crate::process;

/// Longer than any cluster for tests stays up.
const DAYS: &str = "30";

/// A certificate: who it is for (`/O=group/CN=name`), and where its owner listens.
pub(crate) struct Leaf<'a> {
    pub(crate) file: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) listens_at: &'a [&'a str],
    /// The authority that signs it.
    pub(crate) by: &'a str,
}

pub(crate) fn authority(place: &Place, name: &str) -> Result<()> {
    let settings = place.pki(&format!("{name}.cnf"));
    write(&settings, &authority_settings())?;
    let mut openssl = request(place, name);
    openssl.arg("-config").arg(&settings).args(["-subj", &format!("/CN={name}")]);
    process::output(&mut openssl)
        .with_context(|| format!("could not make the authority `{name}`"))?;
    Ok(())
}

pub(crate) fn leaf(place: &Place, leaf: &Leaf<'_>) -> Result<()> {
    let settings = place.pki(&format!("{}.cnf", leaf.file));
    write(&settings, &leaf_settings(leaf.listens_at))?;
    let mut openssl = request(place, leaf.file);
    openssl.arg("-config").arg(&settings).args(["-subj", leaf.subject]);
    openssl.arg("-CA").arg(place.pki(&format!("{}.crt", leaf.by)));
    openssl.arg("-CAkey").arg(place.pki(&format!("{}.key", leaf.by)));
    process::output(&mut openssl)
        .with_context(|| format!("could not make the certificate `{}`", leaf.file))?;
    Ok(())
}

/// A key without a certificate, which signs the tokens of service accounts.
pub(crate) fn key(place: &Place, name: &str) -> Result<()> {
    let mut openssl = Command::new("openssl");
    // In the form of a curve's own: the API server finds no public half in a general one.
    openssl.args(["ecparam", "-name", "prime256v1", "-genkey", "-noout"]);
    process::output(openssl.arg("-out").arg(place.pki(&format!("{name}.key"))))?;
    Ok(())
}

/// A file's bytes as one line of base64.
pub(crate) fn base64(place: &Place, file: &str) -> Result<String> {
    let mut openssl = Command::new("openssl");
    let printed = process::output(openssl.args(["base64", "-A", "-in", &shown(&place.pki(file))]))?;
    Ok(printed.trim().to_owned())
}

fn request(place: &Place, name: &str) -> Command {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-nodes", "-days", DAYS]);
    openssl.arg("-keyout").arg(place.pki(&format!("{name}.key")));
    openssl.arg("-out").arg(place.pki(&format!("{name}.crt")));
    openssl
}

const SUBJECT_BY_ARGUMENT: &str = "[req]\ndistinguished_name = subject\nx509_extensions = extensions\nprompt = no\n\
     [subject]\nCN = none\n[extensions]\nsubjectKeyIdentifier = hash\n";

fn authority_settings() -> String {
    format!(
        "{SUBJECT_BY_ARGUMENT}basicConstraints = critical, CA:TRUE\n\
         keyUsage = critical, keyCertSign, cRLSign\n"
    )
}

fn leaf_settings(listens_at: &[&str]) -> String {
    let mut text = format!(
        "{SUBJECT_BY_ARGUMENT}authorityKeyIdentifier = keyid\n\
         basicConstraints = critical, CA:FALSE\n\
         keyUsage = critical, digitalSignature, keyEncipherment\n\
         extendedKeyUsage = serverAuth, clientAuth\n"
    );
    if !listens_at.is_empty() {
        let names: Vec<String> = listens_at
            .iter()
            .map(|name| {
                let is_address = name.parse::<std::net::IpAddr>().is_ok();
                format!("{}:{name}", if is_address { "IP" } else { "DNS" })
            })
            .collect();
        text.push_str("subjectAltName = ");
        text.push_str(&names.join(", "));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_authority_may_sign() {
        assert!(authority_settings().contains("CA:TRUE"));
        let leaf = leaf_settings(&[]);
        assert!(leaf.contains("CA:FALSE") && !leaf.contains("keyCertSign"), "{leaf}");
        assert!(!leaf.contains("subjectAltName"), "a client listens nowhere: {leaf}");
    }

    #[test]
    fn tells_names_from_addresses() {
        let text = leaf_settings(&["127.0.0.1", "localhost", "::1"]);
        assert!(text.contains("subjectAltName = IP:127.0.0.1, DNS:localhost, IP:::1\n"), "{text}");
    }
}
