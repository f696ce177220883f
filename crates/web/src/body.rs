//! Bodies: read whole up to a cap, and never slower than a minimum rate.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits::{BODY_BYTES_MAX, Limits};
use crate::{Kind, Problem};

/// The whole body of a request, at most `MAX` bytes: an extractor.
#[derive(Clone, Debug)]
pub struct Whole<const MAX: usize = BODY_BYTES_MAX>(pub Bytes);

impl<S: Sync, const MAX: usize> FromRequest<S> for Whole<MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request.into_body(), MAX).await.map(Self)
    }
}

/// Reads `body` to its end.
///
/// A body whose declared length is over `bytes_max` is refused before a byte of it is read; one
/// that declares none, as soon as it is over.
///
/// # Errors
///
/// [`Kind::TOO_LARGE`], [`Kind::TOO_SLOW`], or [`Kind::MALFORMED`] when it breaks off.
pub async fn read(mut body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(Kind::TOO_LARGE).detail(format!("At most {bytes_max} bytes are taken here."))
    };
    let declared = body.size_hint().lower();
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    if declared > bytes_max {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| refusal(&error))?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > bytes_max {
            return Err(too_large());
        }
        // Nearly every body comes in one piece, which need not be copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(declared.max(first.len() + data.len()));
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn refusal(error: &axum::Error) -> Problem {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(TooSlow { bytes_per_second_min }) = inner.downcast_ref() {
            return Problem::new(Kind::TOO_SLOW)
                .detail(format!("A body has to come with {bytes_per_second_min} bytes a second."));
        }
        cause = inner.source();
    }
    Problem::new(Kind::MALFORMED).detail("The body broke off or is badly framed.")
}

/// The body came slower than the minimum rate.
#[derive(Debug, thiserror::Error)]
#[error("the body came slower than {bytes_per_second_min} bytes a second")]
struct TooSlow {
    bytes_per_second_min: u64,
}

/// A body that breaks off when it falls behind its rate.
///
/// Most bodies are there at once; a clock is read and a timer made only when one is not.
pub(crate) struct Paced {
    body: Incoming,
    bytes_per_second_min: u64,
    delay_max: Duration,
    /// Made when the body is waited for the first time.
    pace: Option<Pace>,
    bytes: u64,
}

struct Pace {
    started: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Paced {
    pub(crate) fn new(body: Incoming, limits: &Limits) -> Self {
        Self {
            body,
            bytes_per_second_min: limits.body_bytes_per_second_min.max(1),
            delay_max: limits.body_delay_max,
            pace: None,
            bytes: 0,
        }
    }

    /// How long after the start the next byte is due.
    fn allowance(&self) -> Duration {
        let millis = self.bytes.saturating_mul(1_000) / self.bytes_per_second_min;
        self.delay_max + Duration::from_millis(millis)
    }

    /// Ready when the body is overdue.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let allowance = self.allowance();
        let pace = self.pace.get_or_insert_with(|| {
            let started = Instant::now();
            Pace { started, timer: Box::pin(sleep_until(started + allowance)) }
        });
        let due = pace.started + allowance;
        if pace.timer.deadline() != due {
            pace.timer.as_mut().reset(due);
        }
        pace.timer.as_mut().poll(cx)
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                let frame = frame.transpose()?;
                let data = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
                self.bytes = self.bytes.saturating_add(u64::try_from(data).unwrap_or(u64::MAX));
                Poll::Ready(frame.map(Ok))
            }
            Poll::Pending => {
                ready!(self.poll_overdue(cx));
                let bytes_per_second_min = self.bytes_per_second_min;
                Poll::Ready(Some(Err(Box::new(TooSlow { bytes_per_second_min }))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_taken_up_to_its_cap_and_not_a_byte_more() {
        check(10, Body::from("0123456789"), Ok("0123456789")).await;
        check(9, Body::from("0123456789"), Err(Kind::TOO_LARGE)).await;
        check(10, pieces(&["01234", "56789"]), Ok("0123456789")).await;
        check(9, pieces(&["01234", "56789"]), Err(Kind::TOO_LARGE)).await;
        check(0, Body::empty(), Ok("")).await;
    }

    /// Room is made for what is declared, so a lie about it has to be refused before.
    #[tokio::test]
    async fn a_body_that_says_that_it_is_too_long_is_refused_unread() {
        struct Claim;
        impl HttpBody for Claim {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
                panic!("a byte of it was read")
            }
            fn size_hint(&self) -> SizeHint {
                SizeHint::with_exact(11)
            }
        }
        check(10, Body::new(Claim), Err(Kind::TOO_LARGE)).await;
    }

    async fn check(bytes_max: usize, body: Body, expected: Result<&str, Kind>) {
        let outcome = read(body, bytes_max).await.map_err(|problem| problem.kind());
        assert_eq!(outcome, expected.map(|text| Bytes::from(text.to_owned())));
    }

    /// A body that does not say how long it is.
    fn pieces(texts: &[&str]) -> Body {
        struct Pieces(Vec<Bytes>);
        impl HttpBody for Pieces {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
                Poll::Ready(self.0.pop().map(|bytes| Ok(Frame::data(bytes))))
            }
        }
        let pieces = texts.iter().rev().map(|text| Bytes::from((*text).to_owned()));
        Body::new(Pieces(pieces.collect()))
    }
}
