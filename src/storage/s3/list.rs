//! Listings, page by page: what goes on without saying where is an error, for a part of a listing looks like a whole one.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::list_parts::ListPartsOutput;
use aws_sdk_s3::types::ObjectStorageClass;

use super::errors::{self, Op, is_not_implemented, is_unreadable};
use super::pace::{Purpose, Trouble};
use super::{Inner, ObjectInfo, StorageError, time};

/// The objects whose key begins with `prefix`, sorted by key.
pub(super) async fn objects(inner: &Inner, prefix: String) -> Result<Vec<ObjectInfo>, StorageError> {
    let mut found = Vec::new();
    pages(inner, &prefix, |page| {
        for object in page.contents.unwrap_or_default() {
            let full_key = object.key.unwrap_or_default();
            // Not every store keeps to a prefix that ends within a name.
            if let (true, Some(key)) = (full_key.starts_with(&prefix), inner.own_key(&full_key)) {
                let length = u64::try_from(object.size.unwrap_or_default()).unwrap_or_default();
                let is_archived =
                    matches!(object.storage_class, Some(ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive));
                found.push(ObjectInfo { key, length, modified: object.last_modified.and_then(time), is_archived });
            }
        }
    })
    .await?;
    found.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}

async fn pages(
    inner: &Inner,
    prefix: &str,
    mut take: impl FnMut(ListObjectsV2Output) + Send,
) -> Result<(), StorageError> {
    let mut token: Option<String> = None;
    loop {
        let send = || {
            let request = inner.client.list_objects_v2().bucket(&inner.site.bucket).prefix(prefix);
            request.set_continuation_token(token.clone()).send()
        };
        let page = inner.ask(Purpose::Work, &mut Trouble::default(), send).await;
        let page = page.map_err(|error| inner.explain(Op::List, "", error))?;
        let next = page.next_continuation_token.clone().filter(|next| !next.is_empty());
        let goes_on = page.is_truncated.unwrap_or(next.is_some());
        take(page);
        if !goes_on {
            return Ok(());
        }
        token = Some(onwards(token.as_deref(), next)?);
    }
}

/// Where a listing that goes on does so.
fn onwards(before: Option<&str>, next: Option<String>) -> Result<String, StorageError> {
    match next {
        Some(next) if before != Some(&next) => Ok(next),
        _ => Err(StorageError::other(
            "the store's listing ends without a continuation token: objects may be missing from it",
        )),
    }
}

/// Uploads that go on or were left, with their ids, sorted by key; `None` where the store cannot list them.
pub(super) async fn uploads(inner: &Inner, prefix: String) -> Result<Option<Vec<(ObjectInfo, String)>>, StorageError> {
    let mut found = Vec::new();
    let (mut key_marker, mut id_marker): (Option<String>, Option<String>) = (None, None);
    loop {
        let send = || {
            let request = inner.client.list_multipart_uploads().bucket(&inner.site.bucket).prefix(&prefix);
            request.set_key_marker(key_marker.clone()).set_upload_id_marker(id_marker.clone()).send()
        };
        let page = match inner.ask(Purpose::Garbage, &mut Trouble::default(), send).await {
            Err(error) if is_not_implemented(&error) => return Ok(None),
            page => page.map_err(|error| inner.explain(Op::ListUploads, "", error))?,
        };
        for upload in page.uploads.unwrap_or_default() {
            let key = upload.key.and_then(|full_key| inner.own_key(&full_key));
            if let (Some(key), Some(id)) = (key, upload.upload_id) {
                found.push((
                    ObjectInfo { key, length: 0, modified: upload.initiated.and_then(time), is_archived: false },
                    id,
                ));
            }
        }
        if page.is_truncated != Some(true) {
            break;
        }
        let before = key_marker.clone().zip(id_marker.clone()).map(|(key, id)| format!("{key}\0{id}"));
        let next = page
            .next_key_marker
            .clone()
            .map(|key| format!("{key}\0{}", page.next_upload_id_marker.clone().unwrap_or_default()));
        onwards(before.as_deref(), next)?;
        (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
    }
    found.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key));
    Ok(Some(found))
}

/// Bytes in the parts of an unfinished upload.
pub(super) async fn sent_so_far(inner: &Inner, full_key: &str, upload_id: &str) -> Result<u64, StorageError> {
    let (mut length, mut marker): (u64, Option<String>) = (0, None);
    loop {
        let send = || {
            let request = inner.client.list_parts().bucket(&inner.site.bucket).key(full_key).upload_id(upload_id);
            request.set_part_number_marker(marker.clone()).send()
        };
        let page = match inner.ask(Purpose::Garbage, &mut Trouble::default(), send).await {
            Ok(page) => Parts::of(page),
            Err(error) => match errors::body(&error).and_then(Parts::read) {
                Some(page) if is_unreadable(&error) => page,
                _ => return Err(inner.explain(Op::ListUploads, full_key, error)),
            },
        };
        length += page.length;
        if !page.goes_on {
            return Ok(length);
        }
        marker = Some(onwards(marker.as_deref(), page.next)?);
    }
}

/// A page of a listing of parts.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    length: u64,
    goes_on: bool,
    next: Option<String>,
}

impl Parts {
    fn of(page: ListPartsOutput) -> Self {
        let lengths = page.parts.unwrap_or_default().into_iter().map(|part| part.size.unwrap_or_default());
        Self {
            length: lengths.map(|length| u64::try_from(length).unwrap_or_default()).sum(),
            goes_on: page.is_truncated == Some(true),
            next: page.next_part_number_marker,
        }
    }

    /// A page below another name than S3's, which the SDK does not read: moto answers `ListPartsResponse`. `None`: it is none.
    fn read(body: &str) -> Option<Self> {
        let within = |text: &str, name: &str| {
            let text = text.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?.0;
            Some(text.trim().to_owned())
        };
        if !body.contains("<ListParts") {
            return None;
        }
        let parts = body.split("<Part>").skip(1).map(|part| within(part, "Size")?.parse::<u64>().ok());
        Some(Self {
            length: parts.sum::<Option<u64>>()?,
            goes_on: within(body, "IsTruncated").is_some_and(|text| text == "true"),
            next: within(body, "NextPartNumberMarker"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_does_not_say_where_it_goes_on_is_an_error() {
        assert_eq!(onwards(None, Some("a".into())).unwrap(), "a");
        assert_eq!(onwards(Some("a"), Some("b".into())).unwrap(), "b");
        assert!(onwards(None, None).is_err());
        assert!(onwards(Some("a"), Some("a".into())).is_err());
    }

    #[test]
    fn parts_are_counted_below_another_name_as_well() {
        // As moto answers; nothing else is taken for a listing.
        let body = "<ListPartsResponse><NextPartNumberMarker>2</NextPartNumberMarker><IsTruncated>false</IsTruncated>\
                    <Part><PartNumber>1</PartNumber><Size>5000000</Size></Part><Part><Size>7</Size></Part></ListPartsResponse>";
        let page = Parts { length: 5_000_007, goes_on: false, next: Some("2".into()) };
        assert_eq!(Parts::read(body), Some(page));
        assert_eq!(Parts::read("<html><Part><Size>7</Size></Part></html>"), None);
        assert_eq!(Parts::read("<ListPartsResponse><Part><Size>many</Size></Part></ListPartsResponse>"), None);
    }
}
