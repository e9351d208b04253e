//! The top of a page: title, origin, counts, keys.

use super::escape::text;
use super::numbers::{count, duration};
use super::{CaseStatus, Page, Summary};
use std::fmt::Write;

/// What can be done without a mouse: in all cases, and in one.
const KEYS: &str = include_str!("parts/keys.html");

/// The top of a page.
pub(super) fn html(page: &Page) -> String {
    let summary = Summary::of(&page.cases);
    format!(
        r#"<header class="top">
<div class="heading"><h1>{title}</h1>
<p class="origin">{generated} · recon {version}</p></div>
<p class="notice">For research. Not for diagnosis.</p>
{progress}
<dl class="facts">{facts}</dl>
{KEYS}</header>
"#,
        title = text(&page.title),
        generated = text(&page.generated),
        version = text(&page.version),
        progress = progress(&summary),
        facts = facts(page, &summary),
    )
}

fn facts(page: &Page, summary: &Summary) -> String {
    let mut facts = vec![("Time, all cases".to_owned(), duration(summary.seconds))];
    facts.extend(page.wall_seconds.map(|seconds| ("Wall time".into(), duration(seconds))));
    facts.push(("Network calls".into(), count(summary.network_calls)));
    let all = facts.iter().chain(&page.facts);
    all.map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", text(name), text(value))).collect()
}

/// A bar with a part for every status, and its legend.
fn progress(summary: &Summary) -> String {
    let legend =
        CaseStatus::ALL.map(|status| format!("<li>{} <b>{}</b></li>", badge(status), summary.count(status)));
    format!(
        r#"<div class="progress"><p><b>{cases}</b> cases</p>
<svg viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="Share of cases by status">{bar}</svg>
<ul>{legend}</ul></div>"#,
        cases = summary.cases,
        bar = bar(summary),
        legend = legend.concat(),
    )
}

fn bar(summary: &Summary) -> String {
    let (mut bar, mut left) = (String::new(), 0.0);
    for status in CaseStatus::ALL {
        let (name, width) =
            (status.name(), 100.0 * summary.count(status) as f64 / summary.cases.max(1) as f64);
        write!(bar, r#"<rect class="{name}" x="{left:.3}" y="0" width="{width:.3}" height="1"/>"#)
            .expect("memory takes all that is written");
        left += width;
    }
    bar
}

/// A status as a mark and a word.
pub(super) fn badge(status: CaseStatus) -> String {
    let mark = match status {
        CaseStatus::Done => "✓",
        CaseStatus::Failed => "✕",
        CaseStatus::Running => "▸",
        CaseStatus::Pending => "○",
    };
    format!(
        r#"<span class="badge {name}"><span aria-hidden="true">{mark}</span> {name}</span>"#,
        name = status.name()
    )
}
