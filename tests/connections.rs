//! Clients of the HTTP server that are slow, greedy or many on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegauge::http::{HttpServer, HttpState};
use tidegauge_sink::gauges::Page;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_secs(60);
/// The bound on connections.
const PLACES: usize = 32;
/// More than the buffers of a connection take.
const LARGE: usize = 12 << 20;

/// A service whose status is a large answer.
struct Pretended(String);

impl HttpState for Pretended {
    fn page(&self) -> Result<Page, String> {
        Err("there is none".to_owned())
    }

    fn healthy(&self) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn status_json(&self) -> Value {
        json!(self.0)
    }

    fn metrics_json(&self) -> Value {
        json!({})
    }

    fn history_json(&self, _: &str) -> Result<Value, String> {
        Ok(json!({}))
    }

    fn overview_json(&self) -> Value {
        json!({})
    }

    fn catalogue_json(&self) -> Value {
        json!({})
    }
}

async fn start() -> SocketAddr {
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    tokio::spawn(server.serve(Arc::new(Pretended("x".repeat(LARGE))), std::future::pending()));
    address
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// All that still comes; what came before an end that is none, too.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = async {
        let mut part = vec![0; 1 << 16];
        while let Ok(length @ 1..) = stream.read(&mut part).await {
            answer.extend_from_slice(&part[..length]);
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("it is answered or closed");
    answer
}

async fn ask(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut stream = connect(address).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

async fn assert_healthy(address: SocketAddr) {
    let answer = ask(address, "/healthz").await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn requests_that_never_end_keep_nobody_out_and_the_newest_of_them_go_on() {
    let address = start().await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = connect(address).await;
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Slow: ")
            .await
            .unwrap();
        slow.push(stream);
    }
    assert_healthy(address).await;
    // 101 came and 32 have a place: the first 69 had to go, and none of the others was cut off to let the probe in.
    let mut later = slow.swap_remove(75);
    later.write_all(b"no more\r\n\r\n").await.unwrap();
    assert!(rest(&mut later).await.starts_with(b"HTTP/1.1 200"));
    assert_eq!(rest(&mut slow[0]).await, b"", "the first one is closed without an answer");
}

#[tokio::test]
async fn clients_that_do_not_read_their_answers_keep_nobody_out_and_get_them_whole_when_they_do() {
    let address = start().await;
    let mut slow = Vec::new();
    for _ in 0..PLACES {
        let mut stream = connect(address).await;
        let request = b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        slow.push(stream);
        // It is being answered before the next one comes.
        slow.last_mut().unwrap().readable().await.unwrap();
    }
    assert_healthy(address).await;
    let answer = rest(slow.last_mut().unwrap()).await;
    assert!(answer.len() > LARGE && answer.starts_with(b"HTTP/1.1 200"), "{}", answer.len());
}

#[tokio::test]
async fn no_more_connections_are_held_than_there_are_places() {
    let address = start().await;
    let mut idle = Vec::new();
    for _ in 0..3 * PLACES {
        idle.push(connect(address).await);
    }
    assert_healthy(address).await;
    let displaced = idle.len() + 1 - PLACES;
    for stream in &mut idle[..displaced] {
        assert_eq!(rest(stream).await, b"");
    }
    let mut newest = idle.pop().unwrap();
    newest
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut newest).await.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_without_measure_is_not_taken_in() {
    let address = start().await;
    for endless in [
        "GET /healthz HTTP/1.1\r\nX-Long: ",
        "GET /",
        "GET /healthz HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
    ] {
        let mut stream = connect(address).await;
        stream.write_all(endless.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = stream.split();
        let mut sent = 0;
        let flood = async {
            while writing.write_all(&[b'a'; 4096]).await.is_ok() {
                sent += 4096;
            }
        };
        let drain = async {
            let mut part = [0; 4096];
            while let Ok(1..) = reading.read(&mut part).await {}
        };
        // Whichever side notices first.
        tokio::time::timeout(LIMIT, async {
            tokio::select! { () = flood => {}, () = drain => {} }
        })
        .await
        .expect("it is closed");
        assert!(sent < 32 << 20, "{sent} bytes were taken in");
        assert_healthy(address).await;
    }
}

#[tokio::test]
async fn what_is_no_http_is_answered_with_an_error_or_closed() {
    let address = start().await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n\r\n\0\0\0\0\r\n\r\n",
    ] {
        let mut stream = connect(address).await;
        stream.write_all(nonsense).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_healthy(address).await;
}
