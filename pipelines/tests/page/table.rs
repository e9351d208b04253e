//! The table of all cases.

use crate::seen::{assert_quiet, names, text};
use crate::webdriver::Browser;

/// The numbers of a column from the top, as it is shown.
fn column(browser: &Browser, number: usize) -> Vec<Option<f64>> {
    let cells = browser.run(&format!(
        "const cells = document.querySelectorAll('#cases tbody tr:not([hidden]) > :nth-child({number})');
         return [...cells].map(cell => cell.dataset.value === undefined ? null : Number(cell.dataset.value))"
    ));
    serde_json::from_value(cells).expect("numbers")
}

pub(crate) fn cases_are_sorted_and_filtered(browser: &Browser) {
    assert_eq!((names(browser).len(), text(browser, "shown")), (9, "9 of 9 cases".into()));
    let known = |values: &[Option<f64>]| values.iter().map_while(|value| *value).collect::<Vec<_>>();
    let psnr = "#cases thead th:nth-child(9) button";
    browser.click(psnr);
    let up = column(browser, 9);
    assert!(known(&up).len() == 4 && known(&up).is_sorted(), "those that have none last: {up:?}");
    browser.click(psnr);
    let down = column(browser, 9);
    assert!(known(&down).len() == 4 && known(&down).is_sorted_by(|a, b| a >= b), "{down:?}");
    browser.click("input[value=failed] + span");
    assert_eq!(
        (names(browser).len(), browser.run("return document.querySelector('tfoot td').textContent")),
        (2, "2 shown".into())
    );
    browser.click("input[value=all] + span");
    browser.click("#warned");
    assert_eq!(names(browser), ["chest-001"]);
    assert_quiet(browser);
}

/// The least contrast of texts with what is behind them, as WCAG 2 defines it.
const CONTRAST: &str = "
    const rgb = text => text.match(/[\\d.]+/g).map(Number);
    const linear = v => v <= 10.3 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = e => {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      return colour[3] === 0 && e.parentElement ? ground(e.parentElement) : colour;
    };
    const contrast = e => {
      const [a, b] = [getComputedStyle(e).color, ground(e)].map(c => light(typeof c === 'string' ? rgb(c) : c));
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    const texts = 'h1, .origin, .keys, dt, dd, th a, td, .badge, .reason, .notice, #shown, label';
    return Math.min(...[...document.querySelectorAll(texts)].filter(e => e.offsetParent).map(contrast))";

pub(crate) fn light_and_dark_can_be_read(browser: &Browser) {
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let least = browser.run(CONTRAST);
        assert!(least.as_f64().is_some_and(|least| least >= 4.5), "{scheme}: {least}");
        grounds.push(browser.run("return getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1]);
    assert_quiet(browser);
}
