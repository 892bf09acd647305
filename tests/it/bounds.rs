//! The bounds themselves: on by default, each with a key, for all plugins and for one.

use std::path::Path;

use expect_test::expect;
use serde_json::json;
use toolgate::config::Config;
use toolgate::domain::capability::Capability;
use toolgate::domain::limits::Limits;
use toolgate_tests::House;

/// The names of all bounds, and their values.
fn fields(limits: &Limits) -> Vec<(String, u64)> {
    let text = format!("{limits:?}");
    let inside = text.trim_start_matches("Limits { ").trim_end_matches(" }");
    let field = |field: &str| {
        let (name, value) = field.split_once(": ").unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    inside.split(", ").map(field).collect()
}

#[test]
fn invariant_06_every_bound_is_on_by_default_and_has_a_key_for_one_plugin() {
    let echo = "echo".parse().unwrap();
    for (name, default) in fields(&Limits::default()) {
        assert!(default > 0, "`{name}` is off");
        let text = format!(
            "state_dir = \"s\"\ncache_dir = \"c\"\n[clusters.demo]\ndemo = true\n\
             [plugins.echo.limits]\n{name} = 1\n"
        );
        let config = Config::parse(&text, Path::new("/nowhere")).unwrap();
        let set = fields(config.limits_of(&echo));
        assert!(set.contains(&(name.clone(), 1)), "{set:?}");
        let other = fields(config.limits_of(&"other".parse().unwrap()));
        assert!(other.contains(&(name, default)), "{other:?}");
    }
}

#[tokio::test]
async fn a_bound_of_one_plugin_is_none_of_another() {
    let config = "[plugins.slow.limits]\ncpu_ms = 20\n";
    let house = House::of(&["guests/slow", "guests/giant-output", "guests/echo"], config).await;
    let slow = house.ask("eve", "be_slow", json!({"ms": 5_000})).await;
    let loud = house.ask("eve", "shout", json!({"bytes": 300_000})).await;
    let quiet = house.ask("eve", "shout", json!({"bytes": 200_000})).await;
    expect![[r#"
        limit-exceeded: the tool was stopped: it went over its limit `cpu_ms` of 20
        limit-exceeded: the tool's answer has 300000 bytes; its limit `output_bytes_max` is 262144; ask for less
    "#]].assert_eq(&format!("{slow}\n{loud}\n"));
    assert_eq!(quiet.len(), "output: ".len() + 200_000);
}

#[test]
fn invariant_07_no_capability_reaches_grants_policy_approvals_or_plugins() {
    let words = Capability::ALL.map(|capability| {
        let (name, tier) = (capability.as_str(), capability.tier().as_str());
        format!("{name:<18} {tier:<10} may {}\n", capability.words())
    });
    // What widens authority lies in files; a capability that wrote them would show here.
    expect![[r#"
        kubernetes-read    read       may read objects and the state of rollouts
        kubernetes-logs    read       may read the logs of pods
        kubernetes-events  read       may list events
        kubernetes-metrics read       may read what pods and nodes use now
        kubernetes-secret-values read       may read the values of secrets
        access             read       may ask what the caller may do
        kubernetes-restart reversible may request a rolling restart of a workload
        kubernetes-scale   reversible may request another number of replicas
        kubernetes-rollback reversible may request that a workload goes back to an older revision
        kubernetes-pause   reversible may request that rollouts of a deployment are held or go on
        kubernetes-cordon  reversible may request that new pods are kept away from a node
        kubernetes-delete-pod destructive may request the deletion of a pod
        progress           ambient    may tell the client how far a call is
        log                ambient    may write to its own log
        config             ambient    may read its own settings
    "#]]
    .assert_eq(&words.concat());
}
