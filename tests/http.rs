//! The HTTP server, over real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tidegauge::http::{HttpServer, HttpState, Live, metrics_json};
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::spec::Spec;
use tidegauge_aggregate::time::EventTime;
use tidegauge_sink::gauges::{Operational, Page};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A pipeline that is ready or not.
struct Pretended {
    ready: AtomicBool,
    page: Page,
}

impl Pretended {
    fn new() -> Arc<Pretended> {
        let page = Page::new(&Spec::default(), Vec::new(), 100).unwrap();
        page.observe(Operational {
            version: "0".to_owned(),
            records: 42,
            ..Operational::default()
        });
        Arc::new(Pretended {
            ready: AtomicBool::new(true),
            page,
        })
    }
}

impl HttpState for Pretended {
    fn page(&self) -> Result<Page, String> {
        self.ready().map(|()| self.page.clone())
    }

    fn healthy(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        if self.ready.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err("the state is being restored".to_owned())
        }
    }

    fn status_json(&self) -> Value {
        json!({"records": 42})
    }

    fn metrics_json(&self) -> Value {
        let mut row = MetricRow {
            window: 1,
            window_start: EventTime(0),
            window_end: EventTime(300_000),
            grouping: 1,
            group: Arc::from([Some(Arc::from("<b>shop</b>"))]),
            metric: "task_success_ratio",
            stat: "value",
            label: None,
            value: Some(0.5),
            lower: Some(0.25),
            upper: Some(0.75),
            n: 4,
            numerator: Some(2),
            denominator: Some(4),
            revision: 0,
        };
        let first = row.clone();
        row.value = None;
        let live = Live {
            rows: &[first, row],
            watermark: Some(EventTime(240_000)),
            caught_up: true,
        };
        metrics_json(&Spec::default(), &live)
    }

    fn history_json(&self, query: &str) -> Result<Value, String> {
        if query.is_empty() {
            Err("`metric` is missing".to_owned())
        } else {
            Ok(json!({"query": query}))
        }
    }

    fn overview_json(&self) -> Value {
        json!({"targets": []})
    }

    fn catalogue_json(&self) -> Value {
        tidegauge::console::catalogue_json(&Spec::default())
    }
}

/// The files that the page is made of, with their content, found by following what each of them asks for.
async fn page_files(server: &Running) -> Vec<(String, String)> {
    let mut open = vec!["/".to_owned()];
    let mut files: Vec<(String, String)> = Vec::new();
    while let Some(path) = open.pop() {
        if files.iter().any(|(known, _)| *known == path) {
            continue;
        }
        let (head, body) = server.get(&path, "*/*").await;
        assert!(
            head.starts_with("http/1.1 200") && head.contains("content-security-policy: default-src 'none'; script-src 'self'"),
            "{path}: {head}"
        );
        let quoted = body.split('"').skip(1).step_by(2);
        let asked = quoted.filter_map(|text| text.strip_prefix("console/").or_else(|| text.strip_prefix("./")));
        if !path.contains("uplot") {
            open.extend(asked.filter(|name| name.contains('.')).map(|name| format!("/console/{name}")));
        }
        files.push((path, body));
    }
    files
}

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

async fn start(state: Arc<Pretended>) -> Running {
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let task = tokio::spawn(async move { server.serve(state, shutdown).await.unwrap() });
    Running { address, stop, task }
}

impl Running {
    /// Status line and headers, and the body.
    async fn ask(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_ascii_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str, accept: &str) -> (String, String) {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        ))
        .await
    }
}

#[tokio::test]
async fn gauges_come_in_the_format_that_the_scraper_accepts() {
    let server = start(Pretended::new()).await;
    let (head, body) = server.get("/metrics", "text/plain").await;
    assert!(
        head.starts_with("http/1.1 200") && head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(body.contains("tidegauge_") && !body.contains("# EOF"), "{body}");
    let (head, body) = server
        .get("/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        .await;
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(body.trim_end().ends_with("# EOF"), "{body}");
}

#[tokio::test]
async fn what_is_not_ready_says_why_and_shows_no_gauges() {
    let state = Pretended::new();
    let server = start(Arc::clone(&state)).await;
    assert_eq!(server.get("/readyz", "*/*").await.1, r#"{"status":"ok"}"#);
    state.ready.store(false, Ordering::Release);
    for path in ["/readyz", "/metrics"] {
        let (head, body) = server.get(path, "*/*").await;
        assert!(
            head.starts_with("http/1.1 503") && head.contains("content-type: application/json"),
            "{path}: {head}"
        );
        let reason: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(reason["reason"], "the state is being restored", "{path}");
    }
    let (head, _) = server.get("/healthz", "*/*").await;
    assert!(
        head.starts_with("http/1.1 200"),
        "a pipeline that restores its state is healthy: {head}"
    );
}

#[tokio::test]
async fn the_api_tells_rows_with_names_and_leaves_out_what_is_absent() {
    let server = start(Pretended::new()).await;
    let (_, body) = server.get("/api/v1/metrics", "*/*").await;
    let live: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(live["watermark"], "1970-01-01T00:04:00Z");
    let rows = live["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["window"], "5m");
    assert_eq!(rows[0]["dimensions"], json!({"product": "<b>shop</b>"}));
    assert_eq!(
        (&rows[0]["value"], &rows[0]["n"], &rows[0]["area"]),
        (&json!(0.5), &json!(4), &json!("UX"))
    );
    let (_, body) = server.get("/api/v1/status", "*/*").await;
    assert_eq!(body, r#"{"records":42}"#);
}

#[tokio::test]
async fn the_page_asks_nobody_but_its_own_host() {
    let server = start(Pretended::new()).await;
    let files = page_files(&server).await;
    assert!(files.len() > 10, "only {} files", files.len());
    for (path, body) in &files {
        // The library names its own home in its first line, and asks for nothing.
        let body = if path.contains("uplot") {
            body.split_once('\n').map_or(body.as_str(), |(_, rest)| rest)
        } else {
            body
        };
        for foreign in [
            "http://",
            "https://",
            "src=\"//",
            "@import",
            "innerHTML",
            "eval(",
            "style=\"",
            "onclick=\"",
        ] {
            assert!(!body.contains(foreign), "{foreign} in {path}");
        }
    }
    let (_, page) = &files[0];
    assert!(
        page.contains("<title>Tidegauge</title>") && !page.contains("<script>"),
        "no script within the page"
    );
    let (_, licence) = server.get("/console/uplot.LICENSE", "*/*").await;
    assert!(licence.contains("MIT License"), "{licence}");
}

#[tokio::test]
async fn a_question_about_the_past_is_answered_or_told_what_is_wrong_with_it() {
    let server = start(Pretended::new()).await;
    let (head, body) = server.get("/api/v1/history?metric=nps&product=a%20b", "*/*").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, r#"{"query":"metric=nps&product=a%20b"}"#);
    let (head, body) = server.get("/api/v1/history", "*/*").await;
    assert!(
        head.starts_with("http/1.1 400") && body.contains("`metric` is missing"),
        "{head} {body}"
    );
    for path in ["/api/v1/overview", "/api/v1/catalogue"] {
        assert!(server.get(path, "*/*").await.0.starts_with("http/1.1 200"), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_names_the_known_ones_and_writing_is_refused() {
    let server = start(Pretended::new()).await;
    let (head, body) = server.get("/metric", "*/*").await;
    assert!(head.starts_with("http/1.1 404") && body.contains("/metrics"), "{head} {body}");
    let (head, _) = server
        .ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await;
    assert!(head.starts_with("http/1.1 405"), "{head}");
}

#[tokio::test]
async fn a_port_in_use_is_told_with_what_to_do() {
    let server = start(Pretended::new()).await;
    let message = HttpServer::bind(server.address).await.unwrap_err().to_string();
    for part in [&server.address.to_string(), "in use", "[http] listen"] {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_in_spite_of_an_idle_client() {
    let server = start(Pretended::new()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut some = [0_u8; 12];
    idle.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"HTTP/1.1 200");
    server.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), server.task)
        .await
        .expect("it ends")
        .unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off() {
    let server = start(Pretended::new()).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").await.unwrap();
    let dripping = async {
        let mut sent = 0;
        while slow.write_all(b"a").await.is_ok() {
            sent += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        sent
    };
    let sent = tokio::time::timeout(Duration::from_secs(30), dripping)
        .await
        .expect("the server cuts it off");
    assert!(sent > 10, "a request may take some seconds");
}
