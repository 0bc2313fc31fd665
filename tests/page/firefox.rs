//! Firefox, which speaks WebDriver BiDi by itself: what the tests ask of a browser in the words of
//! the older protocol is put into those of the newer one.

use std::cell::RefCell;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::common::{DEADLINE, eventually};

/// It asks nobody anything, and looks for nothing on the network.
const PREFERENCES: &[(&str, &str)] = &[
    ("app.normandy.enabled", "false"),
    ("app.update.disabledForTesting", "true"),
    ("browser.aboutwelcome.enabled", "false"),
    ("browser.newtabpage.enabled", "false"),
    ("browser.safebrowsing.downloads.remote.enabled", "false"),
    ("browser.shell.checkDefaultBrowser", "false"),
    ("browser.startup.homepage_override.mstone", "\"ignore\""),
    ("browser.tabs.warnOnClose", "false"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("dom.disable_beforeunload", "true"),
    ("focusmanager.testmode", "true"),
    ("media.autoplay.default", "0"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("services.settings.server", "\"data:,none\""),
    ("toolkit.telemetry.reportingpolicy.firstRun", "false"),
    ("ui.prefersReducedMotion", "1"),
];

/// What a real click needs to know, or why there is none.
const PLACE: &str = "(node) => { node.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' }); \
    const { left, top, width, height } = node.getClientRects()[0] ?? {}; \
    const at = [Math.floor(left + width / 2), Math.floor(top + height / 2)]; \
    const hit = document.elementFromPoint(...at); \
    if (!node.contains(hit)) throw new Error(`covered by ${hit?.outerHTML.slice(0, 200)}`); \
    return JSON.stringify(at); }";

const FOCUS: &str = "(node) => { if (document.activeElement === node) return; node.focus(); \
    try { node.setSelectionRange(node.value.length, node.value.length); } catch {} }";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A browser with a profile of its own. Both are gone when it is dropped.
pub struct Firefox {
    child: Child,
    profile: PathBuf,
    socket: RefCell<WebSocket<TcpStream>>,
    sent: RefCell<u64>,
    /// The tab that commands go to.
    tab: RefCell<String>,
    complaints: RefCell<Vec<Value>>,
}

impl Firefox {
    pub fn start(language: &str) -> Firefox {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chat-server-page-{}-{number}", std::process::id());
        let profile = std::env::temp_dir().join(name);
        fs::create_dir_all(&profile).expect("a directory");
        let language = format!("\"{language}\"");
        let all = PREFERENCES.iter().copied().chain([("intl.accept_languages", &*language)]);
        let lines = all.map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"));
        fs::write(profile.join("user.js"), lines.collect::<String>()).expect("a file");
        let child = Command::new("firefox-esr")
            .args(["--headless", "--no-remote", "--remote-debugging-port=0", "--profile"])
            .arg(&profile)
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("firefox-esr is installed");
        let port = eventually("firefox says its port", || {
            let said = fs::read(profile.join("WebDriverBiDiServer.json")).ok()?;
            serde_json::from_slice::<Value>(&said).ok()?["ws_port"].as_u64()
        });
        let stream = eventually("a connection", || {
            TcpStream::connect(("127.0.0.1", port.try_into().expect("a port"))).ok()
        });
        stream.set_read_timeout(Some(2 * DEADLINE)).expect("a timeout");
        let url = format!("ws://127.0.0.1:{port}/session");
        let (socket, _) = tungstenite::client(url, stream).expect("a WebSocket");
        let firefox = Firefox {
            child,
            profile,
            socket: RefCell::new(socket),
            sent: RefCell::default(),
            tab: RefCell::default(),
            complaints: RefCell::default(),
        };
        firefox.ask("session.new", json!({ "capabilities": {} })).expect("a session");
        firefox.ask("session.subscribe", json!({ "events": ["log.entryAdded"] })).expect("events");
        // The window that it starts with is not active where there is no screen, and buttons of a
        // window without the focus take no keys.
        let first = firefox.tabs().expect("tabs");
        let window = firefox.ask("browsingContext.create", json!({ "type": "window" }));
        let tab = window.expect("a window")["context"].take();
        *firefox.tab.borrow_mut() = tab.as_str().expect("a tab").to_owned();
        for context in first {
            let closed = firefox.ask("browsingContext.close", json!({ "context": context }));
            closed.expect("it is closed");
        }
        firefox
    }

    /// What comes meanwhile is an entry of the log.
    fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        let id = {
            let mut sent = self.sent.borrow_mut();
            *sent += 1;
            *sent
        };
        let mut socket = self.socket.borrow_mut();
        let request = json!({ "id": id, "method": method, "params": params }).to_string();
        socket.send(Message::text(request)).map_err(|error| error.to_string())?;
        loop {
            let message = socket.read().map_err(|error| error.to_string())?;
            let Message::Text(text) = message else { continue };
            let mut frame: Value =
                serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if frame["method"] == "log.entryAdded" && frame["params"]["level"] == "error" {
                let entry = &frame["params"];
                let entry = json!({ "level": "SEVERE", "message": entry["text"] });
                self.complaints.borrow_mut().push(entry);
            }
            if frame["id"] != id {
                continue;
            }
            return match frame["type"].as_str() {
                Some("success") => Ok(frame["result"].take()),
                _ => Err(format!("{}: {}", frame["error"], frame["message"])),
            };
        }
    }

    fn in_tab(&self, method: &str, mut params: Value) -> Result<Value, String> {
        params["context"] = json!(*self.tab.borrow());
        self.ask(method, params)
    }

    /// Calls a function of the page, which returns a string or nothing.
    fn call(&self, function: &str, arguments: &Value) -> Result<Value, String> {
        let params = json!({
            "functionDeclaration": function, "arguments": arguments, "awaitPromise": true,
            "target": { "context": *self.tab.borrow() }, "userActivation": false,
        });
        let mut result = self.ask("script.callFunction", params)?;
        match result["type"].as_str() {
            Some("success") => Ok(result["result"]["value"].take()),
            _ => Err(result["exceptionDetails"]["text"].to_string()),
        }
    }

    fn call_on(&self, element: &str, function: &str) -> Result<Value, String> {
        self.call(function, &json!([{ "sharedId": element }]))
    }

    /// As the body of a function.
    fn run(&self, script: &str) -> Result<Value, String> {
        let function = format!(
            "async function () {{ return JSON.stringify(await (function () {{ {script} }})() ?? null); }}"
        );
        let said = self.call(&function, &json!([]))?;
        serde_json::from_str(said.as_str().unwrap_or("null")).map_err(|error| error.to_string())
    }

    fn perform(&self, actions: Value) -> Result<Value, String> {
        self.in_tab("input.performActions", json!({ "actions": actions }))
    }

    fn click(&self, element: &str) -> Result<Value, String> {
        let place = self.call_on(element, PLACE)?;
        let place: [i64; 2] = serde_json::from_str(place.as_str().unwrap_or_default())
            .map_err(|error| error.to_string())?;
        let steps = json!([
            { "type": "pointerMove", "x": place[0], "y": place[1] },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ]);
        self.perform(json!([{ "type": "pointer", "id": "mouse", "actions": steps }]))
    }

    /// A modifier stays pressed until it comes again, or U+E000.
    fn type_keys(&self, keys: &str) -> Result<Value, String> {
        let mut steps = Vec::new();
        let mut held = Vec::new();
        let step = |kind: &str, key: char| json!({ "type": kind, "value": key });
        for key in keys.chars() {
            match key {
                '\u{E000}' => steps.extend(held.drain(..).map(|key| step("keyUp", key))),
                '\u{E008}' | '\u{E009}' | '\u{E00A}' => {
                    match held.iter().position(|&other| other == key) {
                        Some(at) => steps.push(step("keyUp", held.remove(at))),
                        None => {
                            steps.push(step("keyDown", key));
                            held.push(key);
                        }
                    }
                }
                _ => steps.extend(["keyDown", "keyUp"].map(|kind| step(kind, key))),
            }
        }
        steps.extend(held.drain(..).map(|key| step("keyUp", key)));
        self.perform(json!([{ "type": "key", "id": "keyboard", "actions": steps }]))
    }

    fn tabs(&self) -> Result<Vec<Value>, String> {
        let tree = self.ask("browsingContext.getTree", json!({ "maxDepth": 0 }))?;
        let tabs = tree["contexts"].as_array().into_iter().flatten();
        Ok(tabs.map(|tab| tab["context"].clone()).collect())
    }

    /// What Chromium's own protocol is asked for.
    fn own(&self, body: &Value) -> Result<Value, String> {
        let params = &body["params"];
        match body["cmd"].as_str().unwrap_or_default() {
            "Page.addScriptToEvaluateOnNewDocument" => {
                let source = params["source"].as_str().unwrap_or_default();
                // It runs in what a tab has before its first page as well.
                let function = format!("() => {{ if (location.host) {{ {source} }} }}");
                let params =
                    json!({ "functionDeclaration": function, "contexts": [*self.tab.borrow()] });
                self.ask("script.addPreloadScript", params)
            }
            "Emulation.setDeviceMetricsOverride" => {
                let viewport = json!({ "width": params["width"], "height": params["height"] });
                self.in_tab("browsingContext.setViewport", json!({ "viewport": viewport }))
            }
            other => Err(format!("{other} is Chromium's alone")),
        }
    }

    pub fn command(&self, path: &str, body: &Value) -> Result<Value, String> {
        let text = |field: &str| body[field].as_str().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            ["url"] => {
                let params = json!({ "url": body["url"], "wait": "complete" });
                self.in_tab("browsingContext.navigate", params)
            }
            ["refresh"] => self.in_tab("browsingContext.reload", json!({ "wait": "complete" })),
            ["back"] => self.in_tab("browsingContext.traverseHistory", json!({ "delta": -1 })),
            ["forward"] => self.in_tab("browsingContext.traverseHistory", json!({ "delta": 1 })),
            ["execute", "sync"] => self.run(text("script")),
            ["element"] => {
                let locator = json!({ "type": "css", "value": body["value"] });
                let found =
                    self.in_tab("browsingContext.locateNodes", json!({ "locator": locator }))?;
                match &found["nodes"][0]["sharedId"] {
                    Value::Null => Err(format!("there is no {}", body["value"])),
                    element => Ok(json!({ "element": element })),
                }
            }
            ["element", element, "click"] => self.click(element),
            ["element", element, "value"] => {
                self.call_on(element, FOCUS)?;
                self.type_keys(text("text"))
            }
            ["actions"] => self.perform(with_elements(body["actions"].clone())),
            ["window", "new"] => {
                let opened = self.ask("browsingContext.create", json!({ "type": "tab" }))?;
                Ok(json!({ "handle": opened["context"] }))
            }
            ["window"] => {
                *self.tab.borrow_mut() = text("handle").to_owned();
                self.in_tab("browsingContext.activate", json!({}))
            }
            ["se", "log"] => Ok(self.complaints.borrow_mut().drain(..).collect()),
            ["goog", "cdp", "execute"] => self.own(body),
            _ => Err(format!("{path} is not put into other words yet")),
        }
    }

    pub fn get(&self, path: &str) -> Result<Value, String> {
        match path {
            "window" => Ok(json!(*self.tab.borrow())),
            "window/handles" => Ok(json!(self.tabs()?)),
            "screenshot" => {
                Ok(self.in_tab("browsingContext.captureScreenshot", json!({}))?["data"].take())
            }
            _ => Err(format!("{path} is not put into other words yet")),
        }
    }

    pub fn close_tab(&self) -> Result<Value, String> {
        self.in_tab("browsingContext.close", json!({}))
    }
}

/// Pointers move to elements, which have another name here.
fn with_elements(mut actions: Value) -> Value {
    let inputs = actions.as_array_mut().into_iter().flatten();
    for step in inputs.filter_map(|input| input["actions"].as_array_mut()).flatten() {
        let element = step["origin"].as_object().and_then(|origin| origin.values().next()).cloned();
        if let Some(element) = element {
            step["origin"] = json!({ "type": "element", "element": { "sharedId": element } });
        }
    }
    actions
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.ask("browser.close", json!({}));
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
