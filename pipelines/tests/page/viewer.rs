//! The pictures of a case, and what changes them.

use crate::seen::{assert_quiet, number, pictures, text};
use crate::webdriver::{Browser, key};
use crate::{EMBEDDING, phantoms};
use serde_json::Value;

/// Fails unless every change changes the picture.
struct Watched<'a> {
    browser: &'a Browser,
    last: Value,
}

impl Watched<'_> {
    fn differs(&mut self, what: &str) {
        let now = pictures(self.browser);
        assert_ne!(now, self.last, "{what}");
        self.last = now;
    }
}

pub(crate) fn controls_change_the_picture(browser: &Browser) {
    let mut watched = Watched { browser, last: pictures(browser) };
    assert_eq!(watched.last.as_array().map(Vec::len), Some(1));
    for (id, arrow, times) in [("slice", key::RIGHT, 1), ("level", key::RIGHT, 40), ("width", key::LEFT, 40)]
    {
        let before = number(browser, id);
        browser.run(&format!("document.getElementById('{id}').focus()"));
        browser.press(&vec![arrow; times]);
        assert_ne!(number(browser, id), before, "{id}");
        watched.differs(id);
    }
    browser.click("#presets button:nth-of-type(2)");
    assert_eq!((number(browser, "level-exact"), number(browser, "width-exact")), (-600.0, 1500.0), "lung");
    watched.differs("preset");
    browser.click("#overlay");
    watched.differs("overlay");
    browser.run("opacity.value = 20; opacity.dispatchEvent(new Event('input'))");
    watched.differs("opacity");
    for layer in [2, 3, 4, 5, 1] {
        browser.click(&format!("#layers label:nth-of-type({layer})"));
        watched.differs("layer");
    }
    browser.click("#together");
    assert_eq!(pictures(browser).as_array().map(Vec::len), Some(5), "all layers side by side");
    assert_quiet(browser);
}

pub(crate) fn a_picture_has_the_values_that_were_packed(browser: &Browser) {
    let page = phantoms::batch(1, EMBEDDING);
    let values = page.cases[0].layers[2].slices[1].unpack().expect("whole");
    let _ = pictures(browser);
    let pixels = browser.run(
        "const c = document.querySelector('canvas.picture');
         const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
         return Array.from(data.filter((_, at) => at % 4 === 0))",
    );
    let pixels: Vec<f32> = serde_json::from_value(pixels).expect("numbers");
    // The soft-tissue window.
    let expected = values.iter().map(|value| ((value + 160.0) / 400.0).clamp(0.0, 1.0) * 255.0);
    let furthest = pixels.iter().zip(expected).map(|(seen, value)| (seen - value).abs()).fold(0.0, f32::max);
    assert!(pixels.len() == values.len() && furthest < 0.51, "{furthest}");
}

pub(crate) fn dragging_changes_window_and_level(browser: &Browser) {
    let first = pictures(browser);
    let place = browser.run(
        "const box = document.querySelector('canvas.picture').getBoundingClientRect();
         return [box.x + 60, box.y + 60].map(Math.round)",
    );
    let at = |n: usize| place[n].as_i64().expect("a place");
    browser.drag((at(0), at(1)), (60, 30));
    assert_eq!((number(browser, "level-exact"), number(browser, "width-exact")), (0.0, 480.0));
    assert_ne!(pictures(browser), first);
    assert!(text(browser, "probe").contains(" HU"), "{}", text(browser, "probe"));
}
