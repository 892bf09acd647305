//! What `--help` says beyond one line. Each command has a paragraph that teaches, and examples to
//! copy.

pub(super) const GLOBAL: &str = "Global options";

pub(super) const TOOLGATE: &str =
    "Kubernetes tools for agents, in WebAssembly, holding only what you grant";

pub(super) const TOOLGATE_LONG: &str = "\
Kubernetes tools for agents, in WebAssembly, holding only what you grant.

Toolgate is an MCP server. Each tool comes from a plugin, a WebAssembly component without \
network, files or credentials. A plugin's manifest asks for capabilities, `toolgate.toml` grants \
them, and what runs has both. Writes wait for a person, and everything is recorded.";

pub(super) const TOOLGATE_EXAMPLES: &str = "\
Examples:
  toolgate demo                       see it work, without a cluster
  toolgate check                      see what the configuration grants
  toolgate tools                      see what agents get
  toolgate serve                      what an MCP client starts
  toolgate approvals list             see what waits for your yes";

pub(super) const SERVE_LONG: &str = "\
Serve the tools to MCP clients.

Without options, one client talks over standard input and output: this is the command to put \
into the client's settings. With `--http`, many clients talk to the endpoint `/mcp`. The \
listener takes a loopback address only, since its callers are not authenticated. The log goes to \
standard error.";

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  toolgate serve
  toolgate serve --config ~/toolgate/toolgate.toml
  toolgate serve --http --listen 127.0.0.1:9090";

pub(super) const CHECK_LONG: &str = "\
Check configuration, manifests and grants; run nothing.

Shows every problem at once, each with its line and what to do, or the grants as they are in \
effect: what each plugin asked for, what it was given, and how far that reaches. No plugin's \
code runs and no cluster is asked. Fails if there is a problem, so a pipeline can call it.";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  toolgate check
  toolgate check --config deploy/toolgate.toml
  toolgate check --json";

pub(super) const TOOLS_LONG: &str = "\
List the tools that clients see.

Each with its plugin and what a call of it can do at most: read, reversible, destructive. That \
is derived from the capabilities that the tool uses; a plugin cannot claim it. `--json` shows \
the schemas as well.";

pub(super) const TOOLS_EXAMPLES: &str = "\
Examples:
  toolgate tools
  toolgate tools --json";

pub(super) const CALL_LONG: &str = "\
Call one tool, as a client would.

The call takes the way of every other call: grants, modes, limits, approvals and the audit log. \
A value after `--arg` is taken as the tool's schema says: numbers, true and false, lists and \
objects are read as JSON, everything else is text.";

pub(super) const CALL_EXAMPLES: &str = "\
Examples:
  toolgate call list_pods --arg namespace=shop
  toolgate call get_pod_logs --arg namespace=shop --arg pod_name=web-1 --arg tail_lines=50
  toolgate call get_pod_logs --args-json '{\"namespace\": \"shop\", \"pod_name\": \"web-1\"}'
  toolgate call restart_deployment --arg namespace=shop --arg deployment_name=web --wait";

pub(super) const PLUGINS_LONG: &str = "\
List the plugins, what they ask for and what they got.

A plugin is a folder with a component and its `plugin.toml` in it. A plugin that asks for a \
capability which is not granted is not loaded; the list says which lines to add to \
`toolgate.toml`.";

pub(super) const PLUGINS_EXAMPLES: &str = "\
Examples:
  toolgate plugins
  toolgate plugins --json";

pub(super) const INSPECT_LONG: &str = "\
Show what a component could do, without running it.

Reads the file's imports, which are all that a component can ever call, its exports, its size \
and its digest. An import that Toolgate does not offer is marked: such a component cannot be \
loaded. Needs no configuration.";

pub(super) const INSPECT_EXAMPLES: &str = "\
Examples:
  toolgate inspect plugins/pods/pods.wasm
  toolgate inspect download.wasm --json";

pub(super) const POLICY_LONG: &str = "\
Check, test and explain the rules about who may do what.

Rules are written in Cedar: who, which verb, which object, and when a person has to say yes. They \
stand below the mode and the grants of `toolgate.toml`, in the file that `policy.file` names; \
without one, the rules that come with Toolgate hold: reads are allowed, writes need approval. \
Nothing runs and no cluster is asked.";

pub(super) const POLICY_EXAMPLES: &str = "\
Examples:
  toolgate policy show-default > policy.cedar
  toolgate policy check policy.cedar
  toolgate policy test policy-cases.toml
  toolgate policy explain --tool restart_deployment --namespace shop --name checkout
  toolgate policy explain --tool list_pods --principal bob --group dev --namespace bank";

pub(super) const APPROVALS_LONG: &str = "\
Answer the writes that wait for a person.

An approval shows a typed request: which object, what changes, who asks, and until when the \
answer counts. After a yes the host does exactly that, once; it refuses if the object has \
changed since. No tool can answer.";

pub(super) const APPROVALS_EXAMPLES: &str = "\
Examples:
  toolgate approvals list
  toolgate approvals watch --json
  toolgate approvals show 7q2m9xk4
  toolgate approvals approve 7q2m9xk4 --reason 'incident 4711'
  toolgate approvals deny 7q2m9xk4 --reason 'wait for the rollout'";

pub(super) const WEBHOOKS_LONG: &str = "\
List the webhooks, or see whether messages arrive there.

A server sends signed messages to the addresses of `[webhooks.NAME]`: writes that wait for a \
person, what was written, limits, refusals, trouble of the audit log. `test` sends one message to \
each, once, with the same signature; a path is never shown, since it may be a secret.";

pub(super) const WEBHOOKS_EXAMPLES: &str = "\
Examples:
  toolgate webhooks list
  toolgate webhooks test
  toolgate webhooks test chat --json";

pub(super) const CONSOLE_LONG: &str = "\
Open the console in a browser: requests, calls, plugins.

Prints an address that signs you in, once and within two minutes. The console is a listener of \
the server's own, on this machine only, where `[console] listen` or `--console` says so. Whoever \
can run this command can answer; nobody else can sign in.";

pub(super) const CONSOLE_EXAMPLES: &str = "\
Examples:
  toolgate serve --http --console 127.0.0.1:8081
  toolgate console
  xdg-open \"$(toolgate console)\"";

pub(super) const AUDIT_LONG: &str = "\
Show who called what, and what came of it.

Each call leaves a trail: received, decided, every capability used and on what, completed. A \
write is on disk before it reaches a cluster. `--json` gives the records as they are in the \
file, one in a line.";

pub(super) const AUDIT_EXAMPLES: &str = "\
Examples:
  toolgate audit --last 20
  toolgate audit --principal alice --since 2h
  toolgate audit --call 01k4y3m8 --json
  toolgate audit follow
  toolgate audit verify";

pub(super) const AUDIT_VERIFY_LONG: &str = "\
Tell whether the log is what was written.

Every record holds the hash of the one before it, and every 1,000 records, every minute and at \
its end the program signs how far it has come. A change, a deletion, a swap, a record that is here \
twice and an end that was cut off are found up to the last such checkpoint, and where. Who can \
write the folder has the key too: against them, keep checkpoints and the public key elsewhere.";

pub(super) const AUDIT_VERIFY_EXAMPLES: &str = "\
Examples:
  toolgate audit verify
  toolgate audit verify --public-key ~/toolgate.pub --checkpoints /mnt/worm/checkpoints.jsonl
  toolgate audit verify --from 12

Exit codes: 0 nothing found, 1 it cannot be read, 3 something is not as it was written.";

pub(super) const DEMO_LONG: &str = "\
See it work: an incident in an embedded cluster.

Serves the tools over HTTP with a configuration of its own, and prints what to try. The cluster \
is part of the program: no kubeconfig, no network, nothing to install and nothing to break. With \
`--stdio` an MCP client can start it.";

pub(super) const DEMO_EXAMPLES: &str = "\
Examples:
  toolgate demo
  toolgate demo --http 127.0.0.1:9090
  toolgate demo --stdio";

pub(super) const DEMO_CLUSTER_LONG: &str = "\
Serve the embedded cluster's Kubernetes API, for kubectl.

The same incident as in `toolgate demo`, on a loopback port, as an API that kubectl and other \
clients understand: to look at what the tools look at, or to try a configuration against.";

pub(super) const DEMO_CLUSTER_EXAMPLES: &str = "\
Examples:
  toolgate demo-cluster --kubeconfig demo.kubeconfig
  kubectl --kubeconfig demo.kubeconfig get pods --all-namespaces";

pub(super) const COMPLETION_LONG: &str = "\
Print a script that completes commands in a shell.

Put its output where the shell looks for completions, or evaluate it at the shell's start.";

pub(super) const COMPLETION_EXAMPLES: &str = "\
Examples:
  toolgate completion bash > ~/.local/share/bash-completion/completions/toolgate
  toolgate completion fish > ~/.config/fish/completions/toolgate.fish
  source <(toolgate completion zsh)";

pub(super) const RBAC_LONG: &str = "\
Print the smallest Kubernetes roles that the grants need

For each grant: what the host asks the API server for, and nothing more, as Roles, ClusterRoles and
their bindings in YAML. Kubernetes then refuses what Toolgate would refuse as well: two gates, and
neither trusts the other.";

pub(super) const RBAC_EXAMPLES: &str = "\
Examples:
  toolgate rbac
  toolgate rbac --cluster prod --service-account toolgate --namespace ops
  toolgate rbac | kubectl --context prod apply -f -";
