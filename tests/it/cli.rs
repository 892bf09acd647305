//! What an operator reads: answers and complaints as text, with their exit codes. What calls leave
//! behind is in `cli_calls.rs`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use expect_test::expect;
use serde_json::Value;
use toolgate_tests::{Part, grants};

use crate::program::{ANSWERED_WITHIN, Home, Http, Running};

fn config() -> String {
    let granted = ["plugins/pods", "plugins/remediation"];
    let grants = granted.map(|source| grants(source, "namespaces = [\"shop\"]"));
    format!("[mode]\nread_only = false\n[clusters.demo]\ndemo = true\n{}", grants.concat())
}

pub(crate) fn furnished() -> Home {
    let home = Home::new();
    home.furnish(&["plugins/pods", "plugins/remediation"], &config());
    home
}

#[test]
fn what_is_there_and_what_it_may() {
    let commands: [&[&str]; 3] = [&["check"], &["plugins"], &["tools"]];
    furnished().check(&commands, &expect![[r#"
        $ toolgate check
        PLUGIN       CAPABILITY             TIER         CLUSTERS  NAMESPACES  KINDS  NAMES
        pods         kubernetes-events      read         *         shop        *      *
        pods         kubernetes-read        read         *         shop        *      *
        remediation  kubernetes-restart     reversible   *         shop        *      *
        remediation  kubernetes-scale       reversible   *         shop        *      *
        remediation  kubernetes-rollback    reversible   *         shop        *      *
        remediation  kubernetes-pause       reversible   *         shop        *      *
        remediation  kubernetes-delete-pod  destructive  *         shop        *      *

        read-only is off, dry run is off, namespaces are limited to *
        --- exit code 0

        $ toolgate plugins
        PLUGIN       VERSION  DIGEST        OFFERS                                                                                    ASKS FOR                                                                                            SIZE
        pods         0.1.0    <digest>  describe_pod, get_pod_status, list_failing_pods, list_pods                                kubernetes-events, kubernetes-read                                                                  <n> KB
        remediation  0.1.0    <digest>  pause_deployment, restart_deployment, restart_pod, rollback_deployment, scale_deployment  kubernetes-restart, kubernetes-scale, kubernetes-rollback, kubernetes-pause, kubernetes-delete-pod  <n> KB
        --- exit code 0

        $ toolgate tools
        TOOL                 PLUGIN       TIER         DOES
        describe_pod         pods         read         Everything about one pod, as `kubectl describe pod` shows it: status, containers, images, resources, conditions and its recent events.
        get_pod_status       pods         read         Phase, conditions and the state of each container of one pod: restarts, last termination, exit code
        list_failing_pods    pods         read         Finds pods that do not work, whatever their phase, with reason and evidence: crash loops, image pulls, OOM kills, failed init containers, unschedulable, stuck, not ready
        list_pods            pods         read         Lists pods as `kubectl get pods` does, with the number in each status
        pause_deployment     remediation  reversible   Requests that rollouts are held, or go on
        restart_deployment   remediation  reversible   Requests a rolling restart
        restart_pod          remediation  destructive  Requests the deletion of one pod, which its controller makes anew
        rollback_deployment  remediation  reversible   Requests an older revision
        scale_deployment     remediation  reversible   Requests another number of replicas
        --- exit code 0
    "#]]);
}

#[test]
fn plugins_that_do_not_serve() {
    let home = furnished();
    home.furnish(&["guests/undeclared-import", "wat/wasi-http", "guests/echo"], &config());
    let mut echo = Part::find("guests/echo");
    echo.name = "empty".to_owned();
    echo.wasm.clear();
    echo.lay_out(&home.path().join("plugins"));
    let config = std::fs::read_to_string(home.path().join("toolgate.toml")).unwrap();
    let grant = "[grants.nobody.kubernetes-read]\nnamespaces = [\"shop\"]\n";
    home.put("toolgate.toml", config + grant);
    home.check(
        &[&["check"], &["tools"]],
        &expect![[r#"
            $ toolgate check
            PLUGIN       CAPABILITY             TIER         CLUSTERS  NAMESPACES  KINDS  NAMES
            pods         kubernetes-events      read         *         shop        *      *
            pods         kubernetes-read        read         *         shop        *      *
            remediation  kubernetes-restart     reversible   *         shop        *      *
            remediation  kubernetes-scale       reversible   *         shop        *      *
            remediation  kubernetes-rollback    reversible   *         shop        *      *
            remediation  kubernetes-pause       reversible   *         shop        *      *
            remediation  kubernetes-delete-pod  destructive  *         shop        *      *

            read-only is off, dry run is off, namespaces are limited to *
            --- on standard error
            warning: `grants.nobody` is for a plugin that is not there
            error: plugin `empty` does not load: plugin.toml: name: it is `echo`, but its folder is `empty`; make them the same
            error: plugin `undeclared-import` does not load: it imports `kubernetes-read`, which its manifest does not ask for; to let it read objects and the state of rollouts, its author adds to plugin.toml:
                [capabilities.kubernetes-read]
                reason = "..."
            error: plugin `wasi-http` does not load: it imports `wasi:http/types@0.2.6` (network), which no plugin is ever given; it has to be built without it
            --- exit code 1

            $ toolgate tools
            TOOL                 PLUGIN       TIER         DOES
            describe_pod         pods         read         Everything about one pod, as `kubectl describe pod` shows it: status, containers, images, resources, conditions and its recent events.
            echo                 echo         ambient      A guest of the test suite.
            get_pod_status       pods         read         Phase, conditions and the state of each container of one pod: restarts, last termination, exit code
            list_failing_pods    pods         read         Finds pods that do not work, whatever their phase, with reason and evidence: crash loops, image pulls, OOM kills, failed init containers, unschedulable, stuck, not ready
            list_pods            pods         read         Lists pods as `kubectl get pods` does, with the number in each status
            pause_deployment     remediation  reversible   Requests that rollouts are held, or go on
            restart_deployment   remediation  reversible   Requests a rolling restart
            restart_pod          remediation  destructive  Requests the deletion of one pod, which its controller makes anew
            rollback_deployment  remediation  reversible   Requests an older revision
            scale_deployment     remediation  reversible   Requests another number of replicas
            --- on standard error
            <time> ERROR toolgate::sandbox: plugin `empty` does not load: plugin.toml: name: it is `echo`, but its folder is `empty`; make them the same
            <time> ERROR toolgate::sandbox: plugin `undeclared-import` does not load: it imports `kubernetes-read`, which its manifest does not ask for; to let it read objects and the state of rollouts, its author adds to plugin.toml:
            <time> ERROR toolgate::sandbox:     [capabilities.kubernetes-read]
            <time> ERROR toolgate::sandbox:     reason = "..."
            <time> ERROR toolgate::sandbox: plugin `wasi-http` does not load: it imports `wasi:http/types@0.2.6` (network), which no plugin is ever given; it has to be built without it
            --- exit code 0
        "#]],
    );
}

#[test]
fn configurations_that_cannot_be_read() {
    let home = Home::new();
    let commands: [&[&str]; 2] = [&["check"], &["check", "--config", "other.toml"]];
    home.check(&commands, &expect![[r#"
        $ toolgate check
        --- on standard error
        error: there is no configuration: looked for `toolgate.toml`, `<home>/.config/toolgate/toolgate.toml`

        hint: name one with `--config FILE` or TOOLGATE_CONFIG; `toolgate demo` needs none and shows what Toolgate does
        --- exit code 1

        $ toolgate check --config other.toml
        --- on standard error
        error: cannot read the configuration `other.toml`: No such file or directory (os error 2)

        hint: check the path and who may read the file
        --- exit code 1
    "#]]);

    home.furnish(
        &[],
        r#"
[mode]
readonly = true
[clusters.demo]
demo = true
[grants.pods.kubernetes-reed]
namespaces = ["shop"]
[limits]
cpu_ms = "much"
[serve]
listen = "0.0.0.0:80"
"#,
    );
    home.check(&[&["check"]], &expect![[r#"
        $ toolgate check
        --- on standard error
        error: `toolgate.toml` has 4 problems

        line 5: mode.readonly: there is no such key
          hint: did you mean `read_only`?

        line 8: grants.pods.kubernetes-reed: there is no such capability
          hint: did you mean `kubernetes-read`?

        line 11: limits.cpu_ms: string "much" where a whole number is expected
          hint: write digits, without quotes and units

        line 13: serve.listen: other machines can reach `0.0.0.0:80`, and callers would be anonymous
          hint: listen on `127.0.0.1` or `[::1]`, and reach it from elsewhere through `kubectl port-forward`, a tunnel, or a proxy that authenticates

        hint: `toolgate check` looks again, and runs nothing
        --- exit code 1
    "#]]);
}

#[test]
fn what_a_component_could_do() {
    let home = Home::new();
    home.put("restart.wasm", Part::find("plugins/remediation").wasm);
    home.put("http.wasm", Part::find("wat/wasi-http").wasm);
    home.put("shell.wasm", Part::find("wat/unknown-interface").wasm);
    home.put("trap.wasm", Part::find("wat/trap").wasm);
    home.put("core.wasm", toolgate_tests::generate::core_module());
    home.put("cut.wasm", toolgate_tests::generate::truncated());
    home.put("empty.wasm", "");
    home.put("text.wasm", "(component)");
    let files = ["restart", "http", "shell", "trap", "core", "cut", "empty", "text", "nobody"];
    let all = files.map(|file| {
        let text = home.seen(&["inspect", &format!("{file}.wasm")]);
        // Sizes change with the compiler that built the component.
        let of_compiler = ["size ", "functions  ", "instances "];
        let lines = text.lines().filter(|line| !of_compiler.iter().any(|w| line.starts_with(w)));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    });
    expect![[r#"
        $ toolgate inspect restart.wasm
        sha256     <digest>
        offers     tools

        IMPORTS                                      FUNCTIONS  IN WORDS
        toolgate:plugin/types@0.1.0                             shared words of the contract; no authority
        toolgate:plugin/writes@0.1.0                            shared words of the contract; no authority
        toolgate:plugin/kubernetes-restart@0.1.0     follow     may request a rolling restart of a workload, if granted (reversible)
        toolgate:plugin/kubernetes-scale@0.1.0       follow     may request another number of replicas, if granted (reversible)
        toolgate:plugin/kubernetes-rollback@0.1.0    follow     may request that a workload goes back to an older revision, if granted (reversible)
        toolgate:plugin/kubernetes-pause@0.1.0       follow     may request that rollouts of a deployment are held or go on, if granted (reversible)
        toolgate:plugin/kubernetes-delete-pod@0.1.0  follow     may request the deletion of a pod, if granted (destructive)
        --- exit code 0

        $ toolgate inspect http.wasm
        sha256     <digest>
        offers     tools

        IMPORTS                FUNCTIONS            IN WORDS
        wasi:http/types@0.2.6  [constructor]fields  never granted: network; this host refuses the plugin
        --- exit code 1

        $ toolgate inspect shell.wasm
        sha256     <digest>
        offers     tools

        IMPORTS                FUNCTIONS  IN WORDS
        evil:host/shell@1.0.0  exec       unknown to this host, which refuses the plugin
        --- exit code 1

        $ toolgate inspect trap.wasm
        sha256     <digest>
        offers     tools

        It imports nothing: it can compute, and nothing else.
        --- exit code 0

        $ toolgate inspect core.wasm
        --- on standard error
        error: `core.wasm`: the file is a core module, not a component; build it for `wasm32-wasip2`, or for `wasm32-unknown-unknown` with `wasm-component-ld` as the linker

        hint: a plugin is a WebAssembly component; see CONTRIBUTING.md
        --- exit code 1

        $ toolgate inspect cut.wasm
        --- on standard error
        error: `cut.wasm`: the component is cut short at byte 718; the copy or the build did not finish (unexpected end-of-file)

        hint: a plugin is a WebAssembly component; see CONTRIBUTING.md
        --- exit code 1

        $ toolgate inspect empty.wasm
        --- on standard error
        error: `empty.wasm`: the file is empty; build the plugin again

        hint: a plugin is a WebAssembly component; see CONTRIBUTING.md
        --- exit code 1

        $ toolgate inspect text.wasm
        --- on standard error
        error: `text.wasm`: the file is not WebAssembly; a plugin is a component in its binary form

        hint: a plugin is a WebAssembly component; see CONTRIBUTING.md
        --- exit code 1

        $ toolgate inspect nobody.wasm
        --- on standard error
        error: `nobody.wasm` cannot be read: No such file or directory (os error 2)

        hint: name a component: a file that ends in .wasm
        --- exit code 1
    "#]].assert_eq(&all.join("\n"));
}

#[test]
fn answers_for_programs_are_json() {
    let home = furnished();
    home.put("trap.wasm", Part::find("wat/trap").wasm);
    home.run(&["call", "list_pods", "--json", "--arg", "namespace=shop"]).json();
    for command in ["check", "plugins", "tools", "approvals list", "inspect trap.wasm"] {
        let arguments: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        let printed = home.run(&arguments);
        assert!(!printed.json().is_null() && printed.err.is_empty(), "{command}: {printed:?}");
    }
    for line in home.run(&["audit", "--json"]).good().lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    for command in ["call format_disk", "approvals show nobody22nobody22", "inspect no.wasm", "no"]
    {
        let arguments: Vec<&str> = command.split(' ').chain(["--json"]).collect();
        let printed = home.run(&arguments);
        assert!(printed.out.is_empty() && printed.code != Some(0), "{command}: {printed:?}");
        let complaint: Value = serde_json::from_str(&printed.err).unwrap();
        assert!(complaint["error"].is_string() && complaint["hint"].is_string(), "{complaint}");
    }
}

#[test]
fn colours_are_for_those_who_want_them() {
    let home = furnished();
    let colored = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.command(arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        [output.stdout, output.stderr].concat().contains(&0x1b)
    };
    for command in [&["plugins"][..], &["call", "format_disk"], &["check"]] {
        assert!(!colored(command, &[]), "{command:?}");
        assert!(colored(&[command, &["--color", "always"]].concat(), &[]), "{command:?}");
        assert!(!colored(&[command, &["--color", "never"]].concat(), &[("CLICOLOR_FORCE", "1")]));
        assert!(!colored(command, &[("NO_COLOR", "1")]), "{command:?}");
    }
}

#[test]
fn shells_can_complete_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completion", shell]).good();
        for word in ["approvals", "inspect", "demo-cluster", "plugins"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    expect![[r#"
        $ toolgate completion tcl
        --- on standard error
        error: invalid value 'tcl' for '<SHELL>'
          [possible values: bash, elvish, fish, powershell, zsh]

        hint: `--help` after a command says what it takes, with examples
        --- exit code 2
    "#]]
    .assert_eq(&home.seen(&["completion", "tcl"]));
}

#[test]
fn nobody_from_elsewhere_is_served() {
    let home = furnished();
    let commands: [&[&str]; 4] = [
        &["serve", "--http", "--listen", "0.0.0.0:8080"],
        &["serve", "--http", "--listen", "[::]:8080"],
        &["serve", "--listen", "127.0.0.1:8080"],
        &["demo", "--http", "10.0.0.1:8080"],
    ];
    home.check(&commands, &expect![[r#"
        $ toolgate serve --http --listen 0.0.0.0:8080
        --- on standard error
        error: invalid value '0.0.0.0:8080' for '--listen <ADDR>': other machines can reach `0.0.0.0:8080`, and callers would be anonymous

        hint: listen on `127.0.0.1` or `[::1]`, and reach it from elsewhere through `kubectl port-forward`, a tunnel, or a proxy that authenticates
        --- exit code 2

        $ toolgate serve --http --listen [::]:8080
        --- on standard error
        error: invalid value '[::]:8080' for '--listen <ADDR>': other machines can reach `[::]:8080`, and callers would be anonymous

        hint: listen on `127.0.0.1` or `[::1]`, and reach it from elsewhere through `kubectl port-forward`, a tunnel, or a proxy that authenticates
        --- exit code 2

        $ toolgate serve --listen 127.0.0.1:<port>
        --- on standard error
        error: the following required arguments were not provided:
          --http

        Usage: toolgate serve --http --listen <ADDR>

        hint: `--help` after a command says what it takes, with examples
        --- exit code 2

        $ toolgate demo --http 10.0.0.1:8080
        --- on standard error
        error: invalid value '10.0.0.1:8080' for '--http <ADDR>': other machines can reach `10.0.0.1:8080`, and callers would be anonymous

        hint: listen on `127.0.0.1` or `[::1]`, and reach it from elsewhere through `kubectl port-forward`, a tunnel, or a proxy that authenticates
        --- exit code 2
    "#]]);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let home = furnished();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in [
        &["serve", "--http", "--listen", &address][..],
        &["demo", "--http", &address],
        &["demo-cluster", "--listen", &address],
    ] {
        let printed = home.run(command);
        assert_eq!((printed.code, printed.out.as_str()), (Some(1), ""), "{printed:?}");
        assert!(printed.err.contains(&address) && printed.err.contains("hint:"), "{printed:?}");
    }
}

#[test]
fn help_has_examples_and_the_version_is_told() {
    let home = Home::new();
    let words =
        "serve check tools call plugins inspect approvals audit demo demo-cluster completion";
    for command in words.split(' ') {
        let help = home.run(&[command, "--help"]).good();
        assert!(help.contains("toolgate "), "{command}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}: {help}");
    }
    let version = home.run(&["--version"]).good();
    assert_eq!(version, format!("toolgate {}\n", env!("CARGO_PKG_VERSION")));
    expect![[r#"
        $ toolgate serv
        --- on standard error
        error: unrecognized subcommand 'serv'

          tip: a similar subcommand exists: 'serve'

        Usage: toolgate [OPTIONS] <COMMAND>

        hint: `--help` after a command says what it takes, with examples
        --- exit code 2
    "#]]
    .assert_eq(&home.seen(&["serv"]));
}

#[test]
fn the_demo_says_what_to_do_next() {
    let home = Home::new();
    let mut command = home.command(&["demo", "--http", "127.0.0.1:0"]);
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut child = Running(child);
    let lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut text = String::new();
    for line in lines {
        let last = line.contains("audit --follow");
        text.push_str(&format!("{line}\n"));
        if last {
            break;
        }
    }
    expect![[r#"
        <time>  INFO toolgate::cli::commands::serve: plugins are loaded n_plugins=13 n_failed=0 n_tools=29 n_prompts=6 n_resources=7
        <time>  INFO toolgate::cli::commands::console: the console listens on http://127.0.0.1:<port>

        The incident is served to MCP clients on

          http://127.0.0.1:<port>/mcp

        Ask your agent

          Why does checkout fail? (namespace shop, cluster demo)

        It will want to restart something. Answer in another terminal

          toolgate approvals list
          toolgate approvals show ID
          toolgate approvals approve ID

        Or in a browser: this opens once within two minutes, then `toolgate console`

          http://127.0.0.1:<port>/login?code=<code>

        And everything is on record

          toolgate audit --follow
    "#]].assert_eq(&home.tame(&text));
}

/// The demonstration's cluster by itself, for kubectl.
#[test]
fn the_demonstrations_cluster_writes_a_kubeconfig() {
    let home = Home::new();
    let mut command =
        home.command(&["demo-cluster", "--listen", "127.0.0.1:0", "--kubeconfig", "k"]);
    let child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut child = Running(child);
    let mut line = String::new();
    BufReader::new(child.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let kubeconfig = std::fs::read_to_string(home.path().join("k")).unwrap();
    expect![[r#"
        kubectl --kubeconfig k get pods -A
    "#]]
    .assert_eq(&home.tame(&line));
    assert!(kubeconfig.contains("server: http://127.0.0.1:"), "{kubeconfig}");
}

#[cfg(unix)]
#[test]
fn a_server_ends_well_when_it_is_told_to() {
    let home = furnished();
    let began = std::time::Instant::now();
    let (code, log) =
        Http::start(&home, &["serve", "--http", "--listen", "127.0.0.1:0"]).terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(began.elapsed() < ANSWERED_WITHIN);
}
