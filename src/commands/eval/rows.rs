//! The results, a row an image and method, kept as CSV (RFC 4180).

use crate::commands::session::failure::Failure;
use anyhow::Result;
use recon_data::{Overwrite, atomic};
use recon_pipelines::judge::Calibration;
use serde::{Deserialize, Serialize, Serializer};
use std::path::{Path, PathBuf};

const COLUMNS: [&str; 11] = [
    "file",
    "slice",
    "setting",
    "method",
    "psnr",
    "ssim",
    "nmse",
    "calibration",
    "coverage",
    "calls",
    "seconds",
];

/// What belongs to a row: where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Key {
    /// Name of the scan's file or folder.
    pub(super) file: String,
    /// Which slice of it, from 0.
    pub(super) slice: usize,
    /// What was measured.
    pub(super) setting: String,
    /// With what it was reconstructed.
    pub(super) method: String,
}

/// How good one reconstructed slice is, and what it took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    /// Which slice, measured how and reconstructed with what.
    #[serde(flatten)]
    pub(super) key: Key,
    /// dB; none when the images are equal.
    pub(super) psnr: Option<f64>,
    /// At most 1.
    pub(super) ssim: f64,
    /// `‖x − x̂‖² / ‖x‖²`
    pub(super) nmse: f64,
    /// What the spread of several samples is worth; none for one sample.
    pub(super) calibration: Option<Calibration>,
    /// Calls of the score network.
    pub(super) calls: usize,
    /// Wall time of the method.
    pub(super) seconds: f64,
}

/// The rows of an output folder; every new one is written at once, so that an interrupted run can go on.
pub(super) struct Table {
    path: PathBuf,
    rows: Vec<Row>,
}

impl Table {
    /// An empty table at `path`, which is written with its first row.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, rows: Vec::new() }
    }

    /// The table at `path`; empty if there is none yet.
    ///
    /// # Errors
    /// When it cannot be read or is no table of this kind.
    pub(super) fn read(path: PathBuf) -> Result<Self> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::new(path)),
            Err(error) => return Err(unreadable(&path, &error.to_string()).into()),
        };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        if reader.headers().is_ok_and(|columns| columns != COLUMNS.as_slice()) {
            return Err(unreadable(&path, "does not have the columns of recon eval").into());
        }
        let row = |(n, line): (usize, csv::Result<Line>)| {
            let row = line.ok().and_then(Line::row);
            row.ok_or_else(|| unreadable(&path, &format!("row {} is damaged", n + 1)))
        };
        let rows = reader.deserialize().enumerate().map(row).collect::<Result<_, Failure>>()?;
        Ok(Self { path, rows })
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of this key.
    pub(super) fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == *key)
    }

    /// Forgets the rows of files that `keep` says no to.
    pub(super) fn retain(&mut self, keep: impl Fn(&Key) -> bool) {
        self.rows.retain(|row| keep(&row.key));
    }

    /// Adds a row and writes the table.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, row: Row) -> Result<()> {
        self.rows.push(row);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(Line::from(row))?;
        }
        Ok(atomic::write_bytes(&self.path, &writer.into_inner()?, Overwrite::Force)?)
    }
}

fn unreadable(path: &Path, what: &str) -> Failure {
    Failure::Input(format!("{}: {what}; remove it or choose another output folder", path.display()))
}

/// A row as it stands in the file.
#[derive(Serialize, Deserialize)]
struct Line {
    file: String,
    slice: usize,
    setting: String,
    method: String,
    /// Infinite when the images are equal.
    #[serde(serialize_with = "shortest")]
    psnr: f64,
    #[serde(serialize_with = "shortest")]
    ssim: f64,
    #[serde(serialize_with = "scientific")]
    nmse: f64,
    #[serde(serialize_with = "shortest_or_none")]
    calibration: Option<f64>,
    #[serde(serialize_with = "shortest_or_none")]
    coverage: Option<f64>,
    calls: usize,
    #[serde(serialize_with = "shortest")]
    seconds: f64,
}

impl From<&Row> for Line {
    fn from(row: &Row) -> Self {
        let Key { file, slice, setting, method } = row.key.clone();
        let Row { ssim, nmse, calls, seconds, .. } = *row;
        let psnr = row.psnr.unwrap_or(f64::INFINITY);
        let (calibration, coverage) = (row.calibration.map(|c| c.ratio), row.calibration.map(|c| c.coverage));
        Self { file, slice, setting, method, psnr, ssim, nmse, calibration, coverage, calls, seconds }
    }
}

impl Line {
    /// The row, unless a number cannot stand there.
    fn row(self) -> Option<Row> {
        let Self { file, slice, setting, method, psnr, ssim, nmse, calls, seconds, .. } = self;
        let calibration = match (self.calibration, self.coverage) {
            (None, None) => None,
            (ratio, coverage) => Some(Calibration { ratio: ratio?, coverage: coverage? }),
        };
        let spread = calibration.map_or([0.0; 2], |c| [c.ratio, c.coverage]);
        let finite = [ssim, nmse, seconds, spread[0], spread[1]].iter().all(|value| value.is_finite());
        let psnr = Some(psnr).filter(|psnr| *psnr != f64::INFINITY);
        let possible = finite && psnr.is_none_or(f64::is_finite);
        let key = Key { file, slice, setting, method };
        possible.then_some(Row { key, psnr, ssim, nmse, calibration, calls, seconds })
    }
}

/// The shortest digits that give the same number back.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn shortest<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// [`shortest`], or nothing.
fn shortest_or_none<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => shortest(value, serializer),
        None => serializer.serialize_none(),
    }
}

/// [`shortest`] with an exponent.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn scientific<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(file: &str, psnr: Option<f64>) -> Row {
        let (setting, method) = ("8x".to_owned(), "tv".to_owned());
        let key = Key { file: file.to_owned(), slice: 3, setting, method };
        let calibration = psnr.map(|_| Calibration { ratio: 0.75, coverage: 0.875 });
        Row { key, psnr, ssim: 0.5, nmse: 0.0123, calibration, calls: 20, seconds: 1.5 }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.csv");
        let mut table = Table::new(path.clone());
        for row in [row("a, \"b\"\n.npy", Some(31.25)), row("c.nii.gz", None)] {
            table.add(row).expect("written");
        }
        let read = Table::read(path).expect("readable");
        assert_eq!(read.rows, table.rows);
        assert_eq!(read.get(&row("c.nii.gz", None).key), Some(&row("c.nii.gz", None)));
        assert_eq!(read.get(&row("d.nii.gz", None).key), None);
    }

    /// What earlier versions of the program wrote, byte for byte, so that their runs can go on.
    const EARLIER: &str = "\
        file,slice,setting,method,psnr,ssim,nmse,calibration,coverage,calls,seconds\n\
        \"a, \"\"b\"\"\n.npy\",3,8x,tv,31.25,0.5,1.23e-2,0.75,0.875,20,1.5\n\
        c.nii.gz,3,8x,tv,inf,1,0e0,,,20,2\n\
        d.npy,3,8x,tv,0.30000000000000004,0.5,1e-300,0.75,0.875,20,1.5\n";

    #[test]
    fn the_format_is_that_of_earlier_versions() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.csv");
        std::fs::write(&path, EARLIER).expect("written");
        let equal = Row { ssim: 1.0, nmse: 0.0, seconds: 2.0, ..row("c.nii.gz", None) };
        let close = Row { nmse: 1e-300, ..row("d.npy", Some(0.1 + 0.2)) };
        let rows = [row("a, \"b\"\n.npy", Some(31.25)), equal, close];
        assert_eq!(Table::read(path.clone()).expect("readable").rows, rows);
        let mut table = Table::new(path.clone());
        rows.into_iter().for_each(|row| table.add(row).expect("written"));
        assert_eq!(std::fs::read_to_string(path).expect("readable"), EARLIER);
    }

    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.csv");
        let good = format!("{}\na.npy,0,8x,tv,20,0.5,0.1,,,0,1\n", COLUMNS.join(","));
        for bad in [
            "file,psnr\n".to_owned(),
            String::new(),
            format!("{good}a.npy,0,8x,tv,2"),
            good.replace("0.5", "NaN"),
            good.replace("tv,20", "tv,twenty"),
        ] {
            std::fs::write(&path, &bad).expect("written");
            assert!(Table::read(path.clone()).is_err(), "{bad}");
        }
        std::fs::write(&path, good).expect("written");
        assert_eq!(Table::read(path).expect("fine").rows.len(), 1);
    }
}
