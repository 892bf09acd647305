//! Prompts that plugins contribute: written, completed, bounded, and on record.

use expect_test::expect;
use serde_json::{Value, json};
use toolgate::domain::principal::Principal;
use toolgate::domain::subject::{Completed, Subject};
use toolgate::gateway::Tools as _;
use toolgate_tests::House;

const RUNBOOKS: &str = r#"
    [grants.runbooks.kubernetes-read]
    namespaces = ["shop"]
"#;

fn prompt(name: &str) -> Subject {
    Subject::Prompt(name.parse().unwrap())
}

fn argument(name: &str, argument: &str) -> Subject {
    let of = Completed::Prompt(name.parse().unwrap());
    Subject::Completion { of, argument: argument.parse().unwrap() }
}

async fn hostile() -> House {
    let grant = "[grants.hostile-offers.kubernetes-read]\nnamespaces = [\"shop\"]\n";
    House::of(&["guests/hostile-offers"], grant).await
}

#[tokio::test]
async fn a_prompt_is_a_call_like_any_other() {
    let house = House::of(&["plugins/runbooks"], RUNBOOKS).await;
    assert_eq!(house.failures(), "");
    let listed = house.gateway().prompts(&Principal::local("eve"));
    let names: Vec<_> = listed.iter().map(|listing| listing.name.as_str()).collect();
    let expected = [
        "cluster-health",
        "diagnose-workload",
        "incident-triage",
        "post-incident-summary",
        "pre-deploy-check",
        "safe-restart",
    ];
    assert_eq!(names, expected);
    let given = json!({"namespace": "shop", "workload": "checkout", "symptom": "503s"});
    let text = house.get(prompt("diagnose-workload"), given).await;
    assert!(
        text.starts_with("messages: Find out why deployment `checkout` does not work."),
        "{text}"
    );
    expect![[r#"
        received  eve@os prompt diagnose-workload {"namespace":"shop","workload":"checkout","symptom":"503s"}
        admitted  runbooks (read)
        completed messages
    "#]]
    .assert_eq(&house.record().text().await);
}

#[tokio::test]
async fn completes_from_the_live_cluster_and_from_the_grant_only() {
    let house = House::of(&["plugins/runbooks"], RUNBOOKS).await;
    let ask = async |of: &str, given: Value| house.get(argument("safe-restart", of), given).await;
    assert_eq!(ask("namespace", json!({"namespace": ""})).await, "values: shop");
    let deployments = ask("deployment", json!({"namespace": "shop", "deployment": "ch"})).await;
    assert!(deployments.starts_with("values: checkout"), "{deployments}");
    // Another namespace's names are not proposed: it is as if it were not there.
    let other = ask("deployment", json!({"namespace": "kube-system", "deployment": ""})).await;
    assert_eq!(other, "values: ");
    assert_eq!(ask("reason", json!({"reason": "x"})).await, "values: ");
    assert_eq!(ask("cluster", json!({"cluster": "d"})).await, "values: demo");
    assert_eq!(ask("cluster", json!({"cluster": "x"})).await, "values: ");
    let unknown = ask("nothing", json!({"nothing": ""})).await;
    assert_eq!(
        unknown,
        "refused, unknown-argument: there is no argument `nothing` of prompt `safe-restart`"
    );
    let recorded = house.record().text().await;
    for line in [
        "received  eve@os completion of `deployment` for safe-restart {\"namespace\":\"kube-system\",\"deployment\":\"\"}",
        "used      kubernetes-read list demo:Deployment:kube-system/* denied",
        "completed values",
    ] {
        assert!(recorded.contains(line), "`{line}` is not in\n{recorded}");
    }
}

#[tokio::test]
async fn a_plugin_without_its_grant_offers_no_prompt() {
    let house = House::of(&["plugins/runbooks"], "").await;
    assert!(house.failures().contains("[grants.runbooks.kubernetes-read]"), "{}", house.failures());
    assert!(house.gateway().prompts(&Principal::local("eve")).is_empty());
    let refused = house.get(prompt("safe-restart"), json!({})).await;
    assert_eq!(refused, "refused, unknown-prompt: there is no prompt `safe-restart`");
}

#[tokio::test]
async fn arguments_that_do_not_fit_reach_no_guest() {
    let house = House::of(&["plugins/runbooks"], RUNBOOKS).await;
    for given in [
        json!({}),
        json!({"namespace": "shop"}),
        json!({"namespace": "shop", "deployment": ""}),
        json!({"namespace": "shop", "deployment": ["web"]}),
        json!({"namespace": "shop", "deployment": "web", "force": "yes"}),
        json!({"namespace": "shop", "deployment": "x".repeat(1_025)}),
    ] {
        let refused = house.get(prompt("safe-restart"), given.clone()).await;
        assert!(refused.starts_with("refused, invalid-arguments: "), "{given}: {refused}");
    }
    let failed =
        house.get(prompt("safe-restart"), json!({"namespace": "a b", "deployment": "web"})).await;
    assert!(failed.starts_with("tool-error: `namespace` is not the name"), "{failed}");
    assert!(!house.record().text().await.contains("\nused "));
}

#[tokio::test]
async fn a_hostile_prompt_is_bounded_and_made_plain() {
    let house = hostile().await;
    assert_eq!(house.failures(), "");
    let listed = house.gateway().prompts(&Principal::local("eve"));
    assert!(listed.iter().all(|prompt| prompt.title.as_deref() == Some("Pickme")));
    assert!(listed.iter().all(|prompt| prompt.description == "A prompt of the test suite."));
    let mut seen = String::new();
    for name in ["mirror", "giant", "crowd", "garbled", "trap", "sneak"] {
        let came = house.get(prompt(name), json!({"text": "hi"})).await;
        seen.push_str(&format!("{name}: {came}\n"));
    }
    expect![[r#"
        mirror: messages: text=hi
        giant: limit-exceeded: the prompt has 1048576 bytes; its limit `output_bytes_max` is 262144
        crowd: trapped, for the log: it wrote 10000 messages; a prompt has 1 to 32
        garbled: messages: red leftright zerowidth [redacted:aws-access-key]
        trap: trapped, for the log: wasm trap: wasm `unreachable` instruction executed
        sneak: tool-error: Error::Denied("the prompt `sneak` does not list `kubernetes-read` under `uses` in its plugin's manifest")
    "#]].assert_eq(&seen);
    let values = house.get(argument("mirror", "text"), json!({"text": "v"})).await;
    assert_eq!(values.split(' ').count(), 101, "{values}");
    assert!(values.starts_with("values: v0 v1 "), "{values}");
}
