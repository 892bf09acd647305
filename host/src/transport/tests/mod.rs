//! The edge against a house that is made of answers, spoken to in raw JSON: a client library would
//! hide what is on the wire, and could not send what no client should.

mod http;
mod http_client;
mod stdio;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::domain::call::{Outcome, Output, ToolCall};
use crate::domain::capability::Tier;
use crate::domain::decision::Refusal;
use crate::domain::name::ToolName;
use crate::domain::principal::Principal;
use crate::gateway::{CallContext, CallError, ToolListing, Tools};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A house whose tools do what their names say.
#[derive(Default)]
struct House {
    calls: Mutex<Vec<ToolCall>>,
    started: Notify,
    cancelled: Notify,
}

impl House {
    fn last_call(&self) -> ToolCall {
        self.calls.lock().unwrap().last().unwrap().clone()
    }
}

fn listing(name: &str) -> Arc<ToolListing> {
    let schema = json!({"type": "object"}).as_object().unwrap().clone();
    Arc::new(ToolListing {
        name: name.parse().unwrap(),
        plugin: "fake".parse().unwrap(),
        title: Some(format!("The {name}")),
        description: format!("Does {name}."),
        input_schema: Arc::new(schema.clone()),
        output_schema: (name == "echo").then(|| Arc::new(schema)),
        tier: if name == "write" { Tier::Destructive } else { Tier::Read },
    })
}

#[async_trait]
impl Tools for House {
    fn list(&self, _: &Principal) -> Vec<Arc<ToolListing>> {
        let many = (0..117).rev().map(|n| listing(&format!("tool_{n:03}")));
        ["write", "echo", "wait"].into_iter().map(listing).chain(many).collect()
    }

    fn tool(&self, name: &ToolName) -> Option<Arc<ToolListing>> {
        (name.as_str() == "echo").then(|| listing("echo"))
    }

    async fn call(&self, call: ToolCall, context: CallContext) -> Result<Outcome, CallError> {
        self.calls.lock().unwrap().push(call.clone());
        let internal = || "SECRET".to_owned();
        Ok(match call.tool.as_str() {
            "echo" => Outcome::Output(Output {
                text: "echoed".to_owned(),
                structured: Some(Value::Object(call.arguments)),
                truncated: false,
                provenance: Vec::new(),
            }),
            "fail" => Outcome::ToolError("it failed".to_owned()),
            "trap" => Outcome::Trapped { internal: internal() },
            "limit" => Outcome::LimitExceeded("too long".to_owned()),
            "host" => Outcome::HostFailed { internal: internal() },
            "wait" => {
                self.started.notify_one();
                context.cancel.cancelled().await;
                self.cancelled.notify_one();
                Outcome::Cancelled
            }
            "steps" => {
                for done in [1, 2, 2, 1, 3, 4, 5, 6, 7, 8, 9] {
                    context.progress.report(done, Some(9), &format!("step\n{done}"));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                context.progress.report(10, Some(9), "");
                Outcome::ToolError("stepped".to_owned())
            }
            "deny" => {
                let reason = "reads only".to_owned();
                return Err(Refusal::Denied { rule: "mode.read-only", reason }.into());
            }
            "record" => return Err(CallError::NoRecord(internal())),
            _ => return Err(Refusal::UnknownTool(call.tool).into()),
        })
    }
}

/// The opening of a session in the era before 2026-07-28.
fn initialize(version: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": "init", "method": "initialize", "params": {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "te\u{1b}st", "version": "1"},
    }})
}

fn request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn call(id: impl Into<Value>, tool: &str) -> Value {
    request(id, "tools/call", &json!({"name": tool, "arguments": {}}))
}

/// The same request in the era that says everything with each request.
fn modern(mut request: Value) -> Value {
    let meta = &mut request["params"]["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "modern", "version": "2"});
    request
}
