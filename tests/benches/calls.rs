//! One call after the other: where its time goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use toolgate::capability::progress::NoProgress;
use toolgate::domain::call::{Call, Cost, Outcome};
use toolgate::domain::principal::Principal;
use toolgate::domain::subject::Subject;
use toolgate::gateway::{CallContext, Gateway, Tools as _};

use crate::figures::{Samples, us};
use crate::house::{self, CLUSTER, InstantHouse, Timed};
use crate::report::{Row, Section};
use crate::{Rounds, backend, native, wire};

const TOOL: &str = "get_pod_logs";

/// What a sandbox may cost at the median, beyond what a native handler takes.
const OVERHEAD_US_AIM: f64 = 100.0;

/// What one call took.
struct Sample {
    round_trip: Duration,
    gateway: Duration,
    cost: Cost,
}

/// Admission and every record: what is awaited before, within and after the run.
pub(crate) fn governance(gateway: Duration, cost: &Cost) -> Duration {
    gateway.saturating_sub(cost.wall) + cost.recorded
}

impl Sample {
    fn transport(&self) -> Duration {
        self.round_trip.saturating_sub(self.gateway)
    }

    fn governance(&self) -> Duration {
        governance(self.gateway, &self.cost)
    }

    /// Host functions, without what they are for: checks, making safe, the hop to the port.
    fn host_calls(&self) -> Duration {
        self.cost.host.saturating_sub(self.cost.recorded + self.cost.port)
    }

    /// What is left: the way to the guest's thread and back, and looking at what it answered.
    fn rest(&self) -> Duration {
        let Cost { wall, queued, instantiate, teardown, guest, host, .. } = self.cost;
        wall.saturating_sub(queued + instantiate + teardown + guest + host)
    }

    /// The run without the records: what a handler takes that does the same.
    fn sandboxed(&self) -> Duration {
        self.cost.wall.saturating_sub(self.cost.recorded)
    }
}

pub(crate) async fn measure(rounds: Rounds) -> Result<Vec<Section>> {
    let house = InstantHouse::new().await?;
    let arguments = json!({"namespace": "shop", "pod_name": "web-1", "tail_lines": backend::LINES});
    same_answer(&house, &arguments).await?;
    let logs = through_mcp(house.gateway.clone(), TOOL, &arguments, rounds).await?;
    let native = natively(&house, &arguments, rounds).await?;
    let echo = through_mcp(house.gateway.clone(), "echo", &json!({}), rounds).await?;

    let dirs = tempfile::tempdir()?;
    let demo = house::embedded(dirs.path(), Duration::ZERO).await?;
    let arguments = json!({
        "namespace": "shop", "pod_name": "checkout-7d9f8b6c54-x2v8k", "container": "checkout",
        "tail_lines": backend::LINES,
    });
    let embedded = through_mcp(demo.gateway.clone(), TOOL, &arguments, rounds).await?;
    demo.close().await;

    let title = |what: &str| format!("one call of {what}, {} calls one by one", rounds.calls);
    let lines = backend::LINES;
    Ok(vec![
        Section::new(
            "calls",
            title(&format!("`{TOOL}` ({lines} lines) through MCP, instant backend")),
            split(&logs),
        ),
        overhead(&logs, &native),
        Section::new("calls", title("`echo`, which calls no host function"), split(&echo)),
        Section::new(
            "calls",
            title(&format!("`{TOOL}` through kube's client and the embedded API")),
            split(&embedded),
        ),
    ])
}

fn split(samples: &[Sample]) -> Vec<Row> {
    let row = |what: &str, of: fn(&Sample) -> Duration| {
        let samples = Samples::new(samples.iter().map(of));
        Row::new(what, us(samples.median()), "µs").p99(us(samples.p99()))
    };
    vec![
        row("whole call, as the client sees it", |s| s.round_trip),
        row("  transport", Sample::transport),
        row("  governance: admission, records", Sample::governance),
        row("  instantiate", |s| s.cost.instantiate),
        row("  guest, with lifting and lowering", |s| s.cost.guest),
        row("  host calls, without record and port", Sample::host_calls),
        row("  port", |s| s.cost.port),
        row("  taking the instance down", |s| s.cost.teardown),
        row("  hop to the guest's thread, checks", Sample::rest),
        row("fresh instance: make and take down", |s| s.cost.instantiate + s.cost.teardown),
    ]
}

fn overhead(sandboxed: &[Sample], native: &Samples) -> Section {
    let sandboxed = Samples::new(sandboxed.iter().map(Sample::sandboxed));
    let more = |a: Duration, b: Duration| us(a) - us(b);
    let rows = vec![
        Row::new("in the sandbox, without governance", us(sandboxed.median()), "µs")
            .p99(us(sandboxed.p99())),
        Row::new("the same as a native handler", us(native.median()), "µs").p99(us(native.p99())),
        Row::new("sandbox overhead", more(sandboxed.median(), native.median()), "µs")
            .p99(more(sandboxed.p99(), native.p99()))
            .aim(OVERHEAD_US_AIM),
    ];
    Section::new("calls", format!("`{TOOL}`: what the sandbox costs"), rows)
}

/// Calls through a whole conversation.
async fn through_mcp(
    gateway: Arc<Gateway>,
    tool: &str,
    arguments: &Value,
    rounds: Rounds,
) -> Result<Vec<Sample>> {
    let timed = Timed::new(gateway);
    let (mut client, _serving) = wire::serve(timed.clone()).await?;
    let mut round_trips = Vec::with_capacity(rounds.calls);
    for n in 0..rounds.warm_up + rounds.calls {
        let line = wire::call(n as u64 + 1, tool, arguments);
        let begun = Instant::now();
        client.send(&line).await?;
        client.answer().await?;
        round_trips.push(begun.elapsed());
    }
    let pairs = round_trips.into_iter().zip(timed.take()).skip(rounds.warm_up);
    Ok(pairs.map(|(round_trip, (gateway, cost))| Sample { round_trip, gateway, cost }).collect())
}

async fn natively(house: &InstantHouse, arguments: &Value, rounds: Rounds) -> Result<Samples> {
    let cluster = CLUSTER.parse()?;
    let arguments = arguments.as_object().context("arguments are an object")?;
    let mut samples = Vec::with_capacity(rounds.calls);
    for _ in 0..rounds.warm_up + rounds.calls {
        let begun = Instant::now();
        let answer = native::get_pod_logs(house.backend.as_ref(), &cluster, arguments).await?;
        samples.push(begun.elapsed());
        drop(std::hint::black_box(answer));
    }
    Ok(Samples::new(samples.into_iter().skip(rounds.warm_up)))
}

/// Two handlers that answer differently are not compared.
async fn same_answer(house: &InstantHouse, arguments: &Value) -> Result<()> {
    let arguments = arguments.as_object().context("arguments are an object")?;
    let call = Call {
        id: "bench0000000".parse()?,
        principal: Principal::local("bench"),
        client: None,
        on_behalf_of: None,
        subject: Subject::Tool(TOOL.parse()?),
        arguments: arguments.clone(),
        traceparent: None,
        is_reread: false,
    };
    let context = CallContext { progress: Arc::new(NoProgress), cancel: CancellationToken::new() };
    let outcome = house.gateway.call(call, context).await?;
    let Outcome::Output(output) = outcome else { anyhow::bail!("no output: {outcome:?}") };
    let cluster = CLUSTER.parse()?;
    let (text, facts) = native::get_pod_logs(house.backend.as_ref(), &cluster, arguments).await?;
    ensure!(output.text == text, "the native handler answers\n{text}\nnot\n{}", output.text);
    ensure!(output.structured.as_ref() == Some(&facts), "{:?} is not {facts}", output.structured);
    Ok(())
}
