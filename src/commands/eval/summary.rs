//! Mean and standard deviation over the slices, as a table, as JSON and as a plot.

use super::rows::Row;
use super::setting::{Legacy, Setting};
use recon_pipelines::judge::{Calibration, INTERVAL};
use recon_pipelines::report::plot::{Curve, Plot, Tick};
use serde::Serialize;

/// Mean and population standard deviation; none when a value is infinite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// Σ v / n
    pub(super) mean: f64,
    /// √(Σ (v − mean)² / n)
    pub(super) std: f64,
}

impl Spread {
    /// Of these values, none of which may be missing.
    fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        if values.is_empty() {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        Some(Self { mean, std: variance.sqrt() })
    }
}

/// What one method reaches with one measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Entry {
    /// What was measured.
    pub(super) setting: &'static str,
    /// How much of it, for the plot.
    pub(super) amount: f64,
    /// The method.
    pub(super) method: &'static str,
    /// Whose scale and metrics; none for fastMRI's metrics on the images as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) legacy: Option<Legacy>,
    /// How many slices.
    pub(super) count: usize,
    /// dB
    pub(super) psnr: Option<Spread>,
    /// At most 1.
    pub(super) ssim: Option<Spread>,
    /// `‖x − x̂‖² / ‖x‖²`
    pub(super) nmse: Option<Spread>,
    /// Variance of samples over squared error of their mean, see [`Calibration`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) calibration: Option<Spread>,
    /// Share of voxels in their interval, see [`Calibration`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) coverage: Option<Spread>,
    /// Calls of the score network a slice.
    pub(super) calls: Option<Spread>,
    /// Wall time of the method a slice.
    pub(super) seconds: Option<Spread>,
}

/// An entry a setting and method, in this order, of those that have rows.
pub(super) fn summarise<S: Setting>(settings: &[&S], methods: &[&'static str], rows: &[Row]) -> Vec<Entry> {
    let pairs = settings.iter().flat_map(|setting| methods.iter().map(move |method| (setting, *method)));
    let entries = pairs.map(|(setting, method)| {
        let of = |row: &&Row| row.key.setting == setting.label() && row.key.method == method;
        let rows: Vec<&Row> = rows.iter().filter(of).collect();
        let spread = |value: fn(&Row) -> Option<f64>| Spread::of(rows.iter().map(|row| value(row)));
        Entry {
            setting: setting.label(),
            amount: setting.amount(),
            method,
            legacy: setting.legacy(),
            count: rows.len(),
            psnr: spread(|row| row.psnr),
            ssim: spread(|row| Some(row.ssim)),
            nmse: spread(|row| Some(row.nmse)),
            calibration: spread(|row| row.calibration.map(|Calibration { ratio, .. }| ratio)),
            coverage: spread(|row| row.calibration.map(|Calibration { coverage, .. }| coverage)),
            calls: spread(|row| Some(row.calls as f64)),
            seconds: spread(|row| Some(row.seconds)),
        }
    });
    entries.filter(|entry| entry.count > 0).collect()
}

/// The entries in words.
pub(super) fn table(entries: &[Entry]) -> String {
    let column = |spread: Option<Spread>, digits: usize| {
        spread.map_or_else(|| "inf".to_owned(), |s| format!("{:.digits$} ± {:.digits$}", s.mean, s.std))
    };
    let mean = |spread: Option<Spread>| spread.map_or(0.0, |spread| spread.mean);
    let mut lines = vec![format!(
        "{:<15} {:<12} {:>6} {:>14} {:>17} {:>9} {:>6} {:>8}",
        "setting", "method", "slices", "PSNR (dB)", "SSIM", "NMSE", "calls", "seconds"
    )];
    lines.extend(entries.iter().map(|entry| {
        format!(
            "{:<15} {:<12} {:>6} {:>14} {:>17} {:>9.2e} {:>6.0} {:>8.2}",
            entry.setting,
            entry.method,
            entry.count,
            column(entry.psnr, 2),
            column(entry.ssim, 4),
            mean(entry.nmse),
            mean(entry.calls),
            mean(entry.seconds)
        ) + &spread(entry)
    }));
    lines.join("\n")
}

/// What the spread of samples is worth, in words.
fn spread(entry: &Entry) -> String {
    let (Some(ratio), Some(coverage)) = (entry.calibration, entry.coverage) else { return String::new() };
    let (interval, share) = (100.0 * INTERVAL, 100.0 * coverage.mean);
    format!("  variance/error² {:.2}, {share:.0} % in the {interval:.0} % interval", ratio.mean)
}

/// Mean PSNR against how much was measured, a curve a method.
pub(super) fn plot(title: &str, amount: &str, methods: &[&'static str], entries: &[Entry]) -> Plot {
    let mut ticks: Vec<Tick> = Vec::new();
    for entry in entries {
        if ticks.iter().all(|tick| tick.at.total_cmp(&entry.amount).is_ne()) {
            ticks.push(Tick { at: entry.amount, label: number(entry.amount) });
        }
    }
    let curve = |method: &&'static str| {
        let points = entries.iter().filter(|entry| entry.method == *method);
        let points = points.filter_map(|e| e.psnr.map(|psnr| (e.amount, psnr.mean, psnr.std)));
        Curve { name: (*method).to_owned(), points: points.collect() }
    };
    Plot {
        title: title.to_owned(),
        x_label: amount.to_owned(),
        y_label: "PSNR (dB)".to_owned(),
        ticks,
        curves: methods.iter().map(curve).collect(),
    }
}

fn number(amount: f64) -> String {
    if amount.fract() == 0.0 { format!("{amount:.0}") } else { format!("{amount:.1}") }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::{Protocol, ProtocolName};
    use super::super::rows::Key;
    use super::*;

    fn row(setting: &str, method: &str, psnr: Option<f64>) -> Row {
        let key = Key { file: "a".into(), slice: 0, setting: setting.into(), method: method.into() };
        Row { key, psnr, ssim: 0.5, nmse: 0.1, calibration: None, calls: 0, seconds: 1.0 }
    }

    #[test]
    fn means_are_taken_a_setting_and_method() {
        let Protocol::Mri(outline) = ProtocolName::MriSweep.protocol() else { panic!("MRI") };
        let rows = [
            row("8x", "tv", Some(20.0)),
            row("8x", "tv", Some(24.0)),
            row("4x", "tv", None),
            row("8x", "score", Some(30.0)),
        ];
        let settings: Vec<_> = outline.settings.iter().collect();
        let entries = summarise(&settings, &["tv", "score"], &rows);
        let names: Vec<_> = entries.iter().map(|entry| (entry.setting, entry.method, entry.count)).collect();
        assert_eq!(names, [("8x", "tv", 2), ("8x", "score", 1), ("4x", "tv", 1)]);
        assert_eq!(entries[0].psnr, Some(Spread { mean: 22.0, std: 2.0 }));
        assert_eq!(entries[2].psnr, None);
        assert!(table(&entries).contains("22.00 ± 2.00") && table(&entries).contains("inf"));
        let plot = plot("t", "x", &["tv", "score"], &entries);
        assert_eq!(plot.ticks.len(), 2);
        assert_eq!(plot.curves[0].points, [(12.5, 22.0, 2.0)]);
    }
}
