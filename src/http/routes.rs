//! What is answered where.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use tidegauge_sink::gauges::Format;

use super::HttpState;
use super::assets::ASSETS;

const JSON_TYPE: &str = "application/json";

type Shared = State<Arc<dyn HttpState>>;

pub(super) fn router(state: Arc<dyn HttpState>) -> Router {
    let console = ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(|| std::future::ready(asset.answer())))
    });
    console
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/v1/metrics", get(api_metrics))
        .route("/api/v1/status", get(api_status))
        .route("/api/v1/overview", get(api_overview))
        .route("/api/v1/history", get(api_history))
        .route("/api/v1/catalogue", get(api_catalogue))
        .fallback(not_found)
        .with_state(state)
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
    worked_out(move || Ok(state.metrics_json())).await
}

async fn api_status(State(state): Shared) -> Response {
    json_answer(StatusCode::OK, &state.status_json())
}

async fn api_overview(State(state): Shared) -> Response {
    worked_out(move || Ok(state.overview_json())).await
}

async fn api_history(State(state): Shared, RawQuery(query): RawQuery) -> Response {
    worked_out(move || state.history_json(query.as_deref().unwrap_or_default())).await
}

async fn api_catalogue(State(state): Shared) -> Response {
    json_answer(StatusCode::OK, &state.catalogue_json())
}

/// What takes a while to put together, so that other requests need not wait for it; an error is the fault of the question.
async fn worked_out(work: impl FnOnce() -> Result<Value, String> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(move || work().map(|value| value.to_string())).await {
        Ok(Ok(text)) => answer(StatusCode::OK, JSON_TYPE, text),
        Ok(Err(error)) => json_answer(StatusCode::BAD_REQUEST, &json!({"error": error})),
        Err(error) => json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": error.to_string()})),
    }
}

async fn not_found() -> Response {
    let paths = [
        "/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/api/v1/overview",
        "/api/v1/metrics",
        "/api/v1/history",
        "/api/v1/catalogue",
        "/api/v1/status",
    ];
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

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
