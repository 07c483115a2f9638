//! A real Chromium, driven by the DevTools protocol over two pipes: a command in, its answer and events out, each ended by a null byte.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_secs(60);
/// Without these it asks hosts of its maker for updates, and refuses to run as root. The last two have it find no host but this one.
const FLAGS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-first-run",
    "--no-default-browser-check",
    "--force-device-scale-factor=1",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A browser with one page, killed when dropped.
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    next: u64,
    /// Addresses of all requests so far.
    pub requests: Vec<String>,
    /// What the page complained of: errors, and what the policy forbade.
    pub complaints: Vec<String>,
    directory: TempDir,
}

/// axe-core, which `cargo xtask install` puts into place.
fn axe() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = std::env::var_os("TIDEGAUGE_TOOLS").map_or_else(|| root.join("target/tools"), PathBuf::from);
    let file = tools.join("axe/axe_playwright_python/axe.min.js");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask install`", file.display()))
}

impl Browser {
    pub fn start() -> Browser {
        let directory = TempDir::new().unwrap();
        // Pipes have to be its descriptors 3 and 4, which only a shell can arrange without unsafe code.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 1>&2 </dev/null", "chromium"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", directory.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (commands, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser {
            child,
            commands,
            messages,
            session: String::new(),
            next: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
            directory,
        };
        let targets = browser.call("Target.getTargets", json!({}));
        let page = targets["targetInfos"]
            .as_array()
            .unwrap()
            .iter()
            .find(|target| target["type"] == "page")
            .unwrap();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": page["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// One command and its answer.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let sent = self.commands.write_all(&bytes).and_then(|()| self.commands.flush());
        assert!(sent.is_ok(), "Chromium does not run; is it installed? run `cargo xtask install`");
        loop {
            let answer = match self.messages.recv_timeout(LIMIT) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: Chromium is gone or was never there; run `cargo xtask install`"),
            };
            if answer["id"] == self.next {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.hear(&answer);
        }
    }

    fn hear(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => self.requests.push(parameters["request"]["url"].as_str().unwrap().to_owned()),
            "Runtime.exceptionThrown" => self.complaints.push(parameters["exceptionDetails"].to_string()),
            "Log.entryAdded" if parameters["entry"]["level"] == "error" => self.complaints.push(parameters["entry"].to_string()),
            _ => {}
        }
    }

    /// The value of an expression, which may be a promise.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let done = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true}),
        );
        assert!(done["exceptionDetails"].is_null(), "{expression}: {}", done["exceptionDetails"]);
        done["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + LIMIT;
        while self.eval(expression) != true {
            if Instant::now() > deadline {
                let text = self.eval("document.body.innerText");
                panic!(
                    "{expression} did not come to hold; complaints {:?}; the page says {text}",
                    self.complaints
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    pub fn open(&mut self, address: &str) {
        self.call("Page.navigate", json!({"url": address}));
        self.until("document.readyState === \"complete\"");
    }

    /// Waits until the page says something.
    #[track_caller]
    pub fn reads(&mut self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text)));
    }

    pub fn text(&mut self) -> String {
        self.eval("document.body.innerText").as_str().unwrap().to_owned()
    }

    /// Width and height of the view, and whether it is dark.
    pub fn look(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features =
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Presses a key that types nothing.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowDown" => 40,
            other => panic!("what is the code of {other}?"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code});
            if key == "Enter" && kind == "keyDown" {
                event["text"] = "\r".into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Keeps a picture of the whole page where `TIDEGAUGE_SCREENSHOTS` says, or among what is deleted in the end.
    pub fn picture(&mut self, name: &str) {
        let size = self.call("Page.getLayoutMetrics", json!({}));
        assert!(
            size["cssContentSize"]["width"].as_f64() <= size["cssLayoutViewport"]["clientWidth"].as_f64(),
            "{name} is wider than the screen: {size}"
        );
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true}));
        let png = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        assert!(png.len() > 5_000, "{name} shows nothing");
        let kept = std::env::var_os("TIDEGAUGE_SCREENSHOTS").map_or_else(|| self.directory.path().to_owned(), PathBuf::from);
        std::fs::create_dir_all(&kept).unwrap();
        std::fs::write(kept.join(format!("{name}.png")), png).unwrap();
    }

    /// What axe finds of serious or critical violations.
    #[track_caller]
    pub fn assert_accessible(&mut self, name: &str) {
        if self.eval("typeof window.axe") == "undefined" {
            self.eval(&format!("{}; true", axe()));
        }
        let found = self.eval(
            "axe.run(document, { resultTypes: [\"violations\"] }).then(found => found.violations.filter(v => [\"serious\", \"critical\"].includes(v.impact))
               .map(v => v.id + \": \" + v.nodes.map(n => n.html + \" \" + n.failureSummary).join(\"\\n\")))",
        );
        let found: Vec<&str> = found.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(found.is_empty(), "{name}: {}", found.join("\n\n"));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its other processes write into the profile for a moment longer, and what they write stops its removal.
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir_all(self.directory.path()).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
