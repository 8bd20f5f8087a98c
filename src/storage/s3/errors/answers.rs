//! Answers of a store, and of what stands in its place.

use chrono::{DateTime, Utc};

use super::{Asked, Op, Reason, StorageError, no_store};
use crate::explain::Hint;
use crate::figures::span;

/// What an answer said.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) status: u16,
    /// Of S3; empty where the body names none.
    pub(super) code: String,
    pub(super) message: String,
    pub(super) kind: String,
    pub(super) region: Option<String>,
    /// Where a redirect leads, without secrets.
    pub(super) location: Option<String>,
    pub(super) date: Option<String>,
    /// The beginning of the body.
    pub(super) body: Option<String>,
}

impl Said {
    fn words(&self) -> String {
        match (self.code.as_str(), self.message.as_str()) {
            ("", "") => format!("the store answers {}", self.status),
            ("", message) => format!("the store answers {}: {message}", self.status),
            (code, "") => format!("{code} ({})", self.status),
            (code, message) => format!("{code}: {message}"),
        }
    }

    fn is_web_page(&self) -> bool {
        let begin = self.body.as_deref().unwrap_or_default().trim_start().to_lowercase();
        self.kind.starts_with("text/html") || begin.starts_with("<!doctype html") || begin.starts_with("<html")
    }

    /// A body that is neither XML nor empty.
    fn is_foreign(&self) -> bool {
        self.code.is_empty()
            && self.body.as_deref().is_some_and(|body| {
                !body.trim().is_empty()
                    && !body.trim_start().starts_with("<?xml")
                    && !body.trim_start().starts_with("<Error")
            })
    }

    fn element(&self, name: &str) -> Option<String> {
        let body = self.body.as_deref()?;
        let text = body.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?.0;
        (!text.is_empty() && text.len() < 64).then(|| text.to_owned())
    }

    /// The region that the bucket is in, if the store says so.
    fn other_region(&self) -> Option<String> {
        let wrong = matches!(
            self.code.as_str(),
            "AuthorizationHeaderMalformed"
                | "PermanentRedirect"
                | "TemporaryRedirect"
                | "IllegalLocationConstraintException"
                | "InvalidRegionName"
        );
        let redirected = matches!(self.status, 301 | 307 | 308);
        let named = self.region.clone().or_else(|| self.element("Region")).or_else(|| {
            // "the region 'us-east-1' is wrong; expecting 'eu-west-1'"
            let expected = self.message.split_once("expecting '")?.1.split_once('\'')?.0;
            Some(expected.to_owned())
        });
        named.filter(|_| wrong || redirected || self.status == 400)
    }
}

pub(super) fn explain(said: &Said, asked: Asked<'_>) -> StorageError {
    let site = asked.site;
    if asked.op == Op::Delete && matches!(said.status, 400 | 403 | 409) && is_held(said) {
        return StorageError::Locked(said.words().into());
    }
    if let Some(error) = of_code(said, asked) {
        return error;
    }
    if let Some(region) = said.other_region() {
        return StorageError::other(
            Reason::new(format!("the bucket `{}` is in another region, {region}", site.bucket))
                .hint(Hint::OtherRegion(region)),
        );
    }
    if matches!(said.status, 301 | 302 | 303 | 307 | 308) {
        let to = said.location.as_deref().unwrap_or("elsewhere");
        return StorageError::NotAPlace(
            Reason::new(format!("{} sends the request to {to} ({})", site.named(), said.status))
                .hint(format!("set the store's own URL in {}; or is this the page of a proxy?", site.source())),
        );
    }
    if said.status == 413 {
        return StorageError::other(
            Reason::new(format!("a proxy in front of {} refuses a body of this length (413)", site.named()))
                .hint("allow 16 MiB in the proxy in front of the store (nginx: `client_max_body_size`)"),
        );
    }
    if said.status == 407 {
        return StorageError::AccessDenied(
            Reason::new(format!("the proxy in front of {} requires a user name and a password (407)", site.named()))
                .hint("put both into the URL of the proxy, or put the store's host into NO_PROXY"),
        );
    }
    if said.is_web_page() || (said.is_foreign() && said.status < 500) {
        if said.status == 403 || site.proxy.is_some() {
            return StorageError::AccessDenied(
                Reason::new(format!(
                    "a proxy or web server answers in place of {}: status {} with a page of its own",
                    site.named(),
                    said.status
                ))
                .hint(format!(
                    "let the proxy forward requests to the store, put the store's host into NO_PROXY, or correct {}",
                    site.source()
                )),
            );
        }
        if said.status < 500 {
            return no_store(site, &format!("status {} with a web page", said.status));
        }
    }
    match said.status {
        401 | 403 => denied(said, asked),
        404 => StorageError::NotFound,
        405 => no_store(site, "it does not support the request (405)"),
        412 => StorageError::AlreadyExists,
        507 => StorageError::Full(said.words().into()),
        200..=299 => no_store(site, "its \"success\" reply lacks what S3 sends"),
        408 | 429 | 500.. => busy(said, asked),
        _ => StorageError::other(said.words()),
    }
}

/// By the code that S3 documents ("Error responses" in its API reference), or another store has made its own.
fn of_code(said: &Said, asked: Asked<'_>) -> Option<StorageError> {
    let site = asked.site;
    let key_id = site.seen.key_id().map_or_else(String::new, |id| format!(" `{id}`"));
    let refused = |hint: String| StorageError::AccessDenied(Reason::new(said.words()).hint(hint));
    Some(match said.code.as_str() {
        "NoSuchBucket" => StorageError::NoSuchPlace(
            Reason::new(format!("the bucket `{}`", site.bucket))
                .hint(Hint::MakeBucket(site.named())),
        ),
        "NoSuchUpload" if matches!(asked.op, Op::UploadPart | Op::CompleteUpload) => StorageError::unavailable(
            Reason::new(format!("the upload of {} was aborted from outside ({})", asked.key, said.words()))
                .hint("a lifecycle rule (AbortIncompleteMultipartUpload) must allow more days than a backup takes"),
        ),
        "NoSuchKey" | "NotFound" | "NoSuchUpload" => StorageError::NotFound,
        "PreconditionFailed" => StorageError::AlreadyExists,
        "InvalidObjectState" => StorageError::Archived(
            Reason::new(format!("{} is in {}", asked.key, said.element("StorageClass").unwrap_or_else(|| "an archive".to_owned()))).hint(format!(
                "`aws s3api restore-object --bucket {} --key {} --restore-request Days=7` restores it from the archive, which takes hours",
                site.bucket, asked.key
            )),
        ),
        "EntityTooLarge" | "QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage" | "InsufficientCapacity" => {
            StorageError::Full(said.words().into())
        }
        "SignatureDoesNotMatch" => refused(format!(
            "the secret key does not match the key id{key_id}: check AWS_SECRET_ACCESS_KEY, or the profile"
        )),
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => refused(format!(
            "the store {} does not know the key id{key_id}: check AWS_ACCESS_KEY_ID, the profile, and the store's URL",
            site.named()
        )),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken" | "RequestExpired" => refused(
            "renew the session: AWS_SESSION_TOKEN, or the session of the profile, is no longer valid".to_owned(),
        ),
        "RequestTimeTooSkewed" => skewed(said),
        "AccountProblem" | "AllAccessDisabled" | "NotSignedUp" => refused("the store has a problem with the account: see its console".to_owned()),
        "KMS.DisabledException" | "KMS.AccessDeniedException" | "KMS.NotFoundException" => {
            refused("check `s3.kms_key`, and that the credentials may use that key (kms:GenerateDataKey, kms:Decrypt)".to_owned())
        }
        "AccessDenied" | "Forbidden" | "AccessDeniedException" => denied(said, asked),
        "SlowDown" | "SlowDownRead" | "SlowDownWrite" | "Throttling" | "ThrottlingException" | "TooManyRequests" | "InternalError"
        | "RequestTimeout" | "ServiceUnavailable" => busy(said, asked),
        "BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" => {
            StorageError::unavailable(super::damaged(asked.key, &said.words()))
        }
        "InvalidStorageClass" => StorageError::other(
            Reason::new(format!("the store knows no such storage class ({})", said.words()))
                .hint("name a class that the store has in `s3.storage_class`, or leave it out"),
        ),
        "InvalidPart" if said.message.contains("same length") => StorageError::other(
            Reason::new(said.words()).hint("this store requires parts of equal length, and the backup grew far beyond the expected size; take it again"),
        ),
        _ => return None,
    })
}

/// Whether a refusal to remove says that the object is held for a time: AWS and MinIO answer `AccessDenied` or `InvalidRequest` with
/// such words, others have codes of their own.
fn is_held(said: &Said) -> bool {
    const WORDS: [&str; 6] = ["object lock", "objectlock", "worm", "retention", "legal hold", "immutable"];
    let text = format!("{} {}", said.code, said.message).to_lowercase();
    WORDS.iter().any(|word| text.contains(word))
}

/// Which right is missing, and for which key.
fn denied(said: &Said, asked: Asked<'_>) -> StorageError {
    let site = asked.site;
    let words = match (said.code.as_str(), said.message.as_str()) {
        ("", _) => format!("{} of {} ({}, without a reason)", asked.op.name(), about(asked), said.status),
        (code, "") => format!("{} of {} ({code})", asked.op.name(), about(asked)),
        (code, message) => format!("{} of {} ({code}: {message})", asked.op.name(), about(asked)),
    };
    let whose = site.seen.key_id().map_or_else(|| "the credentials".to_owned(), |id| format!("the key `{id}`"));
    let place = match asked.op {
        Op::List | Op::ListUploads => format!("the bucket `{}`", site.bucket),
        _ => format!("`{}/{}*`", site.bucket, site.prefix),
    };
    // Without the right to list, a store denies what is merely missing.
    let more = if matches!(asked.op, Op::Head | Op::Get) {
        ", and s3:ListBucket to learn that an object is missing"
    } else {
        ""
    };
    StorageError::AccessDenied(
        Reason::new(words).hint(format!("{whose} needs the permission {} on {place}{more}", asked.op.right())),
    )
}

fn about(asked: Asked<'_>) -> String {
    if asked.key.is_empty() { format!("the bucket `{}`", asked.site.bucket) } else { asked.key.to_owned() }
}

fn busy(said: &Said, asked: Asked<'_>) -> StorageError {
    let hint = match said.code.as_str() {
        "SlowDown" | "SlowDownRead" | "SlowDownWrite" | "Throttling" | "ThrottlingException" | "TooManyRequests" => {
            Hint::StorePatience
        }
        _ if said.status == 429 => Hint::StorePatience,
        _ => Hint::words(format!("check the state and the log of the store {}, then try again", asked.site.named())),
    };
    StorageError::unavailable(Reason::new(said.words()).hint(hint))
}

fn skewed(said: &Said) -> StorageError {
    let theirs = said.date.as_deref().and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    let by = theirs.map_or_else(String::new, |theirs| {
        let ahead = Utc::now().signed_duration_since(theirs);
        let word = if ahead.num_seconds() >= 0 { "ahead of" } else { "behind" };
        format!(": it is {} {word} the store's", span(ahead.abs().to_std().unwrap_or_default()))
    });
    StorageError::AccessDenied(Reason::new(said.words()).hint(format!("set the clock of this machine{by}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::site::Site;
    use super::*;

    fn site() -> Site {
        Site {
            bucket: "b".into(),
            prefix: "p/".into(),
            url: "http://store:9000".into(),
            from: "--s3-endpoint".into(),
            proxy: None,
            proxy_url: String::new(),
            seen: Arc::default(),
        }
    }

    #[test]
    fn what_an_object_lock_holds_is_told_from_a_missing_right() {
        let site = site();
        for (code, message, expected) in [
            ("AccessDenied", "Access Denied because object protected by object lock.", "object_locked"),
            ("InvalidRequest", "Object is WORM protected and cannot be overwritten", "object_locked"),
            ("ObjectLockedByBucketPolicy", "The object is locked", "object_locked"),
            ("FileImmutable", "The object you specified is immutable.", "object_locked"),
            ("AccessDenied", "Access Denied", "access_denied"),
        ] {
            let said = Said { status: 403, code: code.into(), message: message.into(), ..Said::default() };
            assert_eq!(explain(&said, Asked { op: Op::Delete, key: "p/x", site: &site }).code(), expected, "{message}");
            let other = explain(&said, Asked { op: Op::Get, key: "p/x", site: &site }).code();
            assert_ne!(other, "object_locked", "{message}");
        }
    }

    // Codes as in the S3 API Reference, "Error responses"; statuses as given there.
    #[test]
    fn answers_become_our_errors() {
        let site = site();
        let asked = Asked { op: Op::Put, key: "p/x", site: &site };
        for (status, code, expected) in [
            (404, "NoSuchKey", "not_found"),
            (404, "NoSuchBucket", "no_such_bucket"),
            (404, "", "not_found"),
            (403, "AccessDenied", "access_denied"),
            (403, "", "access_denied"),
            (403, "SignatureDoesNotMatch", "access_denied"),
            (403, "InvalidObjectState", "archived"),
            (400, "ExpiredToken", "access_denied"),
            (412, "PreconditionFailed", "already_exists"),
            (500, "InternalError", "storage_unavailable"),
            (503, "SlowDown", "storage_unavailable"),
            (502, "", "storage_unavailable"),
            (507, "XMinioStorageFull", "no_space"),
            (400, "InvalidArgument", "storage_unavailable"),
            (200, "", "not_a_store"),
            (405, "", "not_a_store"),
        ] {
            let said = Said { status, code: code.into(), message: "text".into(), ..Said::default() };
            assert_eq!(explain(&said, asked).code(), expected, "{status} {code}");
        }
        let said =
            Said { status: 400, code: "InvalidArgument".into(), message: "the reason".into(), ..Said::default() };
        assert!(explain(&said, asked).to_string().contains("the reason"));
    }
}
