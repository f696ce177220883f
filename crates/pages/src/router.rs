//! The routes of the pages, and the headers that go with them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::View;
use crate::assets::{SCRIPT, STYLE};
use crate::guard::only_from_here;
use crate::health::{self, BackupHealth, SetAsideHealth};

/// Nothing from elsewhere, nothing inline, nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The media type of OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What fills the pages in.
pub trait Provide: Send + Sync + 'static {
    /// The page of this moment; `None` when the database cannot be read.
    fn view(&self) -> impl Future<Output = Option<View>> + Send;
    /// How backups stand, for `/health`.
    fn backup(&self) -> impl Future<Output = Option<BackupHealth>> + Send;
    /// What was set aside, for `/health`; `None` when the database cannot be read.
    fn set_aside(&self) -> impl Future<Output = Option<SetAsideHealth>> + Send;
    /// The figures for a monitoring system, as OpenMetrics text; they name no person and no device.
    fn metrics(&self) -> impl Future<Output = Option<String>> + Send;
}

/// `/` and its parts for this machine, `/health` and `/metrics` for whoever reaches the door.
pub fn router<P: Provide>(provider: Arc<P>) -> Router {
    let pages = Router::new()
        .route("/", get(page::<P>))
        .route("/fragment", get(fragment::<P>))
        .route_layer(from_fn(only_from_here));
    let open = Router::new()
        .route("/health", get(health::<P>))
        .route("/metrics", get(metrics::<P>))
        .route("/assets/live.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/assets/page.css", get(async || asset("text/css; charset=utf-8", STYLE)));
    pages.merge(open).with_state(provider).layer(from_fn(with_headers))
}

async fn page<P: Provide>(State(provider): State<Arc<P>>) -> Response {
    match provider.view().await {
        Some(view) => asset("text/html; charset=utf-8", view.page()),
        None => unavailable(),
    }
}

async fn fragment<P: Provide>(State(provider): State<Arc<P>>) -> Response {
    match provider.view().await {
        Some(view) => asset("text/html; charset=utf-8", view.fragment()),
        None => unavailable(),
    }
}

/// Whether the program can read its database; for whatever watches it.
async fn health<P: Provide>(State(provider): State<Arc<P>>) -> Response {
    let (status, word) = match provider.metrics().await {
        Some(_) => (StatusCode::OK, "ok"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "database unavailable"),
    };
    let body = health::body(word, provider.backup().await, provider.set_aside().await);
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics<P: Provide>(State(provider): State<Arc<P>>) -> Response {
    match provider.metrics().await {
        Some(text) => asset(OPENMETRICS, text),
        None => unavailable(),
    }
}

fn asset(media_type: &'static str, body: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, media_type)], body).into_response()
}

fn unavailable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "The database cannot be read at this moment.\n")
        .into_response()
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let set: [(HeaderName, &'static str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Body;
    use axum::extract::ConnectInfo;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    struct Fixed;

    impl Provide for Fixed {
        async fn view(&self) -> Option<View> {
            Some(View { title: "north".to_owned(), ..View::default() })
        }

        async fn backup(&self) -> Option<BackupHealth> {
            Some(BackupHealth { state: "off", age_seconds: None, last_error: None })
        }

        async fn set_aside(&self) -> Option<SetAsideHealth> {
            None
        }

        async fn metrics(&self) -> Option<String> {
            Some("# EOF\n".to_owned())
        }
    }

    async fn ask(path: &str, peer: &str, host: &str, site: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::builder().uri(path).header("host", host);
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = router(Arc::new(Fixed)).oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-security-policy"], POLICY);
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_page_answers_this_machine_only() {
        let here = "127.0.0.1:5";
        assert_eq!(ask("/", here, "localhost:8080", None).await.0, 200);
        assert_eq!(ask("/fragment", here, "127.0.0.1:8080", Some("same-origin")).await.0, 200);
        assert_eq!(ask("/", "[::ffff:127.0.0.1]:5", "localhost", None).await.0, 200);
        assert_eq!(ask("/", "192.0.2.7:5", "localhost:8080", None).await.0, 403);
        assert_eq!(ask("/", here, "evil.example:8080", None).await.0, 403);
        assert_eq!(ask("/fragment", here, "localhost:8080", Some("cross-site")).await.0, 403);
    }

    #[tokio::test]
    async fn health_and_metrics_answer_everybody() {
        let (status, body) = ask("/health", "192.0.2.7:5", "anything", None).await;
        assert_eq!(status, 200);
        assert!(body.contains("\"status\":\"ok\""));
        assert!(body.contains("\"backup\":{\"state\":\"off\""));
        assert_eq!(ask("/metrics", "192.0.2.7:5", "anything", None).await.0, 200);
    }
}
