//! What is answered where.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use tidegauge_sink::gauges::Format;

use super::HttpState;

const HTML: &str = include_str!("page.html");
const JSON_TYPE: &str = "application/json";
/// Nothing but what is in the page itself, and requests to this host.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Shared = State<Arc<dyn HttpState>>;

pub(super) fn router(state: Arc<dyn HttpState>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/metrics", get(api_metrics))
        .route("/api/v1/status", get(api_status))
        .fallback(not_found)
        .with_state(state)
}

async fn page() -> Response {
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", HTML);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

async fn metrics(State(state): Shared, headers: HeaderMap) -> Response {
    // A client may send its wishes in several headers, which together are one list.
    let wishes: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = wishes.join(",");
    let format = Format::negotiate((!accept.is_empty()).then_some(accept.as_str()));
    let page = match state.page() {
        Ok(page) => page,
        Err(reason) => return verdict(Err(reason)),
    };
    // A page of many series takes a while to write; other requests need not wait for it.
    let rendered = tokio::task::spawn_blocking(move || page.render(format)).await;
    match rendered {
        Ok(Ok(text)) => answer(StatusCode::OK, format.content_type(), text),
        Ok(Err(error)) => json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": error.to_string()})),
        Err(error) => json_answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({"error": format!("the page was not written: {error}")}),
        ),
    }
}

async fn healthz(State(state): Shared) -> Response {
    verdict(state.healthy())
}

async fn readyz(State(state): Shared) -> Response {
    verdict(state.ready())
}

async fn api_metrics(State(state): Shared) -> Response {
    match tokio::task::spawn_blocking(move || state.metrics_json().to_string()).await {
        Ok(text) => answer(StatusCode::OK, JSON_TYPE, text),
        Err(error) => json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": error.to_string()})),
    }
}

async fn api_status(State(state): Shared) -> Response {
    json_answer(StatusCode::OK, &state.status_json())
}

async fn not_found() -> Response {
    let paths = ["/", "/metrics", "/healthz", "/readyz", "/api/v1/metrics", "/api/v1/status"];
    json_answer(StatusCode::NOT_FOUND, &json!({"error": "there is nothing here", "paths": paths}))
}

/// 200 `{"status": "ok"}`, or 503 with the reason.
fn verdict(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => json_answer(StatusCode::OK, &json!({"status": "ok"})),
        Err(reason) => json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "unavailable", "reason": reason})),
    }
}

fn json_answer(status: StatusCode, value: &Value) -> Response {
    answer(status, JSON_TYPE, value.to_string())
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
