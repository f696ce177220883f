//! What a client is told when it does not get what it asked for: RFC 9457 problem documents.

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A kind of problem: what stays the same each time it occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The last part of its type, for programs: `wrong-checksum`.
    pub code: &'static str,
    /// The kind in a few words, for people.
    pub title: &'static str,
    /// The status of the answer.
    pub status: StatusCode,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:ident $code:literal $title:literal;)*) => {
        impl Kind {
            $($(#[$doc])*
            pub const $name: Self =
                Self { code: $code, title: $title, status: StatusCode::$status };)*

            /// Every kind that our doors answer with.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

kinds! {
    /// The request is not of the form that was agreed; the detail says where.
    MALFORMED = BAD_REQUEST "malformed" "The request cannot be read";
    /// The body is not JSON; the detail names the position.
    INVALID_JSON = BAD_REQUEST "invalid-json" "The body is not the JSON that is expected";
    /// No key, an unknown device, or a wrong key: the same answer for each, to give no hint.
    UNAUTHORIZED = UNAUTHORIZED "unauthorized" "A valid key is needed";
    /// Known, but not allowed.
    FORBIDDEN = FORBIDDEN "forbidden" "This is not allowed";
    /// There is nothing at this address.
    NOT_FOUND = NOT_FOUND "not-found" "There is nothing here";
    /// There is, but not for this method.
    WRONG_METHOD = METHOD_NOT_ALLOWED "wrong-method" "This method is not offered here";
    /// The body came slower than the minimum rate.
    TOO_SLOW = REQUEST_TIMEOUT "too-slow" "The request came too slowly";
    /// The same name was used before for something else; nothing was stored.
    CONFLICT = CONFLICT "conflict" "The same id was used before with another content";
    /// The body is over the limit.
    TOO_LARGE = PAYLOAD_TOO_LARGE "too-large" "The body is too large";
    /// Path and query are over the limit.
    URL_TOO_LONG = URI_TOO_LONG "url-too-long" "The address is too long";
    /// The body is of a media type that is not taken here.
    WRONG_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE "wrong-media-type" "This media type is not taken here";
    /// The body is not what its checksum says; nothing was stored, send it again.
    WRONG_CHECKSUM = UNPROCESSABLE_ENTITY "wrong-checksum" "The body does not match its checksum";
    /// No checksum came with the body.
    MISSING_CHECKSUM = BAD_REQUEST "missing-checksum" "A checksum of the body is needed";
    /// Readable, but not acceptable; the detail says why.
    UNACCEPTABLE = UNPROCESSABLE_ENTITY "unacceptable" "The content cannot be accepted";
    /// More requests than the rate allows; try again after the given time.
    TOO_MANY_REQUESTS = TOO_MANY_REQUESTS "too-many-requests" "Too many requests";
    /// A defect of ours.
    INTERNAL = INTERNAL_SERVER_ERROR "internal" "Something went wrong here";
    /// More at once than we can do, or the program is stopping; try again.
    BUSY = SERVICE_UNAVAILABLE "busy" "Too busy at this moment";
    /// The database cannot store at this moment; nothing was stored, try again.
    NOT_STORED = SERVICE_UNAVAILABLE "not-stored" "It could not be stored";
    /// No room on the disk; nothing was stored, try again when there is.
    DISK_FULL = INSUFFICIENT_STORAGE "disk-full" "The disk is full";
}

/// One occurrence of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    detail: Option<Cow<'static, str>>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of `kind`, with nothing to add.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, detail: None, request_id: None, retry_after: None }
    }

    /// What is particular this time, as a sentence that helps the caller. Holds nothing about a
    /// person: it may be logged at the other end.
    #[must_use]
    pub fn detail(mut self, sentence: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(sentence.into());
        self
    }

    /// The id under which this request stands in our log.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// When to try again; sent in whole seconds, rounded up.
    #[must_use]
    pub const fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time);
        self
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The document, as it stands in the body of the answer.
    fn document(&self) -> Vec<u8> {
        let document = Document {
            r#type: format!("/problems/{}", self.kind.code),
            title: self.kind.title,
            status: self.kind.status.as_u16(),
            code: self.kind.code,
            detail: self.detail.as_deref(),
            request_id: self.request_id.as_deref(),
        };
        // Strings and a number always have a JSON form.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

impl From<PathRejection> for Problem {
    /// A path that does not name anything is answered as if nothing were there.
    fn from(_: PathRejection) -> Self {
        Self::new(Kind::NOT_FOUND)
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Kind::MALFORMED).detail(rejection.body_text())
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status, self.document()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(time) = self.retry_after {
            let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The answer where a router has no route. Give it to `Router::fallback`.
pub async fn no_route() -> Problem {
    std::future::ready(Problem::new(Kind::NOT_FOUND)).await
}

/// The answer where a route has another method. Give it to `Router::method_not_allowed_fallback`.
pub async fn no_method() -> Problem {
    std::future::ready(Problem::new(Kind::WRONG_METHOD)).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_problem_is_the_agreed_document() {
        let problem = Problem::new(Kind::TOO_MANY_REQUESTS)
            .detail("This device may send 10 batches a second.")
            .request_id("7f")
            .retry_after(Duration::from_millis(1_001));
        let response = problem.into_response();
        assert_eq!(response.status(), 429);
        let header = |name| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("content-type"), "application/problem+json");
        assert_eq!(header("retry-after"), "2");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            r#"{"type":"/problems/too-many-requests","title":"Too many requests","status":429,"#
                .to_owned()
                + r#""code":"too-many-requests","detail":"This device may send 10 batches a second.","#
                + r#""request_id":"7f"}"#
        );
    }

    #[test]
    fn a_code_names_one_kind() {
        let codes: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| kind.status.is_client_error() || kind.status.is_server_error())
        );
    }
}
