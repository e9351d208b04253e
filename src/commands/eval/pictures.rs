//! Pictures of the best, the median and the worst slice of every setting.

use super::images::Image;
use super::measure::{self, Modality, Solved};
use super::rows::Row;
use super::run::{Candidate, Evaluation};
use super::setting::Setting;
use anyhow::{Context as _, Result};
use ndarray::ArrayView2;
use recon_data::{Overwrite, atomic};
use recon_pipelines::report::preview::{Panels, montages, png};
use serde::Serialize;
use std::path::PathBuf;

/// A picture and what it shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Picture {
    /// Where it is.
    path: PathBuf,
    /// What was measured.
    setting: &'static str,
    /// The method whose results are shown and by whose PSNR the slices are ranked.
    method: &'static str,
    /// The classical method beside it, the one of the highest mean PSNR.
    baseline: Option<&'static str>,
    /// The slices from top to bottom.
    slices: Vec<Shown>,
}

/// A row of a picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Shown {
    rank: Rank,
    /// Name of the scan's file or folder.
    file: String,
    /// Which slice of it, from 0.
    slice: usize,
    /// dB; none when the images are equal.
    psnr: Option<f64>,
}

/// The place of a slice among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Rank {
    Best,
    Median,
    Worst,
}

impl<M: Modality> Evaluation<'_, M> {
    /// Draws a picture a setting. The slices are reconstructed once more, because rows of an earlier run have no
    /// images; they come out the same.
    ///
    /// # Errors
    /// When the user stopped it or a file cannot be written.
    pub(super) fn pictures(&self, images: &[Image], slices: usize, rows: &[Row]) -> Result<Vec<Picture>> {
        let draw = |setting| self.picture(setting, images, slices, rows).transpose();
        self.settings.iter().copied().filter_map(draw).collect()
    }

    /// The picture of a setting; none without rows.
    fn picture(
        &self,
        setting: &'static M::Setting,
        images: &[Image],
        slices: usize,
        rows: &[Row],
    ) -> Result<Option<Picture>> {
        let label = setting.label();
        let last = || self.methods.last();
        let Some(method) = self.methods.iter().rfind(|method| method.is_learned()).or_else(last) else {
            return Ok(None);
        };
        let rows: Vec<&Row> = rows.iter().filter(|row| row.key.setting == label).collect();
        let (baseline, ranked) = (self.baseline(method, &rows), ranked(&rows, method.method.name));
        let mut solved = Vec::new();
        for (_, row) in &ranked {
            let Some(image) = images.iter().find(|image| image.name == row.key.file) else { continue };
            solved.extend(self.again(setting, image, slices, row.key.slice, (baseline, method))?);
        }
        if solved.is_empty() {
            return Ok(None);
        }
        let path = self.args.folder().join(format!("pictures-{}.png", file_name(label)));
        atomic::write_bytes(&path, &png_of::<M>(&solved)?, Overwrite::Force)?;
        let baseline = baseline.map(|baseline| baseline.method.name);
        let slices = ranked.into_iter().map(|(rank, row)| Shown::of(rank, row)).collect();
        Ok(Some(Picture { path, setting: label, method: method.method.name, baseline, slices }))
    }

    /// Of the classical methods besides `method` the one of the highest mean PSNR.
    fn baseline(&self, method: &Candidate<M>, rows: &[&Row]) -> Option<&Candidate<M>> {
        let name = method.method.name;
        let others = self.methods.iter().filter(|other| !other.is_learned() && other.method.name != name);
        let mean = |other: &Candidate<M>| {
            let of: Vec<f64> = rows.iter().filter(|r| r.key.method == other.method.name).map(psnr).collect();
            of.iter().sum::<f64>() / of.len() as f64
        };
        others.max_by(|a, b| mean(a).total_cmp(&mean(b)))
    }

    /// A slice by the baseline, if there is one, and by the method.
    fn again(
        &self,
        setting: &M::Setting,
        image: &Image,
        slices: usize,
        number: usize,
        (baseline, method): (Option<&Candidate<M>>, &Candidate<M>),
    ) -> Result<Option<(Option<Solved>, Solved)>> {
        let singles = measure::singles::<M>(image, slices, self.context)?;
        let Some(single) = singles.into_iter().find(|single| single.number == number) else {
            return Ok(None);
        };
        let solve = |candidate| {
            self.solve(&single, setting, candidate).with_context(|| image.path.display().to_string())
        };
        Ok(Some((baseline.map(solve).transpose()?, solve(method)?)))
    }
}

impl Shown {
    fn of(rank: Rank, row: &Row) -> Self {
        Self { rank, file: row.key.file.clone(), slice: row.key.slice, psnr: row.psnr }
    }
}

fn psnr(row: &&Row) -> f64 {
    row.psnr.unwrap_or(f64::INFINITY)
}

/// The best, the median (of an even number the lower one) and the worst of a method's rows, each once, earlier rows
/// first where several are equal.
fn ranked<'a>(rows: &[&'a Row], method: &str) -> Vec<(Rank, &'a Row)> {
    let mut rows: Vec<&Row> = rows.iter().copied().filter(|row| row.key.method == method).collect();
    rows.sort_by(|a, b| psnr(b).total_cmp(&psnr(a)));
    let count = rows.len();
    let places = [(Rank::Best, 0), (Rank::Worst, count.saturating_sub(1)), (Rank::Median, count / 2)];
    let mut ranked: Vec<(Rank, usize)> = Vec::new();
    for (rank, place) in places {
        if place < count && ranked.iter().all(|(_, taken)| *taken != place) {
            ranked.push((rank, place));
        }
    }
    ranked.sort_by_key(|(_, place)| *place);
    ranked.into_iter().map(|(rank, place)| (rank, rows[place])).collect()
}

fn png_of<M: Modality>(solved: &[(Option<Solved>, Solved)]) -> Result<Vec<u8>> {
    let panels: Vec<Panels<'_>> = solved.iter().map(|(baseline, result)| panels(baseline, result)).collect();
    let window =
        |panels: &Panels<'_>| panels.truth.map_or_else(|| M::window(&panels.result), |t| M::window(&t));
    let rows: Vec<_> = panels.iter().map(|panels| (panels, window(panels))).collect();
    png(&montages(&rows))
}

fn panels<'a>(baseline: &'a Option<Solved>, result: &'a Solved) -> Panels<'a> {
    let baseline: Option<ArrayView2<'a, f32>> = baseline.as_ref().map(|solved| solved.image.view());
    Panels { truth: Some(result.truth.view()), baseline, result: result.image.view() }
}

/// A setting's label as a part of a file name.
fn file_name(label: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    label.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rows::Key;
    use super::*;

    fn row(slice: usize, method: &str, psnr: Option<f64>) -> Row {
        let key = Key { file: "a".into(), slice, setting: "8x".into(), method: method.into() };
        Row { key, psnr, ssim: 0.5, nmse: 0.1, calibration: None, calls: 0, seconds: 1.0 }
    }

    fn places(psnrs: &[Option<f64>]) -> Vec<(Rank, usize)> {
        let rows: Vec<Row> = psnrs.iter().enumerate().map(|(n, psnr)| row(n, "tv", *psnr)).collect();
        let rows: Vec<&Row> = rows.iter().collect();
        ranked(&rows, "tv").into_iter().map(|(rank, row)| (rank, row.key.slice)).collect()
    }

    #[test]
    fn slices_are_ranked_and_none_is_shown_twice() {
        let five = [Some(30.0), Some(20.0), None, Some(25.0), Some(26.0)];
        assert_eq!(places(&five), [(Rank::Best, 2), (Rank::Median, 4), (Rank::Worst, 1)]);
        let four = &five[..4];
        assert_eq!(places(four), [(Rank::Best, 2), (Rank::Median, 3), (Rank::Worst, 1)]);
        assert_eq!(places(&five[..2]), [(Rank::Best, 0), (Rank::Worst, 1)]);
        assert_eq!(places(&five[..1]), [(Rank::Best, 0)]);
        assert!(places(&[]).is_empty());
        assert_eq!(places(&[Some(1.0); 3]), [(Rank::Best, 0), (Rank::Median, 1), (Rank::Worst, 2)]);
    }

    #[test]
    fn only_the_rows_of_the_method_count() {
        let rows = [row(0, "tv", Some(1.0)), row(1, "score", Some(5.0))];
        let rows: Vec<&Row> = rows.iter().collect();
        assert_eq!(ranked(&rows, "tv").len(), 1);
    }

    #[test]
    fn labels_become_file_names() {
        assert_eq!(file_name("23 views"), "23-views");
    }
}
