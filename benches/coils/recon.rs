//! Coil maps and images of a `.cfl` file by this program's operators, for `compare.py` beside it.

use ndarray::{Array2, Array3};
use num_complex::Complex32;
use recon_operators::solvers::{
    TikhonovSettings, TvSettings, WaveletSettings, fista_tv, fista_wavelet, tikhonov,
};
use recon_operators::{
    EspiritSettings, GrappaSettings, Mask, PhaseAxis, Problem, Sense, Transform, calibration_block,
    coil_images, espirit, grappa, root_sum_of_squares,
};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "usage: coils maps KSPACE OUT
       coils cg|wavelet|tv KSPACE MAPS OUT WEIGHT ITERATIONS
       coils grappa KSPACE OUT";

/// An array with BART's axes (1, row, col, coil), as (coil, row, col).
fn read(name: &str) -> Outcome<Array3<Complex32>> {
    let header = std::fs::read_to_string(format!("{name}.hdr"))?;
    let line = header.lines().find(|line| !line.starts_with('#')).ok_or("no dimensions")?;
    let lengths: Vec<usize> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let at = |axis: usize| lengths.get(axis).copied().unwrap_or(1);
    let (rows, cols, coils) = (at(1), at(2), at(3));
    let bytes = std::fs::read(format!("{name}.cfl"))?;
    if at(0) != 1 || bytes.len() != 8 * rows * cols * coils {
        return Err(format!("{name}: not one plane of coils").into());
    }
    let part = |at: usize| f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok(Array3::from_shape_fn((coils, rows, cols), |(coil, i, j)| {
        let at = 8 * (i + rows * (j + cols * coil));
        Complex32::new(part(at), part(at + 4))
    }))
}

fn write(name: &str, array: &Array3<Complex32>) -> Outcome<()> {
    let (coils, rows, cols) = array.dim();
    std::fs::write(format!("{name}.hdr"), format!("# Dimensions\n1 {rows} {cols} {coils}\n"))?;
    let mut bytes = Vec::with_capacity(8 * array.len());
    for value in array.view().reversed_axes().permuted_axes([2, 0, 1]) {
        bytes.extend(value.re.to_le_bytes());
        bytes.extend(value.im.to_le_bytes());
    }
    Ok(std::fs::write(Path::new(&format!("{name}.cfl")), bytes)?)
}

fn sampled(kspace: &Array3<Complex32>) -> Mask {
    Mask::new(root_sum_of_squares(kspace).iter().map(|&value| value > 0.0).collect())
}

fn maps(kspace: &Array3<Complex32>) -> Outcome<Array3<Complex32>> {
    let (_, rows, cols) = kspace.dim();
    let centre = calibration_block(kspace, &sampled(kspace), 24)?;
    let found = espirit(&centre, (rows, cols), &EspiritSettings::default())?;
    Ok(found.into_iter().next().ok_or("no maps")?.maps)
}

fn image(
    method: &str,
    kspace: Array3<Complex32>,
    maps: Array3<Complex32>,
    (weight, iterations): (f32, usize),
) -> Outcome<Array2<Complex32>> {
    let mask = sampled(&kspace).over_coils(kspace.dim().0);
    let problem = Problem::new(Sense::new(maps)?, mask, kspace)?;
    let on_step = &mut |_| ControlFlow::Continue(());
    let (data, start) = (&problem.measured, problem.transform.inverse(&problem.measured));
    Ok(match method {
        "cg" => {
            let settings = TikhonovSettings { weight: weight.into(), iterations };
            tikhonov(&problem, data, Array2::zeros(start.raw_dim()), &settings, on_step)
        }
        "wavelet" => fista_wavelet(&problem, data, start, &WaveletSettings { weight, iterations }, on_step),
        _ => fista_tv(&problem, data, start, &TvSettings { weight, iterations, nonnegative: false }, on_step),
    })
}

/// The root of squares of filled lines, whichever axis has them.
fn filled(kspace: &Array3<Complex32>) -> Outcome<Array3<Complex32>> {
    let (_, rows, cols) = kspace.dim();
    let energy = root_sum_of_squares(kspace);
    let measured: Vec<bool> = energy.columns().into_iter().map(|column| column.sum() > 0.0).collect();
    let found = grappa(kspace, &measured, PhaseAxis::Columns, &GrappaSettings::default())?;
    let image = root_sum_of_squares(&coil_images(&found)).mapv(Complex32::from);
    Ok(image.into_shape_with_order((1, rows, cols))?)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["maps", kspace, out] => write(out, &maps(&read(kspace)?)?),
        ["grappa", kspace, out] => write(out, &filled(&read(kspace)?)?),
        [method @ ("cg" | "wavelet" | "tv"), kspace, maps, out, weight, iterations] => {
            let settings = (weight.parse()?, iterations.parse()?);
            let found = image(method, read(kspace)?, read(maps)?, settings)?;
            write(out, &found.insert_axis(ndarray::Axis(0)))
        }
        _ => Err(USAGE.into()),
    }
}
