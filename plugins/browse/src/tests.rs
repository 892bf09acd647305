//! The documents as a client reads them.

use expect_test::{expect, expect_file};
use toolgate_sdk::kubernetes_read::{
    Container, ContainerState, Namespace, Owner, Pod, Quantity, Terminated, Waiting,
};
use toolgate_sdk::resource::{Guest as _, print};
use toolgate_sdk::types::{Condition, Label, Moment, Rollout, RolloutState};

use super::*;

fn ago(age_s: u64) -> Moment {
    Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s }
}

fn sample(name: &str, owner: (&str, &str), status: &str) -> Pod {
    Pod {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: "u-1".to_owned(),
        labels: vec![Label { key: "app".to_owned(), value: "web".to_owned() }],
        created: ago(7),
        deleting: false,
        phase: "Running".to_owned(),
        status: status.to_owned(),
        reason: None,
        message: None,
        node: Some("node-1".to_owned()),
        pod_ip: Some("10.0.0.7".to_owned()),
        host_ip: None,
        qos_class: Some("Burstable".to_owned()),
        service_account: None,
        owner: Some(Owner { kind: owner.0.to_owned(), name: owner.1.to_owned() }),
        conditions: vec![Condition {
            kind: "Ready".to_owned(),
            status: "False".to_owned(),
            reason: None,
            message: None,
            changed: Some(ago(3)),
        }],
        containers: vec![Container {
            name: "app".to_owned(),
            image: "web:1".to_owned(),
            init: false,
            ready: status == "Running",
            restart_count: 3,
            state: ContainerState::Waiting(Waiting {
                reason: "CrashLoopBackOff".to_owned(),
                message: None,
            }),
            last_termination: Some(Terminated {
                exit_code: 137,
                signal: None,
                reason: "OOMKilled".to_owned(),
                message: None,
                started: None,
                finished: Some(ago(60)),
            }),
            requests: vec![Quantity { resource: "cpu".to_owned(), amount: "250m".to_owned() }],
            limits: Vec::new(),
        }],
    }
}

#[test]
fn offers_these_resources() {
    expect_file!["../resources.txt"].assert_eq(&print(&Resources::list()));
}

#[test]
fn shows_a_pod_without_what_changes_by_itself() {
    let pod = || sample("web-1", ("ReplicaSet", "web-7d9"), "CrashLoopBackOff");
    let text = Content::json(&PodFacts::of(pod())).unwrap().text;
    expect![[r#"{"namespace":"shop","name":"web-1","uid":"u-1","labels":{"app":"web"},"created":"2026-11-21T02:13:07Z","deleting":false,"phase":"Running","status":"CrashLoopBackOff","node":"node-1","pod_ip":"10.0.0.7","qos_class":"Burstable","owner":"ReplicaSet/web-7d9","conditions":[{"type":"Ready","status":"False","since":"2026-11-21T02:13:07Z"}],"containers":[{"name":"app","image":"web:1","init":false,"ready":false,"restart_count":3,"state":{"waiting":{"reason":"CrashLoopBackOff","message":null}},"last_termination":{"reason":"OOMKilled","exit_code":137,"finished":"2026-11-21T02:13:07Z"},"requests":{"cpu":"250m"},"limits":{}}]}"#]].assert_eq(&text);
    let mut later = pod();
    later.created.age_s += 60;
    assert_eq!(Content::json(&PodFacts::of(later)).unwrap().text, text);
}

#[test]
fn shows_namespaces_and_rollouts() {
    let namespace =
        Namespace { name: "shop".to_owned(), phase: "Active".to_owned(), created: ago(1) };
    let rollout = Rollout {
        kind: WorkloadKind::Deployment,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        state: RolloutState::Progressing,
        message: "1 of 2 updated".to_owned(),
        generation: 2,
        observed_generation: 2,
        desired: 2,
        updated: 1,
        ready: 1,
        available: 1,
        revision: None,
    };
    let texts = [
        Content::json(&Namespaces::of(vec![namespace])).unwrap().text,
        Content::json(&Status::of(rollout)).unwrap().text,
    ];
    expect![[r#"
        {"namespaces":[{"name":"shop","phase":"Active","created":"2026-11-21T02:13:07Z"}]}
        {"kind":"Deployment","namespace":"shop","name":"web","state":"progressing","message":"1 of 2 updated","generation":2,"observed_generation":2,"desired":2,"updated":1,"ready":1,"available":1}"#]].assert_eq(&texts.join("\n"));
}

#[test]
fn draws_what_a_workload_owns_and_nothing_else() {
    let pods = vec![
        sample("web-7d9-a", ("ReplicaSet", "web-7d9"), "Running"),
        sample("web-7d9-b", ("ReplicaSet", "web-7d9"), "CrashLoopBackOff"),
        sample("web-5c4-c", ("ReplicaSet", "web-5c4"), "Running"),
        sample("web-api-7d9-d", ("ReplicaSet", "web-api-7d9"), "Running"),
        sample("web-0", ("StatefulSet", "web"), "Running\"]; click <b>#1</b>"),
    ];
    let deployment = diagram::draw(WorkloadKind::Deployment, "web", pods.clone());
    let stateful = diagram::draw(WorkloadKind::StatefulSet, "web", pods);
    assert_eq!((deployment.left_out, stateful.left_out), (0, 0));
    expect![[r#"
        graph TD
          w["Deployment/web"]
          w --> o0["ReplicaSet/web-5c4"]
          o0 --> p0["Pod/web-5c4-c: Running"]
          w --> o1["ReplicaSet/web-7d9"]
          o1 --> p1["Pod/web-7d9-a: Running"]
          o1 --> p2["Pod/web-7d9-b: CrashLoopBackOff"]:::failing
          classDef failing stroke:#c00,stroke-width:2px
        graph TD
          w["StatefulSet/web"]
          w --> p0["Pod/web-0: Running#quot;]; click #lt;b#gt;#35;1#lt;/b#gt;"]:::failing
          classDef failing stroke:#c00,stroke-width:2px
    "#]]
    .assert_eq(&(deployment.text + &stateful.text));
}

#[test]
fn draws_no_more_than_can_be_looked_at() {
    let pod = |n: usize| sample(&format!("web-{n}"), ("DaemonSet", "web"), "Running");
    let drawn = diagram::draw(WorkloadKind::DaemonSet, "web", (0..70).map(pod).collect());
    assert_eq!(drawn.left_out, 10);
    assert!(drawn.text.contains("[\"10 more pods\"]"), "{}", drawn.text);
}

#[test]
fn a_kind_that_is_none_is_not_there() {
    assert!(matches!(kind_of("job"), Err(ResourceError::NotFound(_))));
    assert!(kind_of("daemonset").is_ok());
}
