//! The browser that the tests of the console drive: the system's own, with the driver of the same
//! version. Tests of pages that no browser has shown say nothing about what people see.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian;
use crate::process;
use crate::progress;

/// Debian's names of both.
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// Where the tests find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Browser {
    browser: PathBuf,
    driver: PathBuf,
}

impl Browser {
    /// What the tests read; a test that needs one and does not see it says so.
    pub(crate) fn export(&self, command: &mut Command) {
        command.env("TOOLGATE_CHROMIUM", &self.browser);
        command.env("TOOLGATE_CHROMEDRIVER", &self.driver);
    }
}

/// The browser, if it is on the search path under one of its names.
pub(crate) fn present() -> Option<Browser> {
    let browser = ["chromium", "chromium-browser", "google-chrome"];
    let browser = browser.into_iter().find_map(process::find)?;
    Some(Browser { browser, driver: process::find("chromedriver")? })
}

pub(crate) fn install() -> Result<Browser> {
    progress::note(&format!("from Debian: {}", PACKAGES.join(", ")));
    let installed = debian::install(&PACKAGES);
    let hint = "the tests of the console drive a browser\nhint: install Chromium and its \
         `chromedriver`, or leave these tests out with `cargo xtask test --no-browser`";
    installed.context(hint)?;
    present().with_context(|| format!("the packages hold no browser: {hint}"))
}
