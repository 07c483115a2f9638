//! The files of the console, which are in the binary.

use axum::http::{HeaderValue, header::REFERRER_POLICY};
use axum::http::{StatusCode, header::CONTENT_SECURITY_POLICY};
use axum::response::Response;

use super::routes::answer;

/// Scripts, styles and requests of this host only, none of them within the page; nothing may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// A file of the console.
#[derive(Clone, Copy)]
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

macro_rules! assets {
    ($($path:literal $kind:ident $file:literal),+ $(,)?) => {
        /// All of them, the page first.
        pub(super) const ASSETS: &[Asset] = &[$(Asset { path: $path, content_type: $kind, content: include_str!(concat!("page/", $file)) }),+];
    };
}

assets! {
    "/" HTML "index.html",
    "/console/style.css" CSS "style.css",
    "/console/app.js" SCRIPT "app.js",
    "/console/ask.js" SCRIPT "ask.js",
    "/console/dom.js" SCRIPT "dom.js",
    "/console/format.js" SCRIPT "format.js",
    "/console/chart.js" SCRIPT "chart.js",
    "/console/overview.js" SCRIPT "overview.js",
    "/console/explore.js" SCRIPT "explore.js",
    "/console/journeys.js" SCRIPT "journeys.js",
    "/console/pipeline.js" SCRIPT "pipeline.js",
    "/console/uplot.js" SCRIPT "uplot.js",
    "/console/uplot.css" CSS "uplot.css",
    "/console/uplot.LICENSE" TEXT "uplot.LICENSE",
}

impl Asset {
    pub(super) fn answer(self) -> Response {
        let mut response = answer(StatusCode::OK, self.content_type, self.content);
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}
