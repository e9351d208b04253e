//! A browser without a window, spoken to over the loopback (W3C WebDriver).

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Keys that are no letters.
pub(crate) mod key {
    pub(crate) const TAB: char = '\u{e004}';
    pub(crate) const ENTER: char = '\u{e007}';
    pub(crate) const ESCAPE: char = '\u{e00c}';
    pub(crate) const LEFT: char = '\u{e012}';
    pub(crate) const UP: char = '\u{e013}';
    pub(crate) const RIGHT: char = '\u{e014}';
    pub(crate) const DOWN: char = '\u{e015}';
}

/// A program of this name that can be started.
fn program(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// A browser with one page; it ends when this does.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    /// Starts one; none, said loudly, where there is none.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let found =
            program(&["chromedriver"]).zip(program(&["chromium", "chromium-browser", "google-chrome"]));
        let Some((driver, browser)) = found else {
            // To the terminal itself: what tests print is kept from sight when they pass.
            let _ =
                writeln!(std::io::stderr(), "skipped: {test}: chromium and chromedriver are not installed");
            return None;
        };
        let mut driver = Command::new(driver)
            .args(["--port=0", "--log-level=SEVERE"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let port = port_of(&mut driver);
        let mut started = Self { driver, port, session: String::new() };
        let value = started.call("POST", "/session", &capabilities(&browser));
        started.session = value["sessionId"].as_str().expect("a session").to_owned();
        Some(started)
    }

    /// Opens a page afresh; logs start from here.
    pub(crate) fn open(&self, url: &str) {
        // From one part of a page to another, nothing would be loaded.
        self.command("url", &json!({ "url": "about:blank" }));
        let _ = (self.log("browser"), self.log("performance"));
        self.command("url", &json!({ "url": url }));
    }

    /// What a script returns; when that is a promise, what it promises.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Presses keys one after another, wherever the focus is.
    pub(crate) fn press(&self, keys: &[char]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        self.command("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Presses the main button at one place of the window, moves by some pixels and lets go.
    pub(crate) fn drag(&self, from: (i64, i64), by: (i64, i64)) {
        let to = |(x, y): (i64, i64)| json!({ "type": "pointerMove", "x": x, "y": y, "duration": 20 });
        let actions = [
            to(from),
            json!({ "type": "pointerDown", "button": 0 }),
            to((from.0 + by.0, from.1 + by.1)),
            json!({ "type": "pointerUp", "button": 0 }),
        ];
        self.command(
            "actions",
            &json!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": actions }] }),
        );
    }

    /// Clicks the first element that a selector finds.
    pub(crate) fn click(&self, selector: &str) {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|element| element.values().next()?.as_str()).expect("an element");
        self.command(&format!("element/{id}/click"), &json!({}));
    }

    /// The lines of a log since it was last asked for: `browser` or `performance`.
    pub(crate) fn log(&self, kind: &str) -> Vec<String> {
        let lines = self.command("se/log", &json!({ "type": kind }));
        let lines = lines.as_array().expect("a list").iter();
        lines.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Whether the system is said to be dark.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let parameters = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.command("goog/cdp/execute", &parameters);
    }

    fn command(&self, command: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}/{command}", self.session), body)
    }

    /// The value of an answer.
    fn call(&self, verb: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the driver listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        let length = body.len();
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("the driver listens");
        let answer: Value = serde_json::from_slice(&answer(stream)).expect("an answer in JSON");
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "{verb} {path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &format!("/session/{}", self.session), &json!({}));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that a driver says it listens on.
fn port_of(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let port =
        lines.find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
    // Somebody must go on listening, or the driver could not go on writing.
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("a driver that says its port")
}

fn capabilities(browser: &Path) -> Value {
    // Nothing but the page itself: no updates, no start page; and no sandbox, which needs rights that tests lack.
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1440,1000",
    ];
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": { "binary": browser, "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    } } })
}

/// The body of an HTTP answer.
fn answer(stream: TcpStream) -> Vec<u8> {
    let (mut reader, mut length) = (BufReader::new(stream), 0);
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line).expect("an answer");
        if read == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the whole answer");
    body
}
