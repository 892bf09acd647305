//! Many calls at once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::calls::governance;
use crate::figures::{Samples, ms, us};
use crate::house::{self, InstantHouse, Timed};
use crate::report::{Row, Section};
use crate::{Rounds, backend, wire};

const IN_FLIGHT: [u64; 3] = [1, 8, 64];

/// What the API of the slow cluster takes for each request.
const LATENCY: Duration = Duration::from_millis(200);

const READS: u64 = 20;

/// What governance may cost a read at the median, its records in the file, whatever is in flight.
const GOVERNANCE_US_AIM: f64 = 60.0;

const READS_MS_AIM: f64 = 250.0;

const PING_MS_AIM: f64 = 5.0;

pub(crate) async fn measure(rounds: Rounds) -> Result<Vec<Section>> {
    Ok(vec![throughput(rounds).await?, burst(rounds).await?])
}

async fn throughput(rounds: Rounds) -> Result<Section> {
    let house = InstantHouse::new().await?;
    let arguments = json!({"namespace": "shop", "pod_name": "web-1", "tail_lines": backend::LINES});
    let mut rows = Vec::new();
    for n in IN_FLIGHT {
        let timed = Timed::new(house.gateway.clone());
        let (mut client, _serving) = wire::serve(timed.clone()).await?;
        let line = |id: u64| wire::call(id, "get_pod_logs", &arguments);
        let mut begun = vec![Instant::now(); usize::try_from(n)?];
        for id in 0..n {
            client.send(&line(id)).await?;
        }
        let since = Instant::now();
        let mut latencies = Vec::new();
        while since.elapsed() < rounds.load {
            let id = wire::id(client.answer().await?)?;
            let begun = begun.get_mut(usize::try_from(id)?).context("an id that was not asked")?;
            latencies.push(begun.elapsed());
            *begun = Instant::now();
            client.send(&line(id)).await?;
        }
        #[expect(clippy::cast_precision_loss, reason = "no bench makes 2^52 calls")]
        let per_s = latencies.len() as f64 / since.elapsed().as_secs_f64();
        let latencies = Samples::new(latencies);
        rows.push(Row::new(&format!("{n} in flight"), per_s, "calls/s"));
        rows.push(Row::new("  each takes", us(latencies.median()), "µs").p99(us(latencies.p99())));
        let governed = timed.take();
        let governed = Samples::new(governed.iter().map(|(took, cost)| governance(*took, cost)));
        rows.push(
            Row::new("  governance of each", us(governed.median()), "µs")
                .p99(us(governed.p99()))
                .aim(GOVERNANCE_US_AIM),
        );
    }
    let title = "calls of `get_pod_logs` (20 lines) through MCP, instant backend, the client's \
                 own work included";
    Ok(Section::new("load", title, rows))
}

/// Reads that wait for a slow API, and a client that asks whether anybody is there.
async fn burst(rounds: Rounds) -> Result<Section> {
    let dirs = tempfile::tempdir()?;
    let house = house::embedded(dirs.path(), LATENCY).await?;
    let (mut client, _serving) = wire::serve(house.gateway.clone()).await?;
    let arguments = json!({
        "namespace": "shop", "pod_name": "checkout-7d9f8b6c54-x2v8k", "container": "checkout",
    });
    let ping = wire::request(READS, "ping", &json!({}));
    let (mut all, mut pings) = (Vec::new(), Vec::new());
    for _ in 0..rounds.bursts {
        let begun = Instant::now();
        for id in 0..READS {
            client.send(&wire::call(id, "get_pod_logs", &arguments)).await?;
        }
        let asked = Instant::now();
        client.send(&ping).await?;
        for _ in 0..=READS {
            if wire::id(client.answer().await?)? == READS {
                pings.push(asked.elapsed());
            }
        }
        all.push(begun.elapsed());
    }
    house.close().await;
    let (all, pings) = (Samples::new(all), Samples::new(pings));
    let rows = vec![
        Row::new("all answered", ms(all.median()), "ms").most(ms(all.max())).aim(READS_MS_AIM),
        Row::new("ping in between", ms(pings.median()), "ms")
            .most(ms(pings.max()))
            .aim(PING_MS_AIM),
    ];
    let title = format!(
        "{READS} log reads at once, API latency {} ms, {} rounds",
        LATENCY.as_millis(),
        rounds.bursts
    );
    Ok(Section::new("load", title, rows))
}
