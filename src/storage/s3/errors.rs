//! What the store and the SDK say, in our words. No secret is in them: the SDK's texts name key ids at most.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::StorageError;

pub(super) type SdkFailure<E> = SdkError<E, HttpResponse>;

/// A failed request, by the code in the answer's body, else by its status.
pub(super) fn of_sdk<E>(error: SdkFailure<E>, bucket: &str) -> StorageError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let status = status(&error);
    match &error {
        SdkError::ServiceError(service) => {
            let meta = service.err().meta();
            match meta.code() {
                Some(code) => of_answer(status, code, meta.message().unwrap_or_default(), bucket),
                // A page of a proxy, or an answer that the SDK cannot read: all that is known is why.
                None => of_answer(status, "", &causes(service.err()), bucket),
            }
        }
        // There was no answer, or none that can be understood. A proxy's page is told by its status.
        SdkError::ResponseError(_) if (400..500).contains(&status) => of_answer(status, "", &causes(&error), bucket),
        _ => {
            let text = causes(&error);
            if text.contains("credential") {
                return StorageError::AccessDenied(format!("no credentials can be had ({text})").into());
            }
            StorageError::unavailable(text)
        }
    }
}

fn of_answer(status: u16, code: &str, message: &str, bucket: &str) -> StorageError {
    let said = || match (code, message) {
        ("", "") => format!("the store answers {status}"),
        ("", message) => format!("the store answers {status}: {message}"),
        (code, "") => format!("{code} ({status})"),
        (code, message) => format!("{code}: {message}"),
    };
    match code {
        "NoSuchBucket" => StorageError::NoSuchPlace(format!("the bucket `{bucket}`").into()),
        "NoSuchKey" | "NotFound" | "NoSuchUpload" => StorageError::NotFound,
        "PreconditionFailed" => StorageError::AlreadyExists,
        "EntityTooLarge" | "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" => {
            StorageError::Full(said().into())
        }
        "InvalidObjectState" => StorageError::Archived(said().into()),
        "AccessDenied"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "ExpiredToken"
        | "Forbidden"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidToken"
        | "NotSignedUp"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "KMS.DisabledException"
        | "KMS.AccessDeniedException" => StorageError::AccessDenied(said().into()),
        "InternalError" | "RequestTimeout" | "ServiceUnavailable" | "SlowDown" | "ThrottlingException" => {
            StorageError::unavailable(said())
        }
        _ => match status {
            401 | 403 => StorageError::AccessDenied(said().into()),
            404 => StorageError::NotFound,
            412 => StorageError::AlreadyExists,
            507 => StorageError::Full(said().into()),
            408 | 429 | 500.. => StorageError::unavailable(said()),
            _ => StorageError::other(said()),
        },
    }
}

/// The answer's HTTP status; 0 if there was none.
fn status<E>(error: &SdkFailure<E>) -> u16 {
    error.raw_response().map_or(0, |response| response.status().as_u16())
}

/// Everything the error says of its causes, each once.
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
    const CODES: [&str; 5] = [
        "InvalidArgument",
        "InvalidRequest",
        "NotImplemented",
        "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch",
    ];
    let Some(service) = error.as_service_error() else { return false };
    service.code().is_some_and(|code| CODES.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Codes as in the S3 API Reference, "Error responses"; statuses as given there.
    #[test]
    fn answers_become_our_errors() {
        for (status, code, expected) in [
            (404, "NoSuchKey", "not_found"),
            (404, "NoSuchBucket", "no_such_bucket"),
            (404, "", "not_found"),
            (403, "AccessDenied", "access_denied"),
            (403, "", "access_denied"),
            (403, "SignatureDoesNotMatch", "access_denied"),
            (400, "ExpiredToken", "access_denied"),
            (412, "PreconditionFailed", "already_exists"),
            (500, "InternalError", "storage_unavailable"),
            (503, "SlowDown", "storage_unavailable"),
            (502, "", "storage_unavailable"),
            (507, "XMinioStorageFull", "no_space"),
            (400, "InvalidArgument", "storage_unavailable"),
        ] {
            assert_eq!(of_answer(status, code, "text", "b").code(), expected, "{status} {code}");
        }
        assert!(of_answer(400, "InvalidArgument", "the reason", "b").to_string().contains("the reason"));
    }
}
