//! What an operator reads of calls: what they answer, what waits for a person, what is on record.

use std::process::Stdio;
use std::sync::mpsc::Receiver;

use expect_test::expect;
use serde_json::Value;

use crate::cli::furnished;
use crate::program::{ANSWERED_WITHIN, Home, Printed, Running, lines_of};

#[test]
fn one_call_and_the_ways_in_which_it_fails() {
    let pod = ["--arg", "namespace=shop", "--arg"];
    let status = |last: &'static str| [&["call", "get_pod_status"], &pod[..], &[last]].concat();
    let commands: [&[&str]; 10] = [
        &["call", "list_pods", "--arg", "namespace=shop", "--arg", "label_selector=app=none"],
        &["call", "format_disk"],
        &["call", "Format-Disk!"],
        &["call", "get_pod_status", "--arg", "namespace=shop"],
        &status("pod_nam=checkout"),
        &status("pod_name=nobody"),
        &["call", "get_pod_status", "--arg", "namespace=bank", "--arg", "pod_name=nobody"],
        &["call", "list_pods", "--args-json", "[]"],
        &["call", "list_pods", "--args-json", r#"{"namespace": 1}"#],
        &["call", "list_pods", "--arg", "namespace"],
    ];
    furnished().check(&commands, &expect![[r#"
        $ toolgate call list_pods --arg namespace=shop --arg label_selector=app=none
        No pods in `shop`.
        --- exit code 0

        $ toolgate call format_disk
        --- on standard error
        error: there is no tool `format_disk`

        hint: `toolgate tools` lists them
        --- exit code 1

        $ toolgate call Format-Disk!
        --- on standard error
        error: invalid value 'Format-Disk!' for '<TOOL>': `Format-Disk!` is not a valid tool name: `^[a-z][a-z0-9_]{0,63}$`

        hint: `--help` after a command says what it takes, with examples
        --- exit code 2

        $ toolgate call get_pod_status --arg namespace=shop
        --- on standard error
        error: the arguments do not fit: "pod_name" is a required property

        hint: `toolgate tools --json` has the tool's schema
        --- exit code 1

        $ toolgate call get_pod_status --arg namespace=shop --arg pod_nam=checkout
        --- on standard error
        error: the tool takes no argument `pod_nam`

        hint: did you mean `pod_name`?
        --- exit code 1

        $ toolgate call get_pod_status --arg namespace=shop --arg pod_name=nobody
        --- on standard error
        error: not found: Pod `nobody` not found in namespace `shop` of cluster `demo`, or not granted

        hint: the tool ran and failed; `toolgate audit --last 1` shows what it used
        --- exit code 1

        $ toolgate call get_pod_status --arg namespace=bank --arg pod_name=nobody
        --- on standard error
        error: not found: Pod `nobody` not found in namespace `bank` of cluster `demo`, or not granted

        hint: the tool ran and failed; `toolgate audit --last 1` shows what it used
        --- exit code 1

        $ toolgate call list_pods --args-json []
        --- on standard error
        error: invalid value '[]' for '--args-json <JSON>': it is no JSON object

        hint: say `--args-json '{"namespace": "shop"}'`
        --- exit code 2

        $ toolgate call list_pods --args-json {"namespace": 1}
        --- on standard error
        error: the arguments do not fit: `/namespace`: 1 is not of type "string"

        hint: `toolgate tools --json` has the tool's schema
        --- exit code 1

        $ toolgate call list_pods --arg namespace
        --- on standard error
        error: invalid value 'namespace' for '--arg <KEY=VALUE>': there is no `=`

        hint: say `--arg namespace=shop`
        --- exit code 2
    "#]]);
}

#[test]
fn a_write_of_one_call_lapses_with_it() {
    let home = furnished();
    let ask = [
        "call",
        "restart_deployment",
        "--args-json",
        r#"{"namespace": "shop", "deployment_name": "checkout", "reason": "\u001b[2Jit is full"}"#,
    ];
    expect![[r#"
        $ toolgate call restart_deployment --args-json {"namespace": "shop", "deployment_name": "checkout", "reason": "\u001b[2Jit is full"}
        Approval required, nothing was changed yet: restart of deployment `shop/checkout`
        Approval: <id>, expires <time>
        Pods to be replaced: 3: checkout-7d9f8b6c54-mk4zq, checkout-7d9f8b6c54-qp7rj, checkout-7d9f8b6c54-x2v8k
        Replicas left meanwhile, at least: 1
        Disruption budget: checkout: 0 allowed now, 1 healthy of 1 needed
        Change: spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]: nothing -> <time>
        Warning: not every pod is available now: 1 of 3 new replicas are available
        Warning: disruption budget `checkout` allows no disruption now, and a rolling restart does not ask it
        Next: a person has to run `toolgate approvals show <id>` and approve it; then call this tool again with the same arguments
        --- on standard error

        note: the request lapses as this command ends; `--wait` waits for the answer, and a server (`toolgate serve`) holds requests for as long as it runs
        --- exit code 0
    "#]].assert_eq(&home.seen(&ask));
    let listed = home.run(&["approvals", "list", "--all", "--json"]).json();
    let id = listed[0]["request"]["id"].as_str().expect("a request").to_owned();
    let commands: [&[&str]; 7] = [
        &["approvals", "list", "--all"],
        &["approvals", "show", &id],
        &["approvals", "approve", &id],
        &["approvals", "deny", &id],
        &["approvals", "show", "nobody22nobody22"],
        &["approvals", "approve", "../../etc/passwd"],
        &["approvals", "deny", &id, "--reason", ""],
    ];
    let all: Vec<_> = commands.iter().map(|arguments| home.seen(arguments)).collect();
    expect![[r#"
        $ toolgate approvals list --all
        ID                STATUS   WHAT                                      FOR     MISSING  REQUESTED             EXPIRES
        <id>  expired  restart Deployment shop/checkout in demo  ada@os  -        <time>  <time>
        --- exit code 0

        $ toolgate approvals show <id>
        restart Deployment shop/checkout in demo
        status     expired
        asked by   ada@os
        through    restart_deployment of plugin remediation
        code       sha256:<digest>
        object     uid <uid>, generation 9
        requested  <time>
        expires    <time>
        needs      a yes of 1 person, by rule writes-need-approval:15
        caller says “it is full”

        changes
          spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]
          + <time>
        replaces 3 pods
          checkout-7d9f8b6c54-mk4zq
          checkout-7d9f8b6c54-qp7rj
          checkout-7d9f8b6c54-x2v8k
        leaves at least 1 replica meanwhile
        disruption budget checkout: 0 disruptions allowed now, 1 healthy of 1 needed
        ! not every pod is available now: 1 of 3 new replicas are available
        ! disruption budget `checkout` allows no disruption now, and a rolling restart does not ask it
        expired at <time>: the server that held the request ended
        --- exit code 0

        $ toolgate approvals approve <id>
        --- on standard error
        error: approval `<id>` is expired already

        hint: the caller has to ask again for a new one
        --- exit code 1

        $ toolgate approvals deny <id>
        --- on standard error
        error: approval `<id>` is expired already

        hint: the caller has to ask again for a new one
        --- exit code 1

        $ toolgate approvals show <id>
        --- on standard error
        error: there is no approval `<id>`

        hint: `toolgate approvals list --all` shows what there is
        --- exit code 1

        $ toolgate approvals approve ../../etc/passwd
        --- on standard error
        error: invalid value '../../etc/passwd' for '<ID>': `../../etc/passwd` is not a valid approval id: 8 to 64 lower-case letters and digits

        hint: `--help` after a command says what it takes, with examples
        --- exit code 2

        $ toolgate approvals deny <id> --reason
        --- on standard error
        error: invalid value '' for '--reason <TEXT>': it is empty

        hint: say 1 to 500 characters in one line
        --- exit code 2
    "#]].assert_eq(&all.join("\n").replace(&id, "<id>"));
}

#[test]
fn nothing_waits_and_nothing_is_recorded_at_first() {
    let commands: [&[&str]; 3] = [&["approvals", "list"], &["audit"], &["audit", "--last", "0"]];
    furnished().check(&commands, &expect![[r#"
        $ toolgate approvals list
        Nothing waits for an answer.
        --- exit code 0

        $ toolgate audit
        --- on standard error
        error: `<home>/state/audit/audit.jsonl` cannot be read: No such file or directory (os error 2)

        hint: the log begins with the first call
        --- exit code 1

        $ toolgate audit --last 0
        --- on standard error
        error: invalid value '0' for '--last <N>': 0 is not in 1..=100000

        hint: `--help` after a command says what it takes, with examples
        --- exit code 2
    "#]]);
}

#[test]
fn the_record_of_what_was_called() {
    let home = furnished();
    home.run(&["call", "list_pods", "--arg", "namespace=shop"]).good();
    home.run(&["call", "get_pod_status", "--arg", "namespace=bank", "--arg", "pod_name=safe"]);
    home.run(&["call", "get_pod_status", "--arg", "namespace=shop", "--as", "eve"]);
    home.check(&[&["audit"], &["audit", "--last", "1"]], &expect![[r#"
        $ toolgate audit
        <time> <call> received           ada@os list_pods {"namespace":"shop"}
        <time> <call> admitted           plugin pods, read
        <time> <call> used               kubernetes-read list Pod shop/* in demo
        <time> <call> completed          output <n> bytes in <n> ms
        <time> <call> received           ada@os get_pod_status {"namespace":"bank","pod_name":"safe"}
        <time> <call> admitted           plugin pods, read
        <time> <call> used               kubernetes-read get Pod bank/safe in demo  REFUSED
        <time> <call> completed          tool-error <n> bytes in <n> ms: not found: Pod `safe` not found in namespace `bank` of cluster `demo`, or not granted
        <time> <call> received           eve@os get_pod_status {"namespace":"shop"}
        <time> <call> refused            invalid-arguments: the arguments do not fit: "pod_name" is a required property
        --- exit code 0

        $ toolgate audit --last 1
        <time> <call> received           eve@os get_pod_status {"namespace":"shop"}
        <time> <call> refused            invalid-arguments: the arguments do not fit: "pod_name" is a required property
        --- exit code 0
    "#]]);

    let lines = home.run(&["audit", "--json"]).good();
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = records.into_iter().find(|record| record["call"].is_string()).unwrap();
    let one = home.run(&["audit", "--call", first["call"].as_str().unwrap()]).good();
    assert_eq!(one.lines().count(), 5, "{one}");
    assert!(
        one.contains("GET /api/v1/namespaces/shop/pods"),
        "what was asked of the cluster: {one}"
    );
    // A stranger's line is shown, never passed over, and moves no cursor.
    let log = home.path().join("state/audit/audit.jsonl");
    let mut text = std::fs::read_to_string(&log).unwrap();
    text.push_str("\u{1b}[2Jnothing happened here\n{\"half\":");
    std::fs::write(&log, text).unwrap();
    let last = home.run(&["audit"]).good();
    expect!["unreadable �[2Jnothing happened here"].assert_eq(last.lines().last().unwrap());
    // Half a line, of a machine that lost its power, takes no record with it.
    home.run(&["call", "list_pods", "--arg", "namespace=shop"]).good();
    let after = home.run(&["audit"]).good();
    let after = after.strip_prefix(&last).unwrap();
    expect![[r#"
        unreadable {"half":
        <time> -        torn               8 bytes before this are half a line, and no record
        <time> <call> received           ada@os list_pods {"namespace":"shop"}
        <time> <call> admitted           plugin pods, read
        <time> <call> used               kubernetes-read list Pod shop/* in demo
        <time> <call> completed          output <n> bytes in <n> ms
    "#]]
    .assert_eq(&home.tame(after));
}

/// Asks for a restart in one terminal and answers in another; what the first one then says.
fn waits(home: &Home, answer: &[&str]) -> Printed {
    let ask = ["--arg", "namespace=shop", "--arg", "deployment_name=checkout", "--wait"];
    let mut command = home.command(&[&["call", "restart_deployment"], &ask[..]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Running(child);
    let log = lines_of(child.0.stderr.take().unwrap());
    let answers = lines_of(child.0.stdout.take().unwrap());
    let hear = || log.recv_timeout(ANSWERED_WITHIN);
    while !hear().expect("it says that it waits").contains("waiting for the answer") {}
    let listed = home.run(&["approvals", "list", "--json"]).json();
    let mut listed = listed.as_array().unwrap().iter();
    let waiting = listed.find(|request| request["status"] == "pending").expect("it waits");
    let id = waiting["request"]["id"].as_str().unwrap();
    home.run(&[&["approvals", answer[0], id], &answer[1..]].concat()).good();
    let rest = |lines: &Receiver<String>| {
        let lines = std::iter::from_fn(|| lines.recv_timeout(ANSWERED_WITHIN).ok());
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let (err, out) = (rest(&log), rest(&answers));
    Printed { code: child.0.wait().unwrap().code(), out, err }
}

#[test]
fn a_command_that_waits_is_told_what_a_person_said() {
    let home = furnished();
    let no = ["deny", "--reason", "not during the sale"];
    let denied = waits(&home, &no);
    assert_eq!((denied.code, denied.out.as_str()), (Some(1), ""));
    expect![[r#"
        error: denied: restart of deployment `shop/checkout`: the operator said no: not during the sale. Nothing was changed.

        hint: the tool ran and failed; `toolgate audit --last 1` shows what it used
    "#]].assert_eq(&denied.err);
    let done = waits(&home, &["approve"]).good();
    assert!(done.starts_with("Performed: restart of deployment `shop/checkout`"), "{done}");
    assert!(done.contains("State: complete"), "it is followed to its end: {done}");
    let recorded = home.run(&["audit"]).good();
    let of_write =
        |line: &&str| [" approval-", " intent ", " effect "].iter().any(|w| line.contains(w));
    let lines: Vec<_> = recorded.lines().filter(of_write).collect();
    expect![[r#"
        <time> <call> approval-requested restart Deployment shop/checkout in demo as <id>
        <time> <call> approval-decided   restart Deployment shop/checkout in demo denied by ada@os: not during the sale
        <time> <call> approval-requested restart Deployment shop/checkout in demo as <id>
        <time> <call> approval-decided   restart Deployment shop/checkout in demo approved by ada@os
        <time> <call> intent             restart Deployment shop/checkout in demo
        <time> <call> effect             restart Deployment shop/checkout in demo: done"#]].assert_eq(&home.tame(&lines.join("\n")));
}

#[test]
fn the_end_of_a_call_is_on_record_when_its_command_has_ended() {
    let home = furnished();
    for n_calls in 1..=10 {
        home.run(&["call", "list_pods", "--arg", "namespace=shop"]).good();
        let recorded = home.run(&["audit"]).good();
        assert_eq!(recorded.matches(" completed ").count(), n_calls, "{recorded}");
    }
}

#[cfg(unix)]
#[test]
fn the_record_can_be_followed() {
    let home = furnished();
    home.run(&["call", "list_pods", "--arg", "namespace=shop"]).good();
    let mut command = home.command(&["audit", "--follow"]);
    let mut child = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let lines = lines_of(child.0.stdout.take().unwrap());
    let hear = || lines.recv_timeout(ANSWERED_WITHIN).expect("a record");
    while !hear().contains(" completed ") {}
    home.run(&["call", "list_pods", "--arg", "namespace=shop", "--as", "eve"]).good();
    assert!(hear().contains("eve@os list_pods"), "what came in since");
    while !hear().contains(" completed ") {}
    crate::program::terminate(&child.0);
    assert!(child.0.wait().unwrap().success());
}

#[test]
fn a_log_is_verified_and_what_was_changed_is_told() {
    let home = furnished();
    home.run(&["call", "list_pods", "--arg", "namespace=shop"]).good();
    let key = home.run(&["audit", "key"]).good();
    let key = home.put("elsewhere.pub", key);
    let key = key.to_str().unwrap();
    home.check(
        &[&["audit", "verify"]],
        &expect![[r#"
        $ toolgate audit verify
        instance          records  signed through  end
        <id>  1-7      6               closed

        nothing found: 7 records and 2 signatures checked.
        The key lies beside the log; `--public-key` takes one that was kept elsewhere.
        --- exit code 0
    "#]],
    );
    home.run(&["audit", "verify", "--public-key", key]).good();
    let by_eve = home.run(&["audit", "--principal", "eve"]).good();
    let by_ada = home.run(&["audit", "show", "--principal", "ada", "--tool", "list_pods"]).good();
    assert_eq!((by_eve.lines().count(), by_ada.lines().count()), (0, 4), "{by_ada}");
    assert_eq!(home.run(&["audit", "--since", "1h"]).good(), by_ada);
    assert_eq!(home.run(&["audit", "--since", "2099-01-01T00:00:00Z"]).good(), "");

    let log = home.path().join("state/audit/audit.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace("ada@os", "eve@os")).unwrap();
    home.check(&[&["audit", "verify", "--public-key", key]], &expect![[r#"
        $ toolgate audit verify --public-key <home>/elsewhere.pub
        instance          records  signed through  end
        <id>  1-7      6               closed

        found: audit.jsonl:2: record 2 of <id> was changed: its hash is not that of its bytes

        6 records and 2 signatures checked, 1 findings.
        Keep the files as they are, compare them with copies (other sinks, backups, the checkpoints in the program's own log), and trust nothing of an instance after its first finding.
        --- exit code 3
    "#]]);
    assert_eq!(home.run(&["audit", "verify", "--json"]).json()["n_findings"], 1);
}
