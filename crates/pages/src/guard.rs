//! Who may see a page: somebody at this machine, in a page of this program.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request};
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const REFUSED: &str = "This page shows patients' data and there is no sign-in yet, so it answers \
    this machine only, by the name localhost or the address 127.0.0.1.\n";

/// Lets a request through if it comes from this machine and names this machine: a page elsewhere
/// whose name was pointed here must not read ours through the visitor's browser.
pub(crate) async fn only_from_here(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    let from_here = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if from_here && names_this_machine(request.headers()) && is_same_site(request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, REFUSED).into_response()
    }
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name)
}

/// Browsers say where a request comes from; other programs say nothing.
fn is_same_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    site.is_none_or(|site| ["same-origin", "none"].contains(&site))
}
