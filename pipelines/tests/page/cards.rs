//! From case to case with the keyboard, and names that are to be shown and nothing else.

use crate::seen::{assert_quiet, names, pictures, text};
use crate::webdriver::{Browser, key};
use serde_json::json;

pub(crate) fn keys_lead_through_the_batch(browser: &Browser) {
    let open = || browser.run("return location.hash");
    browser.press(&['j', 'j', key::ENTER]);
    assert_eq!(open(), "#case-2");
    browser.press(&['j']);
    assert_eq!((open(), text(browser, "place")), (json!("#case-3"), "3 of 9".into()));
    browser.press(&['k', key::LEFT, key::LEFT]);
    assert_eq!(open(), "#case-1", "no case before the first");
    let middle = pictures(browser);
    browser.press(&[key::DOWN]);
    assert!(text(browser, "slice-name").starts_with("3 of 3"));
    assert_ne!(pictures(browser), middle);
    browser.press(&[key::UP]);
    assert_eq!(pictures(browser), middle);
    browser.press(&['1']);
    assert_eq!(browser.run("return document.querySelector('figcaption').textContent"), "Truth");
    browser.press(&['c', 'o']);
    assert_eq!(browser.run("return [together.checked, overlay.checked]"), json!([true, true]));
    browser.press(&[key::ESCAPE]);
    assert_eq!(browser.run("return document.activeElement.textContent"), "chest-000", "back where it was");
    browser.press(&['/', 'h', 'e', 'a', 'd']);
    assert_eq!(names(browser), ["head-003"]);
    assert_quiet(browser);
}

pub(crate) fn every_control_can_be_reached_and_is_named(browser: &Browser) {
    let _ = pictures(browser);
    let mut reached = Vec::new();
    for _ in 0..22 {
        browser.press(&[key::TAB]);
        let seen = browser.run(
            "const e = document.activeElement, shown = e.type === 'radio' ? e.nextElementSibling : e;
             return [e.id || e.name || e.tagName, getComputedStyle(shown).outlineStyle]",
        );
        if seen[0] == "BODY" {
            break;
        }
        assert_ne!(seen[1], "none", "the focus on {} can be seen", seen[0]);
        reached.push(seen[0].as_str().expect("text").to_owned());
    }
    for id in
        ["back", "next", "layer", "together", "slice", "level", "level-exact", "width", "overlay", "stage"]
    {
        assert!(reached.iter().any(|seen| seen == id), "{id} of {reached:?}");
    }
    let nameless = browser.run(
        "const named = e => e.labels?.length || e.ariaLabel || e.textContent.trim();
         return [...document.querySelectorAll('input, button')].filter(e => !named(e)).map(e => e.outerHTML)",
    );
    assert_eq!(nameless, json!([]));
}

pub(crate) fn names_are_shown_as_they_are_and_never_run(browser: &Browser) {
    let heading = browser.run("return document.querySelector('.open h2').textContent");
    assert_eq!(heading, "<script>alert(\"901\")</script>\\u{202e}&'x'");
    assert_eq!(browser.run("return document.querySelectorAll('img').length"), 0);
    assert_quiet(browser);
    let blocked = browser.run(
        "const kind = done => event => done(event.effectiveDirective);
         const tried = new Promise(done => addEventListener('securitypolicyviolation', kind(done)));
         fetch('http://127.0.0.1:9/').catch(() => 0);
         return tried",
    );
    assert_eq!(blocked, "connect-src", "the page itself refuses a request");
}
