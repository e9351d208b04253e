//! What a batch would do and what it would take, and whether it did.

use super::estimates::{Estimates, Taken};
use super::resources::{Resources, size};
use crate::commands::session::context::{self, Context};
use anyhow::Result;
use recon::settings::MethodSpec;
use recon_pipelines::batch::BatchCase;
use recon_pipelines::report::peak_memory_bytes;
use serde_json::json;

/// Prints the cases with what they take.
///
/// # Errors
/// When stdout cannot be written.
pub fn cases(cases: &[BatchCase<MethodSpec>], resources: &Resources, json: bool) -> Result<()> {
    let Some(estimates) = &resources.estimates else { return Ok(()) };
    context::print(&if json {
        as_json(cases, resources, estimates).to_string()
    } else {
        as_lines(cases, resources, estimates)
    })
}

fn as_lines(cases: &[BatchCase<MethodSpec>], resources: &Resources, estimates: &Estimates) -> String {
    let mut lines: Vec<String> =
        cases.iter().zip(&estimates.cases).map(|(case, taken)| line(case, taken)).collect();
    let workers = resources.workers;
    lines.push(format!(
        "{} cases, {}: {}, {} at most",
        cases.len(),
        shared(resources),
        time(estimates.seconds(workers)),
        size(estimates.bytes(workers))
    ));
    lines.join("\n")
}

fn line(case: &BatchCase<MethodSpec>, taken: &Result<Taken, String>) -> String {
    let output = case.output.display();
    match taken {
        Ok(Taken { seconds, network_calls, peak_bytes }) => {
            let calls =
                if *network_calls > 0 { format!(", {network_calls} network calls") } else { String::new() };
            format!("{} -> {output}: {}{calls}, {}", case.name, time(*seconds), size(*peak_bytes))
        }
        Err(reason) => format!("{} -> {output}: will fail: {reason}", case.name),
    }
}

fn as_json(
    cases: &[BatchCase<MethodSpec>],
    resources: &Resources,
    estimates: &Estimates,
) -> serde_json::Value {
    let case = |(case, taken): (&BatchCase<MethodSpec>, &Result<Taken, String>)| {
        let about = taken.as_ref().ok();
        json!({
            "name": case.name,
            "output": case.output.to_string_lossy(),
            "seconds": about.map(|taken| taken.seconds),
            "network_calls": about.map(|taken| taken.network_calls),
            "peak_memory_bytes": about.map(|taken| taken.peak_bytes),
            "problem": taken.as_ref().err(),
        })
    };
    let list: Vec<_> = cases.iter().zip(&estimates.cases).map(case).collect();
    let Resources { workers, threads, limit, .. } = resources;
    json!({
        "cases": list, "workers": workers, "threads": threads, "limit_bytes": limit,
        "seconds": estimates.seconds(*workers), "peak_memory_bytes": estimates.bytes(*workers),
    })
}

/// How the machine is shared, in words.
pub fn shared(resources: &Resources) -> String {
    let Resources { workers, threads, .. } = resources;
    format!("{workers} at a time with {threads} thread{} each", if *threads == 1 { "" } else { "s" })
}

/// Says how what was estimated stands against what it took.
pub fn held(resources: &Resources, seconds: f64, context: &Context) {
    let Some(estimates) = &resources.estimates else { return };
    let memory = peak_memory_bytes().map_or_else(|| "unknown".to_owned(), size);
    context.say(&format!(
        "estimated {} and {}; took {} and {memory}",
        time(estimates.seconds(resources.workers)),
        size(estimates.bytes(resources.workers)),
        time(seconds)
    ));
}

/// Seconds for people.
fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds if seconds < 6000.0 => format!("{:.1} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}
