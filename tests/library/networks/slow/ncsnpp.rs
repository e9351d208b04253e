//! NCSN++, DDPM++ and DDPM, module number by module number.

use super::maps::{Map, Weights, act, dense};
use recon::models::{
    Combination, DdpmConfig, Embedding, NcsnppConfig, Nonlinearity, ProgressiveInput, ProgressiveOutput,
    ResidualKind,
};
use std::f64::consts::{PI, SQRT_2};

/// What runs along: the weights, the number of the next module, the embedding.
struct Run<'a> {
    w: &'a Weights,
    next: usize,
    embedding: Option<Vec<f64>>,
    act: Nonlinearity,
    rescale: bool,
    fixed_groups: bool,
    /// The filter, if there is one.
    taps: Option<Vec<f64>>,
    convolving: bool,
    biggan: bool,
    attends: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Change {
    None,
    Down,
    Up,
}

impl Run<'_> {
    fn module(&mut self) -> String {
        self.next += 1;
        format!("all_modules.{}", self.next - 1)
    }

    fn groups(&self, channels: usize) -> usize {
        if self.fixed_groups { 32 } else { (channels / 4).min(32) }
    }

    fn normed(&self, x: &Map, name: &str) -> Map {
        x.group_norm(self.w, name, self.groups(x.channels))
    }

    fn sum(&self, a: &Map, b: &Map) -> Map {
        let sum = a.plus(b);
        if self.rescale { sum.map(|v| v / SQRT_2) } else { sum }
    }

    fn change(&self, x: &Map, change: Change) -> Map {
        match (change, &self.taps) {
            (Change::None, _) => x.clone(),
            (Change::Down, None) => x.halved(),
            (Change::Up, None) => x.doubled(),
            (Change::Down, Some(taps)) => {
                let p = taps.len() as i64 - 2;
                x.upfirdn(taps, 1, 2, ((p + 1).div_euclid(2), p.div_euclid(2)))
            }
            (Change::Up, Some(taps)) => {
                let (p, taps) = (taps.len() as i64 - 2, taps.iter().map(|t| 2.0 * t).collect::<Vec<_>>());
                x.upfirdn(&taps, 2, 1, ((p + 1).div_euclid(2) + 1, p.div_euclid(2)))
            }
        }
    }

    fn block(&mut self, x: &Map, change: Change) -> Map {
        let name = self.module();
        let part = |p: &str| format!("{name}.{p}");
        let h = self.normed(x, &part("GroupNorm_0")).act(self.act);
        let mut h = self.change(&h, change).conv3(self.w, &part("Conv_0"));
        if let Some(embedding) = &self.embedding {
            let active: Vec<f64> = embedding.iter().map(|v| act(self.act, *v)).collect();
            let shift = dense(self.w, &part("Dense_0"), &active);
            h = Map::build(h.channels, h.rows, h.cols, |c, r, s| h.at(c, r as i64, s as i64) + shift[c]);
        }
        let h = self.normed(&h, &part("GroupNorm_1")).act(self.act).conv3(self.w, &part("Conv_1"));
        let mut x = self.change(x, change);
        if self.w.has(&part("Conv_2.weight")) {
            x = x.conv1(self.w, &part("Conv_2"));
        } else if self.w.has(&part("NIN_0.W")) {
            x = x.matrix(self.w, &part("NIN_0"));
        }
        self.sum(&x, &h)
    }

    fn attention(&mut self, x: &Map) -> Map {
        let name = self.module();
        let h = self.normed(x, &format!("{name}.GroupNorm_0"));
        let [q, k, v] = [0, 1, 2].map(|i| h.matrix(self.w, &format!("{name}.NIN_{i}")));
        let pixels = x.rows * x.cols;
        let mut mixed = Map { values: vec![0.0; x.values.len()], ..*x };
        for i in 0..pixels {
            let score = |j: usize| {
                let products = (0..x.channels).map(|c| q.values[c * pixels + i] * k.values[c * pixels + j]);
                (products.sum::<f64>() / (x.channels as f64).sqrt()).exp()
            };
            let scores: Vec<f64> = (0..pixels).map(score).collect();
            let total: f64 = scores.iter().sum();
            for c in 0..x.channels {
                let row = &v.values[c * pixels..(c + 1) * pixels];
                mixed.values[c * pixels + i] =
                    scores.iter().zip(row).map(|(s, v)| s * v).sum::<f64>() / total;
            }
        }
        self.sum(x, &mixed.matrix(self.w, &format!("{name}.NIN_3")))
    }

    /// A resampling layer; its parameters, if it has any, are those of `name`.
    fn layer(&self, x: &Map, name: &str, change: Change, convolving: bool) -> Map {
        if !convolving {
            return self.change(x, change);
        }
        let half = (x.rows / 2, x.cols / 2);
        match (change, &self.taps) {
            (Change::Down, None) => x.conv(self.w, &format!("{name}.Conv_0"), (3, 2, 1, 0), half),
            (Change::Up, None) => x.doubled().conv3(self.w, &format!("{name}.Conv_0")),
            (Change::Down, Some(taps)) => {
                let p = taps.len() as i64 - 2 + 2;
                let smooth = x.upfirdn(taps, 1, 1, ((p + 1).div_euclid(2), p.div_euclid(2)));
                smooth.conv(self.w, &format!("{name}.Conv2d_0"), (3, 2, 1, 0), half)
            }
            // The transposed convolution, then the filter, then the bias, as published.
            (Change::Up, Some(taps)) => self.transposed(x, &format!("{name}.Conv2d_0"), taps),
            (Change::None, _) => x.clone(),
        }
    }

    fn transposed(&self, x: &Map, name: &str, taps: &[f64]) -> Map {
        let (weight, bias) = (self.w.get(&format!("{name}.weight")), self.w.get(&format!("{name}.bias")));
        let mut spread = Map::build(bias.len(), 2 * x.rows + 1, 2 * x.cols + 1, |_, _, _| 0.0);
        // conv_transpose2d with the filter reversed in both directions.
        for (k, c) in (0..bias.len()).flat_map(|k| (0..x.channels).map(move |c| (k, c))) {
            for (r, s) in (0..x.rows).flat_map(|r| (0..x.cols).map(move |s| (r, s))) {
                for t in 0..9 {
                    let w = weight[(k * x.channels + c) * 9 + 8 - t];
                    let to = (k * spread.rows + 2 * r + t / 3) * spread.cols + 2 * s + t % 3;
                    spread.values[to] += w * x.at(c, r as i64, s as i64);
                }
            }
        }
        let p = taps.len() as i64 - 2 - 2;
        let taps: Vec<f64> = taps.iter().map(|t| 2.0 * t).collect();
        let y = spread.upfirdn(&taps, 1, 1, ((p + 1).div_euclid(2) + 1, p.div_euclid(2) + 1));
        Map::build(y.channels, y.rows, y.cols, |k, r, s| y.at(k, r as i64, s as i64) + bias[k])
    }

    fn head(&mut self, h: &Map) -> Map {
        let (norm, conv) = (self.module(), self.module());
        self.normed(h, &norm).act(self.act).conv3(self.w, &conv)
    }

    fn attend_if(&mut self, h: Map, level: usize) -> Map {
        if self.attends.contains(&level) { self.attention(&h) } else { h }
    }

    fn resample(&mut self, h: &Map, change: Change) -> Map {
        if self.biggan {
            return self.block(h, change);
        }
        let name = self.module();
        self.layer(h, &name, change, self.convolving)
    }

    fn conditioned(&mut self, features: &[f64]) {
        let (first, second) = (self.module(), self.module());
        let hidden: Vec<f64> = dense(self.w, &first, features).iter().map(|v| act(self.act, *v)).collect();
        self.embedding = Some(dense(self.w, &second, &hidden));
    }
}

fn positional(label: f64, width: usize) -> Vec<f64> {
    let half = width / 2;
    let angle = |i: usize| label * (-(1e4f64.ln()) / (half - 1) as f64 * i as f64).exp();
    let mut wave: Vec<f64> =
        (0..half).map(|i| angle(i).sin()).chain((0..half).map(|i| angle(i).cos())).collect();
    wave.resize(width, 0.0);
    wave
}

fn levels(widths: &[usize], width: usize, count: usize) -> Vec<usize> {
    (0..count).filter(|level| widths.contains(&(width >> level))).collect()
}

/// NCSN++ on one image whose values are centred already.
pub(crate) fn ncsnpp(c: &NcsnppConfig, width: usize, w: &Weights, x: &Map, label: f64) -> Map {
    let sum: f64 = c.fir_kernel.iter().map(|t| f64::from(*t)).sum();
    let mut run = Run {
        w,
        next: 0,
        embedding: None,
        act: c.nonlinearity,
        rescale: c.skip_rescale,
        fixed_groups: false,
        taps: c.fir.then(|| c.fir_kernel.iter().map(|t| f64::from(*t) / sum).collect()),
        convolving: c.resamp_with_conv,
        biggan: c.resblock_type == ResidualKind::Biggan,
        attends: levels(&c.attn_resolutions, width, c.ch_mult.len()),
    };
    let (sigma, features) = match c.embedding_type {
        Embedding::Fourier => {
            let name = run.module();
            let angles: Vec<f64> =
                w.get(&format!("{name}.W")).iter().map(|f| 2.0 * PI * label.ln() * f).collect();
            (label, angles.iter().map(|a| a.sin()).chain(angles.iter().map(|a| a.cos())).collect())
        }
        Embedding::Positional => (w.get("sigmas")[label as usize], positional(label, c.nf)),
    };
    if c.conditional {
        run.conditioned(&features);
    }
    let y = trunk(c, &mut run, x);
    if c.scale_by_sigma { y.map(|v| v / sigma) } else { y }
}

fn trunk(c: &NcsnppConfig, run: &mut Run<'_>, x: &Map) -> Map {
    let (count, stem) = (c.ch_mult.len(), run.module());
    let mut kept = vec![x.conv3(run.w, &stem)];
    let mut fed = x.clone();
    for level in 0..count {
        for _ in 0..c.num_res_blocks {
            let h = run.block(kept.last().unwrap(), Change::None);
            let h = run.attend_if(h, level);
            kept.push(h);
        }
        if level + 1 < count {
            let mut h = run.resample(kept.last().unwrap(), Change::Down);
            match c.progressive_input {
                ProgressiveInput::None => {}
                ProgressiveInput::InputSkip => {
                    fed = run.change(&fed, Change::Down);
                    let name = run.module();
                    let mixed = fed.conv1(run.w, &format!("{name}.Conv_0"));
                    h = match c.progressive_combine {
                        Combination::Sum => mixed.plus(&h),
                        Combination::Cat => mixed.beside(&h),
                    };
                }
                ProgressiveInput::Residual => {
                    let name = run.module();
                    h = run.sum(&run.layer(&fed, &name, Change::Down, true), &h);
                    fed = h.clone();
                }
            }
            kept.push(h);
        }
    }
    let mut h = run.block(kept.last().unwrap(), Change::None);
    h = run.attention(&h);
    h = run.block(&h, Change::None);
    let mut gathered: Option<Map> = None;
    for level in (0..count).rev() {
        for _ in 0..=c.num_res_blocks {
            h = run.block(&h.beside(&kept.pop().unwrap()), Change::None);
        }
        h = run.attend_if(h, level);
        gathered = match (c.progressive, gathered) {
            (ProgressiveOutput::None, _) => None,
            (_, None) => Some(run.head(&h)),
            (ProgressiveOutput::OutputSkip, Some(g)) => Some(run.change(&g, Change::Up).plus(&run.head(&h))),
            (ProgressiveOutput::Residual, Some(g)) => {
                let name = run.module();
                h = run.sum(&run.layer(&g, &name, Change::Up, true), &h);
                Some(h.clone())
            }
        };
        if level > 0 {
            h = run.resample(&h, Change::Up);
        }
    }
    if c.progressive == ProgressiveOutput::OutputSkip { gathered.unwrap() } else { run.head(&h) }
}

/// The original DDPM on one image whose values are centred already.
pub(crate) fn ddpm(c: &DdpmConfig, width: usize, w: &Weights, x: &Map, label: f64) -> Map {
    let same = NcsnppConfig {
        nf: c.nf,
        ch_mult: c.ch_mult.clone(),
        num_res_blocks: c.num_res_blocks,
        attn_resolutions: c.attn_resolutions.clone(),
        conditional: true,
        embedding_type: Embedding::Positional,
        fir: false,
        fir_kernel: vec![1.0, 1.0],
        resblock_type: ResidualKind::Ddpm,
        progressive: ProgressiveOutput::None,
        progressive_input: ProgressiveInput::None,
        progressive_combine: Combination::Sum,
        resamp_with_conv: c.resamp_with_conv,
        scale_by_sigma: false,
        skip_rescale: false,
        nonlinearity: c.nonlinearity,
        dropout: 0.0,
        fourier_scale: 16.0,
        init_scale: 0.0,
        conv_size: 3,
    };
    let mut run = Run {
        w,
        next: 0,
        embedding: None,
        act: c.nonlinearity,
        rescale: false,
        fixed_groups: true,
        taps: None,
        convolving: c.resamp_with_conv,
        biggan: false,
        attends: levels(&c.attn_resolutions, width, c.ch_mult.len()),
    };
    run.conditioned(&positional(label, c.nf));
    let y = trunk(&same, &mut run, x);
    let sigma = if c.scale_by_sigma { w.get("sigmas")[label as usize] } else { 1.0 };
    y.map(|v| v / sigma)
}
