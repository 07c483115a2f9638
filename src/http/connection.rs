//! Bounds on connections: how many there are, how much a request may hold, how long it may take to arrive, how long one may be idle.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

use super::places::{Place, Places};

/// Connections at a time; for a further one, the one that has been still for longest has to go. Each may hold an answer of many megabytes, and
/// scrapers, probes and some browsers need no more.
const CONNECTIONS: usize = 32;
/// What a request may hold. Ours have no body, and browsers and scrapers send a few hundred bytes.
const REQUEST_BYTES: usize = 64 << 10;
/// From the first byte of a request to its end.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Between requests. Longer than usual scrape intervals, so that scrapers keep their connections.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// For a client to take some more of an answer.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// A listener that hands out bounded connections.
pub(super) struct Limited {
    listener: TcpListener,
    places: Arc<Places>,
}

impl Limited {
    pub(super) fn new(listener: TcpListener) -> Limited {
        Limited {
            listener,
            places: Arc::new(Places::new(CONNECTIONS)),
        }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => return (Connection::new(stream, Places::take(&self.places)), address),
                Err(error) => {
                    // Most likely out of file descriptors; others may be closed soon.
                    tracing::warn!(%error, "a connection to the HTTP server could not be accepted");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when its client takes too long.
pub(super) struct Connection {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    /// Whether bytes of a request have arrived that was not answered yet.
    in_request: bool,
    /// Whether an answer waits for its client.
    writing: bool,
    /// Bytes of the request so far.
    received: usize,
    /// How many bytes were the beginning of [`HTTP2`] so far; none once one was not.
    preface: Option<usize>,
    place: Place,
}

/// How a client begins that takes HTTP/2 for granted. The library would answer it, but many requests on one connection know none of these limits.
const HTTP2: &[u8] = b"PRI ";

impl Connection {
    fn new(stream: TcpStream, place: Place) -> Connection {
        Connection {
            stream,
            deadline: Box::pin(tokio::time::sleep(REQUEST_LIMIT)),
            in_request: true,
            writing: false,
            received: 0,
            preface: Some(0),
            place,
        }
    }

    fn allow(&mut self, limit: Duration) {
        self.deadline.as_mut().reset(Instant::now() + limit);
    }

    /// Whether what has been received so far is the beginning of HTTP/2.
    fn speaks_http2(&mut self, received: &[u8]) -> bool {
        for byte in received {
            let Some(begun) = self.preface else { return false };
            self.preface = (HTTP2.get(begun) == Some(byte)).then_some(begun + 1);
            if self.preface == Some(HTTP2.len()) {
                return true;
            }
        }
        false
    }

    fn expired(&mut self, context: &mut Context<'_>) -> bool {
        self.deadline.as_mut().poll(context).is_ready()
    }
}

fn too_slow() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the client took too long")
}

fn too_large() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the request is too large")
}

fn unspoken() -> io::Error {
    io::Error::new(ErrorKind::Unsupported, "only HTTP/1 is spoken here")
}

fn displaced() -> io::Error {
    io::Error::new(ErrorKind::ConnectionAborted, "another connection needed the place")
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.place.is_lost(context) {
            return Poll::Ready(Err(displaced()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let received = buffer.filled().len() - before;
        if received > 0 {
            if self.speaks_http2(buffer.filled().get(before..).unwrap_or_default()) {
                return Poll::Ready(Err(unspoken()));
            }
            self.place.stir();
            self.received = if self.in_request { self.received + received } else { received };
        }
        match polled {
            Poll::Pending if !self.writing && self.expired(context) => Poll::Ready(Err(too_slow())),
            Poll::Ready(Ok(())) if received > 0 && !self.in_request => {
                self.in_request = true;
                self.allow(REQUEST_LIMIT);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(())) if self.received > REQUEST_BYTES => Poll::Ready(Err(too_large())),
            // A client that sends byte after byte is not given more time for it.
            Poll::Ready(Ok(())) if self.in_request && self.expired(context) => Poll::Ready(Err(too_slow())),
            other => other,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.place.is_lost(context) {
            return Poll::Ready(Err(displaced()));
        }
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => {
                if !self.writing {
                    self.writing = true;
                    self.allow(WRITE_LIMIT);
                }
                if self.expired(context) {
                    Poll::Ready(Err(too_slow()))
                } else {
                    Poll::Pending
                }
            }
            Poll::Ready(written) => {
                self.place.stir();
                self.writing = false;
                self.in_request = false;
                self.allow(IDLE_LIMIT);
                Poll::Ready(written)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
