//! Pages of batches, in a browser.

mod cards;
mod phantoms;
mod seen;
mod sizes;
mod table;
mod viewer;
mod webdriver;

use recon_pipelines::report::page::{Depth, Embedding};
use std::path::PathBuf;
use webdriver::Browser;

/// What the page of the tests shows of each case.
const EMBEDDING: Embedding = Embedding { slices: 3, side: 256, depth: Depth::Fine };

/// Starting a browser takes longer than all that is done with it, so one is used for all.
#[test]
fn a_page_works_in_a_browser() {
    let Some(browser) = Browser::start("a_page_works_in_a_browser") else { return };
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("batch.html");
    std::fs::write(&path, phantoms::batch(4, EMBEDDING).to_html()).expect("a folder for tests");
    let opened = |hash: &str| {
        browser.open(&format!("file://{}{hash}", path.display()));
        &browser
    };
    viewer::controls_change_the_picture(opened("#case-1"));
    viewer::a_picture_has_the_values_that_were_packed(opened("#case-1"));
    viewer::dragging_changes_window_and_level(opened("#case-1"));
    cards::keys_lead_through_the_batch(opened(""));
    cards::every_control_can_be_reached_and_is_named(opened("#case-1"));
    cards::names_are_shown_as_they_are_and_never_run(opened("#case-6"));
    table::cases_are_sorted_and_filtered(opened(""));
    table::light_and_dark_can_be_read(opened(""));
}
