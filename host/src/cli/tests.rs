mod audit;
mod policy;
mod webhooks;

use clap::{CommandFactory, Parser};
use expect_test::{Expect, expect};

use super::args::{ApprovalsCommand, Cli, Command};
use super::complaint::Complaint;
use crate::config::{Config, ConfigError};

fn parse(line: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["toolgate"], line].concat())
}

fn check_help(path: &[&str], expected: &Expect) {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut command = &mut command;
    for name in path {
        command = command.find_subcommand_mut(name).unwrap();
    }
    let help = command.clone().term_width(100).render_long_help().to_string();
    let help: Vec<_> = help.lines().map(str::trim_end).collect();
    assert!(help.iter().all(|line| line.chars().count() <= 100), "too wide");
    let help = help.join("\n");
    // The same for every command, and shown with the first snapshot.
    let (own, globals) = help.split_once("\nGlobal options:").unwrap();
    let examples = globals.split_once("\nExamples:").map(|(_, text)| format!("\nExamples:{text}"));
    let shown = if path.is_empty() { help } else { [own, &examples.unwrap_or_default()].concat() };
    expected.assert_eq(&shown);
}

fn check_error(line: &[&str], expected: &Expect) {
    let complaint = Complaint::of_command_line(&parse(line).unwrap_err());
    expected.assert_eq(&complaint.to_string());
}

#[test]
fn the_grammar_holds() {
    Cli::command().debug_assert();
}

#[test]
fn help_of_toolgate() {
    check_help(
        &[],
        &expect![[r#"
            Kubernetes tools for agents, in WebAssembly, holding only what you grant.

            Toolgate is an MCP server. Each tool comes from a plugin, a WebAssembly component without network,
            files or credentials. A plugin's manifest asks for capabilities, `toolgate.toml` grants them, and
            what runs has both. Writes wait for a person, and everything is recorded.

            Usage: toolgate [OPTIONS] <COMMAND>

            Commands:
              serve         Serve the tools to MCP clients
              check         Check configuration, manifests and grants; run nothing
              tools         List the tools that clients see
              call          Call one tool, as a client would
              plugins       List the plugins, what they ask for and what they got
              inspect       Show what a component could do, without running it
              rbac          Print the smallest Kubernetes roles that the grants need
              policy        Check, test and explain the rules about who may do what
              approvals     Answer the writes that wait for a person
              webhooks      List the webhooks, or see whether messages arrive there
              console       Open the console in a browser: requests, calls, plugins
              audit         Show who called what, and what came of it
              demo          See it work: an incident in an embedded cluster
              demo-cluster  Serve the embedded cluster's Kubernetes API, for kubectl
              completion    Print a script that completes commands in a shell

            Options:
              -h, --help
                      Print help (see a summary with '-h')

              -V, --version
                      Print version

            Global options:
                  --config <FILE>
                      The configuration [default: `$TOOLGATE_CONFIG`, else `./toolgate.toml`, else
                      `~/.config/toolgate/toolgate.toml`]

                  --json
                      Answer in JSON, for programs

                  --color <WHEN>
                      Colours: `auto` (in a terminal, unless `NO_COLOR` is set), `always` or `never`

              -v, --verbose...
                      Say more in the log on standard error; `-vv` says most

            Examples:
              toolgate demo                       see it work, without a cluster
              toolgate check                      see what the configuration grants
              toolgate tools                      see what agents get
              toolgate serve                      what an MCP client starts
              toolgate approvals list             see what waits for your yes"#]],
    );
}

#[test]
fn help_of_serve() {
    check_help(
        &["serve"],
        &expect![[r#"
            Serve the tools to MCP clients.

            Without options, one client talks over standard input and output: this is the command to put into
            the client's settings. With `--http`, many clients talk to the endpoint `/mcp`. The listener takes a
            loopback address only, since its callers are not authenticated. The log goes to standard error.

            Usage: toolgate serve [OPTIONS]

            Options:
                  --http
                      Serve many clients over HTTP instead of one over standard input and output

                  --listen <ADDR>
                      Where to listen, instead of `serve.listen` of the configuration

                  --console <ADDR>
                      Where the operator's console listens, instead of `console.listen` of the configuration

              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate serve
              toolgate serve --config ~/toolgate/toolgate.toml
              toolgate serve --http --listen 127.0.0.1:9090"#]],
    );
}

#[test]
fn help_of_check() {
    check_help(
        &["check"],
        &expect![[r"
            Check configuration, manifests and grants; run nothing.

            Shows every problem at once, each with its line and what to do, or the grants as they are in effect:
            what each plugin asked for, what it was given, and how far that reaches. No plugin's code runs and
            no cluster is asked. Fails if there is a problem, so a pipeline can call it.

            Usage: toolgate check [OPTIONS]

            Options:
              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate check
              toolgate check --config deploy/toolgate.toml
              toolgate check --json"]],
    );
}

#[test]
fn help_of_tools() {
    check_help(
        &["tools"],
        &expect![[r"
            List the tools that clients see.

            Each with its plugin and what a call of it can do at most: read, reversible, destructive. That is
            derived from the capabilities that the tool uses; a plugin cannot claim it. `--json` shows the
            schemas as well.

            Usage: toolgate tools [OPTIONS]

            Options:
              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate tools
              toolgate tools --json"]],
    );
}

#[test]
fn help_of_call() {
    check_help(
        &["call"],
        &expect![[r#"
            Call one tool, as a client would.

            The call takes the way of every other call: grants, modes, limits, approvals and the audit log. A
            value after `--arg` is taken as the tool's schema says: numbers, true and false, lists and objects
            are read as JSON, everything else is text.

            Usage: toolgate call [OPTIONS] <TOOL>

            Arguments:
              <TOOL>
                      The tool, as `toolgate tools` lists it

            Options:
                  --arg <KEY=VALUE>
                      One argument; its type is the schema's. Repeat it for more, and for the items of a list

                  --args-json <JSON>
                      All arguments, as a JSON object

                  --wait
                      Where a person has to approve, wait for the answer

                  --as <NAME>
                      Whom to call as, for records and rules [default: your login name]

              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate call list_pods --arg namespace=shop
              toolgate call get_pod_logs --arg namespace=shop --arg pod_name=web-1 --arg tail_lines=50
              toolgate call get_pod_logs --args-json '{"namespace": "shop", "pod_name": "web-1"}'
              toolgate call restart_deployment --arg namespace=shop --arg deployment_name=web --wait"#]],
    );
}

#[test]
fn help_of_plugins() {
    check_help(
        &["plugins"],
        &expect![[r"
            List the plugins, what they ask for and what they got.

            A plugin is a folder with a component and its `plugin.toml` in it. A plugin that asks for a
            capability which is not granted is not loaded; the list says which lines to add to `toolgate.toml`.

            Usage: toolgate plugins [OPTIONS]

            Options:
              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate plugins
              toolgate plugins --json"]],
    );
}

#[test]
fn help_of_inspect() {
    check_help(
        &["inspect"],
        &expect![[r"
            Show what a component could do, without running it.

            Reads the file's imports, which are all that a component can ever call, its exports, its size and
            its digest. An import that Toolgate does not offer is marked: such a component cannot be loaded.
            Needs no configuration.

            Usage: toolgate inspect [OPTIONS] <FILE.wasm>

            Arguments:
              <FILE.wasm>
                      A component

            Options:
              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate inspect plugins/pods/pods.wasm
              toolgate inspect download.wasm --json"]],
    );
}

#[test]
fn help_of_approvals() {
    check_help(
        &["approvals"],
        &expect![[r#"
            Answer the writes that wait for a person.

            An approval shows a typed request: which object, what changes, who asks, and until when the answer
            counts. After a yes the host does exactly that, once; it refuses if the object has changed since. No
            tool can answer.

            Usage: toolgate approvals [OPTIONS] <COMMAND>

            Commands:
              list     List what waits for an answer
              show     Show what exactly would be done, and who asks
              watch    Show each request as it comes, and what becomes of it, until interrupted
              approve  Say yes: the host does what is shown, once
              deny     Say no

            Options:
              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate approvals list
              toolgate approvals watch --json
              toolgate approvals show 7q2m9xk4
              toolgate approvals approve 7q2m9xk4 --reason 'incident 4711'
              toolgate approvals deny 7q2m9xk4 --reason 'wait for the rollout'"#]],
    );
    check_help(
        &["approvals", "approve"],
        &expect![[r"
            Say yes: the host does what is shown, once

            Usage: toolgate approvals approve [OPTIONS] <ID>

            Arguments:
              <ID>
                      The approval, as `toolgate approvals list` shows it

            Options:
                  --reason <TEXT>
                      Why, for the record

              -h, --help
                      Print help
        "]],
    );
}

#[test]
fn help_of_demo() {
    check_help(
        &["demo"],
        &expect![[r#"
            See it work: an incident in an embedded cluster.

            Serves the tools over HTTP with a configuration of its own, and prints what to try. The cluster is
            part of the program: no kubeconfig, no network, nothing to install and nothing to break. With
            `--stdio` an MCP client can start it.

            Usage: toolgate demo [OPTIONS]

            Options:
                  --http <ADDR>
                      Where to serve HTTP

                      [default: 127.0.0.1:8080]

                  --stdio
                      Serve one client over standard input and output instead

                  --console <ADDR>
                      Where the operator's console listens; port 0 is any that is free

                      [default: 127.0.0.1:0]

                  --scenario <NAME>
                      What the cluster begins with: checkout-oom, failure-zoo, or a folder

                      [default: checkout-oom]

                  --plugins <DIR>
                      Where the plugins lie [default: those that come with Toolgate]

              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate demo
              toolgate demo --http 127.0.0.1:9090
              toolgate demo --stdio"#]],
    );
}

#[test]
fn help_of_demo_cluster() {
    check_help(
        &["demo-cluster"],
        &expect![[r#"
            Serve the embedded cluster's Kubernetes API, for kubectl.

            The same incident as in `toolgate demo`, on a loopback port, as an API that kubectl and other
            clients understand: to look at what the tools look at, or to try a configuration against.

            Usage: toolgate demo-cluster [OPTIONS]

            Options:
                  --listen <ADDR>
                      Where to serve the Kubernetes API

                      [default: 127.0.0.1:8001]

                  --scenario <NAME>
                      What the cluster begins with: checkout-oom, failure-zoo, or a folder

                      [default: checkout-oom]

                  --kubeconfig <FILE>
                      Write a kubeconfig for it here

              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate demo-cluster --kubeconfig demo.kubeconfig
              kubectl --kubeconfig demo.kubeconfig get pods --all-namespaces"#]],
    );
}

#[test]
fn help_of_completion() {
    check_help(
        &["completion"],
        &expect![[r"
            Print a script that completes commands in a shell.

            Put its output where the shell looks for completions, or evaluate it at the shell's start.

            Usage: toolgate completion [OPTIONS] <SHELL>

            Arguments:
              <SHELL>
                      The shell

                      [possible values: bash, elvish, fish, powershell, zsh]

            Options:
              -h, --help
                      Print help (see a summary with '-h')

            Examples:
              toolgate completion bash > ~/.local/share/bash-completion/completions/toolgate
              toolgate completion fish > ~/.config/fish/completions/toolgate.fish
              source <(toolgate completion zsh)"]],
    );
}

#[test]
fn options_for_all_commands_stand_anywhere() {
    for line in
        [["--json", "--config", "a.toml", "check"], ["check", "--json", "--config", "a.toml"]]
    {
        let Cli { globals, command } = parse(&line).unwrap();
        assert!(globals.json);
        assert_eq!(globals.config, Some("a.toml".into()));
        assert!(matches!(command, Command::Check));
    }
}

#[test]
fn reads_the_arguments_of_a_call() {
    let line =
        ["call", "list_pods", "--arg", "namespace=shop", "--arg", "label=a=b", "--as", "ada"];
    let Command::Call(call) = parse(&line).unwrap().command else { panic!("no call") };
    assert_eq!(call.tool.as_str(), "list_pods");
    let pairs: Vec<_> = call.args.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(pairs, [("namespace", "shop"), ("label", "a=b")]);
    assert_eq!(call.subject.as_deref(), Some("ada"));

    let line = ["call", "list_pods", "--args-json", r#"{"namespace": "shop"}"#];
    let Command::Call(call) = parse(&line).unwrap().command else { panic!("no call") };
    assert_eq!(call.args_json.unwrap().0.len(), 1);
}

#[test]
fn reads_an_answer() {
    let line = ["approvals", "deny", "7q2m9xk4", "--reason", "not now"];
    let Command::Approvals(approvals) = parse(&line).unwrap().command else { panic!("no answer") };
    let ApprovalsCommand::Deny { id, reason } = approvals.command else { panic!("no denial") };
    assert_eq!((id.as_str(), reason.as_deref()), ("7q2m9xk4", Some("not now")));
}

#[test]
fn the_demo_serves_http_unless_told_otherwise() {
    let Command::Demo(demo) = parse(&["demo"]).unwrap().command else { panic!("no demo") };
    assert_eq!((demo.http.to_string().as_str(), demo.stdio), ("127.0.0.1:8080", false));
    let Command::Demo(demo) = parse(&["demo", "--stdio"]).unwrap().command else {
        panic!("no demo")
    };
    assert!(demo.stdio);
    assert!(parse(&["demo", "--stdio", "--http", "127.0.0.1:1"]).is_err());
}

#[test]
fn says_what_is_wrong_with_a_line() {
    check_error(
        &["serve", "--http", "--listen", "0.0.0.0:80"],
        &expect![[r"
            invalid value '0.0.0.0:80' for '--listen <ADDR>': other machines can reach `0.0.0.0:80`, and callers would be anonymous

            hint: listen on `127.0.0.1` or `[::1]`, and reach it from elsewhere through `kubectl port-forward`, a tunnel, or a proxy that authenticates"]],
    );
    check_error(
        &["serve", "--listen", "127.0.0.1:80"],
        &expect![[r"
            the following required arguments were not provided:
              --http

            Usage: toolgate serve --http --listen <ADDR>

            hint: `--help` after a command says what it takes, with examples"]],
    );
    check_error(
        &["call", "list_pods", "--arg", "namespace"],
        &expect![[r"
            invalid value 'namespace' for '--arg <KEY=VALUE>': there is no `=`

            hint: say `--arg namespace=shop`"]],
    );
    check_error(
        &["call", "list_pods", "--args-json", "[1]"],
        &expect![[r#"
            invalid value '[1]' for '--args-json <JSON>': it is no JSON object

            hint: say `--args-json '{"namespace": "shop"}'`"#]],
    );
    check_error(
        &["call", "List-Pods"],
        &expect![[r"
            invalid value 'List-Pods' for '<TOOL>': `List-Pods` is not a valid tool name: `^[a-z][a-z0-9_]{0,63}$`

            hint: `--help` after a command says what it takes, with examples"]],
    );
    check_error(
        &["approvals", "approve", "7q2m9xk4", "--reason", "a\u{1b}[2Jb"],
        &expect![[r"
            invalid value 'ab' for '--reason <TEXT>': it has `\u{1b}` in it

            hint: say 1 to 500 characters in one line"]],
    );
    check_error(
        &["cal"],
        &expect![[r"
            unrecognized subcommand 'cal'

              tip: a similar subcommand exists: 'call'

            Usage: toolgate [OPTIONS] <COMMAND>

            hint: `--help` after a command says what it takes, with examples"]],
    );
}

#[test]
fn a_complaint_ends_in_what_to_do() {
    let shown = |error: ConfigError| {
        let mut out = Vec::new();
        Complaint::from(error).write(&mut out).unwrap();
        anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string()
    };
    let looked = vec!["toolgate.toml".into(), "/home/ada/.config/toolgate/toolgate.toml".into()];
    expect![[r"
        error: there is no configuration: looked for `toolgate.toml`, `/home/ada/.config/toolgate/toolgate.toml`

        hint: name one with `--config FILE` or TOOLGATE_CONFIG; `toolgate demo` needs none and shows what Toolgate does
    "]].assert_eq(&shown(ConfigError::NotFound { looked }));
    let text = "state_dir = \"s\"\ncache_dir = \"c\"\n[clusters.a]\ncontex = \"a\"";
    let error = Config::parse(text, std::path::Path::new("/")).unwrap_err();
    expect![[r"
        error: the configuration has 1 problem

        line 4: clusters.a.contex: there is no such key
          hint: did you mean `context`?

        hint: `toolgate check` looks again, and runs nothing
    "]]
    .assert_eq(&shown(error));
}

#[test]
fn completes_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let Command::Completion(completion) = parse(&["completion", shell]).unwrap().command else {
            panic!("no completion")
        };
        let script = String::from_utf8(completion.script()).unwrap();
        assert!(script.contains("approvals"), "{shell}");
    }
}
