use super::*;

fn caller(name: &str) -> Principal {
    Principal::local(name)
}

fn tool(name: &str) -> Subject {
    Subject::Tool(name.parse().unwrap())
}

fn plugin(name: &str) -> PluginId {
    name.parse().unwrap()
}

fn key(refusal: &Refusal) -> &str {
    let Refusal::Busy { reason, .. } = refusal else { panic!("{refusal:?}") };
    reason.split("`rates.").nth(1).unwrap().trim_end_matches("`)")
}

/// As a call that is known and allowed.
fn enter(limiter: &Arc<CallLimiter>, name: &str, subject: &str) -> Result<Turn, Refusal> {
    let turn = limiter.enter(&caller(name))?;
    limiter.share(&tool(subject), &plugin("pods"))?;
    Ok(turn)
}

/// Bounds so wide that only the one under test is met.
fn wide() -> Rates {
    let wide = Rate::new(1_000_000, 1_000_000);
    Rates {
        caller: wide,
        tool: wide,
        plugin: wide,
        caller_in_flight_max: 1_000,
        ..Rates::default()
    }
}

#[tokio::test(start_paused = true)]
async fn each_axis_refuses_at_its_bound_and_lets_in_again_when_it_said() {
    let two = Rate::new(1, 2);
    for (name, rates) in [
        ("caller_per_s", Rates { caller: two, ..wide() }),
        ("tool_per_s", Rates { tool: two, ..wide() }),
        ("plugin_per_s", Rates { plugin: two, ..wide() }),
    ] {
        let limiter = CallLimiter::new(rates);
        let enter = || enter(&limiter, "ann", "restart");
        for _ in 0..2 {
            enter().unwrap();
        }
        let refusal = enter().unwrap_err();
        assert_eq!(key(&refusal), name);
        let Refusal::Busy { retry_after, .. } = refusal else { unreachable!() };
        assert!(retry_after <= Duration::from_secs(1), "{name}: {retry_after:?}");
        tokio::time::advance(retry_after).await;
        enter().unwrap();
        assert_eq!(key(&enter().unwrap_err()), name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_at_the_bound_takes_nothing_from_the_others() {
    let limiter =
        CallLimiter::new(Rates { caller: Rate::new(1, 5), tool: Rate::new(1, 20), ..wide() });
    let enter = |name: &str| enter(&limiter, name, "logs");
    let let_in = (0..100).filter(|_| enter("greedy").is_ok()).count();
    assert_eq!(let_in, 5);
    for name in ["ann", "bob", "cem"] {
        assert_eq!((0..10).filter(|_| enter(name).is_ok()).count(), 5, "{name}");
    }
    assert_eq!(key(&enter("dan").unwrap_err()), "tool_per_s");
}

#[tokio::test]
async fn a_place_in_flight_is_free_again_when_its_call_ends() {
    let limiter = CallLimiter::new(Rates { caller_in_flight_max: 2, ..wide() });
    let enter = |name: &str| enter(&limiter, name, "logs");
    let first = enter("ann").unwrap();
    let _second = enter("ann").unwrap();
    assert_eq!(key(&enter("ann").unwrap_err()), "caller_in_flight_max");
    let other = enter("bob").unwrap();
    drop(first);
    let _third = enter("ann").unwrap();
    drop(other);
    assert_eq!(limiter.in_flight().len(), 1, "who has nothing in flight is forgotten");
}

#[tokio::test(start_paused = true)]
async fn no_hour_has_more_writes_than_the_budget() {
    let rates = Rates { caller_writes_per_h: 3, cluster_writes_per_h: 5, ..Rates::default() };
    let budget = WriteBudget::new(&rates);
    let (prod, lab): (ClusterName, ClusterName) = ("prod".parse().unwrap(), "lab".parse().unwrap());
    let spend = |name: &str, cluster: &ClusterName| budget.spend(&caller(name), cluster);
    for _ in 0..3 {
        spend("ann", &prod).unwrap();
        tokio::time::advance(Duration::from_mins(10)).await;
    }
    let told = spend("ann", &lab).unwrap_err().text;
    assert!(told.contains("`rates.caller_writes_per_h`") && told.contains("in 30 min"), "{told}");
    spend("bob", &prod).unwrap();
    spend("bob", &prod).unwrap();
    let told = spend("bob", &prod).unwrap_err().text;
    assert!(told.contains("`rates.cluster_writes_per_h`"), "{told}");
    spend("bob", &lab).unwrap();
    tokio::time::advance(Duration::from_mins(30)).await;
    spend("ann", &prod).unwrap();
    assert!(spend("ann", &prod).is_err(), "only the first of the three has left the hour");
    budget.give_back(&caller("ann"), &prod);
    spend("ann", &prod).unwrap();
    assert_eq!(spend("ann", &prod).unwrap_err().rate, "caller_writes_per_h");
}
