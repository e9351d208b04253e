//! NCSN and the NCSNv2 family, by name.

use super::maps::{Map, Weights};
use recon::models::Nonlinearity;

/// The weights, the noise level's index if normalisations are conditional, and the nonlinearity.
struct Run<'a> {
    w: &'a Weights,
    level: Option<usize>,
    act: Nonlinearity,
}

impl Run<'_> {
    fn norm(&self, x: &Map, name: &str) -> Map {
        let n = x.channels;
        let (gamma, alpha, beta) = match self.level {
            Some(level) => {
                let row = &self.w.get(&format!("{name}.embed.weight"))[3 * n * level..3 * n * (level + 1)];
                (&row[..n], &row[n..2 * n], &row[2 * n..])
            }
            None => (
                self.w.get(&format!("{name}.gamma")),
                self.w.get(&format!("{name}.alpha")),
                self.w.get(&format!("{name}.beta")),
            ),
        };
        let pixels = x.rows * x.cols;
        let means: Vec<f64> =
            x.values.chunks_exact(pixels).map(|p| p.iter().sum::<f64>() / pixels as f64).collect();
        let mean = means.iter().sum::<f64>() / n as f64;
        let spread = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        let variance = |c: usize| {
            let plane = &x.values[c * pixels..(c + 1) * pixels];
            plane.iter().map(|v| (v - means[c]).powi(2)).sum::<f64>() / pixels as f64
        };
        let variances: Vec<f64> = (0..n).map(variance).collect();
        Map::build(n, x.rows, x.cols, |c, r, s| {
            let h = (x.at(c, r as i64, s as i64) - means[c]) / (variances[c] + 1e-5).sqrt();
            gamma[c] * (h + alpha[c] * (means[c] - mean) / (spread + 1e-5).sqrt()) + beta[c]
        })
    }

    /// The normalisation of refinement blocks, which only conditional networks have.
    fn norm_if(&self, x: &Map, name: &str) -> Map {
        if self.level.is_some() { self.norm(x, name) } else { x.clone() }
    }

    fn conv(&self, x: &Map, name: &str, dilation: usize) -> Map {
        x.conv(self.w, name, (3, 1, dilation, dilation), (x.rows, x.cols))
    }

    fn block(&self, x: &Map, name: &str, dilation: usize, halve: bool) -> Map {
        let part = |p: &str| format!("{name}.{p}");
        let h = self.conv(&self.norm(x, &part("normalize1")).act(self.act), &part("conv1"), dilation);
        let h = self.norm(&h, &part("normalize2")).act(self.act);
        if halve {
            let h = h.conv3(self.w, &part("conv2.conv")).halved();
            return x.conv1(self.w, &part("shortcut.conv")).halved().plus(&h);
        }
        let h = self.conv(&h, &part("conv2"), dilation);
        if self.w.has(&part("shortcut.weight")) {
            self.conv(x, &part("shortcut"), dilation).plus(&h)
        } else {
            x.plus(&h)
        }
    }

    fn units(&self, x: &Map, name: &str, count: usize) -> Map {
        let mut x = x.clone();
        for i in 1..=count {
            let mut h = x.clone();
            for j in 1..=2 {
                h = self.norm_if(&h, &format!("{name}.{i}_{j}_norm")).act(self.act);
                h = h.conv3(self.w, &format!("{name}.{i}_{j}_conv"));
            }
            x = x.plus(&h);
        }
        x
    }

    fn pooled(&self, x: &Map) -> Map {
        Map::build(x.channels, x.rows, x.cols, |c, r, s| {
            let (mut largest, mut sum) = (f64::MIN, 0.0);
            for i in r.saturating_sub(2)..(r + 3).min(x.rows) {
                for j in s.saturating_sub(2)..(s + 3).min(x.cols) {
                    let v = x.at(c, i as i64, j as i64);
                    (largest, sum) = (largest.max(v), sum + v);
                }
            }
            if self.level.is_some() { sum / 25.0 } else { largest }
        })
    }

    fn refine(&self, name: &str, inputs: &[&Map], last: bool) -> Map {
        let adapted: Vec<Map> = inputs
            .iter()
            .enumerate()
            .map(|(i, x)| self.units(x, &format!("{name}.adapt_convs.{i}"), 2))
            .collect();
        let mut h = adapted[0].clone();
        if inputs.len() > 1 {
            let fused = |(i, x): (usize, &Map)| {
                let x = self.norm_if(x, &format!("{name}.msf.norms.{i}"));
                resized(&x.conv3(self.w, &format!("{name}.msf.convs.{i}")), inputs[0].rows, inputs[0].cols)
            };
            let parts: Vec<Map> = adapted.iter().enumerate().map(fused).collect();
            h = parts[0].plus(&parts[1]);
        }
        h = h.act(self.act);
        let mut path = h.clone();
        for i in 0..2 {
            path = self.pooled(&self.norm_if(&path, &format!("{name}.crp.norms.{i}")));
            path = path.conv3(self.w, &format!("{name}.crp.convs.{i}"));
            h = h.plus(&path);
        }
        self.units(&h, &format!("{name}.output_convs"), if last { 3 } else { 1 })
    }
}

/// Bilinear, corners on corners.
fn resized(x: &Map, rows: usize, cols: usize) -> Map {
    let place = |p: usize, from: usize, to: usize| {
        if to == 1 { 0.0 } else { p as f64 * (from - 1) as f64 / (to - 1) as f64 }
    };
    Map::build(x.channels, rows, cols, |c, r, s| {
        let (y, z) = (place(r, x.rows, rows), place(s, x.cols, cols));
        let (i, j) = (y.floor(), z.floor());
        let (a, b) = (y - i, z - j);
        let at = |di: f64, dj: f64| x.at(c, (i + di) as i64, (j + dj) as i64);
        (1.0 - a) * ((1.0 - b) * at(0.0, 0.0) + b * at(0.0, 1.0))
            + a * ((1.0 - b) * at(1.0, 0.0) + b * at(1.0, 1.0))
    })
}

/// `name` is `ncsn`, `ncsnv2`, `ncsnv2deeper` or `ncsnv2deepest`; values are centred already.
pub(crate) fn ncsn(name: &str, act: Nonlinearity, w: &Weights, x: &Map, label: usize) -> Map {
    // Stage, dilation, halving.
    let stages: &[(&str, usize, bool)] = match name {
        "ncsn" | "ncsnv2" => &[("1", 1, false), ("2", 1, true), ("3", 2, false), ("4", 4, false)],
        "ncsnv2deeper" => {
            &[("1", 1, false), ("2", 1, true), ("3", 1, true), ("4", 2, false), ("5", 4, false)]
        }
        _ => &[
            ("1", 1, false),
            ("2", 1, true),
            ("3", 1, true),
            ("31", 1, true),
            ("4", 2, false),
            ("5", 4, false),
        ],
    };
    let refinements: &[&str] = match name {
        "ncsn" | "ncsnv2" => &["1", "2", "3", "4"],
        "ncsnv2deeper" => &["1", "2", "3", "4", "5"],
        _ => &["1", "2", "31", "3", "4", "5"],
    };
    let run = Run { w, level: (name == "ncsn").then_some(label), act };
    let mut h = x.conv3(w, "begin_conv");
    let mut layers = Vec::new();
    for (stage, dilation, halve) in stages {
        h = run.block(&h, &format!("res{stage}.0"), *dilation, *halve);
        h = run.block(&h, &format!("res{stage}.1"), *dilation, false);
        layers.push(h.clone());
    }
    let mut refined: Option<Map> = None;
    for (i, refinement) in refinements.iter().enumerate() {
        let layer = layers.pop().unwrap();
        let inputs: Vec<&Map> = std::iter::once(&layer).chain(refined.as_ref()).collect();
        refined = Some(run.refine(&format!("refine{refinement}"), &inputs, i + 1 == refinements.len()));
    }
    let y = run.norm(&refined.unwrap(), "normalizer").act(act).conv3(w, "end_conv");
    if name == "ncsn" { y } else { y.map(|v| v / w.get("sigmas")[label]) }
}
