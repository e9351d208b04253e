//! A plot of quality against the number of measurements.

mod canvas;
mod font;

use anyhow::Result;
use canvas::{Canvas, Colour, text_size};
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// A place on the horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where, above zero; the axis is logarithmic.
    pub at: f64,
    /// What is written there.
    pub label: String,
}

/// What one method reaches: mean and standard deviation at some of the ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The name in the legend.
    pub name: String,
    /// (place on the horizontal axis, mean, standard deviation), from left to right.
    pub points: Vec<(f64, f64, f64)>,
}

/// A plot with a logarithmic horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Above the plot.
    pub title: String,
    /// Below the horizontal axis.
    pub x_label: String,
    /// Above the vertical axis.
    pub y_label: String,
    /// The marks on the horizontal axis, from left to right.
    pub ticks: Vec<Tick>,
    /// One a method.
    pub curves: Vec<Curve>,
}

const SIZE: (u32, u32) = (800, 520);
const LEFT: f32 = 80.0;
const RIGHT: f32 = 590.0;
const TOP: f32 = 70.0;
const BOTTOM: f32 = 450.0;
/// Room between the frame and the first and the last tick.
const INSET: f32 = 40.0;
/// From the frame to the names in the legend.
const NAME: f32 = 52.0;
const BLACK: Colour = Rgb([20; 3]);
const GREY: Colour = Rgb([215; 3]);
/// Blue, orange, green, vermilion, purple, sky blue, black: told apart by colour-blind readers too (Okabe and Ito
/// 2008).
const COLOURS: [Colour; 7] = [
    Rgb([0, 114, 178]),
    Rgb([230, 159, 0]),
    Rgb([0, 158, 115]),
    Rgb([213, 94, 0]),
    Rgb([204, 121, 167]),
    Rgb([86, 180, 233]),
    Rgb([20, 20, 20]),
];

/// From numbers to pixels.
struct Axes {
    log_x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn of(plot: &Plot) -> Self {
        let places = plot.ticks.iter().map(|tick| tick.at.ln());
        let heights = plot.curves.iter().flat_map(|curve| {
            curve.points.iter().flat_map(|&(_, mean, spread)| [mean - spread, mean + spread])
        });
        let (low, high) = range(heights).unwrap_or((0.0, 1.0));
        let margin = 0.05 * (high - low).max(1.0);
        Self { log_x: range(places).unwrap_or((0.0, 0.0)), y: (low - margin, high + margin) }
    }

    fn x(&self, value: f64) -> f32 {
        let (low, high) = self.log_x;
        let share = if high > low { (value.ln() - low) / (high - low) } else { 0.5 };
        LEFT + INSET + share as f32 * (RIGHT - LEFT - 2.0 * INSET)
    }

    fn y(&self, value: f64) -> f32 {
        let (low, high) = self.y;
        BOTTOM - ((value - low) / (high - low)) as f32 * (BOTTOM - TOP)
    }

    /// Round numbers along the vertical axis, four to ten of them.
    fn heights(&self) -> Vec<f64> {
        let (low, high) = self.y;
        let rough = (high - low) / 10.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough).unwrap_or(power);
        let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

/// The least and the largest of the finite values.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

/// Draws a plot: every curve with its marks, the standard deviation as bars, and a legend at the right.
pub fn draw(plot: &Plot) -> RgbImage {
    let mut canvas = Canvas::new(SIZE.0, SIZE.1);
    let axes = Axes::of(plot);
    frame(&mut canvas, plot, &axes);
    for (place, curve) in plot.curves.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        // Beside one another, so that the bars of several curves at one tick can be told apart.
        let aside = (place as f32 - (plot.curves.len() as f32 - 1.0) / 2.0) * 3.0;
        draw_curve(&mut canvas, curve, &axes, colour, aside);
        let y = TOP + 10.0 + 28.0 * place as f32;
        canvas.line((RIGHT + 18.0, y), (RIGHT + 42.0, y), 2.5, colour);
        canvas.disc((RIGHT + 30.0, y), 4.5, colour);
        canvas.text(&curve.name, (RIGHT + NAME, y - 7.0), BLACK);
    }
    canvas.picture()
}

fn frame(canvas: &mut Canvas, plot: &Plot, axes: &Axes) {
    for height in axes.heights() {
        let (y, label) = (axes.y(height), number(height));
        canvas.line((LEFT, y), (RIGHT, y), 1.0, GREY);
        let (width, tall) = text_size(&label);
        canvas.text(&label, (LEFT - 10.0 - width, y - tall / 2.0), BLACK);
    }
    for tick in &plot.ticks {
        let x = axes.x(tick.at);
        canvas.line((x, BOTTOM), (x, BOTTOM + 6.0), 1.5, BLACK);
        canvas.text(&tick.label, (x - text_size(&tick.label).0 / 2.0, BOTTOM + 12.0), BLACK);
    }
    for (from, to) in [((LEFT, TOP), (LEFT, BOTTOM)), ((LEFT, BOTTOM), (RIGHT, BOTTOM))] {
        canvas.line(from, to, 1.5, BLACK);
    }
    let middle = f32::midpoint(LEFT, RIGHT);
    canvas.text(&plot.title, (middle - text_size(&plot.title).0 / 2.0, 14.0), BLACK);
    canvas.text(&plot.x_label, (middle - text_size(&plot.x_label).0 / 2.0, BOTTOM + 40.0), BLACK);
    canvas.text(&plot.y_label, (12.0, TOP - 30.0), BLACK);
}

fn draw_curve(canvas: &mut Canvas, curve: &Curve, axes: &Axes, colour: Colour, aside: f32) {
    let shown: Vec<_> = curve.points.iter().filter(|(at, mean, _)| *at > 0.0 && mean.is_finite()).collect();
    let place = |&(at, mean, _): &(f64, f64, f64)| (axes.x(at) + aside, axes.y(mean));
    for pair in shown.windows(2) {
        canvas.line(place(pair[0]), place(pair[1]), 2.5, colour);
    }
    for point in shown {
        let (x, y) = place(point);
        if point.2.is_finite() {
            let (top, bottom) = (axes.y(point.1 + point.2), axes.y(point.1 - point.2));
            canvas.line((x, top), (x, bottom), 1.0, colour);
            for end in [top, bottom] {
                canvas.line((x - 4.0, end), (x + 4.0, end), 1.0, colour);
            }
        }
        canvas.disc((x, y), 4.5, colour);
    }
}

fn number(value: f64) -> String {
    if value.fract().abs() < 1e-9 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// A picture as the bytes of a PNG file.
///
/// # Errors
/// When the picture is too large for the format.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: &[&[(f64, f64, f64)]]) -> Plot {
        let curve = |points: &&[(f64, f64, f64)]| Curve { name: "fbp".into(), points: points.to_vec() };
        Plot {
            title: "ct-sparse".into(),
            x_label: "views".into(),
            y_label: "PSNR (dB)".into(),
            ticks: [10.0, 100.0, 1000.0].map(|at| Tick { at, label: format!("{at}") }).to_vec(),
            curves: points.iter().map(curve).collect(),
        }
    }

    #[test]
    fn ticks_stand_at_equal_ratios_and_heights_in_proportion() {
        let axes = Axes::of(&plot(&[&[(10.0, 20.0, 0.0), (1000.0, 30.0, 0.0)]]));
        let (a, b, c) = (axes.x(10.0), axes.x(100.0), axes.x(1000.0));
        assert!((b - a - (c - b)).abs() < 1e-3 && a == LEFT + INSET && c == RIGHT - INSET);
        assert!((axes.y(25.0) - f32::midpoint(axes.y(20.0), axes.y(30.0))).abs() < 1e-3);
        assert!(axes.y(30.0) > TOP && axes.y(20.0) < BOTTOM);
        assert!((4..=10).contains(&axes.heights().len()), "{:?}", axes.heights());
    }

    #[test]
    fn a_mark_stands_where_its_value_is() {
        let plot = plot(&[&[(100.0, 25.0, 1.0)]]);
        let (axes, picture) = (Axes::of(&plot), draw(&plot));
        assert_eq!(picture.dimensions(), SIZE);
        let at = picture.get_pixel(axes.x(100.0) as u32, axes.y(25.0) as u32);
        assert_eq!(at, &COLOURS[0]);
        assert_eq!(picture.get_pixel(LEFT as u32 + 5, axes.y(25.0) as u32 + 3), &Rgb([255; 3]));
    }

    #[test]
    fn nothing_and_what_is_not_finite_are_drawn_as_nothing() {
        let empty = draw(&Plot { ticks: Vec::new(), ..plot(&[]) });
        assert_eq!(empty.dimensions(), SIZE);
        let infinite = draw(&plot(&[&[(10.0, f64::INFINITY, 0.0), (100.0, 25.0, f64::NAN)]]));
        assert!(infinite.pixels().any(|pixel| pixel == &COLOURS[0]));
        assert!(png(&infinite).expect("small").starts_with(b"\x89PNG"));
    }

    #[test]
    fn the_longest_name_fits_into_the_legend() {
        assert!(RIGHT + NAME + text_size("zero-filled").0 < SIZE.0 as f32);
    }

    #[test]
    fn every_letter_of_a_plot_is_there() {
        let words = "abcdefghijklmnopqrstuvwxyz 0123456789 PSNR (dB) CT MRI I % ± - . , : /";
        let unknown = font::rows('\u{0}');
        assert!(words.chars().all(|letter| font::rows(letter) != unknown));
    }
}
