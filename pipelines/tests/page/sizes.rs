//! How large pages become.

use crate::webdriver::Browser;
use ndarray::{Array2, Axis};
use recon_operators::{Filter, LinearOperator, ParallelBeam, Radon, Transform};
use recon_pipelines::report::page::{
    CaseStatus, Embedding, Layer, LayerKind, PackedImage, Page, PageCase, shrink,
};
use recon_pipelines::report::preview::Window;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The middle slice of a scan that is kept with the sources, as a page shows it.
fn sample(name: &str, side: usize) -> Array2<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/samples").join(name);
    let voxels = recon_data::read(&path).expect("a sample").volume.voxels;
    shrink(&voxels.index_axis(Axis(0), voxels.len_of(Axis(0)) / 2), side)
}

/// Filtered back-projection from 60 views.
fn seldom_viewed(image: &Array2<f32>) -> Array2<f32> {
    let beam = ParallelBeam::equally_spaced(image.nrows(), image.ncols(), 1.0, 60);
    let radon = Radon::new(beam, Filter::Hann).expect("a geometry");
    radon.inverse(&radon.forward(image))
}

/// A slice of a patient, what few views give of it, and a mixture of both, which has the noise of a reconstruction.
fn case(name: &str, embedding: Embedding) -> PageCase {
    let truth = sample(name, embedding.side);
    let baseline = seldom_viewed(&truth);
    let result = &truth * 0.7 + &baseline * 0.3;
    let layer = |kind, image: &Array2<f32>| Layer {
        kind,
        label: String::new(),
        slices: vec![PackedImage::pack(&image.view(), embedding.depth)],
        unit: "HU".into(),
        window: Window { low: 0.0, high: 1000.0 },
    };
    let kinds = [(LayerKind::Truth, &truth), (LayerKind::Baseline, &baseline), (LayerKind::Result, &result)];
    PageCase {
        name: name.into(),
        status: CaseStatus::Done,
        slice_numbers: vec![1],
        layers: kinds.map(|(kind, image)| layer(kind, image)).to_vec(),
        ..PageCase::default()
    }
}

#[test]
fn four_hundred_cases_make_a_page_that_can_be_used() {
    let embedding = Embedding::for_batch(400, 3);
    assert_eq!((embedding.slices, embedding.side), (1, 256));
    let kinds = ["ct_lung.dcm", "mr_brain.nii.gz"].map(|name| case(name, embedding));
    let cases: Vec<PageCase> = kinds.iter().cycle().take(400).cloned().collect();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("four-hundred.html");
    let page = Page { cases, ..Page::default() }.to_html();
    println!("{} bytes", page.len());
    // 59.2 million when this was written.
    assert!(page.len() < 60_000_000, "{} bytes", page.len());
    std::fs::write(&path, page).expect("a folder for tests");
    let Some(browser) = Browser::start("four_hundred_cases_make_a_page_that_can_be_used") else { return };
    let started = Instant::now();
    browser.open(&format!("file://{}", path.display()));
    assert_eq!(browser.run("return document.querySelectorAll('#cards > article').length"), 400);
    browser.run("location.hash = 'case-400'");
    let drawn = browser.run(
        "return new Promise(done => setTimeout(done, 300))
           .then(() => document.querySelector('canvas.picture').width)",
    );
    assert_eq!(drawn, 256);
    println!("opened and drawn in {:.1} s", started.elapsed().as_secs_f64());
}
