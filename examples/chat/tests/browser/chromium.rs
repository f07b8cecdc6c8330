//! A headless Chromium, driven by its DevTools protocol over a websocket.

use std::{
    io::ErrorKind,
    process::{self, Stdio},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Nothing of this network or machine: no updates, no accounts, no sandbox, which root does not have.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--remote-debugging-port=0",
];

const LIMIT: Duration = Duration::from_secs(30);

/// Killed with all its processes when it is dropped.
pub(crate) struct Chromium {
    devtools: WebSocketStream<TcpStream>,
    last: u64,
    process: Child,
    _group: Group,
    files: TempDir,
}

/// A group of processes, which is killed when this is dropped.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        // There may be none left, of which it need not tell.
        _ = process::Command::new("kill").args(["-9", "--", &format!("-{}", self.0)]).stderr(Stdio::null()).status();
    }
}

pub(crate) struct Tab {
    session: String,
}

impl Chromium {
    /// `None` if none is installed.
    pub(crate) async fn start() -> Option<Self> {
        let files = TempDir::new().unwrap();
        let mut process = NAMES.iter().find_map(|name| spawn(name, &files))?;
        let group = Group(process.id().unwrap());
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let url = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("Chromium has ended");
                if let Some(url) = line.strip_prefix("DevTools listening on ") {
                    return url.to_owned();
                }
            }
        };
        let url = timeout(LIMIT, url).await.expect("Chromium does not start");
        // It must not wait until somebody reads what else it says.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = url.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (devtools, _) = client_async(&url, stream).await.unwrap();
        Some(Self { devtools, last: 0, process, _group: group, files })
    }

    /// A new tab.
    pub(crate) async fn open(&mut self, url: &str) -> Tab {
        let target = self.call(None, "Target.createTarget", json!({ "url": url })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", attach).await;
        Tab { session: attached["sessionId"].as_str().unwrap().to_owned() }
    }

    pub(crate) async fn reload(&mut self, tab: &Tab) {
        self.call(Some(tab), "Page.reload", json!({})).await;
    }

    /// Runs a script in the page.
    pub(crate) async fn run(&mut self, tab: &Tab, script: &str) -> Value {
        let evaluate = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let result = self.call(Some(tab), "Runtime.evaluate", evaluate).await;
        assert!(result.get("exceptionDetails").is_none(), "{script}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until the page is in a state, also over a reload. It is looked at whenever something in it changes.
    pub(crate) async fn until(&mut self, tab: &Tab, condition: &str) {
        let script = format!(
            "new Promise(done => {{
                const look = () => {{ try {{ if ({condition}) done(true) }} catch (_) {{ }} }};
                const options = {{ subtree: true, childList: true, characterData: true, attributes: true }};
                new MutationObserver(look).observe(document, options);
                addEventListener('load', look);
                look();
            }})"
        );
        let wait = async {
            let evaluate = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
            // The promise of a page that goes is an error, after which the next page is asked.
            while self.try_call(Some(tab), "Runtime.evaluate", evaluate.clone()).await.is_err() {}
        };
        if timeout(LIMIT, wait).await.is_err() {
            let page = self.run(tab, "document.body.innerText").await;
            panic!("it does not come true in time: {condition}; the page: {page}");
        }
    }

    /// Ends the browser, and removes its files.
    pub(crate) async fn close(mut self) {
        self.call(None, "Browser.close", json!({})).await;
        timeout(LIMIT, self.process.wait()).await.expect("Chromium does not end").unwrap();
        drop(self._group);
        self.files.close().unwrap();
    }

    async fn call(&mut self, tab: Option<&Tab>, method: &str, params: Value) -> Value {
        let result = timeout(LIMIT, self.try_call(tab, method, params)).await;
        result.unwrap_or_else(|_| panic!("{method} takes too long")).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_call(&mut self, tab: Option<&Tab>, method: &str, params: Value) -> Result<Value, Value> {
        self.last += 1;
        let mut call = json!({ "id": self.last, "method": method, "params": params });
        if let Some(tab) = tab {
            call["sessionId"] = json!(tab.session);
        }
        self.devtools.send(call.to_string().into()).await.unwrap();
        // Answers to calls that were given up, and events, come in between.
        loop {
            let message = self.devtools.next().await.expect("Chromium has gone").unwrap();
            let mut answer: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
            if answer["id"] == self.last {
                return if answer["error"].is_null() {
                    Ok(answer["result"].take())
                } else {
                    Err(answer["error"].take())
                };
            }
        }
    }
}

/// `None` if there is no such program.
fn spawn(name: &str, files: &TempDir) -> Option<Child> {
    let mut command = Command::new(name);
    command.args(FLAGS).arg(format!("--user-data-dir={}", files.path().display())).arg("about:blank");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    match command.spawn() {
        Ok(process) => Some(process),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{name}: {error}"),
    }
}
