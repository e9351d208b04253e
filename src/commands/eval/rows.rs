//! The results, a row an image and method, kept as CSV (RFC 4180).

use crate::commands::session::failure::Failure;
use anyhow::Result;
use recon_data::{Overwrite, atomic};
use recon_pipelines::judge::Calibration;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const HEADER: &str = "file,slice,setting,method,psnr,ssim,nmse,calibration,coverage,calls,seconds";

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
        let mut records = records(&text).into_iter();
        if records.next().is_none_or(|header| header.join(",") != HEADER) {
            return Err(unreadable(&path, "has other columns than those of recon eval").into());
        }
        let row = |(n, fields): (usize, Vec<String>)| {
            parse(&fields).ok_or_else(|| unreadable(&path, &format!("row {} is damaged", n + 1)))
        };
        let rows = records.enumerate().map(row).collect::<Result<_, Failure>>()?;
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
        let mut text = format!("{HEADER}\n");
        for row in &self.rows {
            text.push_str(&line(row));
        }
        Ok(atomic::write_bytes(&self.path, text.as_bytes(), Overwrite::Force)?)
    }
}

fn unreadable(path: &Path, what: &str) -> Failure {
    Failure::Input(format!("{}: {what}; remove it or choose another output folder", path.display()))
}

fn line(row: &Row) -> String {
    let Key { file, slice, setting, method } = &row.key;
    // The shortest digits that give the same number back.
    let psnr = row.psnr.map_or_else(|| "inf".to_owned(), |psnr| psnr.to_string());
    let mut line = format!("{},{slice},{},{},{psnr}", quoted(file), quoted(setting), quoted(method));
    // Writing to a string cannot fail.
    let spread = row.calibration.map_or_else(|| ",".to_owned(), |c| format!("{},{}", c.ratio, c.coverage));
    let _ = writeln!(line, ",{},{:e},{spread},{},{}", row.ssim, row.nmse, row.calls, row.seconds);
    line
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn parse(fields: &[String]) -> Option<Row> {
    let [file, slice, setting, method, psnr, ssim, nmse, ratio, coverage, calls, seconds] = fields else {
        return None;
    };
    let finite = |text: &String| text.parse().ok().filter(|value: &f64| value.is_finite());
    let calibration = match (ratio.is_empty(), coverage.is_empty()) {
        (true, true) => None,
        _ => Some(Calibration { ratio: finite(ratio)?, coverage: finite(coverage)? }),
    };
    Some(Row {
        key: Key {
            file: file.clone(),
            slice: slice.parse().ok()?,
            setting: setting.clone(),
            method: method.clone(),
        },
        psnr: if psnr == "inf" { None } else { Some(finite(psnr)?) },
        ssim: finite(ssim)?,
        nmse: finite(nmse)?,
        calibration,
        calls: calls.parse().ok()?,
        seconds: finite(seconds)?,
    })
}

/// The fields of every record; quoted ones may hold commas, doubled quotes and line ends.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut fields, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut inside = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if inside && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => inside = !inside,
            ',' if !inside => fields.push(std::mem::take(&mut field)),
            '\r' if !inside => {}
            '\n' if !inside => {
                fields.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut fields));
            }
            other => field.push(other),
        }
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        records.push(fields);
    }
    records
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

    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.csv");
        let good = format!("{HEADER}\na.npy,0,8x,tv,20,0.5,0.1,,,0,1\n");
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
