//! Score matching for discrete states.

use ndarray::Array2;

/// States `0 … n−1` with the same number of named neighbours each, some of which may be missing.
///
/// The concrete score (Meng, Choi, Song and Ermon, "Concrete Score Matching", 2022) stands for the gradient
/// where there is none: `c(x)ᵢ = p(nᵢ(x))/p(x) − 1` for every neighbour `nᵢ(x)` of the state `x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbourhood {
    neighbours: Vec<Vec<Option<usize>>>,
}

impl Neighbourhood {
    /// Cells of a `rows` × `cols` grid in row-major order with neighbours below, above, right and left; those
    /// beyond the edge are missing.
    pub fn grid(rows: usize, cols: usize) -> Self {
        let of = |row: usize, col: usize| {
            let cell = |row: Option<usize>, col: Option<usize>| {
                let (row, col) = (row.filter(|r| *r < rows)?, col.filter(|c| *c < cols)?);
                Some(row * cols + col)
            };
            let (here, there) = (Some(row), Some(col));
            vec![
                cell(row.checked_add(1), there),
                cell(row.checked_sub(1), there),
                cell(here, col.checked_add(1)),
                cell(here, col.checked_sub(1)),
            ]
        };
        Self { neighbours: (0..rows * cols).map(|i| of(i / cols, i % cols)).collect() }
    }

    /// Cells of a grid without edges, with the next cell down and the next to the right as neighbours.
    pub fn cycle(rows: usize, cols: usize) -> Self {
        let of = |row: usize, col: usize| {
            vec![Some((row + 1) % rows * cols + col), Some(row * cols + (col + 1) % cols)]
        };
        Self { neighbours: (0..rows * cols).map(|i| of(i / cols, i % cols)).collect() }
    }

    /// The concrete score of positive probabilities `p`, `[state, neighbour]`; 0 where a neighbour is
    /// missing.
    ///
    /// # Panics
    /// When there is another number of probabilities than of states.
    pub fn scores(&self, p: &[f64]) -> Array2<f64> {
        assert_eq!(p.len(), self.neighbours.len(), "one probability a state");
        let names = self.neighbours.first().map_or(0, Vec::len);
        Array2::from_shape_fn((p.len(), names), |(x, i)| {
            self.neighbours[x][i].map_or(0.0, |next| p[next] / p[x] - 1.0)
        })
    }

    /// `E_p Σᵢ (c − c_p)ᵢ²`, the distance of a model's concrete score `c`, `[state, neighbour]`, from that
    /// of `p`.
    pub fn distance(&self, p: &[f64], c: &Array2<f64>) -> f64 {
        let exact = self.scores(p);
        self.total(|x, i, _| p[x] * (c[[x, i]] - exact[[x, i]]).powi(2))
    }

    /// The same up to a constant, and without the ratios of `p`: `Σ p(x) (c² + 2c)(x)ᵢ − 2 p(nᵢ(x)) c(x)ᵢ`.
    /// It is linear in `p`, so that the frequencies of states in a sample give an unbiased estimate.
    pub fn objective(&self, p: &[f64], c: &Array2<f64>) -> f64 {
        self.total(|x, i, next| {
            let c = c[[x, i]];
            p[x] * (c * c + 2.0 * c) - 2.0 * p[next] * c
        })
    }

    /// `E_p Σᵢ c_p,ᵢ²`, by which the two differ.
    pub fn constant(&self, p: &[f64]) -> f64 {
        let exact = self.scores(p);
        self.total(|x, i, _| p[x] * exact[[x, i]].powi(2))
    }

    /// The sum over all states and neighbours there are.
    fn total(&self, term: impl Fn(usize, usize, usize) -> f64) -> f64 {
        let term = &term;
        let of = |(x, names): (usize, &Vec<Option<usize>>)| -> f64 {
            names.iter().enumerate().filter_map(|(i, next)| next.map(|next| term(x, i, next))).sum()
        };
        self.neighbours.iter().enumerate().map(of).sum()
    }
}
