//! A batch as metrics for a monitor that reads text files, such as the node exporter of Prometheus.

use super::page::{CaseStatus, PageCase, Summary, times};
use std::fmt::Write;

/// Upper ends of the buckets of wall times, seconds.
const BUCKETS: [f64; 11] = [1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];

/// Counts by status, sums of times and network calls, and how the times are distributed, in the text format of
/// Prometheus. No name of a case is in it.
pub fn prometheus(cases: &[PageCase]) -> String {
    let summary = Summary::of(cases);
    let mut out = String::new();
    family(&mut out, "recon_batch_cases", "gauge", "Cases of the batch by status.");
    for status in CaseStatus::ALL {
        line(&mut out, &format!("recon_batch_cases{{status=\"{}\"}}", status.name()), summary.count(status));
    }
    family(&mut out, "recon_batch_seconds_total", "counter", "Wall times of all cases together, seconds.");
    line(&mut out, "recon_batch_seconds_total", summary.seconds);
    family(&mut out, "recon_batch_network_calls_total", "counter", "Network calls in all cases together.");
    line(&mut out, "recon_batch_network_calls_total", summary.network_calls);
    histogram(&mut out, &times(cases).collect::<Vec<_>>());
    out
}

/// Each bucket counts the times up to its end, the last one all of them.
fn histogram(out: &mut String, times: &[f64]) {
    const NAME: &str = "recon_batch_case_seconds";
    family(out, NAME, "histogram", "Wall times of cases, seconds.");
    for end in BUCKETS {
        let count = times.iter().filter(|seconds| **seconds <= end).count();
        line(out, &format!("{NAME}_bucket{{le=\"{end}\"}}"), count);
    }
    line(out, &format!("{NAME}_bucket{{le=\"+Inf\"}}"), times.len());
    line(out, &format!("{NAME}_sum"), times.iter().sum::<f64>());
    line(out, &format!("{NAME}_count"), times.len());
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("memory takes all that is written");
}

fn line(out: &mut String, series: &str, value: impl std::fmt::Display) {
    writeln!(out, "{series} {value}").expect("memory takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The series of a text in the exposition format, and the kind of every family; refuses what the format forbids.
    fn parsed(text: &str) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
        let (mut series, mut kinds) = (BTreeMap::new(), BTreeMap::new());
        assert!(text.ends_with('\n'), "the last line has an end");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a kind");
                assert!(["counter", "gauge", "histogram"].contains(&kind));
                assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            } else if !line.starts_with("# HELP ") {
                let (name, value) = line.rsplit_once(' ').expect("a value");
                check_series(name, &kinds);
                let value: f64 = value.parse().expect("a number");
                assert!(series.insert(name.to_owned(), value).is_none(), "{name} twice");
            }
        }
        (series, kinds)
    }

    /// A name of letters, digits and underscores, labels in quotes, and a family announced above.
    fn check_series(series: &str, kinds: &BTreeMap<String, String>) {
        let (name, labels) = series.split_once('{').map_or((series, None), |(name, rest)| (name, Some(rest)));
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        );
        if let Some(labels) = labels {
            let (key, value) =
                labels.strip_suffix("\"}").and_then(|l| l.split_once("=\"")).expect("one label");
            assert!(key.chars().all(|c| c.is_ascii_lowercase()) && !value.contains(['"', '\\', '\n']));
        }
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let histogram =
            family.is_some_and(|family| kinds.get(family).is_some_and(|kind| kind == "histogram"));
        assert!(histogram || kinds.contains_key(name), "{name} has no type");
    }

    #[test]
    fn the_text_is_in_the_exposition_format_and_says_what_is_true() {
        let case = |status, seconds| PageCase {
            name: "a \"name\"\n".into(),
            status,
            seconds: Some(seconds),
            network_calls: Some(10),
            ..PageCase::default()
        };
        let cases =
            [case(CaseStatus::Done, 0.5), case(CaseStatus::Done, 40.0), case(CaseStatus::Failed, 5000.0)];
        let (series, kinds) = parsed(&prometheus(&cases));
        assert_eq!(kinds.len(), 4);
        assert_eq!(series["recon_batch_cases{status=\"done\"}"], 2.0);
        assert_eq!(series["recon_batch_cases{status=\"pending\"}"], 0.0);
        assert_eq!(series["recon_batch_seconds_total"], 5040.5);
        assert_eq!(series["recon_batch_network_calls_total"], 30.0);
        let bucket = |end: &str| series[&format!("recon_batch_case_seconds_bucket{{le=\"{end}\"}}")];
        assert_eq!(["1", "2.5", "30", "60", "3600", "+Inf"].map(bucket), [1.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
        assert_eq!(
            (series["recon_batch_case_seconds_sum"], series["recon_batch_case_seconds_count"]),
            (5040.5, 3.0)
        );
    }

    #[test]
    fn a_batch_without_cases_has_metrics_too() {
        let (series, _) = parsed(&prometheus(&[]));
        assert_eq!(series["recon_batch_case_seconds_count"], 0.0);
        assert!(series.values().all(|value| *value == 0.0));
    }
}
