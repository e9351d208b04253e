//! A batch as a table of text: one row a case.

use super::page::PageCase;

/// The columns, which are the first row.
const COLUMNS: [&str; 11] = [
    "case",
    "status",
    "task",
    "method",
    "seconds",
    "network_calls",
    "data_residual",
    "psnr",
    "ssim",
    "output",
    "reason",
];

/// The cases as tab-separated values, in their order, with a row of names above.
///
/// What is not known is empty. Tabs, line breaks and other control characters within a text become spaces, so that every
/// line is a case and has all columns.
pub fn summary_tsv(cases: &[PageCase]) -> String {
    let mut table = COLUMNS.join("\t") + "\n";
    for case in cases {
        table += &(row(case).join("\t") + "\n");
    }
    table
}

fn row(case: &PageCase) -> [String; COLUMNS.len()] {
    let quality = case.metrics.as_ref().map(|metrics| metrics.result);
    [
        text(&case.name),
        case.status.name().into(),
        text(&case.task),
        text(&case.method),
        number(case.seconds),
        case.network_calls.map(|calls| calls.to_string()).unwrap_or_default(),
        number(case.data_residual),
        number(quality.and_then(|quality| quality.psnr)),
        number(quality.map(|quality| quality.ssim)),
        text(case.output.as_deref().unwrap_or_default()),
        text(case.reason.as_deref().unwrap_or_default()),
    ]
}

fn text(raw: &str) -> String {
    raw.chars()
        .map(
            |letter| {
                if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') { ' ' } else { letter }
            },
        )
        .collect()
}

fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Comparison, Quality};
    use crate::report::page::CaseStatus;

    #[test]
    fn every_line_is_a_case_whatever_texts_hold() {
        let result = Quality { psnr: Some(31.25), ssim: 0.9, nmse: 0.01, max_abs: 3.0 };
        let metrics = Comparison { preset: "fastmri".into(), result, baselines: vec![], calibration: None };
        let case = PageCase {
            name: "a\tb\r\nc\u{85}d".into(),
            task: "ct".into(),
            method: "fbp".into(),
            status: CaseStatus::Failed,
            reason: Some("no\nspace\u{2028}left".into()),
            seconds: Some(1.5),
            network_calls: Some(7),
            data_residual: Some(f64::NAN),
            metrics: Some(metrics),
            output: Some("out/a.nii".into()),
            ..PageCase::default()
        };
        let table = summary_tsv(&[case, PageCase::default()]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], COLUMNS.join("\t"));
        assert_eq!(lines[1], "a b  c d\tfailed\tct\tfbp\t1.5\t7\t\t31.25\t0.9\tout/a.nii\tno space left");
        assert_eq!(lines[2], "\tpending\t\t\t\t\t\t\t\t\t");
        assert_eq!(lines.len(), 3);
    }
}
