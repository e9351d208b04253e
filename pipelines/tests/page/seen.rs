//! What a user would see of a page.

use crate::webdriver::Browser;
use serde_json::{Value, json};

/// A number for every picture that depends on all its pixels, when all are drawn.
pub(crate) fn pictures(browser: &Browser) -> Value {
    browser.run(
        "const sum = canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
           .reduce((sum, value, at) => (sum + value * (at % 8191 + 1)) % 4294967291, 0);
         return new Promise(done => setTimeout(done, 100))
           .then(() => [...document.querySelectorAll('canvas.picture')].map(sum))",
    )
}

/// The names of the cases in the table, from the top.
pub(crate) fn names(browser: &Browser) -> Vec<String> {
    let names = browser.run(
        "return [...document.querySelectorAll('#cases tbody tr:not([hidden]) a')].map(a => a.textContent)",
    );
    serde_json::from_value(names).expect("a list of texts")
}

/// The text of an element.
pub(crate) fn text(browser: &Browser, id: &str) -> String {
    let text = browser.run(&format!("return document.getElementById('{id}').textContent"));
    text.as_str().expect("text").to_owned()
}

/// What a control is set to.
pub(crate) fn number(browser: &Browser, id: &str) -> f64 {
    let value = browser.run(&format!("return Number(document.getElementById('{id}').value)"));
    value.as_f64().expect("a number")
}

/// Fails when the console has a line, or anything but the page itself was asked for since it was opened.
pub(crate) fn assert_quiet(browser: &Browser) {
    assert_eq!(browser.log("browser"), Vec::<String>::new(), "the console is empty");
    let asked: Vec<String> = browser.log("performance").iter().filter_map(|line| request(line)).collect();
    let own = |url: &String| url.starts_with("file://") && url.contains("batch.html");
    assert!(!asked.is_empty() && asked.iter().all(own), "{asked:?}");
    assert_eq!(browser.run("return performance.getEntriesByType('resource').map(e => e.name)"), json!([]));
}

/// The address that an event of the browser asks for; what stands in the page itself is not asked for.
fn request(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let message = &event["message"];
    let url = message["params"]["request"]["url"].as_str()?;
    let asked = message["method"] == "Network.requestWillBeSent" && !url.starts_with("data:");
    asked.then(|| url.to_owned())
}
