//! What the store and the SDK say, in our words: the true reason, and one thing that may help. No secret is in them.

mod answers;
mod network;

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::pace::Passing;
use super::site::Site;
use super::whole::CUT;
use super::{Reason, StorageError};

pub(super) type SdkFailure<E> = SdkError<E, HttpResponse>;

/// A request, by what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Put,
    Get,
    Head,
    List,
    Delete,
    CreateUpload,
    UploadPart,
    CompleteUpload,
    AbortUpload,
    ListUploads,
}

impl Op {
    /// As S3 calls the request.
    fn name(self) -> &'static str {
        match self {
            Self::Put => "PutObject",
            Self::Get => "GetObject",
            Self::Head => "HeadObject",
            Self::List => "ListObjectsV2",
            Self::Delete => "DeleteObject",
            Self::CreateUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::CompleteUpload => "CompleteMultipartUpload",
            Self::AbortUpload => "AbortMultipartUpload",
            Self::ListUploads => "ListMultipartUploads",
        }
    }

    /// The right that it needs.
    fn right(self) -> &'static str {
        match self {
            Self::Get | Self::Head => "s3:GetObject",
            Self::List => "s3:ListBucket",
            Self::Delete => "s3:DeleteObject",
            Self::AbortUpload => "s3:AbortMultipartUpload",
            Self::ListUploads => "s3:ListBucketMultipartUploads",
            Self::Put | Self::CreateUpload | Self::UploadPart | Self::CompleteUpload => "s3:PutObject",
        }
    }
}

/// What was asked for: a request about a key, or about a prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) op: Op,
    pub(super) key: &'a str,
    pub(super) site: &'a Site,
}

/// A failed request, by the code in the answer's body, else by its status, else by what the network says.
pub(super) fn of_sdk<E>(error: SdkFailure<E>, asked: Asked<'_>) -> StorageError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Some(response) = error.raw_response() else {
        if let Some(fault) = asked.site.seen.fault() {
            return StorageError::AccessDenied(fault);
        }
        return network::explain(&causes(&error), asked);
    };
    if is_cut(&error) {
        let reason = Reason::new(format!("{CUT} ({})", asked.site.named()));
        return StorageError::unavailable(
            reason.hint("try again later; see the log of the store, and of the proxy before it"),
        );
    }
    let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
    let said = answers::Said {
        status: response.status().as_u16(),
        code: meta.and_then(|meta| meta.code()).unwrap_or_default().to_owned(),
        message: meta.and_then(|meta| meta.message()).unwrap_or_default().to_owned(),
        kind: response.headers().get("content-type").unwrap_or_default().to_owned(),
        region: response.headers().get("x-amz-bucket-region").map(str::to_owned),
        location: response.headers().get("location").map(super::site::shown),
        date: response.headers().get("date").map(str::to_owned),
        body: response.body().bytes().map(|body| String::from_utf8_lossy(&body[..body.len().min(4096)]).into_owned()),
    };
    answers::explain(&said, asked)
}

/// Why a failure may pass; `None`: asking again is of no use.
pub(super) fn passing<E>(error: &SdkFailure<E>, site: &Site, transferring: bool) -> Option<Passing>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    const CODES: [&str; 12] = [
        "BadDigest",
        "InternalError",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    ];
    if let Some(response) = error.raw_response() {
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
        let status = response.status().as_u16();
        if is_cut(error) {
            return Some(Passing::answered(CUT));
        }
        let passes = CODES.contains(&code) || matches!(status, 408 | 429 | 500 | 502 | 503 | 504);
        return passes.then(|| Passing::answered(format!("the store answers {status} {code}").trim_end()));
    }
    if site.seen.fault().is_some() {
        return transferring.then(|| Passing::of("there are currently no credentials for the store"));
    }
    match error {
        SdkError::ConstructionFailure(_) => None,
        _ => {
            let text = causes(error);
            network::may_pass(&text, transferring).then(|| network::brief(&text, site))
        }
    }
}

/// Whether a reply with success broke off.
fn is_cut<E: Error + 'static>(error: &SdkFailure<E>) -> bool {
    causes(error).contains(CUT)
}

/// A body was damaged each time that it was sent; `why`: who says so.
pub(super) fn damaged(key: &str, why: &str) -> Reason {
    Reason::new(format!("{key} was damaged on the way to the store every time it was sent ({why})"))
        .hint("check the proxy, the network card and the memory, also on the store's side")
}

/// Whether the store says that a body was damaged on its way.
pub(super) fn is_damaged<E: ProvideErrorMetadata>(error: &SdkFailure<E>) -> bool {
    const CODES: [&str; 3] = ["BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"];
    error.as_service_error().and_then(ProvideErrorMetadata::code).is_some_and(|code| CODES.contains(&code))
}

/// The answer's HTTP status; 0 if there was none.
pub(super) fn status<E>(error: &SdkFailure<E>) -> u16 {
    error.raw_response().map_or(0, |response| response.status().as_u16())
}

/// The texts of an error and of its causes, each once, joined by colons.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ")
}

/// Another write of the same object is under way: trying again is what the store asks for.
pub(super) fn is_conflict<E>(error: &SdkFailure<E>) -> bool {
    status(error) == 409
}

/// The store does not know the operation, or a header of it.
pub(super) fn is_not_implemented<E>(error: &SdkFailure<E>) -> bool
where
    E: ProvideErrorMetadata,
{
    status(error) == 501 || error.as_service_error().is_some_and(|error| error.code() == Some("NotImplemented"))
}

/// The answer's body, where it is text and was read.
pub(super) fn body<E>(error: &SdkFailure<E>) -> Option<&str> {
    std::str::from_utf8(error.raw_response()?.body().bytes()?).ok()
}

/// The store says "done" and then something that is neither an answer nor an error of S3.
pub(super) fn is_unreadable<E>(error: &SdkFailure<E>) -> bool
where
    E: ProvideErrorMetadata,
{
    status(error) == 200 && error.as_service_error().is_none_or(|error| error.code().is_none())
}

/// The requested range begins behind the object's end.
pub(super) fn is_beyond_the_end<E>(error: &SdkFailure<E>) -> bool {
    status(error) == 416
}

/// A refusal of a well-formed request that a store which does not know checksums gives; it is worth one try without.
pub(super) fn may_be_about_checksums<E>(error: &SdkFailure<E>) -> bool
where
    E: ProvideErrorMetadata,
{
    const CODES: [&str; 3] = ["InvalidArgument", "InvalidRequest", "NotImplemented"];
    let Some(service) = error.as_service_error() else { return false };
    service.code().is_some_and(|code| CODES.contains(&code))
}

/// An answer that says "done" and is none of a store.
pub(super) fn no_store(site: &Site, what: &str) -> StorageError {
    StorageError::NotAPlace(
        Reason::new(format!("{} does not answer like an S3 store: {what}", site.named()))
            .hint(format!("set the store's own URL in {}", site.source())),
    )
}
