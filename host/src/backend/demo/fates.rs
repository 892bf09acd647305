//! What becomes of a container once its pod has a node: it starts, or it cannot, and stays up, or
//! does not.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::clock::{after, before, seconds};
use super::identity;
use super::pods::{Scene, condition, kind_of, statuses};
use super::registry::Kind;
use super::scenario::Outcome;
use super::store::{number, set, text};

/// How long a container that is going to fail runs before it does.
const RUN: Duration = Duration::from_secs(3);

/// The kubelet's first pause before it starts a container again, and its longest.
const PAUSE_MIN: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_mins(5);

/// The most restarts that are counted out: four months of the longest pause.
const RESTARTS_MAX: u32 = 40_000;

/// How often a failing probe is asked.
const PROBE_PERIOD: Duration = Duration::from_secs(10);

impl Scene<'_> {
    fn outcome_of(&self, pod: &Value) -> Outcome {
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        let mut images = containers.into_iter().flatten().map(|c| text(c, "/image"));
        images.find_map(|image| self.images.get(image)).copied().unwrap_or(self.outcome)
    }

    /// A pod whose containers do not run: starts them, or says why they cannot start.
    pub(super) fn hold_or_start(&mut self, kind: &'static Kind, pod: &Value) {
        let reason = text(pod, "/status/containerStatuses/0/state/waiting/reason").to_owned();
        if reason == "CrashLoopBackOff" {
            return self.count_restarts(kind, pod);
        }
        if let Some(why) = self.missing_reference(pod) {
            return self.wait_for(kind, pod, "CreateContainerConfigError", &why);
        }
        let pulls = ["ErrImagePull", "ImagePullBackOff"].contains(&reason.as_str());
        match self.outcome_of(pod) {
            Outcome::Unpullable => {
                let image = unpullable(self, pod);
                let error = format!(
                    "failed to pull and unpack image \"{image}\": failed to resolve reference \
                     \"{image}\": {image}: not found"
                );
                if pulls {
                    let message = format!("Back-off pulling image \"{image}\": ErrImagePull");
                    self.wait_for(kind, pod, "ImagePullBackOff", &message);
                } else {
                    self.wait_for(kind, pod, "ErrImagePull", &error);
                }
            }
            Outcome::Healthy | Outcome::Crash | Outcome::Exit | Outcome::Unready => {
                if pulls || ["ContainerCreating", "CreateContainerConfigError"].contains(&&*reason)
                {
                    self.start(kind, pod);
                }
            }
        }
    }

    fn wait_for(&mut self, kind: &'static Kind, pod: &Value, reason: &str, message: &str) {
        let mut held = pod.clone();
        for status in statuses(&mut held) {
            let waiting = json!({ "waiting": { "reason": reason, "message": message } });
            set(status, &["state"], waiting);
        }
        if held == *pod {
            return;
        }
        let held = self.store.write(kind, held);
        let image = unpullable(self, &held);
        match reason {
            "ErrImagePull" => {
                self.tell(&held, false, "Pulling", &format!("Pulling image \"{image}\""));
                let failed = format!("Failed to pull image \"{image}\": {message}");
                self.tell(&held, true, "Failed", &failed);
                self.tell(&held, true, "Failed", "Error: ErrImagePull");
            }
            "ImagePullBackOff" => {
                self.tell(&held, false, "BackOff", &format!("Back-off pulling image \"{image}\""));
                self.tell(&held, true, "Failed", "Error: ImagePullBackOff");
            }
            _ => self.tell(&held, true, "Failed", &format!("Error: {message}")),
        }
    }

    /// A key, map or secret that a container's environment needs and that is not there, in the
    /// kubelet's words.
    fn missing_reference(&self, pod: &Value) -> Option<String> {
        let namespace = text(pod, "/metadata/namespace");
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array)?;
        containers.iter().find_map(|container| {
            let list = |field: &str| container.get(field).and_then(Value::as_array);
            let keys = list("env").into_iter().flatten().filter_map(|env| env.get("valueFrom"));
            let whole = list("envFrom").into_iter().flatten();
            let of = |source: &Value, field: &str, plural: &str, what: &str| {
                let reference = source.get(field)?;
                if reference.get("optional") == Some(&json!(true)) {
                    return None;
                }
                let name = text(reference, "/name");
                let Some(found) = self.store.read(kind_of("", plural)?, namespace, name) else {
                    return Some(format!("{} {name:?} not found", what.to_lowercase()));
                };
                let key = reference.get("key")?.as_str()?;
                let has = |field: &str| found.get(field).and_then(|data| data.get(key)).is_some();
                (!has("data") && !has("binaryData"))
                    .then(|| format!("couldn't find key {key} in {what} {namespace}/{name}"))
            };
            keys.chain(whole).find_map(|source| {
                of(source, "configMapKeyRef", "configmaps", "ConfigMap")
                    .or_else(|| of(source, "secretKeyRef", "secrets", "Secret"))
                    .or_else(|| of(source, "configMapRef", "configmaps", "ConfigMap"))
                    .or_else(|| of(source, "secretRef", "secrets", "Secret"))
            })
        })
    }

    /// A pod whose containers run for the first time and are not ready yet.
    pub(super) fn settle_in(&mut self, kind: &'static Kind, pod: &Value) {
        match self.outcome_of(pod) {
            Outcome::Healthy | Outcome::Unpullable => self.make_ready(kind, pod),
            Outcome::Crash | Outcome::Exit => self.count_restarts(kind, pod),
            Outcome::Unready => self.fail_probe(pod),
        }
    }

    /// The probe's failures are events; the pod itself only stays as it is.
    fn fail_probe(&mut self, pod: &Value) {
        let since = condition(pod, "Ready").map_or("", |ready| text(ready, "/lastTransitionTime"));
        let since: Timestamp = since.parse().unwrap_or(self.now);
        let elapsed = self.now.duration_since(since).as_secs().max(0).unsigned_abs();
        let probe = pod.pointer("/spec/containers/0/readinessProbe/httpGet");
        let path = probe.map_or("/", |probe| text(probe, "/path"));
        let port = probe.and_then(|probe| number(probe, "/port")).unwrap_or(8080);
        let message = format!(
            "Readiness probe failed: Get \"http://{}:{port}{path}\": context deadline exceeded \
             (Client.Timeout exceeded while awaiting headers)",
            text(pod, "/status/podIP")
        );
        self.tell_times(pod, "Unhealthy", &message, elapsed / PROBE_PERIOD.as_secs());
    }

    /// Brings a crash loop to where it stands by now: how often it has been started, and when last.
    fn count_restarts(&mut self, kind: &'static Kind, pod: &Value) {
        let first = pod.pointer("/status/startTime").and_then(Value::as_str).unwrap_or_default();
        let start: Timestamp = first.parse().unwrap_or(self.now);
        let elapsed = self.now.duration_since(start).unsigned_abs();
        let (mut restarts, mut at, mut pause) = (1_u32, RUN, PAUSE_MIN);
        while at + pause + RUN <= elapsed && restarts < RESTARTS_MAX {
            at += pause + RUN;
            pause = (pause * 2).min(PAUSE_MAX);
            restarts += 1;
        }
        let known = number(pod, "/status/containerStatuses/0/restartCount").unwrap_or(0);
        if known >= i64::from(restarts) {
            return;
        }
        let (code, reason) = match self.outcome_of(pod) {
            Outcome::Crash => (137, "OOMKilled"),
            Outcome::Exit | Outcome::Healthy | Outcome::Unpullable | Outcome::Unready => {
                (1, "Error")
            }
        };
        let finished = after(start, at).min(self.now);
        let mut crashed = pod.clone();
        let (name, uid) = (text(pod, "/metadata/name"), text(pod, "/metadata/uid"));
        let namespace = text(pod, "/metadata/namespace");
        let mut container = String::new();
        for status in statuses(&mut crashed) {
            text(status, "/name").clone_into(&mut container);
            let run = restarts.to_string();
            let id = identity::hex(&[uid, &container, &run]);
            let terminated = json!({
                "exitCode": code,
                "reason": reason,
                "startedAt": seconds(before(finished, RUN)),
                "finishedAt": seconds(finished),
                "containerID": format!("containerd://{id}"),
            });
            let message = format!(
                "back-off {} restarting failed container={container} pod={name}_{namespace}({uid})",
                pause_text(pause)
            );
            set(status, &["lastState"], json!({ "terminated": terminated }));
            let waiting = json!({ "reason": "CrashLoopBackOff", "message": message });
            set(status, &["state"], json!({ "waiting": waiting }));
            set(status, &["started"], json!(false));
            set(status, &["ready"], json!(false));
            set(status, &["restartCount"], json!(restarts));
        }
        let crashed = self.store.write(kind, crashed);
        let message = format!(
            "Back-off restarting failed container {container} in pod {name}_{namespace}({uid})"
        );
        self.tell_times(&crashed, "BackOff", &message, u64::from(restarts));
    }
}

/// The image that cannot be pulled, or the first one.
fn unpullable(scene: &Scene<'_>, pod: &Value) -> String {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let images: Vec<&str> =
        containers.into_iter().flatten().map(|container| text(container, "/image")).collect();
    let bad = images.iter().find(|i| scene.images.get(**i) == Some(&Outcome::Unpullable));
    bad.or(images.first()).copied().unwrap_or_default().to_owned()
}

/// As Go prints it: `10s`, `2m40s`, `5m0s`.
fn pause_text(pause: Duration) -> String {
    match (pause.as_secs() / 60, pause.as_secs() % 60) {
        (0, s) => format!("{s}s"),
        (m, s) => format!("{m}m{s}s"),
    }
}
