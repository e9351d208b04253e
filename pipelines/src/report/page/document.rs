//! The file as a whole.

use super::escape::text;
use super::packed::base64;
use super::{PageCase, card, header, overview};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

const STYLE: &str = include_str!("parts/style.css");
const VIEWER: &str = include_str!("parts/viewer.html");
/// The program of the page, in the order in which its parts know of one another.
const SCRIPT: &[&str] = &[
    "(() => {\n\"use strict\";\n",
    include_str!("script/pixels.js"),
    include_str!("script/colours.js"),
    include_str!("script/layers.js"),
    include_str!("script/paint.js"),
    include_str!("script/window.js"),
    include_str!("script/viewer.js"),
    include_str!("script/pane.js"),
    include_str!("script/table.js"),
    include_str!("script/cards.js"),
    include_str!("script/keys.js"),
    include_str!("script/start.js"),
    "})();\n",
];

/// A batch of reconstructions as it is shown.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Above everything.
    pub title: String,
    /// When and by what the page was made, in words.
    pub generated: String,
    /// Version of `recon`.
    pub version: String,
    /// What else is worth knowing about the batch: names and values.
    pub facts: Vec<(String, String)>,
    /// How long the batch has taken so far, seconds.
    pub wall_seconds: Option<f64>,
    /// The cases, in the order in which they are first shown.
    pub cases: Vec<PageCase>,
}

impl Page {
    /// Writes the page as HTML, case by case.
    ///
    /// # Errors
    /// When `out` does not take it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let script = SCRIPT.concat();
        out.write_all(head(&self.title, &script).as_bytes())?;
        out.write_all(header::html(self).as_bytes())?;
        // The program stands before the cards, which are long: the table can be used while they are read.
        write!(
            out,
            r#"<main>
{table}<section id="case" tabindex="-1" aria-label="Case">
{VIEWER}<script>{script}</script>
<div id="cards">
"#,
            table = overview::html(self)
        )?;
        for (place, case) in self.cases.iter().enumerate() {
            out.write_all(card::html(case, place + 1).as_bytes())?;
        }
        out.write_all(b"</div>\n</section>\n</main>\n</body>\n</html>\n")
    }

    /// The page as text.
    pub fn to_html(&self) -> String {
        let mut bytes = Vec::new();
        self.write(&mut bytes).expect("memory takes all that is written");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// What every page may do: show pictures that stand in it.
const POLICY: &str = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none';";

/// The head of the document. Its policy forbids every request, and every program and style but those of this file.
fn head(title: &str, script: &str) -> String {
    let hash = |part: &str| base64(&Sha256::digest(part.as_bytes()));
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY} script-src 'sha256-{program}'; style-src 'sha256-{style}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
"#,
        program = hash(script),
        style = hash(STYLE),
        title = text(title),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Baseline, Comparison, Quality};
    use crate::report::page::{CaseStatus, Depth, Layer, LayerKind, PackedImage, PageTypicality};
    use crate::report::preview::Window;

    const HOSTILE: &str = "\"'><script>x()</script><img src=http://a/b>\u{0}\u{202e}&amp;";

    /// A case with the same text wherever there is one.
    fn case(words: &str) -> PageCase {
        let image = ndarray::array![[1.0f32, 2.0, f32::NAN], [4.0, 5.0, 6.0]];
        let result = Quality { psnr: None, ssim: 1.0, nmse: f64::NAN, max_abs: f64::INFINITY };
        let baselines = vec![Baseline { name: words.into(), quality: result }];
        PageCase {
            name: words.into(),
            task: words.into(),
            method: words.into(),
            status: CaseStatus::Done,
            reason: Some(words.into()),
            typicality: Some(PageTypicality { denoising_error: f64::INFINITY, known: Some([f64::NAN, 0.0]) }),
            metrics: Some(Comparison { preset: words.into(), result, baselines, calibration: None }),
            warnings: vec![words.into()],
            links: vec![(words.into(), words.into())],
            slice_numbers: vec![7],
            pixel_aspect: Some(f64::NAN),
            layers: vec![Layer {
                kind: LayerKind::Result,
                label: words.into(),
                slices: vec![PackedImage::pack(&image.view(), Depth::Fine)],
                unit: words.into(),
                window: Window { low: f32::NAN, high: 1.0 },
            }],
            ..PageCase::default()
        }
    }

    fn page(words: &str) -> String {
        let facts = vec![(words.into(), words.into())];
        let (title, generated, version) = (words.into(), words.into(), words.into());
        Page { title, generated, version, facts, wall_seconds: Some(f64::NAN), cases: vec![case(words)] }
            .to_html()
    }

    /// What stands between the first two of such marks.
    fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
        let rest = text.split_once(from).expect("the beginning").1;
        rest.split_once(to).expect("the end").0
    }

    #[test]
    fn words_from_outside_stay_words() {
        let (hostile, harmless) = (page(HOSTILE), page("words"));
        for tag in ["<script", "</script", "<img", "<style", "<a ", "<svg"] {
            assert_eq!(hostile.matches(tag).count(), harmless.matches(tag).count(), "{tag}");
        }
        assert!(
            hostile.chars().all(|letter| letter == '\n' || !(letter.is_control() || letter == '\u{202e}'))
        );
        assert!(hostile.contains("&lt;script&gt;x()&lt;/script&gt;"));
    }

    #[test]
    fn a_page_names_no_other_place() {
        let html = page("words");
        for outside in ["http:", "https:", "://", "url(", "@import", "src="] {
            let found = html.lines().find(|line| line.contains(outside) && !line.contains("data-low"));
            assert_eq!(found, None, "{outside}");
        }
    }

    #[test]
    fn the_policy_knows_the_program_and_the_style_of_the_page() {
        let html = page("words");
        let policy = between(&html, "Content-Security-Policy\" content=\"", "\"");
        assert!(policy.starts_with("default-src 'none';"));
        for (part, kind) in [
            (between(&html, "<script>", "</script>"), "script"),
            (between(&html, "<style>", "</style>"), "style"),
        ] {
            let hash = base64(&Sha256::digest(part.as_bytes()));
            assert!(policy.contains(&format!("{kind}-src 'sha256-{hash}'")), "{policy}");
        }
    }

    #[test]
    fn every_case_has_a_row_a_card_and_its_pixels() {
        let html =
            Page { cases: vec![case("a"), case("b"), PageCase::default()], ..Page::default() }.to_html();
        for number in 1..=3 {
            assert_eq!(html.matches(&format!("<tr data-case=\"{number}\"")).count(), 1);
            assert_eq!(html.matches(&format!("<article id=\"case-{number}\"")).count(), 1);
        }
        assert_eq!(html.matches("data-layer=\"result\"").count(), 2);
        assert_eq!(html.matches("data-rows=\"2\" data-cols=\"3\" data-low=\"1\" data-high=\"6\"").count(), 2);
        assert_eq!(html.matches("data-black=\"1\" data-white=\"6\"").count(), 2, "a window that is none");
        assert!(Page::default().to_html().ends_with("</html>\n"), "no case at all");
    }
}
