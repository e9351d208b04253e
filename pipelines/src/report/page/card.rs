//! All that is known about one case, and its pixels.

use super::escape::{href, text};
use super::header::badge;
use super::numbers::{NONE, count, duration, fixed, short};
use super::{Layer, PackedImage, PageCase, PageTypicality};
use crate::judge::{Calibration, Comparison, Quality};
use crate::report::preview::Window;

/// The card of a case, the first being number 1.
pub(super) fn html(case: &PageCase, number: usize) -> String {
    let reason =
        case.reason.as_ref().map(|reason| format!("<p class=\"callout reason\">{}</p>\n", text(reason)));
    let aspect = case.pixel_aspect.filter(|aspect| aspect.is_finite() && *aspect > 0.0).unwrap_or(1.0);
    let slices: Vec<String> = case.slice_numbers.iter().map(ToString::to_string).collect();
    format!(
        r#"<article id="case-{number}" class="card" data-case="{number}" data-slices="{slices}" data-aspect="{aspect}">
<h2><bdi>{name}</bdi></h2>
<p class="kind">{badge} · {task} · {method}</p>
{reason}{warnings}{facts}{typicality}{metrics}{links}{pixels}</article>
"#,
        slices = slices.join(" "),
        name = text(&case.name),
        badge = badge(case.status),
        task = text(&case.task),
        method = text(&case.method),
        reason = reason.unwrap_or_default(),
        warnings = warnings(&case.warnings),
        facts = facts(case),
        typicality = case.typicality.as_ref().map(typicality).unwrap_or_default(),
        metrics = case.metrics.as_ref().map(metrics).unwrap_or_default(),
        links = links(&case.links),
        pixels = case.layers.iter().map(pixels).collect::<String>(),
    )
}

fn warnings(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: String = lines.iter().map(|line| format!("<li>{}</li>", text(line))).collect();
    format!("<section class=\"callout warnings\"><h3>Warnings</h3><ul>{items}</ul></section>\n")
}

fn facts(case: &PageCase) -> String {
    let fact = |name: &str, value: Option<String>| {
        format!("<div><dt>{name}</dt><dd>{}</dd></div>", value.unwrap_or_else(|| NONE.into()))
    };
    format!(
        "<dl class=\"facts\">{}{}{}</dl>\n",
        fact("Time", case.seconds.map(duration)),
        fact("Network calls", case.network_calls.map(count)),
        fact("Data residual", case.data_residual.map(short)),
    )
}

fn typicality(typicality: &PageTypicality) -> String {
    let range =
        |[low, high]: [f64; 2]| format!(", known range {} to {}", fixed(Some(low), 3), fixed(Some(high), 3));
    let verdict = if typicality.is_strange() {
        " <strong>Outside the range that the model knows: details may be invented.</strong>"
    } else {
        ""
    };
    format!(
        r#"<section class="typicality"><h3>Typicality</h3>{gauge}
<p>Denoising error <b>{error}</b>{known}.{verdict}</p></section>
"#,
        gauge = gauge(typicality).unwrap_or_default(),
        error = fixed(Some(typicality.denoising_error), 3),
        known = typicality.known.map(range).unwrap_or_default(),
    )
}

/// The known range as a band on a scale from zero, and where the result lies.
fn gauge(typicality: &PageTypicality) -> Option<String> {
    let ([low, high], error) = (typicality.known?, typicality.denoising_error);
    let end = 1.25 * high.max(error);
    if ![low, error, end].iter().all(|value| value.is_finite() && *value >= 0.0) || high < low || end == 0.0 {
        return None;
    }
    let at = |value: f64| 200.0 * value / end;
    Some(format!(
        r#"<svg class="gauge" viewBox="0 0 200 14" preserveAspectRatio="none" role="img"
aria-label="Known range and result">
<rect class="scale" x="0" y="6" width="200" height="2"/>
<rect class="band" x="{:.2}" y="3" width="{:.2}" height="8"/>
<rect class="mark{}" x="{:.2}" y="0" width="2" height="14"/></svg>"#,
        at(low),
        at(high - low),
        if typicality.is_strange() { " strange" } else { "" },
        (at(error) - 1.0).max(0.0),
    ))
}

fn metrics(comparison: &Comparison) -> String {
    let baselines = comparison.baselines.iter();
    format!(
        r#"<section class="metrics"><h3>Against the truth</h3><table>
<thead><tr><th scope="col"><span class="hidden-text">Image</span></th><th scope="col">PSNR, dB</th>
<th scope="col">SSIM</th><th scope="col">NMSE</th><th scope="col">largest error</th></tr></thead>
<tbody>{result}{baselines}</tbody></table>
<p class="quiet">Definitions: {preset}.{calibration}</p></section>
"#,
        result = quality("result", &comparison.result, " class=\"result\""),
        baselines = baselines.map(|one| quality(&text(&one.name), &one.quality, "")).collect::<String>(),
        preset = text(&comparison.preset),
        calibration = comparison.calibration.as_ref().map(calibration).unwrap_or_default(),
    )
}

fn quality(name: &str, quality: &Quality, class: &str) -> String {
    format!(
        "<tr{class}><th scope=\"row\">{name}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        fixed(quality.psnr, 2),
        fixed(Some(quality.ssim), 4),
        short(quality.nmse),
        short(quality.max_abs),
    )
}

fn calibration(calibration: &Calibration) -> String {
    format!(
        " Calibration of the standard deviation: ratio {} (1 is right), coverage {} (0.9 is right).",
        fixed(Some(calibration.ratio), 2),
        fixed(Some(calibration.coverage), 3)
    )
}

fn links(links: &[(String, String)]) -> String {
    if links.is_empty() {
        return String::new();
    }
    let items: String = links.iter().map(|(label, path)| link(&text(label), path)).collect();
    format!("<section class=\"links\"><h3>Files</h3><ul>{items}</ul></section>\n")
}

fn link(label: &str, path: &str) -> String {
    let shown = text(path);
    match href(path) {
        Some(target) => format!(r#"<li><a href="{target}">{label}</a> <code>{shown}</code></li>"#),
        None => format!("<li>{label} <code>{shown}</code></li>"),
    }
}

/// A block of text a slice, which the browser keeps as it is until the slice is looked at.
fn pixels(layer: &Layer) -> String {
    layer.slices.iter().enumerate().map(|(place, image)| block(layer, place, image)).collect()
}

fn block(layer: &Layer, place: usize, image: &PackedImage) -> String {
    let (rows, cols) = image.dim();
    let window = window(layer, image);
    format!(
        r#"<script type="application/octet-stream" data-layer="{kind}" data-label="{label}" data-unit="{unit}"
data-slice="{place}" data-rows="{rows}" data-cols="{cols}" data-low="{low}" data-high="{high}" data-step="{step}"
data-black="{black}" data-white="{white}">{pixels}</script>
"#,
        kind = layer.kind.name(),
        label = text(&layer.label),
        unit = text(&layer.unit),
        low = image.low(),
        high = image.high(),
        step = image.step(),
        black = window.low,
        white = window.high,
        pixels = image.text(),
    )
}

/// The window of a layer, or the range of an image where that shows nothing.
fn window(layer: &Layer, image: &PackedImage) -> Window {
    let Window { low, high } = layer.window;
    if low.is_finite() && high.is_finite() && low < high {
        layer.window
    } else {
        Window { low: image.low() as f32, high: image.high() as f32 }
    }
}
