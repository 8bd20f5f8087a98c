//! Between the SDK and the network: how long a reply may take, how far the body of a request has come, and what has to be mended in
//! an answer.
//!
//! The SDK's own time-outs count the time of sending as silence, and bound neither a body that stops nor one that trickles.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::http::{HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::own_certificate::OwnCertificate;
use super::pace::Pace;

/// A body is handed over in pieces of so many bytes, so that it shows how far it has come.
const PIECE: usize = 16 << 10;
/// A body with fewer bytes than this is sent in no time worth watching.
const SHORT: u64 = 64 << 10;
/// An answer that is no object has at most so many bytes: a page of a listing has some hundred KiB.
const LONGEST_ANSWER: usize = 16 << 20;
/// Bytes a second below which an answer is as good as silence.
const TRICKLE: u64 = 1 << 10;

/// Nothing came for so long.
#[derive(Debug)]
pub(super) struct Silence(Duration);

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {}", crate::figures::span(self.0))
    }
}

impl std::error::Error for Silence {}

/// The client of the SDK, watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) inner: SharedHttpClient,
    pub(super) pace: Arc<Pace>,
    /// The way to a store that shows a certificate that was given for it; `None`: none was given, or a proxy stands between.
    pub(super) own: Option<Arc<OwnCertificate>>,
}

impl HttpClient for Watched {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(WatchedConnector { inner, pace: Arc::clone(&self.pace), own: self.own.clone() })
    }
}

#[derive(Debug)]
struct WatchedConnector {
    inner: SharedHttpConnector,
    pace: Arc<Pace>,
    own: Option<Arc<OwnCertificate>>,
}

impl HttpConnector for WatchedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let pace = Arc::clone(&self.pace);
        let asked = Asked::of(&request);
        let length = request.body().content_length().unwrap_or_default();
        let sending = (length > SHORT).then(|| Arc::new(Sending::new(length)));
        if let Some(sending) = &sending {
            let body =
                Pieces { inner: request.take_body(), rest: Bytes::new(), left: length, sending: Arc::clone(sending) };
            *request.body_mut() = SdkBody::from_body_1_x(body);
        }
        let call = match &self.own {
            Some(own) => own.call(request, &self.inner),
            None => self.inner.call(request),
        };
        HttpConnectorFuture::new(async move {
            let response = answer(call, &pace, &asked, sending.as_deref()).await?;
            let limit = asked.reply(&pace);
            if asked.is_object && response.status().is_success() {
                return Ok(response.map(move |body| {
                    SdkBody::from_body_1_x(Watchful {
                        inner: body,
                        limit,
                        came: 0,
                        waited: Duration::ZERO,
                        timer: None,
                    })
                }));
            }
            whole(response, limit, &asked).await
        })
    }
}

/// What a request asks for, as far as it matters here.
struct Asked {
    is_object: bool,
    is_cleaning: bool,
    creates_upload: bool,
}

impl Asked {
    fn of(request: &HttpRequest) -> Self {
        let query = request.uri().split_once('?').map_or("", |(_, query)| query);
        let has = |word: &str| query.split('&').any(|part| part == word || part.strip_suffix('=') == Some(word));
        Self {
            is_object: request.method() == "GET" && has("x-id=GetObject"),
            is_cleaning: request.method() == "DELETE",
            creates_upload: request.method() == "POST" && has("uploads"),
        }
    }

    fn reply(&self, pace: &Pace) -> Duration {
        if self.is_cleaning { pace.cleaning_reply() } else { pace.reply() }
    }
}

/// How far a request's body has come.
struct Sending {
    length: u64,
    begun: Instant,
    progress: Mutex<Progress>,
}

#[derive(Clone, Copy)]
struct Progress {
    last: Instant,
    finished: bool,
}

impl Sending {
    fn new(length: u64) -> Self {
        let begun = Instant::now();
        Self { length, begun, progress: Mutex::new(Progress { last: begun, finished: false }) }
    }

    fn note(&self, finished: bool) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Progress { last: Instant::now(), finished };
    }

    /// When the part is given up unless more of it moves.
    fn deadline(&self, pace: &Pace) -> Instant {
        let Progress { last, finished } = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match finished {
            true => last + pace.answer_to_part(self.length, last.duration_since(self.begun)),
            false => last + pace.stall(self.length),
        }
    }
}

/// Waits for the head of the answer.
async fn answer(
    call: HttpConnectorFuture,
    pace: &Pace,
    asked: &Asked,
    sending: Option<&Sending>,
) -> Result<HttpResponse, ConnectorError> {
    let begun = Instant::now();
    tokio::pin!(call);
    loop {
        let deadline = match sending {
            Some(sending) => sending.deadline(pace),
            None => begun + asked.reply(pace),
        };
        tokio::select! {
            answer = &mut call => {
                if let (Ok(answer), Some(sending)) = (&answer, sending) && answer.status().is_success() {
                    pace.part_took(sending.length, begun.elapsed());
                }
                return answer;
            }
            () = sleep_until(deadline) => {
                // More of the body may have moved meanwhile.
                if sending.is_some_and(|sending| sending.deadline(pace) > deadline) {
                    continue;
                }
                if sending.is_some() {
                    pace.part_was_given_up();
                }
                return Err(ConnectorError::timeout(Silence(deadline.duration_since(begun)).into()));
            }
        }
    }
}

/// Takes the whole body of an answer that is no object, and mends what the SDK would not understand.
async fn whole(response: HttpResponse, limit: Duration, asked: &Asked) -> Result<HttpResponse, ConnectorError> {
    let mut taken = BytesMut::new();
    let mut body = None;
    let response = {
        let mut response = response;
        body.replace(std::mem::replace(response.body_mut(), SdkBody::empty()));
        response
    };
    let mut watchful =
        Watchful { inner: body.unwrap_or_else(SdkBody::empty), limit, came: 0, waited: Duration::ZERO, timer: None };
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut watchful).poll_frame(cx)).await {
        let frame = frame.map_err(|error| match error.is::<Silence>() {
            true => ConnectorError::timeout(error),
            false => ConnectorError::io(error),
        })?;
        if let Ok(bytes) = frame.into_data() {
            taken.extend_from_slice(&bytes);
        }
        if taken.len() > LONGEST_ANSWER {
            return Err(ConnectorError::other(format!("the answer has more than {LONGEST_ANSWER} bytes").into(), None));
        }
    }
    let taken = match asked.creates_upload {
        true => mended(taken.freeze()),
        false => taken.freeze(),
    };
    Ok(response.map(move |_| SdkBody::from(taken.clone())))
}

/// rclone answers CreateMultipartUpload with a root element that is named after the request.
fn mended(body: Bytes) -> Bytes {
    match std::str::from_utf8(&body) {
        Ok(text) if text.contains("<InitiateMultipartUpload>") || text.contains("<InitiateMultipartUpload ") => text
            .replace("<InitiateMultipartUpload>", "<InitiateMultipartUploadResult>")
            .replace("<InitiateMultipartUpload ", "<InitiateMultipartUploadResult ")
            .replace("</InitiateMultipartUpload>", "</InitiateMultipartUploadResult>")
            .into(),
        _ => body,
    }
}

/// A request's body in pieces.
struct Pieces {
    inner: SdkBody,
    rest: Bytes,
    left: u64,
    sending: Arc<Sending>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = aws_smithy_runtime_api::box_error::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        self.left = self.left.saturating_sub(length as u64);
        self.sending.note(self.left == 0);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// An answer's body that may be neither silent nor trickle. What its reader does with it meanwhile is not counted.
struct Watchful {
    inner: SdkBody,
    limit: Duration,
    came: u64,
    waited: Duration,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Body for Watchful {
    type Data = Bytes;
    type Error = aws_smithy_runtime_api::box_error::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = self.timer.take() {
                    self.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame {
                    self.came += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
                    // What came in time is paid for; the rest of the waiting stays.
                    let allowed = Duration::from_secs(self.came / TRICKLE);
                    if allowed > Duration::ZERO {
                        self.came %= TRICKLE;
                        self.waited = self.waited.saturating_sub(allowed);
                    }
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let left = self.limit.saturating_sub(self.waited);
                let (_, timer) = self.timer.get_or_insert_with(|| {
                    let now = Instant::now();
                    (now, Box::pin(sleep_until(now + left)))
                });
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Some(Err(Silence(self.limit).into())))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_rclone_to_the_beginning_of_an_upload_is_understood() {
        let said = "<?xml version=\"1.0\"?>\n<InitiateMultipartUpload xmlns=\"x\"><UploadId>7</UploadId></InitiateMultipartUpload>";
        let right = "<?xml version=\"1.0\"?>\n<InitiateMultipartUploadResult xmlns=\"x\"><UploadId>7</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(mended(said.into()), right);
        assert_eq!(mended(right.into()), right);
    }
}
