//! The HTTP server: `/metrics`, `/healthz`, `/readyz`, the JSON behind the page, and the page. It only reads; what it shows is supplied by an
//! [`HttpState`].

mod api;
mod assets;
mod connection;
mod places;
mod routes;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidegauge_sink::gauges::Page;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub(crate) use api::time;
pub use api::{Live, metrics_json};

use self::connection::Limited;

/// How long answers may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What the server shows. Every method is called for each request and must not wait for anything.
pub trait HttpState: Send + Sync + 'static {
    /// The page of gauges.
    ///
    /// # Errors
    /// Why there is none yet: state is restored before the first scrape is answered.
    fn page(&self) -> Result<Page, String>;

    /// Whether this process does what it is there for and need not be restarted.
    ///
    /// # Errors
    /// Why not.
    fn healthy(&self) -> Result<(), String>;

    /// Whether it can be asked for results.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), String>;

    /// The answer of `/api/v1/status`: an object.
    fn status_json(&self) -> Value;

    /// The answer of `/api/v1/metrics`; [`metrics_json`] makes it.
    fn metrics_json(&self) -> Value;

    /// The answer of `/api/v1/history` to a query.
    ///
    /// # Errors
    /// What is wrong with the query.
    fn history_json(&self, query: &str) -> Result<Value, String>;

    /// The answer of `/api/v1/overview`: an object.
    fn overview_json(&self) -> Value;

    /// The answer of `/api/v1/catalogue`: an object.
    fn catalogue_json(&self) -> Value;
}

/// Why there is no server. `Display` says what, where, why and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct HttpError {
    /// The message.
    pub message: String,
}

/// A server that has its address but does not answer yet.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Takes an address; port 0 is any free one.
    ///
    /// # Errors
    /// The address cannot be had: says why, and that `[http] listen` chooses another.
    pub async fn bind(address: SocketAddr) -> Result<HttpServer, HttpError> {
        let bound = TcpListener::bind(address)
            .await
            .and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|error| refused(address, &error))?;
        Ok(HttpServer { listener, address })
    }

    /// The address, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `shutdown` is over, then ends those under way, within a few seconds.
    ///
    /// # Errors
    /// The server failed by itself.
    pub async fn serve(self, state: Arc<dyn HttpState>, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), HttpError> {
        let address = self.address;
        let (told, heard) = oneshot::channel::<()>();
        let shutdown = async move {
            shutdown.await;
            let _ = told.send(());
        };
        let serving = axum::serve(Limited::new(self.listener), routes::router(state)).with_graceful_shutdown(shutdown);
        let deadline = async {
            let _ = heard.await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            ended = serving => ended.map_err(|error| HttpError { message: format!("the HTTP server on {address} failed: {error}") }),
            // A client that does not read its answer must not keep the process.
            () = deadline => Ok(()),
        }
    }
}

fn refused(address: SocketAddr, error: &io::Error) -> HttpError {
    let (why, advice) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            format!("port {} is in use by another process", address.port()),
            "stop that process (`ss -ltnp` names it)",
        ),
        io::ErrorKind::PermissionDenied => (
            format!("this user may not use port {}", address.port()),
            "take a port of 1024 or above",
        ),
        io::ErrorKind::AddrNotAvailable => (format!("{} is no address of this host", address.ip()), "take 127.0.0.1 or 0.0.0.0"),
        _ => (error.to_string(), "check the address"),
    };
    HttpError {
        message: format!("cannot listen on {address}: {why}; {advice}, or choose another address with `[http] listen`"),
    }
}
