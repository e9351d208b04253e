//! The numbers of the Dormand-Prince pair.
//!
//! Dormand and Prince, "A family of embedded Runge-Kutta formulae", 1980; the interpolant is that of Shampine,
//! "Some Practical Runge-Kutta Formulas", 1986.

/// Number of slopes of a step, the last being the first of the next step.
pub(in crate::score) const STAGES: usize = 7;

/// `cᵢ`, where in the step slope `i` is taken.
pub(in crate::score) const NODES: [f64; STAGES] = [0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];

/// `aᵢⱼ` for the slopes 1 to 6; the last row is the weights `bⱼ` of the solution of fifth order.
pub(in crate::score) const WEIGHTS: [[f64; 6]; 6] = [
    [0.2, 0.0, 0.0, 0.0, 0.0, 0.0],
    [3.0 / 40.0, 9.0 / 40.0, 0.0, 0.0, 0.0, 0.0],
    [44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0, 0.0, 0.0, 0.0],
    [19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0, 0.0, 0.0],
    [9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0, 0.0],
    [35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];

/// Weights of the difference to the solution of fourth order, with the sign that common solvers use.
pub(in crate::score) const ERROR: [f64; STAGES] =
    [-71.0 / 57600.0, 0.0, 71.0 / 16695.0, -71.0 / 1920.0, 17253.0 / 339200.0, -22.0 / 525.0, 1.0 / 40.0];

/// Coefficients of `θ, θ², θ³, θ⁴` in the weight of every slope at the fraction `θ` of a step.
pub(in crate::score) const INTERPOLANT: [[f64; 4]; STAGES] = [
    [1.0, -8048581381.0 / 2820520608.0, 8663915743.0 / 2820520608.0, -12715105075.0 / 11282082432.0],
    [0.0, 0.0, 0.0, 0.0],
    [0.0, 131558114200.0 / 32700410799.0, -68118460800.0 / 10900136933.0, 87487479700.0 / 32700410799.0],
    [0.0, -1754552775.0 / 470086768.0, 14199869525.0 / 1410260304.0, -10690763975.0 / 1880347072.0],
    [0.0, 127303824393.0 / 49829197408.0, -318862633887.0 / 49829197408.0, 701980252875.0 / 199316789632.0],
    [0.0, -282668133.0 / 205662961.0, 2019193451.0 / 616988883.0, -1453857185.0 / 822651844.0],
    [0.0, 40617522.0 / 29380423.0, -110615467.0 / 29380423.0, 69997945.0 / 29380423.0],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_a_slope_sum_to_its_node() {
        for (row, node) in WEIGHTS.iter().zip(&NODES[1..]) {
            assert!((row.iter().sum::<f64>() - node).abs() < 1e-14);
        }
        assert!(ERROR.iter().sum::<f64>().abs() < 1e-15);
    }

    /// At the end of a step the interpolant is the step, and its slope there is the last slope.
    #[test]
    fn the_interpolant_meets_the_step() {
        for (i, row) in INTERPOLANT.iter().enumerate() {
            let weight = if i < 6 { WEIGHTS[5][i] } else { 0.0 };
            assert!((row.iter().sum::<f64>() - weight).abs() < 1e-12, "slope {i}");
            let slope: f64 = row.iter().zip(1..).map(|(p, k)| p * f64::from(k)).sum();
            let last = if i == 6 { 1.0 } else { 0.0 };
            assert!((slope - last).abs() < 1e-9, "slope {i}: {slope}");
        }
    }
}
