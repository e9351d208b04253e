//! The solver on equations whose solution is known.

use super::*;

/// A harmonic oscillator, forwards and backwards, with the states in between.
#[test]
fn an_oscillator_is_followed_and_traced_back() {
    let solver = DormandPrince { rtol: 1e-8, atol: 1e-8, max_steps: 1000 };
    let mut oscillator = |_: f64, y: &[f64]| Ok(vec![y[1], -y[0]]);
    let mut worst: f64 = 0.0;
    let mut look = |segment: Segment| {
        for k in 0..=4 {
            let t = segment.start + (segment.end - segment.start) * f64::from(k) / 4.0;
            worst = worst.max((segment.at(t)[0] - t.cos()).abs());
        }
        Ok(())
    };
    let there = solver.integrate(&mut oscillator, (0.0, 7.0), vec![1.0, 0.0], &mut look).unwrap();
    let back = solver.integrate(&mut oscillator, (7.0, 0.0), there.state, &mut look).unwrap();
    assert!(worst < 1e-6, "{worst:e}");
    assert!((back.state[0] - 1.0).abs() < 3e-7 && back.state[1].abs() < 3e-7);
    assert_eq!(there.calls, 2 + 6 * (there.steps + there.rejected));
}

/// Halving the tolerance's step means 2⁵ times less error: here seen as error against number of steps.
#[test]
fn the_solution_is_of_fifth_order() {
    let run = |tolerance: f64| {
        let solver = DormandPrince { rtol: tolerance, atol: tolerance, max_steps: 10_000 };
        let mut slope = |t: f64, y: &[f64]| Ok(vec![y[0] * t.cos()]);
        let end = solver.integrate(&mut slope, (0.0, 10.0), vec![1.0], &mut |_| Ok(())).unwrap();
        (end.steps as f64, (end.state[0] - 10f64.sin().exp()).abs())
    };
    let (coarse, fine) = (run(1e-6), run(1e-10));
    let order = (coarse.1 / fine.1).ln() / (fine.0 / coarse.0).ln();
    assert!((4.5..6.5).contains(&order), "{order}");
}

#[test]
fn what_cannot_be_solved_ends_with_an_error() {
    let solver = DormandPrince { max_steps: 50, ..DormandPrince::default() };
    let run = |slope: &mut Slope<'_>| solver.integrate(slope, (0.0, 1.0), vec![1.0], &mut |_| Ok(()));
    assert!(run(&mut |_, _| Ok(vec![f64::NAN])).is_err());
    assert!(run(&mut |t, _| Ok(vec![(1e4 * t).sin() * 1e4])).is_err());
    assert!(run(&mut |_, _| anyhow::bail!("no slope")).is_err());
}

#[test]
fn a_span_of_nothing_changes_nothing() {
    let run = DormandPrince::default().integrate(
        &mut |_, y| Ok(y.to_vec()),
        (0.3, 0.3),
        vec![2.0],
        &mut |_| Ok(()),
    );
    assert_eq!(run.unwrap().state, [2.0]);
}
