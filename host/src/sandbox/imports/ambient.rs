//! `progress`, `log`, `config`: what reaches nothing but the call itself.

use super::super::bindings::toolgate::plugin::{config, log, progress};
use super::super::state::{Scene, State};
use crate::governance::redact::make_safe;
use crate::governance::text::cut;

/// Bytes of one report's message.
const PROGRESS_BYTES_MAX: usize = 256;

/// Bytes of one line in the plugin's log.
const LINE_BYTES_MAX: usize = 2_048;

impl progress::Host for State {
    async fn report(
        &mut self,
        done: u32,
        total: Option<u32>,
        message: String,
    ) -> wasmtime::Result<()> {
        self.count("progress")?;
        if let Scene::Call(scene) = &self.scene {
            let mut message = make_safe(&message).text;
            cut(&mut message, PROGRESS_BYTES_MAX);
            scene.reports.report(done, total, &message);
        }
        Ok(())
    }
}

impl log::Host for State {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.count("log")?;
        if message.len() > self.log_bytes_left {
            self.log_bytes_left = 0;
            self.log_dropped = self.log_dropped.saturating_add(1);
            return Ok(());
        }
        self.log_bytes_left -= message.len();
        // One record is one line: a plugin cannot write what looks like the host's own.
        let mut line = make_safe(&message).text.replace(['\n', '\t'], " ");
        cut(&mut line, LINE_BYTES_MAX);
        let (plugin, call) = (&self.plugin, self.call_id());
        match level {
            log::Level::Debug => tracing::debug!(target: "plugin", %plugin, call, "{line}"),
            log::Level::Info => tracing::info!(target: "plugin", %plugin, call, "{line}"),
            log::Level::Warn => tracing::warn!(target: "plugin", %plugin, call, "{line}"),
            log::Level::Error => tracing::error!(target: "plugin", %plugin, call, "{line}"),
        }
        Ok(())
    }
}

impl config::Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.count("config")?;
        let Scene::Call(scene) = &self.scene else { return Ok(None) };
        Ok(scene.settings.get(&key).cloned())
    }
}

impl State {
    pub(in crate::sandbox) fn call_id(&self) -> &str {
        match &self.scene {
            Scene::Call(scene) => scene.permit.call().id.as_str(),
            Scene::Listing => "",
        }
    }
}
