//! The table of all cases.

use super::escape::text;
use super::header::badge;
use super::numbers::{NONE, count, duration, fixed, short};
use super::{CaseStatus, Page, PageCase, Summary};

/// What a column is called, how it is sorted, and what it means.
const COLUMNS: [(&str, &str, &str); 11] = [
    ("Case", "text", "Name of the case"),
    ("Status", "status", "Progress of the case"),
    ("Task", "text", "What is measured"),
    ("Method", "text", "Method of reconstruction"),
    ("Time", "number", "Wall time"),
    ("Calls", "number", "Network calls"),
    ("Residual", "number", "Distance of the result from the measured data, relative to the data"),
    (
        "Typicality",
        "number",
        "Error of the model's denoiser on the result; in red where outside the range that the model knows",
    ),
    ("PSNR", "number", "Peak signal-to-noise ratio against the truth, dB"),
    ("SSIM", "number", "Structural similarity with the truth"),
    ("Warnings", "number", "Number of warnings"),
];

/// The table, and what it is searched by.
pub(super) fn html(page: &Page) -> String {
    let rows: String = page.cases.iter().enumerate().map(|(place, case)| row(case, place + 1)).collect();
    let total =
        |(name, kind, _): (&str, &str, &str)| format!(r#"<td class="{kind}" data-total="{name}"></td>"#);
    format!(
        r#"<section id="overview" aria-label="All cases">
{toolbar}<div class="scroll"><table id="cases">
<thead><tr>{headings}</tr></thead>
<tbody>
{rows}</tbody>
<tfoot><tr>{totals}</tr></tfoot>
</table></div>
<p id="nothing" class="quiet" hidden>No case matches.</p>
</section>
"#,
        toolbar = toolbar(&Summary::of(&page.cases)),
        headings = COLUMNS.map(heading).concat(),
        totals = COLUMNS.map(total).concat(),
    )
}

fn toolbar(summary: &Summary) -> String {
    let statuses = CaseStatus::ALL.map(|status| choice(status.name(), summary.count(status), ""));
    format!(
        r#"<form class="toolbar scripted" role="search">
<fieldset class="choices"><legend>Status</legend>{all}{statuses}</fieldset>
<label class="check"><input type="checkbox" id="warned"> with warnings only</label>
<label class="find">Find
<input type="search" id="find" placeholder="name, task, method, reason" autocomplete="off"></label>
<output id="shown" aria-live="polite"></output>
</form>
"#,
        all = choice("all", summary.cases, " checked"),
        statuses = statuses.concat(),
    )
}

fn choice(status: &str, cases: usize, checked: &str) -> String {
    format!(
        r#"<label><input type="radio" name="status" value="{status}"{checked}>
<span>{status} <b>{cases}</b></span></label>"#
    )
}

fn heading((name, kind, meaning): (&str, &str, &str)) -> String {
    let meaning = text(meaning);
    format!(
        r#"<th scope="col" class="{kind}" aria-sort="none">
<button type="button" title="{meaning}">{name}</button></th>"#
    )
}

fn row(case: &PageCase, number: usize) -> String {
    let reason =
        case.reason.as_ref().map(|reason| format!(r#"<span class="reason">{}</span>"#, text(reason)));
    format!(
        r##"<tr data-case="{number}" data-status="{status}">
<th scope="row" class="text"><a href="#case-{number}"><bdi>{name}</bdi></a></th>
<td class="status">{badge}{reason}</td><td class="text">{task}</td><td class="text">{method}</td>
{numbers}</tr>
"##,
        status = case.status.name(),
        name = text(&case.name),
        badge = badge(case.status),
        reason = reason.unwrap_or_default(),
        task = text(&case.task),
        method = text(&case.method),
        numbers = numbers(case),
    )
}

/// The cells of a row that are numbers.
fn numbers(case: &PageCase) -> String {
    let quality = case.metrics.as_ref().map(|metrics| metrics.result);
    let (psnr, ssim) = (quality.and_then(|quality| quality.psnr), quality.map(|quality| quality.ssim));
    let calls = case.network_calls;
    [
        cell(case.seconds, &case.seconds.map_or_else(|| NONE.into(), duration), ""),
        cell(calls.map(|calls| calls as f64), &calls.map_or_else(|| NONE.into(), count), ""),
        cell(case.data_residual, &case.data_residual.map_or_else(|| NONE.into(), short), ""),
        typicality(case),
        cell(psnr, &fixed(psnr, 2), ""),
        cell(ssim, &fixed(ssim, 4), ""),
        match case.warnings.len() {
            0 => cell(Some(0.0), NONE, ""),
            warnings => cell(Some(warnings as f64), &warnings.to_string(), " warned"),
        },
    ]
    .concat()
}

/// Colour alone does not say that a result is strange.
fn typicality(case: &PageCase) -> String {
    let error = case.typicality.map(|typicality| typicality.denoising_error);
    let shown = fixed(error, 3);
    if case.typicality.is_some_and(|typicality| typicality.is_strange()) {
        let shown = shown + r#"<span class="hidden-text"> outside the known range</span>"#;
        cell(error, &shown, " strange")
    } else {
        cell(error, &shown, "")
    }
}

/// A cell with the number that it is sorted by, and how that is shown.
fn cell(value: Option<f64>, shown: &str, class: &str) -> String {
    let value = value.filter(|value| value.is_finite()).map(|value| format!(r#" data-value="{value}""#));
    format!(r#"<td class="number{class}"{}>{shown}</td>"#, value.unwrap_or_default())
}
