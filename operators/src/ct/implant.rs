//! Pieces of metal for a simulated scan: where they are in an image.

use ndarray::Array2;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

/// Ellipses of metal, drawn at random.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Implants {
    /// How many.
    pub pieces: usize,
    /// The least and the largest semi-axis in mm; both semi-axes of an ellipse are drawn uniformly between them.
    pub semi_axes: (f64, f64),
}

/// Around every piece there are this many mm of tissue, so that neither skin nor the table is taken for a place.
const CLEARANCE: f64 = 2.0;
/// How many places are tried before the piece is made smaller, and by which factor.
const TRIES: usize = 200;
const SHRINK: f64 = 0.8;

/// An ellipse around the centre of a pixel, in pixels.
struct Ellipse {
    semi_axes: (f64, f64),
    /// Of the first semi-axis against the rows.
    angle: f64,
}

impl Implants {
    /// The pixels (row, col) whose centres are in metal: every piece lies at a place of `tissue` that is drawn
    /// uniformly until the whole piece and 2 mm around it are tissue; after 200 places in vain the piece shrinks by
    /// a fifth, and one smaller than a pixel becomes a pixel. Nothing is metal where there is no tissue at all.
    ///
    /// `spacing` is the side of a pixel in mm. Numbers are drawn from `rng` piece after piece: both semi-axes, the
    /// angle, the places.
    pub fn place(&self, tissue: &Array2<bool>, spacing: f64, rng: &mut ChaCha8Rng) -> Array2<bool> {
        let mut metal = Array2::from_elem(tissue.raw_dim(), false);
        let places: Vec<(usize, usize)> =
            tissue.indexed_iter().filter(|(_, is_tissue)| **is_tissue).map(|(place, _)| place).collect();
        if places.is_empty() {
            return metal;
        }
        for _ in 0..self.pieces {
            let (least, largest) = self.semi_axes;
            let mut axis = || (least + (largest - least) * rng.random::<f64>()) / spacing;
            let semi_axes = (axis(), axis());
            let ellipse = Ellipse { semi_axes, angle: PI * rng.random::<f64>() };
            ellipse.put(tissue, &places, CLEARANCE / spacing, rng, &mut metal);
        }
        metal
    }
}

impl Ellipse {
    fn put(
        mut self,
        tissue: &Array2<bool>,
        places: &[(usize, usize)],
        clearance: f64,
        rng: &mut impl Rng,
        metal: &mut Array2<bool>,
    ) {
        loop {
            let (a, b) = self.semi_axes;
            let with_rim = Self { semi_axes: (a + clearance, b + clearance), angle: self.angle };
            for _ in 0..TRIES {
                let place = places[rng.random_range(0..places.len())];
                let single = a.max(b) < 1.0;
                if single || with_rim.pixels(place).all(|at| is_tissue(tissue, at)) {
                    metal[place] = true;
                    for (row, col) in self.pixels(place).filter(|&at| is_tissue(tissue, at)) {
                        metal[[row as usize, col as usize]] = true;
                    }
                    return;
                }
            }
            self.semi_axes = (a * SHRINK, b * SHRINK);
        }
    }

    /// The pixels with their centres in it, also those outside the image.
    fn pixels(&self, (row, col): (usize, usize)) -> impl Iterator<Item = (i64, i64)> {
        let (a, b) = self.semi_axes;
        let (sine, cosine) = self.angle.sin_cos();
        let reach = a.max(b).ceil() as i64;
        let around = (-reach..=reach).flat_map(move |i| (-reach..=reach).map(move |j| (i, j)));
        let inside = move |&(i, j): &(i64, i64)| {
            let (x, y) = (j as f64, i as f64);
            let (along, across) = (x * cosine + y * sine, y * cosine - x * sine);
            (along / a).powi(2) + (across / b).powi(2) <= 1.0
        };
        around.filter(inside).map(move |(i, j)| (row as i64 + i, col as i64 + j))
    }
}

fn is_tissue(tissue: &Array2<bool>, (row, col): (i64, i64)) -> bool {
    let place = usize::try_from(row).ok().zip(usize::try_from(col).ok());
    place.and_then(|place| tissue.get(place)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn disc(side: usize, radius: f64) -> Array2<bool> {
        let middle = (side as f64 - 1.0) / 2.0;
        Array2::from_shape_fn((side, side), |(i, j)| (i as f64 - middle).hypot(j as f64 - middle) <= radius)
    }

    fn count(metal: &Array2<bool>) -> usize {
        metal.iter().filter(|is_metal| **is_metal).count()
    }

    #[test]
    fn pieces_have_their_size_and_lie_inside_the_body() {
        let (tissue, inner) = (disc(100, 40.0), disc(100, 39.0));
        for seed in 0..20 {
            let implants = Implants { pieces: 1, semi_axes: (4.0, 6.0) };
            let metal = implants.place(&tissue, 0.5, &mut ChaCha8Rng::seed_from_u64(seed));
            // π a b of 8 to 12 pixels, up to a ring of pixels at the border.
            assert!((180..480).contains(&count(&metal)), "{}", count(&metal));
            assert!(metal.iter().zip(&inner).all(|(metal, inner)| !metal || *inner), "at the skin");
        }
    }

    #[test]
    fn the_stream_decides_the_place() {
        let implants = Implants { pieces: 2, semi_axes: (1.0, 3.0) };
        let place = |seed| implants.place(&disc(64, 30.0), 1.0, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(place(1), place(1));
        assert_ne!(place(1), place(2));
    }

    #[test]
    fn what_does_not_fit_becomes_smaller() {
        let implants = Implants { pieces: 1, semi_axes: (20.0, 20.0) };
        let place = |tissue: &Array2<bool>| implants.place(tissue, 1.0, &mut ChaCha8Rng::seed_from_u64(0));
        let metal = count(&place(&disc(40, 10.0)));
        assert!((3..200).contains(&metal), "{metal}");
        let mut single = Array2::from_elem((9, 9), false);
        single[[3, 4]] = true;
        assert_eq!(place(&single), single);
        single[[3, 4]] = false;
        assert_eq!(count(&place(&single)), 0);
    }
}
