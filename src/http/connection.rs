//! Bounds on connections: how many there are, how long a request may take to arrive, how long one may be idle.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// Connections at a time; further ones wait.
const CONNECTIONS: usize = 128;
/// From the first byte of a request to its end.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Between requests. Longer than usual scrape intervals, so that scrapers keep their connections.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// For a client to take some more of an answer.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// A listener that hands out bounded connections.
pub(super) struct Limited {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Limited {
    pub(super) fn new(listener: TcpListener) -> Limited {
        Limited {
            listener,
            places: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            // The semaphore is never closed; if it were, connections would not be counted.
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, address)) => return (Connection::new(stream, place), address),
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
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>) -> Connection {
        Connection {
            stream,
            deadline: Box::pin(tokio::time::sleep(REQUEST_LIMIT)),
            in_request: true,
            writing: false,
            _place: place,
        }
    }

    fn allow(&mut self, limit: Duration) {
        self.deadline.as_mut().reset(Instant::now() + limit);
    }

    fn expired(&mut self, context: &mut Context<'_>) -> bool {
        self.deadline.as_mut().poll(context).is_ready()
    }
}

fn too_slow() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "the client took too long")
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending if !self.writing && self.expired(context) => Poll::Ready(Err(too_slow())),
            Poll::Ready(Ok(())) if buffer.filled().len() > before && !self.in_request => {
                self.in_request = true;
                self.allow(REQUEST_LIMIT);
                Poll::Ready(Ok(()))
            }
            // A client that sends byte after byte is not given more time for it.
            Poll::Ready(Ok(())) if self.in_request && self.expired(context) => Poll::Ready(Err(too_slow())),
            other => other,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
