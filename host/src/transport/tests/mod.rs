//! The edge against a house that is made of answers, spoken to in raw JSON: a client library would
//! hide what is on the wire, and could not send what no client should.

mod http;
mod http_client;
mod offers;
mod stdio;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::domain::call::{Call, Content, Message, Messages, Outcome, Output, Role};
use crate::domain::capability::Tier;
use crate::domain::decision::{Refusal, Rule};
use crate::domain::name::ToolName;
use crate::domain::principal::Principal;
use crate::domain::prompt::{PromptArgument, PromptListing};
use crate::domain::resource::ResourceListing;
use crate::domain::subject::Subject;
use crate::domain::withheld::Withheld;
use crate::gateway::{CallContext, CallError, ToolListing, Tools};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A house whose tools do what their names say.
#[derive(Default)]
struct House {
    calls: Mutex<Vec<Call>>,
    started: Notify,
    cancelled: Notify,
}

impl House {
    fn n_calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn last_call(&self) -> Call {
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

impl House {
    /// Prompts and resources. What ends in `/count` reads differently each time.
    fn told(&self, subject: &Subject, call: &Call) -> Result<Outcome, CallError> {
        let content = |text: String| {
            Outcome::Content(Content {
                text,
                mime_type: Some("text/plain".to_owned()),
                truncated: false,
                provenance: Vec::new(),
                withheld: Withheld::NOTHING,
            })
        };
        Ok(match subject {
            Subject::Prompt(name) if name.as_str() == "look" => {
                let text = format!("look at {}", call.arguments["namespace"]);
                let messages = vec![Message { role: Role::User, text }];
                Outcome::Messages(Messages {
                    messages,
                    provenance: Vec::new(),
                    withheld: Withheld::NOTHING,
                })
            }
            Subject::Prompt(name) if name.as_str() == "broken" => {
                Outcome::Trapped { internal: "SECRET".to_owned() }
            }
            Subject::Resource(uri) if uri.as_str() == "fake://fixed" => {
                content("as ever".to_owned())
            }
            Subject::Resource(uri) if uri.as_str().ends_with("/gone/count") => {
                Outcome::NotFound("there is no `gone`".to_owned())
            }
            Subject::Resource(uri) if uri.as_str().ends_with("/count") => {
                content(self.calls.lock().unwrap().len().to_string())
            }
            Subject::Completion { argument, .. } if argument.as_str() == "namespace" => {
                let typed = call.arguments["namespace"].as_str().unwrap();
                Outcome::Values(vec![format!("{typed}!")])
            }
            other => return Err(Refusal::Unknown(other.clone()).into()),
        })
    }
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

    fn prompts(&self, _: &Principal) -> Vec<Arc<PromptListing>> {
        let argument = PromptArgument {
            name: "namespace".parse().unwrap(),
            description: Some("Where.".to_owned()),
            required: true,
        };
        let one = |name: &str| {
            Arc::new(PromptListing {
                name: name.parse().unwrap(),
                plugin: "fake".parse().unwrap(),
                title: None,
                description: format!("Writes {name}."),
                arguments: vec![argument.clone()],
            })
        };
        vec![one("look"), one("broken")]
    }

    fn resources(&self, _: &Principal) -> Vec<Arc<ResourceListing>> {
        let one = |name: &str, uri: &str| {
            Arc::new(ResourceListing {
                name: name.parse().unwrap(),
                plugin: Some("fake".parse().unwrap()),
                uri: uri.parse().unwrap(),
                title: None,
                description: format!("Is {name}."),
                mime_type: Some("text/plain".to_owned()),
            })
        };
        vec![one("fixed", "fake://fixed"), one("counter", "fake://{name}/count")]
    }

    async fn call(&self, call: Call, context: CallContext) -> Result<Outcome, CallError> {
        self.calls.lock().unwrap().push(call.clone());
        let internal = || "SECRET".to_owned();
        let tool = match &call.subject {
            Subject::Tool(name) => name.clone(),
            other => return self.told(other, &call),
        };
        Ok(match tool.as_str() {
            "echo" => Outcome::Output(Output {
                text: "echoed".to_owned(),
                structured: Some(Value::Object(call.arguments)),
                truncated: false,
                provenance: Vec::new(),
                withheld: Withheld::NOTHING,
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
                return Err(Refusal::Denied { rule: Rule::named("mode.read_only"), reason }.into());
            }
            "record" => return Err(CallError::NoRecord(internal())),
            _ => return Err(Refusal::Unknown(call.subject).into()),
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
